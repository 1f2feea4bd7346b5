"""Point scores over many sites, and healthy variability, as rules; ``protocols`` names them with their sources."""

from __future__ import annotations

from dataclasses import dataclass

from plugins.contract import Side
from plugins.nerve_area import along, codes
from plugins.nerve_area.exam import Area, Exam
from plugins.nerve_area.ratios import INTERNERVE_LIMIT, INTRANERVE_LIMITS, INTRAPLEXUS_LIMIT, SIDE_LIMITS, number
from plugins.nerve_area.rules import MEDIAN, Verdict

ULNAR, TIBIAL = frozenset({"ulnar_nerve"}), frozenset({"tibial_nerve"})
Place = tuple[frozenset[str], frozenset[str] | None]
"""Nerves, and the sites (any, for ``None``) at which one of them is asked for."""

BUS: tuple[Place, ...] = (
    (ULNAR, along.ULNAR_WRIST), (ULNAR, along.ARM_SITES),
    (frozenset({"radial_nerve"}), frozenset({"spiral_groove"})), (frozenset({"sural_nerve"}), None),
)  # fmt: skip
UPSA: tuple[Place, ...] = (
    (MEDIAN, along.ARM_SITES), (MEDIAN, frozenset({"antecubital_fossa", "elbow"})), (MEDIAN, along.FOREARM),
    (ULNAR, along.ARM_SITES), (ULNAR, along.FOREARM | {"arterial_split"}),
    (TIBIAL, frozenset({"popliteal_fossa"})), (TIBIAL, frozenset({"ankle"})),
    (frozenset({"common_fibular_nerve"}), frozenset({"popliteal_fossa"})),
)  # fmt: skip
UPSB: tuple[Place, ...] = ((frozenset({"c5_root"}), None), (frozenset({"c6_root"}), None),
                           (frozenset({"vagus_nerve"}), None))  # fmt: skip
UPSC: tuple[Place, ...] = ((frozenset({"sural_nerve"}), None),)
UPSA_LIMIT = 7


def bochum(exam: Exam) -> Verdict | None:
    """One point for each of four sites above its limit."""
    points = _points(exam, BUS)
    if points is None:
        return None
    hit = tuple(area for point, area in points if point)
    score = number("score", codes.SCORE, len(hit), "{points}", "sites above their limit, of four")
    return Verdict(len(hit) >= 2, f"{len(hit)} of 4 points", hit, (score,))


def upss(exam: Exam) -> Verdict | None:
    """Two points for a site above one and a half times its limit, one for a site above its limit."""
    parts = [_points(exam, places) for places in (UPSA, UPSB, UPSC)]
    if parts[0] is None:
        return None
    total = sum(point for point, _ in parts[0])
    words = [f"UPSA {total} of {2 * len(UPSA)}"]
    for name, part in zip(("UPSB", "UPSC"), parts[1:], strict=True):
        words.append(f"{name} {'not complete' if part is None else sum(point for point, _ in part)}")
    hit = tuple(area for part in parts for point, area in part or () if point)
    score = number("score", codes.SCORE, total, "{points}", "UPSA: one point above the limit, two above 1.5 times it")
    return Verdict(total >= UPSA_LIMIT, ", ".join(words), hit, (score,))


def _points(exam: Exam, places: tuple[Place, ...]) -> list[tuple[int, Area]] | None:
    """Points and the worst area of every place; ``None`` where one was not scanned or not compared."""
    result = []
    for structures, sites in places:
        found = exam.find(structures, sites)
        if not found or any(area.limit is None for area in found):
            return None
        worst = max(found, key=_over)
        result.append((int(_over(worst) > 1) + int(_over(worst) > 1.5), worst))
    return result


def _over(area: Area) -> float:
    """Area over its limit."""
    return area.mm2 / area.limit if area.limit else 0.0


@dataclass(frozen=True, slots=True)
class _Ratio:
    value: float
    limit: float
    text: str
    areas: tuple[Area, ...]


def intranerve(exam: Exam) -> Verdict | None:
    """Largest over smallest area along one nerve, above mean + 2 SD of healthy adults."""
    return _worst(_along(exam))


def internerve(exam: Exam) -> Verdict | None:
    """Largest over smallest intranerve variability of the exam."""
    rows = _along(exam, every=True)
    if len(rows) < 2:
        return None
    large, small = max(rows, key=lambda row: row.value), min(rows, key=lambda row: row.value)
    ratio = large.value / small.value
    return _worst([_Ratio(ratio, INTERNERVE_LIMIT, f"over {len(rows)} nerves", large.areas + small.areas)])


def intraplexus(exam: Exam) -> Verdict | None:
    """Largest over smallest area of the brachial plexus on one side."""
    rows = []
    for side in exam.sides:
        found = exam.find(along.PLEXUS, None, side)
        if len(found) > 1:
            rows.append(_spread(found, INTRAPLEXUS_LIMIT, f"brachial plexus {side}"))
    return _worst(rows)


def side_to_side(exam: Exam) -> Verdict | None:
    """The same nerve and site on both sides, larger over smaller."""
    rows = []
    for right in exam.areas:
        left = exam.find((right.structure,), (right.site,), Side.LEFT) if right.site else ()
        if right.side is Side.RIGHT and left and right.structure in SIDE_LIMITS:
            rows.append(_spread((right, left[0]), SIDE_LIMITS[right.structure], right.unsided))
    return _worst(rows)


def _along(exam: Exam, *, every: bool = False) -> list[_Ratio]:
    """Variability of each nerve of which several sites were measured; ``every`` also without a limit of its own."""
    rows = []
    for structure, side, areas in exam.nerves():
        if len(areas) > 1 and (every or structure in INTRANERVE_LIMITS):
            rows.append(_spread(areas, INTRANERVE_LIMITS.get(structure, 0.0), f"{areas[0].nerve} {side}"))
    return rows


def _spread(areas: tuple[Area, ...], limit: float, text: str) -> _Ratio:
    sizes = [area.mm2 for area in areas]
    return _Ratio(max(sizes) / min(sizes), limit, text, areas)


def _worst(rows: list[_Ratio]) -> Verdict | None:
    """The ratio that exceeds its limit most."""
    if not rows:
        return None
    worst = max(rows, key=lambda row: row.value / row.limit)
    text = f"{worst.text}: {worst.value:.2f}, limit {worst.limit:.2f}"
    return Verdict(worst.value > worst.limit, text, worst.areas)
