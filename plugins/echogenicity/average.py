"""The value to report: repeated images of one muscle averaged, and only then compared with a reference."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace

from plugins.contract import (
    Acquisition,
    Action,
    Comparison,
    Finding,
    Flag,
    Observation,
    Question,
    References,
    Refusal,
    RefusalCode,
    Scope,
)
from plugins.echogenicity import codes, pages, patterns, pitfalls, visual
from plugins.echogenicity.image import ImageValues
from plugins.echogenicity.limits import Limits
from plugins.echogenicity.measures import MEASURES, measured
from plugins.echogenicity.neighbours import BRIGHTER_WHEN_AFFECTED

QUANTITIES = {
    "echo_intensity_mean": "muscle_echo_intensity",
    "muscle_thickness": "muscle_thickness",
    "cross_sectional_area": "muscle_csa",
}
"""Measures that are compared, and what the reference store calls them."""

Averages = Mapping[str, tuple[float, float | None]]
"""Name to mean and sample standard deviation over the images."""


def averaged(
    images: Sequence[ImageValues], acquisition: Acquisition, references: References, limits: Limits
) -> Finding:
    """One finding over the images (at least one); its outline is that of the image nearest to the mean.

    Each value is the mean over the images that have it, with the sample standard deviation over them as uncertainty
    where two or more have it. Stills are preferred: frames of clips are averaged only where there is no still.
    """
    used = [image for image in images if not image.from_cine] or list(images)
    averages = _averages(used)
    values = {name: mean for name, (mean, _) in averages.items()}
    raised = [*pitfalls.of_set(used, values, limits), *pitfalls.of_subject(acquisition, limits)]
    comparisons = {name: _compared(name, values, raised, acquisition, references) for name in QUANTITIES}
    echo = comparisons["echo_intensity_mean"]
    if isinstance(echo, Refusal):
        raised += pitfalls.of_refusal(echo)
    measurements = [measured(name, mean, sd, comparisons.get(name)) for name, (mean, sd) in averages.items()]
    observations = _observations(acquisition, averages, comparisons, raised, limits)
    shown = min(used, key=lambda image: abs(image.values["echo_intensity_mean"] - values["echo_intensity_mean"]))
    finding = Finding(
        image=shown.image,
        outline=shown.chosen.outline,
        measurements=tuple(measurements),
        scope=Scope.ACQUISITION,
        averaged_over=tuple(image.image for image in used),
        region_origin="; ".join(sorted({image.chosen.origin for image in used})),
        observations=observations,
        confidence=min((i.chosen.confidence for i in used if i.chosen.confidence is not None), default=None),
        flags=tuple(raised),
        lines=shown.lines,
    )
    return replace(finding, pages=(pages.muscle_page(used, acquisition, finding),))


def _averages(images: Sequence[ImageValues]) -> Averages:
    """Mean and sample SD of every value over the images that have it, in the order of ``MEASURES``."""
    result: dict[str, tuple[float, float | None]] = {}
    for name in MEASURES:
        found = [image.values[name] for image in images if name in image.values]
        if found:
            result[name] = statistics.fmean(found), statistics.stdev(found) if len(found) > 1 else None
    mean, spread = result["echo_intensity_mean"]
    if spread is not None and mean > 0:
        result["echo_intensity_spread"] = 100 * spread / mean, None
    result["image_count"] = float(len(images)), None
    return result


def _compared(
    name: str,
    values: Mapping[str, float],
    raised: Sequence[Flag],
    acquisition: Acquisition,
    references: References,
) -> Comparison | Refusal | None:
    """What the reference store says of an average; ``None`` where the measure is not there."""
    if name not in values or acquisition.structure is None:
        return None
    block = pitfalls.blocking(raised, Action.BLOCK_Z)
    if block is not None:
        return Refusal(RefusalCode.BLOCKED, block.sentence, "repeat the images as the flag says")
    return references.compare(
        Question(
            quantity=QUANTITIES[name],
            value=values[name],
            unit=MEASURES[name].unit,
            structure=acquisition.structure,
            site=acquisition.site,
            side=acquisition.side,
            view=acquisition.view,
            subject=acquisition.subject,
            device=acquisition.device,
        )
    )


def _observations(
    acquisition: Acquisition,
    averages: Averages,
    comparisons: Mapping[str, Comparison | Refusal | None],
    raised: Sequence[Flag],
    limits: Limits,
) -> tuple[Observation, ...]:
    """Suggested class, patterns, and what readers said."""
    values = {name: mean for name, (mean, _) in averages.items()}
    z_echo, z_thickness = (_z(comparisons[name]) for name in ("echo_intensity_mean", "muscle_thickness"))
    suggested = visual.suggested_class(visual.features_of(acquisition, values, z_echo, limits), raised)
    return (
        *((suggested,) if suggested is not None else ()),
        *patterns.patterns_of(acquisition, values, z_echo, z_thickness, limits),
        *_neighbour_contrast(acquisition, averages),
        *visual.reader_grades(acquisition),
    )


def _neighbour_contrast(acquisition: Acquisition, averages: Averages) -> tuple[Observation, ...]:
    """A muscle brighter than its neighbour in the same images, beyond what repeats vary by (two images or more)."""
    mean, spread = averages.get("neighbour_difference", (0.0, None))
    count = averages["image_count"][0]
    if acquisition.structure not in BRIGHTER_WHEN_AFFECTED or spread is None or mean <= 1.96 * spread / count**0.5:
        return ()
    code = codes.PATTERNS["flexor_contrast"]
    text = (
        f"{acquisition.structure.replace('_', ' ')} brighter than its neighbour by {mean:.1f} ± {spread:.1f} grey "
        "levels in the same images: a feature described in inclusion body myositis, supportive only"
    )
    source = "Noto 2014; Nodera 2016; Leeuwenberg 2020"
    return (Observation("pattern_neighbour_contrast", codes.PATTERN, code, text, source),)


def _z(comparison: Comparison | Refusal | None) -> float | None:
    return comparison.z if isinstance(comparison, Comparison) else None
