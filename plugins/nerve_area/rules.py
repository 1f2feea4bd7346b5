"""The conditions of published rules, as functions of an exam; ``protocols`` names them with their sources."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from plugins.contract import Measurement, Side
from plugins.nerve_area import along, codes
from plugins.nerve_area.exam import Area, Exam
from plugins.nerve_area.ratios import entrapment_ratio, number


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule says of an exam."""

    met: bool
    text: str
    areas: tuple[Area, ...]
    measurements: tuple[Measurement, ...] = ()


Rule = Callable[[Exam], Verdict | None]
"""``None`` when the exam has not the images that the rule needs."""
MEDIAN = frozenset({"median_nerve"})


def above(structures: frozenset[str], sites: frozenset[str] | None, limit: float, *, equal: bool = False) -> Rule:
    """A rule: some area of these nerves at these sites exceeds (or reaches) a limit in mm²."""

    def rule(exam: Exam) -> Verdict | None:
        found = exam.find(structures, sites)
        if not found:
            return None
        over = [area for area in found if area.mm2 > limit or (equal and area.mm2 == limit)]
        return Verdict(bool(over), _listed(over or found), tuple(over or found))

    return rule


def _listed(areas: list[Area] | tuple[Area, ...]) -> str:
    """The areas in words."""
    return "; ".join(f"{area.place} {area.mm2:.1f} mm²" for area in areas)


def wrist_forearm(limit: float) -> Rule:
    """A rule: the median nerve's wrist-to-forearm ratio reaches a limit on a side."""

    def rule(exam: Exam) -> Verdict | None:
        pairs = _pairs(exam, along.WRIST, along.FOREARM)
        if not pairs:
            return None
        wrist, forearm = max(pairs, key=lambda pair: pair[0].mm2 / pair[1].mm2)
        ratio = wrist.mm2 / forearm.mm2
        return Verdict(ratio >= limit, f"{wrist.place}: wrist over forearm {ratio:.2f}", (wrist, forearm))

    return rule


def _pairs(exam: Exam, first: frozenset[str], second: frozenset[str]) -> list[tuple[Area, Area]]:
    """The median nerve at two places of the same side."""
    pairs = ((exam.one("median_nerve", first, side), exam.one("median_nerve", second, side)) for side in exam.sides)
    return [(a, b) for a, b in pairs if a is not None and b is not None]


def outside_wrist_forearm(low: float, high: float) -> Rule:
    """A rule: the median nerve's wrist-to-forearm ratio lies outside a range on a side."""

    def rule(exam: Exam) -> Verdict | None:
        pairs = _pairs(exam, along.WRIST, along.FOREARM)
        if not pairs:
            return None
        ratios = [(wrist.mm2 / forearm.mm2, wrist, forearm) for wrist, forearm in pairs]
        outside = [row for row in ratios if not low <= row[0] <= high]
        text = "; ".join(f"{wrist.place}: wrist over forearm {ratio:.2f}" for ratio, wrist, _ in outside or ratios)
        return Verdict(bool(outside), text, tuple(area for row in outside or ratios for area in row[1:]))

    return rule


def wrist_circumference(exam: Exam) -> Verdict | None:
    """The median nerve at the wrist above 0.88 × the wrist's circumference in cm − 4.0 mm²."""
    found = [area for area in exam.find(MEDIAN, along.WRIST) if area.wrist_cm is not None]
    if not found:
        return None
    limits = [(area, 0.88 * (area.wrist_cm or 0) - 4.0) for area in found]
    text = "; ".join(
        f"{area.place} {area.mm2:.1f} mm², limit {limit:.1f} for a wrist of {area.wrist_cm:.1f} cm"
        for area, limit in limits
    )
    return Verdict(any(area.mm2 > limit for area, limit in limits), text, tuple(found))


def carpal_tunnel_difference(exam: Exam) -> Verdict | None:
    """The median nerve in the carpal tunnel less that at the pronator quadratus, 2 mm² or more."""
    pairs = _pairs(exam, along.WRIST | {"carpal_tunnel_outlet"}, frozenset({"distal_forearm"}))
    if not pairs:
        return None
    tunnel, proximal = max(pairs, key=lambda pair: pair[0].mm2 - pair[1].mm2)
    difference = tunnel.mm2 - proximal.mm2
    value = number(
        "carpal_tunnel_difference", codes.CARPAL_TUNNEL_DIFFERENCE, difference, "mm2", "tunnel − pronator level"
    )
    return Verdict(difference >= 2, f"{tunnel.place}: {difference:+.1f} mm²", (tunnel, proximal), (value,))


