"""What a reader wants to see of a study at once, out of the findings and pictures that its analysis left.

Findings come as the records that the ledger keeps (docs/json-lines.md). A value without a comparison says why there
is none, a structure without a value says what would help.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from reference_store import anatomy
from reference_store.values import Side, View
from service.kept_tables import KeptTable
from service.ledger import Result

Record = Mapping[str, Any]
_UNITS = {
    "[arb'U]": "grey levels",
    "[arb'U]/cm": "grey levels/cm",
    "[arb'U]/mm": "grey levels/mm",
    "1": "",
    "{counts}": "",
    "{events}": "",
    "mm2": "mm²",
    "deg": "°",
}
_FIRST = 4
"""Values that are seen without asking; those that were compared come first."""


@dataclass(frozen=True, slots=True)
class Scale:
    """A value beside its limits, as shares of a bar's width."""

    low: float
    high: float
    at: float


@dataclass(frozen=True, slots=True)
class Row:
    """One value."""

    name: str
    value: str
    compared: str = ""
    """``z +0.9 · percentile 81``, or empty."""
    limits: str = ""
    source: str = ""
    outside: str = ""
    """``above`` or ``below``, when it is."""
    not_compared: str = ""
    scale: Scale | None = None
    definition: str = ""
    """How the value is computed, and by whose rule."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture."""

    sop_instance_uid: str
    kind: str
    """``overlay``, ``page`` or ``clip``."""
    number: str


@dataclass(slots=True)
class Place:
    """One structure as one plugin saw it."""

    title: str
    plugin: str
    rows: list[Row] = field(default_factory=list)
    """Of the value to report: over repeated images, where there are any."""
    more: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    region: str = ""
    images: int = 0
    refusals: dict[tuple[str, str], int] = field(default_factory=dict)
    """Reason and remedy, with the number of images."""
    pictures: list[Shown] = field(default_factory=list)
    tables: list[KeptTable] = field(default_factory=list)

    @property
    def not_compared(self) -> dict[str, str]:
        """Each reason and remedy, with the values that it kept from being compared."""
        found: dict[str, list[str]] = {}
        for row in self.rows:
            if row.not_compared:
                found.setdefault(row.not_compared, []).append(row.name)
        return {why: ", ".join(names) for why, names in found.items()}

    @property
    def is_outside(self) -> bool:
        """Whether any value is outside its limits."""
        return any(row.outside for row in self.rows)


@dataclass(frozen=True, slots=True)
class Reading:
    """The study at once."""

    places: tuple[Place, ...]
    conclusions: tuple[Record, ...]
    sources: tuple[str, ...]
    """Of the comparisons, each once; rows name them by number."""
    pages: tuple[Shown, ...]
    """Pictures over the whole exam."""

    @property
    def measured(self) -> int:
        """In how many structures something was measured."""
        return sum(1 for one in self.places if one.rows)

    @property
    def outside(self) -> tuple[tuple[Place, Row], ...]:
        """Every value outside its limits."""
        return tuple((place, row) for place in self.places for row in place.rows if row.outside)


def reading(findings: str, pictures: Sequence[Result] = (), tables: Sequence[KeptTable] = ()) -> Reading:
    """Arrange what an analysis left.

    Parameters
    ----------
    findings:
        JSON of the records, as ``Ledger.findings`` gives it; empty where nothing has been analysed.
    pictures:
        Captures that hold, the newest about each thing.
    tables:
        What lies beside the reports of this analysis.
    """
    records: list[Record] = json.loads(findings) if findings else []
    sources: dict[str, int] = {}
    groups: dict[str, list[Record]] = {}
    for record in records:
        if "conclusion" not in record:
            groups.setdefault(_about(record), []).append(record)
    places = {about: _place(several, sources) for about, several in groups.items()}
    for about, several in groups.items():
        clips = {(one["plugin"], one["sop_instance_uid"]) for one in several}
        places[about].tables = [one for one in tables if (one.plugin, one.sop_instance_uid) in clips]
    pages = []
    for result in pictures:
        about, shown = _shown(result)
        if about in places:
            places[about].pictures.append(shown)
        elif about.startswith("conclusion|"):
            pages.append(shown)
    conclusions = tuple(one for one in records if "conclusion" in one and one["conclusion"] != "coverage")
    return Reading(tuple(places.values()), conclusions, tuple(sources), tuple(pages))


def place_name(record: Record) -> str:
    """``Left biceps brachii · transverse``."""
    if record["structure"] is None:
        return "Structure not named"
    side, view = Side(record["side"]), View(record["view"])
    parts = [anatomy.coded(record["structure"], side).meaning]
    if side is Side.UNKNOWN and "midline" not in anatomy.structure(record["structure"]).traits:
        parts.append("side unknown")
    if record["site"]:
        parts.append(anatomy.site(record["site"]).name.lower())
    if view is not View.UNKNOWN:
        parts.append(view.value)
    return " · ".join(parts)


