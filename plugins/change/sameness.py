"""Whether two values may be held against each other: same device, same settings, same program. Nothing is guessed.

Grey levels depend on gain, dynamic range and map, lengths on the probe and how the picture was zoomed; what a picture
does not say cannot be taken for the same.
"""

from __future__ import annotations

from plugins.contract import Device, Earlier

_NAMES = {
    "manufacturer": "manufacturer",
    "model": "model",
    "transducer": "transducer",
    "preset": "preset",
    "depth_mm": "depth",
    "lossy": "lossy compression",
}
"""What must be known of both and equal."""
_DEPTH_MM = 0.5
"""Depths that scanners write for one and the same setting differ by their rounding."""


def objection(earlier: Earlier, device: Device, plugin: str, version: str) -> str | None:
    """Why an earlier value is not comparable with one of this device; ``None`` if it is."""
    if earlier.maker != "nmus":
        return f"it was measured by another program ({earlier.maker or 'not named'})"
    if (earlier.plugin, earlier.plugin_version) != (plugin, version):
        return f"it was measured by {earlier.plugin} {earlier.plugin_version}, now it is {plugin} {version}"
    unknown = [told for name, told in _NAMES.items() if None in (getattr(earlier.device, name), getattr(device, name))]
    if unknown:
        return f"one of the exams does not say its {', '.join(unknown)}"
    differ = [told for name, told in _NAMES.items() if not _same(name, earlier.device, device)]
    if earlier.device.serial_number and device.serial_number and earlier.device.serial_number != device.serial_number:
        differ.append("serial number")
    return f"{', '.join(differ)} differ" if differ else None


def _same(name: str, then: Device, now: Device) -> bool:
    before, today = getattr(then, name), getattr(now, name)
    if name == "depth_mm":
        return abs(float(before) - float(today)) <= _DEPTH_MM
    return bool(before == today)