def median_over_ulnar(exam: Exam) -> Verdict | None:
    """The median over the ulnar nerve at the wrist, 1.79 or more."""
    best: tuple[float, Area, Area] | None = None
    for side in exam.sides:
        median = exam.one("median_nerve", along.WRIST, side)
        ulnar = exam.one("ulnar_nerve", along.ULNAR_WRIST, side)
        if median and ulnar and (best is None or median.mm2 / ulnar.mm2 > best[0]):
            best = median.mm2 / ulnar.mm2, median, ulnar
    if best is None:
        return None
    return Verdict(best[0] >= 1.79, f"{best[1].place}: {best[0]:.2f} times the ulnar nerve", best[1:])


def several(limits: tuple[tuple[frozenset[str], frozenset[str] | None, float], ...], needed: int) -> Rule:
    """A rule: at least ``needed`` of several places exceed their limits. Asked only when all places were scanned."""

    def rule(exam: Exam) -> Verdict | None:
        over: list[Area] = []
        for structures, sites, limit in limits:
            found = exam.find(structures, sites)
            if not found:
                return None
            over.extend(area for area in found if area.mm2 > limit)
        places = {(area.structure, area.site) for area in over}
        return Verdict(len(places) >= needed, _listed(over) or "no site above its limit", tuple(over))

    return rule


CIN = ((MEDIAN, along.FOREARM, 10.0), (MEDIAN, along.ARM_SITES, 13.0))
EAN = (*CIN, (along.TRUNKS, frozenset({"interscalene", "root_or_trunk"}), 9.0), (along.ROOTS, None, 12.0))


def zaidman(exam: Exam) -> Verdict | None:
    """Four regions: median and ulnar, distal (forearm) and proximal (arm)."""
    regions = [
        exam.find((nerve,), sites)
        for nerve in ("median_nerve", "ulnar_nerve")
        for sites in (along.FOREARM | {"arterial_split"}, along.ARM_SITES)
    ]
    if not all(regions) or any(area.enlarged is None for region in regions for area in region):
        return None
    enlarged = [any(area.enlarged for area in region) for region in regions]
    twice = [any(area.over_twice for area in region) for region in regions]
    if not any(enlarged):
        word = "no enlargement"
    elif not any(twice):
        word = "enlarged, never over twice normal"
    else:
        word = "diffuse" if all(enlarged) else "regional"
    areas = tuple(area for region in regions for area in region if area.enlarged)
    return Verdict(word in {"regional", "diffuse"}, f"category {word}", areas)


def swollen_side(exam: Exam) -> Verdict | None:
    """Brachial nerves and trunks, one side against the other."""
    best: tuple[float, Area] | None = None
    for right in exam.find({area.structure for area in exam.areas}, None, Side.RIGHT):
        left = next(iter(exam.find((right.structure,), (right.site,), Side.LEFT)), None) if right.site else None
        if left is None or along.is_entrapment(right.structure, right.site) or right.site not in along.ARM:
            continue
        larger, smaller = (right, left) if right.mm2 > left.mm2 else (left, right)
        if best is None or larger.mm2 / smaller.mm2 > best[0]:
            best = larger.mm2 / smaller.mm2, larger
    return (
        None
        if best is None
        else Verdict(best[0] >= 1.55, f"{best[1].place}: {best[0]:.2f} times the other side", (best[1],))
    )


def multiple_entrapment(exam: Exam) -> Verdict | None:
    """The largest entrapment ratio of the exam, above 1.4."""
    largest = _entrapment(exam)
    return None if largest is None else Verdict(largest[0] > 1.4, _entrapment_text(largest), largest[1])


def no_entrapment(exam: Exam) -> Verdict | None:
    """The largest entrapment ratio of the exam, below 1.0."""
    largest = _entrapment(exam)
    return None if largest is None else Verdict(largest[0] < 1.0, _entrapment_text(largest), largest[1])


def _entrapment(exam: Exam) -> tuple[float, tuple[Area, ...]] | None:
    """The largest entrapment ratio, and the areas of that nerve."""
    rows = [(entrapment_ratio(areas), areas) for _, _, areas in exam.nerves()]
    ratios = [(ratio, areas) for ratio, areas in rows if ratio is not None]
    return max(ratios, key=lambda row: row[0]) if ratios else None


def _entrapment_text(largest: tuple[float, tuple[Area, ...]]) -> str:
    ratio, areas = largest
    return f"{areas[0].nerve} {areas[0].side}: entrapment ratio {ratio:.2f}"


def sensory_sparing(exam: Exam) -> Verdict | None:
    """Roots or vagus enlarged while every sensory nerve measured is normal."""
    proximal = [area for area in exam.find({*along.ROOTS, "vagus_nerve"}, None) if area.enlarged is not None]
    sensory = [
        area for area in exam.find(("sural_nerve", "superficial_radial_nerve"), None) if area.enlarged is not None
    ]
    if not proximal or not sensory:
        return None
    over = [area for area in proximal if area.enlarged]
    met = bool(over) and not any(area.enlarged for area in sensory)
    return Verdict(met, _listed(over) or "roots and vagus within their limits", tuple(over))
