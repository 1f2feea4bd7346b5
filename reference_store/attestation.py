"""A site's signature under settings that DICOM does not carry, and what suspends it.

Gain, time-gain compensation, dynamic range and grey map are no DICOM attributes, yet they move a grey level more than
most diseases do. So a person attests, once and by name, that a preset of one scanner is locked; every image is then
checked for what DICOM does carry, and a change of software or of millimetres per pixel suspends the signature until
somebody looks again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
        if mine.software_versions and set(mine.software_versions) != set(device.software_versions):
            now = " / ".join(device.software_versions) or "not in the image"
            return f"software version was {' / '.join(mine.software_versions)}, is {now}"
        if mine.spacing_mm:
            if device.spacing_mm is None:
                return "millimetres per pixel are no longer in the image"
            pairs = zip(mine.spacing_mm, device.spacing_mm, strict=True)
            if any(abs(now - then) > _SAME_DELTA * then for then, now in pairs):
                return f"millimetres per pixel were {_pair(mine.spacing_mm)}, are {_pair(device.spacing_mm)}"
        return None


def _pair(spacing: tuple[float, float]) -> str:
    return f"{spacing[0]:.5g} × {spacing[1]:.5g}"


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
