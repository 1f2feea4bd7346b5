"""Muscle: echo intensity and what goes with it, in every image of a muscle and averaged over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from plugins.contract import (
    Acquisition,
    Clip,
    Declined,
    Finding,
    FrameRef,
    NotAssessable,
    Outcome,
    ReasonCode,
    References,
    Scope,
    View,
)
from plugins.echogenicity.average import averaged
from plugins.echogenicity.backscatter import GainSeries, calibrated_backscatter_db, checked_series
from plugins.echogenicity.chosen import Chosen, drawn_choice, drawn_region, found_choice
from plugins.echogenicity.image import ImageValues, measure_image
from plugins.echogenicity.limits import Limits, limits_from
from plugins.echogenicity.measures import MEASURES, measured
from plugins.echogenicity.muscles import is_muscle
from plugins.echogenicity.pages import image_page
from plugins.echogenicity.still import still_of

RECORDING_S = 8.0
"""A clip at least so long was taken to watch for movement, not in place of a still (a proposal)."""


@dataclass(frozen=True, slots=True)
class Echogenicity:
    """Quantitative analysis of a muscle in B-mode images; see README.md beside this file for methods and limits."""

    name: str = "echogenicity"
    version: str = "0.1.0"
    limits: Limits = Limits()
    image_pages: bool = True
    """Whether every image gets a page of its own, beside the page of the muscle, where there are several."""
    gain_series: GainSeries = ()
    """(gain in dB, mean grey level of the phantom): the site's phantom at the settings of its muscle preset."""
    gain_db: float | None = None
    """Gain at which the site takes its muscle images, as it attests; without it there is no backscatter."""

    def __post_init__(self) -> None:
        """Take limits as a settings file has them; refuse what are none, and a gain series without a law."""
        object.__setattr__(self, "limits", limits_from(self.limits))
        if self.gain_series:
            object.__setattr__(self, "gain_series", checked_series(self.gain_series))

    def declines(self, acquisition: Acquisition) -> Declined | None:
        """Not for what is no muscle, is not named, was taken in colour Doppler throughout, or only watches movement."""
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
            return Declined(ReasonCode.NOT_APPLICABLE, f"{acquisition.structure} is not a muscle", "")
        if all(_in_colour(clip) for clip in acquisition.clips):
            return Declined(
                ReasonCode.COLOUR_DOPPLER,
                "all tissue in these images lies under colour Doppler",
                "send the images without colour",
            )
        if all(_only_watches(clip, acquisition) for clip in acquisition.clips):
            return Declined(
                ReasonCode.NOT_APPLICABLE,
                f"a recording of {RECORDING_S:.0f} s or more that is not known to lie along the muscle, with no region "
                "drawn: echo intensity is read from stills",
                "send stills, or draw the muscle's contour on a frame",
            )
        return None

    def analyse(self, acquisition: Acquisition, references: References) -> Sequence[Outcome]:
        """A finding or a reason for every image, then one finding over all measured images.

        Clips in which nobody drew are searched only where no still could be measured: they would add nothing to it.
        """
        wanted = [
            clip for clip in acquisition.clips if clip.frames.count == 1 or drawn_region(clip, acquisition) is not None
        ]
        results = [self._image(clip, acquisition) for clip in wanted]
        if not any(isinstance(result, ImageValues) for result in results):
            others = (clip for clip in acquisition.clips if clip not in wanted)
            results += [self._image(clip, acquisition) for clip in others if not _only_watches(clip, acquisition)]
        images = [result for result in results if isinstance(result, ImageValues)]
        paged = self.image_pages and len(images) > 1
        outcomes: list[Outcome] = [
            result if isinstance(result, NotAssessable) else self._finding(result, acquisition, paged)
            for result in results
        ]
        if images:
            outcomes.append(averaged(images, acquisition, references, self.limits))
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
            return self._measured(clip, drawn_choice(clip, drawn, acquisition), acquisition)
        frame = 0
        if clip.frames.count > 1:
            still = still_of(clip.frames, clip.tissue.box if clip.tissue else None)
            if isinstance(still, Declined):
                return NotAssessable(still.code, still.text, still.remedy, FrameRef(clip.sop_instance_uid))
            frame = still.frame
        chosen = found_choice(clip, frame, clip.frames.grey(frame), clip.frames.coloured(frame), acquisition)
        return self._measured(clip, chosen, acquisition)

    def _measured(
        self, clip: Clip, chosen: Chosen | NotAssessable, acquisition: Acquisition
    ) -> ImageValues | NotAssessable:
        """The chosen region measured, with calibrated backscatter where the site gave what it takes."""
        if isinstance(chosen, NotAssessable):
            return chosen
        result = measure_image(clip, chosen, acquisition, self.limits)
        if isinstance(result, NotAssessable) or not self.gain_series or self.gain_db is None:
            return result
        level = calibrated_backscatter_db(result.values["echo_intensity_mean"], self.gain_db, self.gain_series)
        return result if level is None else replace(result, values={**result.values, "calibrated_backscatter": level})

    def _finding(self, image: ImageValues, acquisition: Acquisition, paged: bool) -> Finding:
        """The finding that speaks of one image; never compared with a reference, which is for the average alone."""
        return Finding(
            image=image.image,
            outline=image.chosen.outline,
            measurements=tuple(measured(name, image.values[name]) for name in MEASURES if name in image.values),
            scope=Scope.IMAGE,
            region_origin=image.chosen.origin,
            confidence=image.chosen.confidence,
            flags=image.flags,
            lines=image.lines,
            pages=(image_page(image, acquisition),) if paged else (),
        )


def _in_colour(clip: Clip) -> bool:
    """Whether every calibrated tissue region of the image is a colour-flow region."""
    return bool(clip.regions) and all(region.colour for region in clip.regions)


def _only_watches(clip: Clip, acquisition: Acquisition) -> bool:
    """Whether a clip can only serve to watch movement: long, nothing drawn, and no search could outline the muscle."""
    times = clip.frame_times_s
    long = times is not None and len(times) > 1 and times[-1] - times[0] >= RECORDING_S
    return long and acquisition.view is not View.LONGITUDINAL and drawn_region(clip, acquisition) is None
