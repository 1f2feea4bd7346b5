"""The value to report: repeated images of one muscle averaged, and only then compared with a reference."""

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
from plugins.echogenicity import flags
from plugins.echogenicity.image import ImageValues
from plugins.echogenicity.measures import MEASURES, measured

QUANTITIES = {"echo_intensity_mean": "muscle_echo_intensity"}
"""Measures that are compared, and what the reference store calls them."""


def averaged(images: Sequence[ImageValues], acquisition: Acquisition, references: References) -> Finding:
    """One finding over the images (at least one); its outline is that of the image nearest to the mean.

    Each value is the mean over the images that have it, with the sample standard deviation over them as uncertainty
    where two or more have it. Stills are preferred: frames of clips are averaged only where there is no still.
    """
    stills = [image for image in images if not image.from_cine]
    used = stills or list(images)
    raised = _flags(used)
    values = _means(used)
    mean_echo = values["echo_intensity_mean"][0]
    shown = min(used, key=lambda image: abs(image.values["echo_intensity_mean"] - mean_echo))
    measurements = [
        measured(name, value, spread, _compared(name, value, raised, acquisition, references))
        for name, (value, spread) in values.items()
    ]
    measurements.append(measured("image_count", len(used)))
    return Finding(
        image=shown.image,
        outline=shown.chosen.outline,
        measurements=tuple(measurements),
        scope=Scope.ACQUISITION,
        averaged_over=tuple(image.image for image in used),
        region_origin=_origins(used),
        confidence=min((i.chosen.confidence for i in used if i.chosen.confidence is not None), default=None),
        flags=raised,
    )


def _means(images: Sequence[ImageValues]) -> dict[str, tuple[float, float | None]]:
    """Mean and sample SD of every value over the images that have it, in the order of ``MEASURES``."""
    result: dict[str, tuple[float, float | None]] = {}
    for name in MEASURES:
        found = [image.values[name] for image in images if name in image.values]
        if found:
            result[name] = statistics.fmean(found), statistics.stdev(found) if len(found) > 1 else None
    mean, spread = result["echo_intensity_mean"]
    if spread is not None and mean > 0:
        result["echo_intensity_spread"] = 100 * spread / mean, None
    return result


def _compared(
    name: str, value: float, raised: Sequence[Flag], acquisition: Acquisition, references: References
) -> Comparison | Refusal | None:
    """What the reference store says of an average; ``None`` for a measure that is never compared."""
    if name not in QUANTITIES or acquisition.structure is None:
        return None
    block = flags.blocking(raised)
    if block is not None:
        return Refusal(RefusalCode.BLOCKED, block.sentence, "repeat the images as the flag says")
    return references.compare(
        Question(
            quantity=QUANTITIES[name],
            value=value,
            unit=MEASURES[name].unit,
            structure=acquisition.structure,
            site=acquisition.site,
            side=acquisition.side,
            view=acquisition.view,
            subject=acquisition.subject,
            device=acquisition.device,
        )
    )


def _flags(images: Sequence[ImageValues]) -> tuple[Flag, ...]:
    """Flags of the images, each once, and those of the set."""
    raised = dict.fromkeys(flag for image in images for flag in image.flags)
    if len(images) < 3:
        raised[flags.FEWER_THAN_THREE_IMAGES] = None
    if len({image.clip.device for image in images}) > 1:
        raised[flags.SETTINGS_DIFFER] = None
    return tuple(raised)


def _origins(images: Sequence[ImageValues]) -> str:
    return "; ".join(sorted({image.chosen.origin for image in images}))
