"""Muscle: echo intensity and what goes with it, in every image of a muscle and averaged over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from plugins.contract import (
    Acquisition,
    Clip,
    Declined,
    FrameRef,
    NotAssessable,
    Outcome,
    ReasonCode,
    References,
)
from plugins.echogenicity.average import averaged
from plugins.echogenicity.chosen import drawn_choice, drawn_region, found_choice
from plugins.echogenicity.image import ImageValues, finding_of, measure_image
from plugins.echogenicity.muscles import is_muscle
from plugins.echogenicity.still import still_of


@dataclass(frozen=True, slots=True)
class Echogenicity:
    """Quantitative analysis of a muscle in B-mode images; see README.md beside this file for methods and limits."""

    name: str = "echogenicity"
    version: str = "0.1.0"

    def declines(self, acquisition: Acquisition) -> Declined | None:
        """Not for what is no muscle, is not named, or was taken in colour Doppler throughout."""
        if acquisition.structure is None:
            return Declined(
                ReasonCode.STRUCTURE_UNKNOWN,
                "the images do not say which muscle they show",
                "name it on the scanner, add a site mapping rule, or pass --structure",
            )
        muscle = is_muscle(acquisition.structure)
        if muscle is None:
            return Declined(
                ReasonCode.STRUCTURE_UNKNOWN,
                f"the anatomy catalogue has no {acquisition.structure!r}",
                "use a key of the catalogue in the site mapping rule or in --structure",
            )
        if not muscle:
            return Declined(ReasonCode.NOT_APPLICABLE, f"{acquisition.structure} is not a muscle", "none is needed")
        if all(_in_colour(clip) for clip in acquisition.clips):
            return Declined(
                ReasonCode.COLOUR_DOPPLER,
                "all tissue in these images lies under colour Doppler",
                "send the images without colour",
            )
        return None

    def analyse(self, acquisition: Acquisition, references: References) -> Sequence[Outcome]:
        """A finding or a reason for every image, then one finding over all measured images."""
        outcomes: list[Outcome] = []
        images: list[ImageValues] = []
        for clip in acquisition.clips:
            result = self._image(clip, acquisition)
            if isinstance(result, NotAssessable):
                outcomes.append(result)
            else:
                images.append(result)
                outcomes.append(finding_of(result))
        if images:
            outcomes.append(averaged(images, acquisition, references))
        return outcomes

    def _image(self, clip: Clip, acquisition: Acquisition) -> ImageValues | NotAssessable:
        """One image measured in what was drawn, else in what was found."""
        if _in_colour(clip):
            return NotAssessable(
                ReasonCode.COLOUR_DOPPLER,
                "the tissue lies under colour Doppler: its grey levels are not the tissue's own",
                "send the image without colour",
                FrameRef(clip.sop_instance_uid),
            )
        drawn = drawn_region(clip, acquisition)
        if drawn is not None:
            chosen = drawn_choice(clip, drawn, acquisition)
            return chosen if isinstance(chosen, NotAssessable) else measure_image(clip, chosen, acquisition)
        frame = 0
        if clip.frames.count > 1:
            still = still_of(clip.frames, clip.tissue.box if clip.tissue else None)
            if isinstance(still, Declined):
                return NotAssessable(still.code, still.text, still.remedy, FrameRef(clip.sop_instance_uid))
            frame = still.frame
        chosen = found_choice(clip, frame, clip.frames.grey(frame), clip.frames.coloured(frame), acquisition)
        return chosen if isinstance(chosen, NotAssessable) else measure_image(clip, chosen, acquisition)


def _in_colour(clip: Clip) -> bool:
    """Whether every calibrated tissue region of the image is a colour-flow region."""
    return bool(clip.regions) and all(region.colour for region in clip.regions)
