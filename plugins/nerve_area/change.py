"""The same nerve, site and side in an earlier exam."""

from __future__ import annotations

from collections.abc import Sequence

from plugins.contract import Conclusion, Earlier
from plugins.nerve_area.exam import Area, Exam


def changes(exam: Exam, earlier: Sequence[Earlier]) -> list[Conclusion]:
    """For every area the latest earlier value of the same place, and the difference."""
    result = []
    for area in exam.areas:
        before = [each for each in earlier if _same(each, area)]
        if not before:
            continue
        last = min(before, key=lambda each: each.days_ago)
        text = f"{area.place}: {area.mm2:.1f} mm², {last.value:.1f} mm² {last.days_ago:.0f} days ago"
        text += f", {area.mm2 - last.value:+.1f} mm²."
        result.append(Conclusion(f"change_{area.structure}_{area.side}_{area.site}", f"Change: {area.place}", text,
                                 evidence=(area.image,)))  # fmt: skip
    return result


def _same(earlier: Earlier, area: Area) -> bool:
    place = (earlier.structure, earlier.side, earlier.site) == (area.structure, area.side, area.site)
    return place and earlier.measurement == "area" and earlier.unit == "mm2"
