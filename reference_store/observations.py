"""Values of healthy volunteers: one row per subject, structure, side and measure, checked whole before it is kept.

A subject is known by a pseudonym that only the site's own key can make; no name, identifier or date of birth is kept.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from reference_store import anatomy
from reference_store.attestation import device_from_json, device_to_json
from reference_store.files import FileError
from reference_store.units import SIGNED, UNIT_OF, factor
from reference_store.values import Device, Side, Subject, View

_PLAUSIBLE: dict[str, tuple[float, float]] = {
    "age_years": (0.0, 120.0),
    "height_cm": (30.0, 250.0),
    "weight_kg": (1.0, 400.0),
}
_LARGEST: dict[str, float] = {
    "muscle_echo_intensity": 255.0,
    "muscle_thickness": 200.0,
    "nerve_csa": 500.0,
    "diaphragm_thickness": 50.0,
}
"""In base units. Beyond them a number was given in another unit than it says."""


class ObservationError(FileError):
    """A row is no observation: ``file``, ``place`` (row and field) and ``problem`` say where and why."""


@dataclass(frozen=True, slots=True)
class Group:
    """What is fitted together: one measure of one place, on one device with one setting."""

    quantity: str
    structure: str
    site: str | None
    manufacturer: str | None
    model: str | None
    transducer: str | None
    preset: str | None
    software_versions: tuple[str, ...]
    depth_mm: float | None
    frequency_khz: float | None
    view: View = View.UNKNOWN
    lossy: bool = False
    """Whether the pixels were compressed with loss; what is not said is taken as without, as in a lock."""

    @property
    def place(self) -> str:
        """Structure and site in words."""
        return f"{self.structure} {self.site}" if self.site else self.structure

    @property
    def scanner(self) -> str:
        """Device and settings in words."""
        parts = [self.manufacturer, self.model, self.transducer, self.preset, " / ".join(self.software_versions)]
        depth = f"{self.depth_mm:g} mm" if self.depth_mm is not None else None
        frequency = f"{self.frequency_khz / 1000:g} MHz" if self.frequency_khz is not None else None
        lossy = "compressed with loss" if self.lossy else None
        return ", ".join(part for part in (*parts, depth, frequency, lossy) if part)


@dataclass(frozen=True, slots=True)
class Observation:
    """One value of one healthy subject."""

    subject_key: str
    """Pseudonym."""
    quantity: str
    value: float
    unit: str
    structure: str
    site: str | None
    side: Side
    view: View
    subject: Subject
    device: Device
    on: str
    """Date of the examination, ISO 8601."""
    flags: tuple[str, ...] = ()
    """Names of the quality flags the measurement bore."""
    overlay: str = ""
    """Where the picture with the outline is: a UID or a file name. Look before excluding."""
    origin: str = ""
    """The rule that made the exam a volunteer's, or the file it was imported from."""

    @property
    def id(self) -> str:
        """Sixteen hexadecimal digits of the content: the same value imported twice is the same observation."""
        raw = to_json(self)
        raw.pop("origin")
        return hashlib.sha256(json.dumps(raw, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def key(self) -> tuple[object, ...]:
        """What there is one of: a later observation of the same key takes the place of the earlier one."""
        return (self.group, self.subject_key, self.side)

    @property
    def group(self) -> Group:
        """What it is fitted together with."""
        device = self.device
        return Group(
            self.quantity,
            self.structure,
            self.site,
            device.manufacturer,
            device.model,
            device.transducer,
            device.preset,
            device.software_versions,
            device.depth_mm,
            device.frequency_khz,
            self.view,
            bool(device.lossy),
        )


def to_json(observation: Observation) -> dict[str, Any]:
    """As it stands in the journal."""
    raw = {
        name: getattr(observation, name)
        for name in ("subject_key", "quantity", "value", "unit", "structure", "site", "on", "overlay", "origin")
    }
    person = {name: value for name, value in dataclasses.asdict(observation.subject).items() if value is not None}
    raw.update(side=observation.side.value, view=observation.view.value, flags=list(observation.flags))
    return {**raw, "subject": person, "device": device_to_json(observation.device)}


def from_json(raw: Mapping[str, Any], file: str, place: str) -> Observation:
    """Read one, checked. Raises ``ObservationError``."""
    try:
        found = Observation(
            subject_key=raw["subject_key"],
            quantity=raw["quantity"],
            value=float(raw["value"]),
            unit=raw["unit"],
            structure=raw["structure"],
            site=raw.get("site"),
            side=Side(raw["side"]),
            view=View(raw["view"]),
            subject=Subject(**raw["subject"]),
            device=device_from_json(dict(raw["device"])),
            on=raw["on"],
            flags=tuple(raw.get("flags", ())),
            overlay=raw.get("overlay", ""),
            origin=raw.get("origin", ""),
        )
    except KeyError as error:
        raise ObservationError(file, f"{place}, field {error.args[0]}", "is missing") from error
    except (TypeError, ValueError) as error:
        raise ObservationError(file, place, str(error)) from error
    return checked(found, file, place)


def checked(observation: Observation, file: str, place: str) -> Observation:
    """The observation, in the base unit of its quantity. Raises ``ObservationError`` naming the field."""

    def refuse(field: str, problem: str) -> ObservationError:
        return ObservationError(file, f"{place}, field {field}", problem)

    if not observation.subject_key.strip():
        raise refuse("subject", "is empty; a pseudonym tells the sides of one person from two persons")
    if observation.quantity not in UNIT_OF:
        raise refuse("quantity", f"{observation.quantity!r} is none of {', '.join(sorted(UNIT_OF))}")
    if not observation.unit:
        raise refuse("unit", "is missing; a number without a unit is not a measurement")
    into = factor(observation.unit, UNIT_OF[observation.quantity])
    if into is None:
        wanted = UNIT_OF[observation.quantity]
        raise refuse("unit", f"{observation.quantity} is measured in {wanted}, not in {observation.unit!r}")
    signed = observation.quantity in SIGNED
    if not math.isfinite(observation.value) or (observation.value <= 0 and not signed):
        raise refuse("value", f"{observation.value} is not a number above zero")
    if observation.value * into > _LARGEST.get(observation.quantity, math.inf):
        largest, unit = _LARGEST[observation.quantity], UNIT_OF[observation.quantity]
        raise refuse("value", f"{observation.quantity} of more than {largest:g} {unit}; check the unit")
    _known_place(observation, refuse)
    _known_device(observation.device, refuse)
    for name, (low, high) in _PLAUSIBLE.items():
        number = getattr(observation.subject, name)
        if number is not None and not low <= number <= high:
            raise refuse(name, f"lies outside {low:g} to {high:g}; check the unit")
    if observation.subject.sex not in (None, "M", "F"):
        raise refuse("sex", "write M or F, or leave it empty")
    if not is_date(observation.on):
        raise refuse("date", f"{observation.on!r} is not a date; write it as 2026-03-31")
    return dataclasses.replace(observation, value=observation.value * into, unit=UNIT_OF[observation.quantity])


def is_date(text: str) -> bool:
    """Whether it is a date written as 2026-03-31, and no other way: days are compared as texts."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _known_device(device: Device, refuse: Any) -> None:  # noqa: ANN401 - a local function
    numbers = {"depth_mm": (device.depth_mm,), "frequency_khz": (device.frequency_khz,)}
    for name, found in {**numbers, "spacing_mm": device.spacing_mm or ()}.items():
        for number in found:
            if number is not None and not 0 < number < 1e6:  # also refuses NaN
                raise refuse(name, f"{number} is not a size above zero")


def _known_place(observation: Observation, refuse: Any) -> None:  # noqa: ANN401 - a local function
    try:
        anatomy.structure(observation.structure)
    except KeyError as error:
        raise refuse("structure", f"{observation.structure!r} is not in the anatomy catalogue") from error
    if observation.site is None:
        return
    try:
        anatomy.site(observation.site)
    except KeyError as error:
        raise refuse("site", f"{observation.site!r} is not in the anatomy catalogue") from error
