"""Is a scanner still the one its references were collected on? Phantom charts, patients' values, reminders.

Charts: Shewhart (3 SD) for sudden changes and EWMA (λ 0.2, limit 3 SD of the statistic; Lucas & Saccucci 1990) for slow
ones, around a baseline of at least 20 phantom images over at least two weeks. Independently of noise, a shift is judged
by what it does to patients: 0.25 reference SD warns (2.5 % false positives become 4.4 %), 0.5 blocks (7.2 %).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

from reference_store import journal
from reference_store.attestation import device_from_json, device_to_json
from reference_store.events import event_row
from reference_store.patient_watch import KEPT, PatientValue, Watch, watch
from reference_store.phantom import PhantomValues
from reference_store.suspension import Suspension
from reference_store.values import Device

BASELINE_IMAGES, BASELINE_DAYS = 20, 14
_LAMBDA, _SHEWHART, _EWMA = 0.2, 3.0, 3.0
WARN_SHIFT, BLOCK_SHIFT = 0.25, 0.5
"""In SD of the reference."""
TYPICAL_SD = 8.0
"""Grey levels: between the 4.5 and 13 that muscle references have; used where a device has no reference yet."""


class Level(StrEnum):
    """What a chart says."""

    BASELINE = "baseline"
    """Not enough images yet to judge."""
    STEADY = "steady"
    WARN = "warn"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class PhantomRow:
    """One phantom measurement of one scanner."""

    device: Device
    on: str
    mean: float


@dataclass(frozen=True, slots=True)
class Point:
    """One measurement on the chart."""

    on: str
    value: float
    ewma: float | None = None
    """``None`` inside the baseline."""
    signals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chart:
    """The chart of one scanner."""

    scanner: tuple[str, str, str]
    """Manufacturer, model, serial number."""
    points: tuple[Point, ...]
    centre: float | None
    sd: float | None
    reference_sd: float
    level: Level
    text: str

    @property
    def shift(self) -> float | None:
        """Where the weighted average stands now, in SD of the reference."""
        last = self.points[-1].ewma if self.points else None
        return None if last is None or self.centre is None else (last - self.centre) / self.reference_sd


def chart(scanner: tuple[str, str, str], rows: Sequence[PhantomRow], reference_sd: float = TYPICAL_SD) -> Chart:
    """Judge the measurements of one scanner, oldest first, since its last baseline began."""
    baseline, later = _baseline(rows)
    points = [Point(row.on, row.mean) for row in baseline]
    if not later and not _complete(baseline):
        text = f"baseline: {len(baseline)} of {BASELINE_IMAGES} images over {_days(baseline)} of {BASELINE_DAYS} days"
        return Chart(scanner, tuple(points), None, None, reference_sd, Level.BASELINE, text)
    centre = statistics.fmean(row.mean for row in baseline)
    sd = statistics.stdev(row.mean for row in baseline)
    ewma = centre
    for index, row in enumerate(later, start=1):
        ewma = _LAMBDA * row.mean + (1 - _LAMBDA) * ewma
        points.append(Point(row.on, row.mean, ewma, _signals(row, ewma, index, (centre, sd), reference_sd)))
    level = _level(points)
    return Chart(scanner, tuple(points), centre, sd, reference_sd, level, _words(points, level, centre, reference_sd))


def _days(rows: Sequence[PhantomRow]) -> int:
    return (date.fromisoformat(rows[-1].on) - date.fromisoformat(rows[0].on)).days if rows else 0


def _complete(rows: Sequence[PhantomRow]) -> bool:
    return len(rows) >= BASELINE_IMAGES and _days(rows) >= BASELINE_DAYS


def _baseline(rows: Sequence[PhantomRow]) -> tuple[Sequence[PhantomRow], Sequence[PhantomRow]]:
    for end in range(BASELINE_IMAGES, len(rows) + 1):
        if _complete(rows[:end]):
            return rows[:end], rows[end:]
    return rows, ()


def _signals(row: PhantomRow, ewma: float, index: int, around: tuple[float, float], unit: float) -> tuple[str, ...]:
    """What one measurement signals; ``around`` is centre and SD of the baseline, ``unit`` the reference SD."""
    centre, sd = around
    spread = sd * math.sqrt(_LAMBDA / (2 - _LAMBDA) * (1 - (1 - _LAMBDA) ** (2 * index)))
    shift, jump = abs(ewma - centre) / unit, abs(row.mean - centre) / unit
    sudden = abs(row.mean - centre) > _SHEWHART * sd
    found = ["beyond 3 SD of the baseline"] if sudden else []
    if abs(ewma - centre) > _EWMA * spread:
        found.append("weighted average has drifted")
    if shift >= WARN_SHIFT:
        found.append(f"shift of {shift:.2f} reference SD")
    if shift >= BLOCK_SHIFT or (sudden and jump >= BLOCK_SHIFT):
        found.append("block")
    return tuple(found)


def _level(points: Sequence[Point]) -> Level:
    signals = points[-1].signals if points else ()
    if "block" in signals:
        return Level.BLOCK
    return Level.WARN if signals else Level.STEADY


def _words(points: Sequence[Point], level: Level, centre: float, reference_sd: float) -> str:
    signals = [signal for signal in points[-1].signals if signal != "block"]
    if level is Level.STEADY:
        return f"steady around {centre:.1f}"
    what = "; ".join(signals)
    return f"{what} (baseline {centre:.1f}, now {points[-1].value:.1f}, reference SD {reference_sd:.1f})"


@dataclass(frozen=True, slots=True)
class QualityLog:
    """The quality journals of a site on disk."""

    folder: Path

    @property
    def _phantom(self) -> Path:
        return self.folder / "phantom.jsonl"

    @property
    def _patients(self) -> Path:
        return self.folder / "patients.jsonl"

    def add_phantom(self, device: Device, on: str, values: PhantomValues, image: str = "") -> bool:
        """Keep one phantom measurement; that of an image (by its UID) that is there already is not kept twice.

        Raises ``ValueError`` for a date that is none.
        """
        date.fromisoformat(on)
        if image and any(row.get("image") == image for row in journal.rows(self._phantom)):
            return False
        row = {"kind": "phantom", "device": device_to_json(device), "on": on, "values": asdict(values), "image": image}
        journal.append(self._phantom, [row])
        return True

    def begin_baseline(self, device: Device, by: str, on: str, reason: str) -> None:
        """Start a new baseline after a repair or an update, by name and with the reason.

        A scanner that was blocked stays so: a new baseline makes the old reference no truer. See :meth:`release`.
        """
        self._decide("baseline", device, by, on, reason)

    def release(self, device: Device, by: str, on: str, reason: str) -> None:
        """Let a scanner compare again after a block and a new baseline: five to ten volunteers were rescanned."""
        self._decide("release", device, by, on, reason)

    def _decide(self, kind: str, device: Device, by: str, on: str, reason: str) -> None:
        if not reason.strip():
            raise ValueError(f"a {kind} needs a reason")
        row = event_row(by, on, kind=kind, device=device_to_json(device), reason=reason.strip())
        journal.append(self._phantom, [row])

    def phantoms(self) -> dict[tuple[str, str, str], list[PhantomRow]]:
        """Measurements of each scanner since its last baseline began, by date."""
        return {scanner: rows for scanner, (rows, _) in self._segments({}).items()}

    def charts(self, reference_sds: Mapping[tuple[str, str], float] | None = None) -> tuple[Chart, ...]:
        """One chart a scanner; the SD of its references by manufacturer and model."""
        known = reference_sds or {}
        found = []
        for scanner, (rows, held) in self._segments(known).items():
            one = chart(scanner, rows, known.get(scanner[:2], TYPICAL_SD))
            if held and one.level is not Level.BLOCK:
                text = f"blocked before the new baseline, and not released since; {one.text}"
                one = replace(one, level=Level.BLOCK, text=text)
            found.append(one)
        return tuple(found)

    def _segments(
        self, known: Mapping[tuple[str, str], float]
    ) -> dict[tuple[str, str, str], tuple[list[PhantomRow], bool]]:
        """Measurements since the last baseline, and whether a block from before it still holds."""
        found: dict[tuple[str, str, str], tuple[list[PhantomRow], bool]] = {}
        for row in journal.rows(self._phantom):
            device = device_from_json(row["device"])
            scanner = scanner_of(device)
            rows, held = found.get(scanner, ([], False))
            if row["kind"] == "phantom":
                rows = sorted([*rows, PhantomRow(device, row["on"], float(row["values"]["mean"]))], key=_day)
            elif row["kind"] == "release":
                held = False
            else:
                blocked = chart(scanner, rows, known.get(scanner[:2], TYPICAL_SD)).level is Level.BLOCK
                rows, held = [], held or blocked
            found[scanner] = rows, held
        return found

    def add_patients(self, values: Iterable[PatientValue]) -> None:
        """Keep patients' z for a while, with nothing that leads back to a patient; the same measurement only once."""
        added = [{**asdict(value), "scanner": list(value.scanner)} for value in values]
        journal.append_recent(self._patients, added, KEPT)

    def watches(self) -> tuple[Watch, ...]:
        """The distribution of patients' values per scanner."""
        found: dict[tuple[str, str, str], list[float]] = {}
        for row in journal.rows(self._patients):
            if row["normal"]:
                scanner = row["scanner"]
                found.setdefault((scanner[0], scanner[1], scanner[2]), []).append(float(row["z"]))
        return tuple(watch(scanner, zs) for scanner, zs in found.items())


def _day(row: PhantomRow) -> str:
    return row.on


def scanner_of(device: Device) -> tuple[str, str, str]:
    """Manufacturer, model and serial number, as the key of a chart."""
    return (device.manufacturer or "", device.model or "", device.serial_number or "")


def suspensions(charts: Iterable[Chart]) -> tuple[Suspension, ...]:
    """The scanners that quality control blocks now."""
    remedy = (
        "find the cause; after repair or update begin a new baseline ('nmus references qc baseline'), attest the "
        "preset again, rescan five to ten volunteers, then 'nmus references qc release'"
    )
    return tuple(
        Suspension(one.scanner[0], one.scanner[1], one.scanner[2] or None, f"phantom check: {one.text}", remedy)
        for one in charts
        if one.level is Level.BLOCK
    )


def rows_of(charts: Iterable[Chart]) -> list[dict[str, Any]]:
    """Charts as plain data for JSON."""
    return [{**asdict(one), "shift": one.shift} for one in charts]
