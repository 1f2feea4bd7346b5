"""One image measured: grey levels inside the chosen region, and every figure that the image allows."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from plugins.contract import Clip, Finding, Flag, FrameRef, Grey, Line, LineRole, Mask, NotAssessable, ReasonCode, Scope
from plugins.echogenicity import flags
from plugins.echogenicity.chosen import Chosen
from plugins.echogenicity.intensity import histogram_of, intensity_of
from plugins.echogenicity.measures import measured
from plugins.outlines import mask_of

MOST_COLOURED = 0.25
"""Share of coloured pixels above which a region is taken for Doppler, not for a region with a mark in it."""


@dataclass(frozen=True, slots=True)
class ImageValues:
    """What was measured in one image, before anything is averaged or compared."""

    clip: Clip = field(compare=False, repr=False)
    chosen: Chosen
    values: dict[str, float]
    """By the names of ``measures.MEASURES``; what is undefined is not there."""
    flags: tuple[Flag, ...] = ()

    @property
    def image(self) -> FrameRef:
        """The frame that was measured."""
        return FrameRef(self.clip.sop_instance_uid, self.chosen.frame)

    @property
    def from_cine(self) -> bool:
        """Whether the image is a frame of a clip."""
        return self.clip.frames.count > 1


def measure_image(clip: Clip, chosen: Chosen) -> ImageValues | NotAssessable:
    """Measure one frame inside its region."""
    grey, coloured = clip.frames.grey(chosen.frame), clip.frames.coloured(chosen.frame)
    mask = mask_of(chosen.outline, clip.frames.shape)
    inside = int(mask.sum())
    image = FrameRef(clip.sop_instance_uid, chosen.frame)
    if inside == 0:
        return NotAssessable(
            ReasonCode.REGION_INVALID,
            "the region holds no pixel centre",
            "draw a larger region",
            image,
        )
    share_coloured = float((mask & coloured).sum()) / inside
    if share_coloured > MOST_COLOURED or (chosen.tissue is not None and chosen.tissue.colour):
        return NotAssessable(
            ReasonCode.COLOUR_DOPPLER,
            f"{share_coloured:.0%} of the region is coloured: grey levels under colour are not the tissue's",
            "send the image without colour Doppler or coloured overlays",
            image,
            (Line(chosen.outline, LineRole.ALTERNATIVE),),
        )
    used = mask & ~coloured
    values = _grey_values(grey, used)
    values["fraction_coloured"] = 100 * share_coloured
    spacing = chosen.tissue.spacing if chosen.tissue is not None else None
    if spacing is not None:
        values["region_area"] = inside * spacing.area_mm2
    return ImageValues(clip, chosen, values, flags.of_image(clip, chosen, values))


def finding_of(image: ImageValues) -> Finding:
    """The finding that speaks of one image; never compared with a reference, which is for the average alone."""
    return Finding(
        image=image.image,
        outline=image.chosen.outline,
        measurements=tuple(measured(name, value) for name, value in image.values.items()),
        scope=Scope.IMAGE,
        region_origin=image.chosen.origin,
        confidence=image.chosen.confidence,
        flags=image.flags,
        lines=tuple(Line(other, LineRole.ALTERNATIVE) for other in image.chosen.alternatives),
    )


def _grey_values(grey: Grey, used: Mask) -> dict[str, float]:
    """Echo intensity and the figures of its histogram."""
    figures = intensity_of(histogram_of(grey, used))
    values = {
        "echo_intensity_mean": figures.mean,
        "echo_intensity_sd": figures.sd,
        "echo_intensity_median": figures.median,
        "echo_intensity_p5": figures.p5,
        "echo_intensity_p95": figures.p95,
        "echo_intensity_skewness": figures.skewness,
        "echo_intensity_kurtosis": figures.kurtosis,
        "fraction_at_0": 100 * figures.share_at_0,
        "fraction_at_255": 100 * figures.share_at_255,
        "echo_variation": figures.variation_percent,
    }
    return {name: value for name, value in values.items() if value is not None and np.isfinite(value)}
