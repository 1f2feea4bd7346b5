"""What is written under a picture: the structure, its values, what they were compared to, and every doubt."""

from __future__ import annotations

import math
from collections.abc import Sequence

from plugins.contract import (
    Acquisition,
    Comparison,
    Finding,
    Measurement,
    NotAssessable,
    Refusal,
    Result,
    Scope,
    Side,
    View,
)
from reference_store import anatomy
from service.report.render import Caption

_UNITS = {
    "[arb'U]": "",
    "1": "",
    "{counts}": "",
    "mm2": " mm²",
    "deg": "°",
    "%": " %",
    "[arb'U]/cm": "/cm",
    "[arb'U]/mm": "/mm",
}
_SHORT = {"Standard Deviation": "SD", "Standard deviation": "SD"}
_BRIEF = {
    "Pennation angle to the deep aponeurosis": "Pennation angle",
    "Subcutaneous tissue thickness": "Subcutaneous tissue",
    "Echogenicity slope over depth": "Slope with depth",
}
"""Names of codes that are too long for a line of several values; the report has them in full."""
_MOST_VALUES = 4
"""Values named under a picture; the report holds all of them."""


def place(acquisition: Acquisition) -> str:
    """Side, structure, site and view in words: ``Left median nerve · wrist · transverse``."""
    if acquisition.structure is None:
        return "Structure not named"
    parts = [anatomy.coded(acquisition.structure, acquisition.side).meaning]
    if acquisition.side is Side.UNKNOWN and "midline" not in anatomy.structure(acquisition.structure).traits:
        parts.append("side unknown")
    if acquisition.site:
        site = anatomy.site(acquisition.site).name
        parts.append(site[0].lower() + site[1:])
    if acquisition.view is not View.UNKNOWN:
        parts.append(acquisition.view.value)
    return " · ".join(parts)


def value(measurement: Measurement) -> str:
    """``Echogenicity (mean) 78.4 ± 2.1`` or ``Area 9.6 mm²``."""
    name = _BRIEF.get(measurement.code.meaning, measurement.code.meaning)
    if measurement.derivation is not None:
        name = f"{name} ({_SHORT.get(measurement.derivation.meaning, measurement.derivation.meaning.lower())})"
    shown = figure(measurement.value)
    if measurement.uncertainty is not None:
        shown = _with_spread(measurement.value, measurement.uncertainty)
    return f"{name} {shown}{_UNITS.get(measurement.unit, f' {measurement.unit}')}"


def figure(number: float) -> str:
    """Three figures that matter, whole numbers as they are, never an exponent for what fits a caption."""
    if number == int(number) and abs(number) < 1e6:
        return str(int(number))
    return f"{number:.0f}" if 1000 <= abs(number) < 1e6 else f"{number:.3g}"


def _with_spread(number: float, spread: float) -> str:
    """A value of three figures and its spread, both with the same decimals: more of them say nothing."""
    decimals = min(max(2 - math.floor(math.log10(max(abs(number), 0.1))), 0), 3)
    small = 0 < spread < 0.5 * 10**-decimals
    return f"{number:.{decimals}f} ± {spread:.1g}" if small else f"{number:.{decimals}f} ± {spread:.{decimals}f}"


def compared(measurement: Measurement) -> str | None:
    """What a value was held against, with its source, or why it was not."""
    comparison = measurement.comparison
    name = measurement.code.meaning
    if isinstance(comparison, Refusal):
        return f"{name}: not compared, {comparison.text}"
    if not isinstance(comparison, Comparison):
        return None
    parts = []
    if comparison.z is not None:
        parts.append(f"z {comparison.z:+.1f}")
    if comparison.percentile is not None:
        parts.append(f"percentile {comparison.percentile:.1f}")
    if comparison.expected is not None:
        spread = f" ± {figure(comparison.sd)}" if comparison.sd is not None else ""
        parts.append(f"expected {figure(comparison.expected)}{spread}")
    if comparison.outside:
        parts.append(f"{comparison.outside} {comparison.limits}")
    return f"{name}: {', '.join(parts)} · {comparison.source} ({comparison.status})"


def of_finding(result: Result, finding: Finding, whole: Finding | None, footer: str) -> Caption:
    """Caption of one image's finding.

    Parameters
    ----------
    whole:
        The acquisition's own finding when it rests on this image: its values stand first.
    """
    values, comparison = [], []
    for shown in (whole, finding) if whole is not None else (finding,):
        line = " · ".join(value(one) for one in _chosen(shown.measurements))
        values.append(f"{_scope(shown)}{line}" if line else "")
        comparison += [text for one in shown.measurements if (text := compared(one))]
    flags = [flag.sentence for shown in ((whole, finding) if whole else (finding,)) for flag in shown.flags]
    observed = [observation.text for observation in finding.observations if observation.text]
    if finding.region_origin:
        observed.append(f"Outline: {finding.region_origin}{_confidence(finding.confidence)}")
    return Caption(
        place(result.acquisition),
        tuple(_unique([line for line in values if line])),
        tuple(_unique([*comparison, *observed])),
        tuple(_unique(flags)),
        footer,
    )


def of_refusal(result: Result, refusal: NotAssessable, footer: str) -> Caption:
    """Caption of a picture that was not assessed but has candidates to choose from."""
    return Caption(
        place(result.acquisition), (f"Not assessed: {refusal.text}",), (f"Remedy: {refusal.remedy}",), (), footer
    )


def _chosen(measurements: Sequence[Measurement]) -> Sequence[Measurement]:
    """Values that are compared first, then the others in their order, as many as can be read."""
    ranked = sorted(measurements, key=lambda one: not isinstance(one.comparison, Comparison))
    return ranked[:_MOST_VALUES]


def _scope(finding: Finding) -> str:
    if finding.scope is not Scope.ACQUISITION:
        return ""
    count = len(finding.averaged_over)
    return f"All {count} images: " if count > 1 else ""


def _confidence(confidence: float | None) -> str:
    return f", confidence {confidence:.0%}" if confidence is not None else ""


def _unique(texts: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(texts))
