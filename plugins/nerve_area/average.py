"""The value to report: repeated images of one nerve at one site averaged, and only then compared."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from plugins.contract import (
    Acquisition,
    Comparison,
    Finding,
    Flag,
    Question,
    References,
    Refusal,
    RefusalCode,
    Scope,
)
from plugins.nerve_area import flags
from plugins.nerve_area.image import NerveImage
from plugins.nerve_area.measures import MEASURES, measured
from plugins.nerve_area.pages import outline_page

NOT_AVERAGED = frozenset({"area_stated", "area_found_difference"})
"""Statements about one drawing."""


def averaged(images: Sequence[NerveImage], acquisition: Acquisition, references: References) -> Finding:
    """One finding over the images (at least one); shown is the image whose area is nearest to the mean.

    Each value is the mean over the images that have it, with the sample standard deviation over them as uncertainty
    where two or more have it.
    """
    raised = tuple(dict.fromkeys(flag for image in images for flag in image.flags))
    values = _means(images)
    area = values["area"][0]
    shown = min(images, key=lambda image: abs(image.values["area"] - area))
    compared = _compared(area, raised, acquisition, references)
    measurements = [
        measured(name, value, spread, compared if name == "area" else None) for name, (value, spread) in values.items()
    ]
    measurements.append(measured("image_count", len(images)))
    return Finding(
        image=shown.image,
        outline=shown.outlines[0],
        measurements=tuple(measurements),
        scope=Scope.ACQUISITION,
        averaged_over=tuple(image.image for image in images),
        region_origin="; ".join(sorted({image.origin for image in images})),
        confidence=min((image.confidence for image in images if image.confidence is not None), default=None),
        flags=raised,
        lines=shown.lines,
        pages=(outline_page(shown, acquisition, area, compared),),
    )


def _means(images: Sequence[NerveImage]) -> dict[str, tuple[float, float | None]]:
    """Mean and sample SD of every value over the images that have it, in the order of ``MEASURES``."""
    result: dict[str, tuple[float, float | None]] = {}
    for name in MEASURES:
        found = [image.values[name] for image in images if name in image.values]
        if found and name not in NOT_AVERAGED:
            result[name] = statistics.fmean(found), statistics.stdev(found) if len(found) > 1 else None
    area, spread = result["area"]
    if spread is not None and area > 0:
        result["area_spread"] = 100 * spread / area, None
    return result


def _compared(
    area: float, raised: Sequence[Flag], acquisition: Acquisition, references: References
) -> Comparison | Refusal | None:
    """What the reference store says of the area."""
    block = flags.blocking(raised)
    if block is not None:
        return Refusal(RefusalCode.BLOCKED, block.sentence, "send images as the flag says")
    if acquisition.structure is None:
        return None
    return references.compare(
        Question(
            quantity="nerve_csa",
            value=area,
            unit="mm2",
            structure=acquisition.structure,
            site=acquisition.site,
            side=acquisition.side,
            view=acquisition.view,
            subject=acquisition.subject,
            device=acquisition.device,
        )
    )
