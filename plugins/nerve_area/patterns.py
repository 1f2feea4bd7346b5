"""The exam-level pattern of enlargement, with its evidence. Supportive wording only, never a severity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from plugins.contract import Code, Conclusion, Observation
from plugins.nerve_area import codes
from plugins.nerve_area.exam import Area, Exam
from plugins.nerve_area.ratios import INTRANERVE_LIMITS

UNIFORM_SITES = 4
"""Sites away from entrapment, over two nerves or more, that a uniform pattern takes."""


@dataclass(frozen=True, slots=True)
class _Pattern:
    code: Code
    text: str
    evidence: Sequence[Area]


def pattern(exam: Exam) -> Conclusion:
    """None, focal at an entrapment site, several of them, one other site, multifocal, uniform; or not evaluable."""
    compared = [area for area in exam.areas if area.enlarged is not None]
    if not compared:
        return Conclusion(
            "enlargement_pattern",
            "Pattern of enlargement",
            "Not evaluable: no area could be compared with a limit.",
            evaluable=False,
        )
    found = _pattern(exam, compared)
    sources = "; ".join(sorted({area.comparison.source for area in compared if area.comparison}))
    text = found.text + f" {len(compared)} of {len(exam.areas)} areas were compared. " + _chance(compared)
    observation = Observation(
        "enlargement_pattern", codes.PATTERN, found.code, found.text, "Meiling 2025; Zaidman 2013"
    )
    return Conclusion(
        "enlargement_pattern",
        "Pattern of enlargement",
        text.strip(),
        observations=(observation,),
        evidence=tuple(area.image for area in found.evidence),
        source=f"limits: {sources}; pattern: Meiling 2025, Zaidman 2013, mUPSS 2015",
    )


def _pattern(exam: Exam, compared: Sequence[Area]) -> _Pattern:
    over = [area for area in compared if area.enlarged]
    if not over:
        doubt = any(area.blocked for area in compared)
        text = "No area above its limit at the sites measured."
        text += " An outline found with low confidence is among them." if doubt else ""
        return _Pattern(codes.NO_ENLARGEMENT, text, compared)
    listed = "; ".join(f"{area.place} {area.mm2:.1f} mm² (limit {area.limit:.1f})" for area in over)
    elsewhere = [area for area in over if not area.entrapment]
    if not elsewhere:
        if len({area.structure for area in over}) > 1:
            text = (
                f"Enlarged at entrapment sites of several nerves only: {listed}. Consistent with multiple entrapment."
            )
            return _Pattern(codes.MULTIPLE_ENTRAPMENT, text, over)
        checked = any(not area.entrapment and area.structure == over[0].structure for area in compared)
        text = f"Enlarged at an entrapment site: {listed}. Consistent with a focal entrapment there."
        text += (
            ""
            if checked
            else " No other site of this nerve was compared, so that more than a focal change is not excluded."
        )
        return _Pattern(codes.FOCAL_AT_ENTRAPMENT, text, over)
    if _uniform(exam, compared):
        text = f"Enlarged at all sites away from entrapment, evenly along the nerves: {listed}. "
        return _Pattern(
            codes.UNIFORM, text + "Consistent with a uniform enlargement, as in hereditary demyelination.", over
        )
    others = ", others not" if len(over) < len(compared) else ""
    if len(over) == 1:
        text = f"Enlarged at one site away from entrapment{others}: {listed}. One site alone makes no pattern."
        return _Pattern(codes.ONE_SITE, text, over)
    text = f"Enlarged at sites away from entrapment{others}: {listed}. "
    return _Pattern(codes.MULTIFOCAL, text + "Consistent with a multifocal enlargement.", over)


def _uniform(exam: Exam, compared: Sequence[Area]) -> bool:
    """All sites away from entrapment enlarged, one over twice normal, little variability along each nerve."""
    away = [area for area in compared if not area.entrapment]
    enough = len(away) >= UNIFORM_SITES and len({area.structure for area in away}) > 1
    if not enough or not all(area.enlarged for area in away) or not any(area.over_twice for area in away):
        return False
    for structure, _, areas in exam.nerves():
        if len(areas) > 1 and structure in INTRANERVE_LIMITS:
            sizes = [area.mm2 for area in areas]
            if max(sizes) / min(sizes) > INTRANERVE_LIMITS[structure]:
                return False
    return True


def _chance(compared: Sequence[Area]) -> str:
    """How often health alone puts one of so many areas above a 97.5th percentile, if they were independent."""
    count = len(compared)
    if count < 2:
        return ""
    return f"In health, one or more of {count} areas lie above a 97.5th percentile in {100 * (1 - 0.975**count):.0f} %."