def _about(record: Record) -> str:
    structure = record["structure"] or record["sop_instance_uid"]
    return "|".join((record["plugin"], structure, record["side"], record["site"] or "", record["view"]))


def _shown(result: Result) -> tuple[str, Shown]:
    """What a capture is about, by its key: ``sc|plugin|structure|side|site|view|still|overlay|1``."""
    parts = result.key.split("|")
    about = "|".join(parts[1:6]) if len(parts) == 9 else "|".join(parts[1:3])
    return about, Shown(result.sop_instance_uid, parts[-2] if len(parts) == 9 else "page", parts[-1])


def _place(records: Sequence[Record], sources: dict[str, int]) -> Place:
    first = records[0]
    found = Place(place_name(first), f"{first['plugin']} {first['version']}".strip())
    measured = [one for one in records if one["declined"] is None]
    chosen = [one for one in measured if one["scope"] == "acquisition"] or measured
    found.images = len({one["sop_instance_uid"] for one in records})
    rows: list[Row] = []
    for record in chosen:
        rows += [_row(one, sources) for one in _ranked(record["measurements"])]
        found.notes += [one["text"] for one in record["observations"] if one["text"]]
        found.doubts += [one["sentence"] for one in record["flags"]]
        found.region = _region(record)
    first_rows = max(_FIRST, sum(1 for row in rows if row.compared or row.not_compared or row.outside))
    found.rows, found.more = rows[:first_rows], rows[first_rows:]
    found.doubts = list(dict.fromkeys(found.doubts))
    for record in records:
        if (why := record["declined"]) is not None:
            key = (why["text"], why["remedy"])
            found.refusals[key] = found.refusals.get(key, 0) + 1
    return found


def _region(record: Record) -> str:
    sure = f", confidence {record['confidence']:.0%}" if record["confidence"] is not None else ""
    return f"{record['region_origin']}{sure}" if record["region_origin"] else ""


def _ranked(measurements: Iterable[Record]) -> list[Record]:
    return sorted(measurements, key=lambda one: 0 if "reference" in one else 1 if "refused" in one else 2)


def _row(one: Record, sources: dict[str, int]) -> Row:
    return replace(_compared(one, sources), definition=one.get("definition", ""))


def _compared(one: Record, sources: dict[str, int]) -> Row:
    name = one["name"][:1].upper() + one["name"][1:].replace("_", " ").replace(" sd", " SD")
    unit = _UNITS.get(one["unit"], one["unit"])
    spread = f" ± {figure(one['uncertainty'])}" if one.get("uncertainty") is not None else ""
    value = f"{figure(one['value'])}{spread}{'' if unit == '°' or not unit else ' '}{unit}"
    if "refused" in one:
        refused = one["refused"]
        return Row(name, value, not_compared=f"{refused['text']}. {refused['remedy']}")
    if "reference" not in one:
        return Row(name, value)
    told = one["reference"]
    source = f"{told['source']} ({told['id']} {told['version']}, {told['status']})"
    number = sources.setdefault("; ".join((source, *told["warnings"])), len(sources) + 1)
    standing = [f"z {one['z']:+.1f}"] if one["z"] is not None else []
    standing += [f"percentile {one['percentile']:.0f}"] if one["percentile"] is not None else []
    low, high = one["lower_limit"], one["upper_limit"]
    return Row(
        name, value, " · ".join(standing), _limits(low, high), f"[{number}]", one["outside"] or "",
        scale=_scale(one["value"], low, high),
    )  # fmt: skip


def _limits(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"{figure(low)} to {figure(high)}"
    if high is not None:
        return f"up to {figure(high)}"
    return f"from {figure(low)}" if low is not None else ""


def _scale(value: float, low: float | None, high: float | None) -> Scale | None:
    """Where value and limits lie on a bar that shows a little more than all of them; none without both limits."""
    if low is None or high is None or not low < high:
        return None
    first, last = min(low, value), max(high, value)
    margin = 0.12 * (last - first)
    start, width = first - margin, last - first + 2 * margin
    return Scale(*(round(100 * (one - start) / width, 2) for one in (low, high, value)))


def figure(number: float) -> str:
    """Three figures that matter; whole numbers as they are."""
    if number == int(number) and abs(number) < 1e6:
        return str(int(number))
    return f"{number:.0f}" if 1000 <= abs(number) < 1e6 else f"{number:.3g}"
