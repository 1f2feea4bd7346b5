"""A site's signature under settings that DICOM does not carry, and what suspends it.

Gain, time-gain compensation, dynamic range and grey map are no DICOM attributes, yet they move a grey level more than
most diseases do. So a person attests, once and by name, that a preset of one scanner is locked; every image is then
checked for what DICOM does carry, and a change of software or of millimetres per pixel suspends the signature until
somebody looks again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reference_store.files import FileError
from reference_store.values import Device

_SAME_DELTA = 0.001
"""Relative: two region deltas of one preset and depth differ only by how they were printed."""


@dataclass(frozen=True, slots=True)
class Attestation:
    """Who said, and when, that a preset of a scanner is locked, and what the scanner looked like then."""

    by: str
    on: str
    """Date, ISO 8601."""
    preset: str
    device: Device
    settings: tuple[tuple[str, str], ...]
    """What DICOM does not carry, as read from the scanner: gain, TGC, dynamic range, grey map and so on."""

    def covers(self, device: Device) -> bool:
        """Whether it speaks of this scanner, transducer and preset at all (the serial number too, where both know)."""
        mine = self.device
        if (mine.manufacturer, mine.model) != (device.manufacturer, device.model):
            return False
        if mine.serial_number and device.serial_number and mine.serial_number != device.serial_number:
            return False
        if mine.transducer and device.transducer and mine.transducer != device.transducer:
            return False
        return not device.preset or device.preset.casefold() == self.preset.casefold()

    def suspended_by(self, device: Device) -> str | None:
        """What has changed since it was signed, in words; ``None`` while it holds."""
        mine = self.device
        if set(mine.software_versions) != set(device.software_versions):
            return f"software version was {_words(mine.software_versions)}, is {_words(device.software_versions)}"
        if mine.spacing_mm is None or device.spacing_mm is None:
            same = mine.spacing_mm == device.spacing_mm
        else:
            pairs = zip(mine.spacing_mm, device.spacing_mm, strict=True)
            same = all(abs(now - then) <= _SAME_DELTA * then for then, now in pairs)
        if not same:
            return f"millimetres per pixel were {_pair(mine.spacing_mm)}, are {_pair(device.spacing_mm)}"
        return None


def _words(versions: tuple[str, ...]) -> str:
    return " / ".join(versions) or "not in the image"


def same_setting(attested: str | None, wanted: str) -> bool:
    """Whether two writings of a setting mean the same: ``50`` is ``50.0``, case and spaces do not count."""
    if attested is None:
        return False
    if " ".join(attested.split()).casefold() == " ".join(wanted.split()).casefold():
        return True
    try:
        return float(attested) == float(wanted)
    except ValueError:
        return False


def _pair(spacing: tuple[float, float] | None) -> str:
    return f"{spacing[0]:.5g} × {spacing[1]:.5g}" if spacing else "not in the image"


def device_to_json(device: Device) -> dict[str, Any]:
    """The part of a device that identifies it and its settings, without what is empty."""
    pairs: dict[str, Any] = {
        "manufacturer": device.manufacturer,
        "model": device.model,
        "serial_number": device.serial_number,
        "software_versions": list(device.software_versions),
        "transducer": device.transducer,
        "preset": device.preset,
        "depth_mm": device.depth_mm,
        "frequency_khz": device.frequency_khz,
        "lossy": device.lossy,
        "photometric_interpretation": device.photometric_interpretation,
        "spacing_mm": list(device.spacing_mm) if device.spacing_mm else None,
    }
    return {name: value for name, value in pairs.items() if value not in (None, [], "")}


def device_from_json(raw: dict[str, Any]) -> Device:
    """The device again. Raises ``TypeError`` for a field that no device has."""
    fields = dict(raw)
    spacing, versions = fields.pop("spacing_mm", None), fields.pop("software_versions", ())
    return Device(
        **fields,
        software_versions=tuple(versions),
        spacing_mm=(float(spacing[0]), float(spacing[1])) if spacing else None,
    )


_TEXTS = ("manufacturer", "model", "serial_number", "transducer", "preset", "photometric_interpretation")
_SIZES = ("depth_mm", "frequency_khz")


def described(raw: dict[str, Any], file: str) -> Device:
    """A scanner as a person describes it, every field looked at. Raises ``FileError`` naming file and field."""

    def refuse(field: str, problem: str) -> FileError:
        return FileError(file, f"field {field}", problem)

    given = {name: value for name, value in raw.items() if value is not None}
    for name, value in given.items():
        if name in _TEXTS:
            right, wanted = isinstance(value, str) and bool(value.strip()), "a text"
        elif name in _SIZES:
            right, wanted = _is_size(value), "a number above zero"
        elif name == "software_versions":
            right = isinstance(value, list) and all(isinstance(one, str) for one in value)
            wanted = 'a list of texts, such as ["2.1"]; [] where the images name none'
        elif name == "spacing_mm":
            right = isinstance(value, list) and len(value) == 2 and all(_is_size(one) for one in value)
            wanted = "two numbers above zero: millimetres per pixel down and across"
        elif name == "lossy":
            right, wanted = isinstance(value, bool), "true or false"
        else:
            fields = ", ".join((*_TEXTS, *_SIZES, "software_versions", "spacing_mm", "lossy"))
            raise refuse(name, f"a scanner has no such field; there are {fields}")
        if not right:
            raise refuse(name, f"must be {wanted}")
    for name in ("manufacturer", "model"):
        if name not in given:
            raise refuse(name, "is missing")
    return device_from_json(given)


def _is_size(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e6


def to_json(attestation: Attestation) -> dict[str, Any]:
    """As it stands in the store's events."""
    return {
        "by": attestation.by,
        "on": attestation.on,
        "preset": attestation.preset,
        "device": device_to_json(attestation.device),
        "settings": dict(attestation.settings),
    }


def from_json(raw: dict[str, Any]) -> Attestation:
    """Back from the store's events."""
    return Attestation(
        by=raw["by"],
        on=raw["on"],
        preset=raw["preset"],
        device=device_from_json(raw["device"]),
        settings=tuple(sorted((name, str(value)) for name, value in raw.get("settings", {}).items())),
    )
