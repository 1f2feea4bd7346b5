"""Nerve: cross-sectional area in transverse images, from what a person marked; profiles along the nerve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from plugins.contract import Acquisition, Clip, Declined, NotAssessable, Outcome, References, Region, View
from plugins.nerve_area import gates
from plugins.nerve_area.average import averaged
from plugins.nerve_area.image import Limits, NerveImage, measure
from plugins.nerve_area.lengthwise import along_the_nerve
from plugins.nerve_area.seeds import seed_of, stated
from plugins.nerve_area.suggestion import suggested
from plugins.nerve_area.sweep import profile


@dataclass(frozen=True, slots=True)
class NerveArea:
    """Quantitative analysis of a peripheral nerve; see README.md beside this file for methods, numbers and limits."""

    name: str = "nerve_area"
    version: str = "0.1.0"
    min_confidence: float = 0.7
    """Below it an outline found from calipers or a box is a candidate to look at, not a measurement."""
    min_confidence_point: float = 0.6
    """The same for a point or a single caliper, where outlines are far less certain (README.md)."""
    warn_confidence: float = 0.85
    area_without_seed: bool = False
    """Whether the image alone may give an area, where its confidence reaches ``min_confidence_without_seed``."""
    min_confidence_without_seed: float = 0.9

    noted_calibre_ratio: float = 0.75
    """A minimum of the diameter below this share of the maxima beside it is pointed out. No limit is published."""

    def declines(self, acquisition: Acquisition) -> Declined | None:
        """Not for what is no nerve, or is not named."""
        return gates.declined(acquisition)

    def analyse(self, acquisition: Acquisition, references: References) -> Sequence[Outcome]:
        """A finding or a reason for every image, then one finding over all measured images."""
        problem = gates.site_problem(acquisition)
        if problem is not None:
            return (problem,)
        outcomes: list[Outcome] = []
        images: list[NerveImage] = []
        for clip in acquisition.clips:
            if acquisition.view is View.LONGITUDINAL:
                outcomes.append(along_the_nerve(clip, acquisition, self.noted_calibre_ratio))
                continue
            result = self._image(clip, acquisition)
            if isinstance(result, NotAssessable):
                outcomes.append(result)
                continue
            images.append(result)
            outcomes.append(result.finding())
            swept = profile(result)
            if swept is not None:
                outcomes.append(swept)
        if images:
            outcomes.append(averaged(images, acquisition, references))
        return outcomes

    def _image(self, clip: Clip, acquisition: Acquisition) -> NerveImage | NotAssessable:
        """One image measured from its seed; without one, a suggestion at most."""
        limits = Limits(self.min_confidence, self.min_confidence_point, self.warn_confidence)
        seed = seed_of(clip, acquisition.structure)
        if seed is not None:
            return measure(clip, seed, acquisition, limits)
        needed = self.min_confidence_without_seed if self.area_without_seed else None
        return _with_statements(suggested(clip, acquisition, limits, needed), stated(clip, acquisition.structure))


def _with_statements(result: NerveImage | NotAssessable, statements: Sequence[Region]) -> NerveImage | NotAssessable:
    """A reason that quotes what reports state of the image: named as theirs, since nothing here can be measured."""
    if isinstance(result, NerveImage) or not statements:
        return result
    areas = ", ".join(dict.fromkeys(f"{region.area_mm2:.1f} mm²" for region in statements))
    said = f"; a report of another product states {areas} for it, without a place to measure"
    return replace(result, text=result.text + said)
