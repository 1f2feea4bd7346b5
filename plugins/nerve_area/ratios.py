"""Figures that need more than one area: each only where its images are in the exam."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from plugins.contract import Code, Conclusion, Measurement, Side
from plugins.nerve_area import along, codes
from plugins.nerve_area.exam import Area, Exam

KERASNOUDIS = "Kerasnoudis 2013, 75 healthy adults; limit here = mean + 2 SD"
INTRANERVE_LIMITS = {
    "median_nerve": 1.05 + 2 * 0.13,
    "ulnar_nerve": 1.53 + 2 * 0.51,
    "common_fibular_nerve": 1.33 + 2 * 0.37,
    "tibial_nerve": 1.39 + 2 * 0.39,
}
INTERNERVE_LIMIT = 1.76 + 2 * 0.37
SIDE_LIMITS = {
    "median_nerve": 1.21 + 2 * 0.04,
    "ulnar_nerve": 1.20 + 2 * 0.25,
    "common_fibular_nerve": 1.19 + 2 * 0.23,
    "tibial_nerve": 1.28 + 2 * 0.24,
    **dict.fromkeys(sorted(along.PLEXUS), 1.19 + 2 * 0.23),
}
INTRAPLEXUS_LIMIT = 1.52 + 2 * 0.37


def number(name: str, code: Code, value: float, unit: str, definition: str) -> Measurement:
    """One derived number."""
    return Measurement(name, code, float(value), unit, definition=definition)


def wrist_forearm(exam: Exam) -> list[Conclusion]:
    """Median nerve at the wrist against the forearm of the same side."""
    result = []
    for side in exam.sides:
        wrist = exam.one("median_nerve", along.WRIST, side)
        forearm = exam.one("median_nerve", along.FOREARM, side)
        if wrist is None or forearm is None:
            continue
        ratio, difference = wrist.mm2 / forearm.mm2, wrist.mm2 - forearm.mm2
        result.append(
            Conclusion(
                f"wrist_forearm_{side}",
                f"Median nerve {side}: wrist against forearm",
                f"ratio {ratio:.2f}, difference {difference:+.1f} mm² ({wrist.mm2:.1f} and {forearm.mm2:.1f} mm²). "
                "Healthy adults reached ratios up to 2.4 with a mean of 1.57 (Bae 2021).",
                (
                    number("wrist_forearm_ratio", codes.WRIST_FOREARM_RATIO, ratio, "1", "wrist / forearm"),
                    number(
                        "wrist_forearm_difference", codes.WRIST_FOREARM_DIFFERENCE, difference, "mm2", "wrist − forearm"
                    ),
                ),
                evidence=(wrist.image, forearm.image),
                source="Bae 2021",
            )
        )
    return result


def side_to_side(exam: Exam) -> list[Conclusion]:
    """The same nerve at the same site on both sides."""
    result = []
    for right in exam.areas:
        left = next(iter(exam.find((right.structure,), (right.site,), Side.LEFT)), None) if right.site else None
        if right.side is not Side.RIGHT or left is None:
            continue
        ratio = max(left.mm2, right.mm2) / min(left.mm2, right.mm2)
        limit = SIDE_LIMITS.get(right.structure)
        text = f"{right.unsided}: right {right.mm2:.1f}, left {left.mm2:.1f} mm², ratio {ratio:.2f}"
        if limit is not None:
            text += f"; {'above' if ratio > limit else 'within'} {limit:.2f}"
        result.append(
            Conclusion(
                f"side_to_side_{right.structure}_{right.site}",
                f"Side to side: {right.unsided}",
                text + ".",
                (
                    number("side_ratio", codes.SIDE_RATIO, ratio, "1", "larger / smaller"),
                    number("side_difference", codes.SIDE_DIFFERENCE, right.mm2 - left.mm2, "mm2", "right − left"),
                ),
                evidence=(right.image, left.image),
                source=KERASNOUDIS if limit is not None else "",
            )
        )
    return result


def intranerve(exam: Exam) -> list[Conclusion]:
    """Largest over smallest area along one nerve (INCV, Padua 2012), and between the nerves."""
    result, ratios = [], []
    for structure, side, areas in exam.nerves():
        if len(areas) < 2:
            continue
        large, small = max(areas, key=_mm2), min(areas, key=_mm2)
        ratio = large.mm2 / small.mm2
        ratios.append((ratio, large.image))
        limit = INTRANERVE_LIMITS.get(structure)
        text = f"{areas[0].nerve} {side}: {ratio:.2f} over {len(areas)} sites"
        text += f" (largest {large.site_name} {large.mm2:.1f}, smallest {small.site_name} {small.mm2:.1f} mm²)"
        if limit is not None:
            text += f"; {'above' if ratio > limit else 'within'} {limit:.2f}. The figure depends on which sites enter"
        result.append(
            Conclusion(
                f"intranerve_{structure}_{side}",
                f"Variability along the nerve: {areas[0].nerve} {side}",
                text + ".",
                (
                    number(
                        "intranerve_variability", codes.INTRANERVE_VARIABILITY, ratio, "1", "largest / smallest area"
                    ),
                ),
                evidence=tuple(area.image for area in areas),
                source=f"Padua 2012; {KERASNOUDIS}",
            )
        )
    if len(ratios) > 1:
        between = max(ratios, key=lambda r: r[0])[0] / min(ratios, key=lambda r: r[0])[0]
        word = "above" if between > INTERNERVE_LIMIT else "within"
        result.append(
            Conclusion(
                "internerve",
                "Variability between nerves",
                f"{between:.2f} over {len(ratios)} nerves; {word} {INTERNERVE_LIMIT:.2f}.",
                (
                    number(
                        "internerve_variability", codes.INTERNERVE_VARIABILITY, between, "1", "largest / smallest INCV"
                    ),
                ),
                evidence=tuple(image for _, image in ratios),
                source=KERASNOUDIS,
            )
        )
    return result


def entrapment(exam: Exam) -> list[Conclusion]:
    """Area at an entrapment site over the mean of the other sites of the same nerve."""
    result = []
    for structure, side, areas in exam.nerves():
        ratio = entrapment_ratio(areas)
        if ratio is None:
            continue
        result.append(
            Conclusion(
                f"entrapment_ratio_{structure}_{side}",
                f"Entrapment ratio: {areas[0].nerve} {side}",
                f"{ratio:.2f}: largest area at an entrapment site over the mean of the other sites.",
                (number("entrapment_ratio", codes.ENTRAPMENT_RATIO, ratio, "1", "entrapment site / mean of others"),),
                evidence=tuple(area.image for area in areas),
                source="mUPSS 2015 gives the ratio; which sites enter is stated here",
            )
        )
    return result


def entrapment_ratio(areas: Sequence[Area]) -> float | None:
    """Largest area at an entrapment site over the mean elsewhere; ``None`` without both."""
    at, elsewhere = [a.mm2 for a in areas if a.entrapment], [a.mm2 for a in areas if not a.entrapment]
    return max(at) / statistics.fmean(elsewhere) if at and elsewhere else None


def swelling(exam: Exam) -> list[Conclusion]:
    """Every enlarged site over the nearest site of the same nerve that lies within its limit."""
    result = []
    for structure, side, areas in exam.nerves():
        for index, area in enumerate(areas):
            normal = [(abs(index - k), k, other) for k, other in enumerate(areas) if other.enlarged is False]
            if not area.enlarged or not normal:
                continue
            nearest = min(normal)[2]
            ratio = area.mm2 / nearest.mm2
            result.append(
                Conclusion(
                    f"swelling_{structure}_{side}_{area.site}",
                    f"Swelling: {area.place}",
                    f"{ratio:.2f} times that at {nearest.site_name} ({nearest.mm2:.1f} mm²), the nearest normal site.",
                    (
                        number(
                            "swelling_ratio", codes.SWELLING_RATIO, ratio, "1", "area / area at the nearest normal site"
                        ),
                    ),
                    evidence=(area.image, nearest.image),
                    source=nearest.comparison.source if nearest.comparison else "",
                )
            )
    return result


def _mm2(area: Area) -> float:
    return area.mm2
