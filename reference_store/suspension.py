"""A scanner whose grey levels are not to be compared for now."""

from __future__ import annotations

from dataclasses import dataclass

from reference_store.values import Device


@dataclass(frozen=True, slots=True)
class Suspension:
    """A scanner whose grey levels are not to be compared for now: a failed phantom check or a drift."""

    manufacturer: str
    model: str
    serial_number: str | None
    reason: str
    remedy: str

    def covers(self, device: Device) -> bool:
        """Whether it speaks of this scanner; without a serial number, of every scanner of the model."""
        if (self.manufacturer, self.model) != (device.manufacturer, device.model):
            return False
        return None in (self.serial_number, device.serial_number) or self.serial_number == device.serial_number
