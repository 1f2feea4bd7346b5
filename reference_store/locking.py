"""Whether a value comes from the device and settings that a reference is locked to: which of them differ."""

from __future__ import annotations

import math
from dataclasses import dataclass

from reference_store.attestation import Attestation
from reference_store.documents import Lock
from reference_store.values import Device

_SAME_DEPTH_MM = 0.5
"""Depth of Scan Field is written in whole millimetres; less than half of one is rounding."""
_SAME_FREQUENCY_MHZ = 0.05


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting that is not as the reference needs it."""

    setting: str
    wanted: str
    found: str | None
    """``None``: the image does not say."""
    whose_device: bool = False
    """True when it is another device altogether, not a setting of the same one."""

    def __str__(self) -> str:
        found = "is not in the image" if self.found is None else f"is {self.found!r}"
        return f"{self.setting} {found}, the reference needs {self.wanted!r}"


def differences(lock: Lock, device: Device, attestation: Attestation | None = None) -> tuple[Difference, ...]:
    """Everything in which a device differs from a lock; empty when it fits.

    A setting that the lock does not name is not compared, so naming more can only make more differences. What an
    attestation states stands in for the preset name where the image has none: the site has signed which preset it is.
    """
    preset = device.preset if device.preset or attestation is None else attestation.preset
    found = [
        _text("manufacturer", lock.manufacturer, device.manufacturer, whose_device=True),
        _text("model", lock.model, device.model, whose_device=True),
        _text("transducer", lock.transducer, device.transducer),
        _text("preset", lock.preset, preset),
        _software(lock, device),
        _number("depth in mm", lock.depth_mm, device.depth_mm, _SAME_DEPTH_MM),
        _number("frequency in MHz", lock.frequency_mhz, _megahertz(device), _SAME_FREQUENCY_MHZ),
        _text("photometric interpretation", lock.photometric_interpretation, device.photometric_interpretation),
        _lossy(lock, device),
    ]
    return tuple(difference for difference in found if difference is not None)


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _text(setting: str, wanted: str | None, found: str | None, *, whose_device: bool = False) -> Difference | None:
    if wanted is None or (found is not None and _plain(found) == _plain(wanted)):
        return None
    return Difference(setting, wanted, found or None, whose_device)


def _software(lock: Lock, device: Device) -> Difference | None:
    if not lock.software_versions:
        return None
    wanted = {_plain(version) for version in lock.software_versions}
    # a scanner writes several versions; the lock names those the reference was collected with, all must be there
    if wanted <= {_plain(version) for version in device.software_versions}:
        return None
    found = " / ".join(device.software_versions) or None
    return Difference("software version", " / ".join(lock.software_versions), found)


def _number(setting: str, wanted: float | None, found: float | None, tolerance: float) -> Difference | None:
    if wanted is None or (found is not None and math.isfinite(found) and abs(found - wanted) < tolerance):
        return None
    return Difference(setting, f"{wanted:g}", None if found is None else f"{found:g}")


def _megahertz(device: Device) -> float | None:
    return None if device.frequency_khz is None else device.frequency_khz / 1000


def _lossy(lock: Lock, device: Device) -> Difference | None:
    if not lock.lossless_allowed and not device.lossy:
        return Difference("pixel compression", "lossy", "lossless")
    if lock.lossy_allowed or not device.lossy:
        return None
    return Difference("pixel compression", "lossless", "lossy")
