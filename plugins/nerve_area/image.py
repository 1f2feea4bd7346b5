"""One image of a nerve: seed, outline, numbers and doubts; or the reason why there is no area."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plugins.contract import (
    Acquisition,
    Clip,
    Finding,
    Flag,
    FrameRef,
    Line,
    LineRole,
    NotAssessable,
    ReasonCode,
    TissueRegion,
    View,
)
from plugins.images import Mask, Outline, Spacing
from plugins.nerve_area import codes, flags, gates, tracing
from plugins.nerve_area.confidence import confidence
from plugins.nerve_area.measures import measured, values_of
from plugins.nerve_area.seeds import MARKED, Seed, SeedKind
from plugins.outlines import RegionInvalid, mask_of

DRAWN = (SeedKind.OUTLINE, SeedKind.ELLIPSE)
"""Drawings that are measured as they are."""
VESSEL_PROBABILITY = 0.5


@dataclass(frozen=True, slots=True)
class Limits:
    """Confidence below which no area is given, and below which a warning stands beside it."""

    answer: float
    answer_point: float
    warn: float


@dataclass(frozen=True, slots=True)
class NerveImage:
    """What was measured in one image."""

    clip: Clip
    image: FrameRef
    outlines: tuple[Outline, ...]
    """One, or the parts of a nerve in parts."""
    values: dict[str, float]
    origin: str
    tissue: TissueRegion
    flags: tuple[Flag, ...]
    confidence: float | None = None
    alternative: Outline | None = None
    """The network's own outline beside a drawn one."""

    @property
    def lines(self) -> tuple[Line, ...]:
        """Further parts, and the alternative."""
        more = [Line(outline) for outline in self.outlines[1:]]
        if self.alternative is not None:
            more.append(Line(self.alternative, LineRole.ALTERNATIVE, "found from the drawing"))
        return tuple(more)

    @property
    def drawn(self) -> bool:
        """Whether a person drew the outline itself."""
        return self.origin.endswith(tuple(DRAWN))

    @property
    def whose_outline(self) -> str:
        """For a page: ``outline drawn: regions file, ellipse``, ``outline found from regions file, calipers``."""
        if self.drawn or not self.origin.startswith(MARKED):
            return f"outline {self.origin}"
        return f"outline found from {self.origin.removeprefix(MARKED)}"

    def finding(self) -> Finding:
        """The numbers of this image, not compared: the average of the acquisition is."""
        method = codes.OUTLINE_AS_DRAWN if self.drawn else codes.OUTLINE_FROM_SEED
        return Finding(
            self.image,
            self.outlines[0],
            tuple(
                measured(name, value, method=method if name == "area" else None) for name, value in self.values.items()
            ),
            region_origin=self.origin,
            confidence=self.confidence,
            flags=self.flags,
            lines=self.lines,
        )


@dataclass(frozen=True, slots=True)
class Place:
    """Where in which image to look, with the calibration that holds there."""

    clip: Clip
    seed: Seed
    tissue: TissueRegion
    spacing: Spacing
    acquisition: Acquisition
    limits: Limits

    @property
    def image(self) -> FrameRef:
        """The frame that was marked."""
        return FrameRef(self.clip.sop_instance_uid, self.seed.frame)


@dataclass(frozen=True, slots=True)
class Found:
    """Outlines before they are measured; with the network's trace, where there is one."""

    outlines: tuple[Outline, ...]
    trace: tracing.Trace | None
    confidence: float | None = None


def measure(clip: Clip, seed: Seed, acquisition: Acquisition, limits: Limits) -> NerveImage | NotAssessable:
    """The nerve that a seed marks in one image."""
    image = FrameRef(clip.sop_instance_uid, seed.frame)
    if not 0 <= seed.frame < clip.frames.count:
        whole = FrameRef(image.sop_instance_uid)
        return _invalid(f"the drawing lies on frame {seed.frame}, which the image has not", whole)
    tissue = gates.calibrated(clip, seed.points, seed.frame)
    if isinstance(tissue, NotAssessable):
        return tissue
    if tissue.colour and seed.kind not in DRAWN:
        return NotAssessable(
            ReasonCode.COLOUR_DOPPLER,
            "the nerve lies under colour Doppler, where its border cannot be searched",
            "send the image without colour, or draw the outline",
            image,
        )
    place = Place(clip, seed, tissue, gates.spacing_of(tissue), acquisition, limits)
    found = _drawn(place) if seed.kind in DRAWN else _searched(place)
    if isinstance(found, NotAssessable):
        return found
    return _cut_off(place, found) or _bifid(place, found) or measured_place(place, found)


def _cut_off(place: Place, found: Found) -> NotAssessable | None:
    """Whether the picture's border cuts the nerve; a drawing is held against the calibrated region alone."""
    box = place.tissue.box
    lit = box if place.seed.kind in DRAWN else gates.lit_box(place.clip.frames.grey(place.seed.frame), box)
    reasons = (gates.cut_off(outline, lit, place.image) for outline in found.outlines)
    return next((reason for reason in reasons if reason is not None), None)


def _invalid(text: str, image: FrameRef) -> NotAssessable:
    return NotAssessable(ReasonCode.REGION_INVALID, text, "draw the outline again", image)


def _drawn(place: Place) -> Found | NotAssessable:
    """Outlines as drawn; beside a single one, what the network makes of it."""
    shape = place.clip.frames.shape
    try:
        outlines = place.seed.outlines(shape)
    except RegionInvalid as problem:
        return _invalid(str(problem), place.image)
    trace = None
    if len(outlines) == 1 and not place.tissue.colour:
        start = place.seed.ellipse(place.spacing) or tracing.ellipse_around(outlines[0], shape, place.spacing)
        trace = tracing.from_ellipse(place.clip.frames.grey(place.seed.frame), place.spacing, start)
    return Found(outlines, trace)


def _searched(place: Place) -> Found | NotAssessable:
    """The outline that the network finds from a box, calipers or a point."""
    trace, mode = _traced(place)
    if trace is None:
        return NotAssessable(
            ReasonCode.NEEDS_REGION,
            f"nothing that looks like a nerve was found at the mark ({place.seed.kind})",
            "draw the outline or an ellipse around the nerve",
            place.image,
        )
    if trace.vessel > VESSEL_PROBABILITY or _mostly_coloured(place, trace.outline):
        return NotAssessable(
            ReasonCode.VESSEL,
            "what lies at the mark looks like a vessel, not like a nerve",
            "draw the outline of the nerve",
            place.image,
            (Line(trace.outline, LineRole.ALTERNATIVE, "vessel?"),),
        )
    sure = confidence(trace.features, mode)
    if sure < (place.limits.answer_point if mode == "point" else place.limits.answer):
        return NotAssessable(
            ReasonCode.NEEDS_REGION,
            f"the border of the nerve was not found with enough confidence ({sure:.2f})",
            "draw the outline or an ellipse around the nerve",
            place.image,
            (Line(trace.outline, LineRole.ALTERNATIVE, "candidate"),),
            confidence=sure,
        )
    return Found((trace.outline,), trace, sure)


def _traced(place: Place) -> tuple[tracing.Trace | None, str]:
    """The network's outline from the seed, and the mode that its confidence was fitted in."""
    grey = place.clip.frames.grey(place.seed.frame)
    ellipse = place.seed.ellipse(place.spacing)
    if ellipse is not None:
        return tracing.from_ellipse(grey, place.spacing, ellipse), "caliper"
    length = place.seed.length_mm(place.spacing)
    half = tracing.POINT_HALF_MM if length is None else tuple(length * f for f in tracing.CALIPER_HALF_PER_LENGTH)
    return tracing.from_point(grey, place.spacing, place.seed.point_mm(place.spacing), half), "point"


def _mostly_coloured(place: Place, outline: Outline) -> bool:
    """Whether Doppler colour fills a fifth or more of the outline."""
    coloured = place.clip.frames.coloured(place.seed.frame)
    if not coloured.any():
        return False
    inside = mask_of(outline, place.clip.frames.shape)
    return bool((coloured & inside).sum() > 0.2 * inside.sum())


def _bifid(place: Place, found: Found) -> NotAssessable | None:
    """A median nerve in two parts of which only one was marked."""
    if place.acquisition.structure != "median_nerve" or len(found.outlines) > 1:
        return None
    in_two = place.seed.kind not in DRAWN and found.trace is not None and found.trace.parts > 1
    if not (in_two or "bifid" in place.seed.label):
        return None
    return NotAssessable(
        ReasonCode.BIFID,
        "the median nerve seems to lie in two parts (bifid), and only one outline was given",
        "draw an outline around each part: their areas are added",
        place.image,
        tuple(Line(outline, LineRole.ALTERNATIVE) for outline in found.outlines),
    )


def measured_place(place: Place, found: Found) -> NerveImage:
    """Numbers and flags of outlines that passed every gate."""
    clip, seed, tissue, spacing = place.clip, place.seed, place.tissue, place.spacing
    shape = clip.frames.shape
    grey, coloured = clip.frames.grey(seed.frame), clip.frames.coloured(seed.frame)
    values = values_of(found.outlines, None if tissue.colour else grey, coloured, spacing)
    top = gates.lit_box(grey, tissue.box).row0
    highest = min(row for outline in found.outlines for _, row in outline)
    values["distance_to_skin"] = max(0.0, (highest - top) * spacing.row_mm)
    alternative = found.trace.outline if found.trace is not None and seed.kind in DRAWN else None
    if alternative is not None:
        other = float(mask_of(alternative, shape).sum()) * spacing.area_mm2
        values["area_found_difference"] = 100 * (other / values["area"] - 1)
    if seed.stated_area_mm2 is not None:
        values["area_stated"] = seed.stated_area_mm2
    return NerveImage(
        clip,
        place.image,
        found.outlines,
        values,
        seed.origin,
        tissue,
        _flags(place, found, values, coloured),
        found.confidence,
        alternative,
    )


def _flags(place: Place, found: Found, values: dict[str, float], coloured: Mask) -> tuple[Flag, ...]:
    """The doubts about one image."""
    inside = np.any([mask_of(outline, coloured.shape) for outline in found.outlines], axis=0)
    raised = {
        flags.VIEW_UNKNOWN: place.acquisition.view is View.UNKNOWN,
        flags.SITE_NOT_STATED: place.acquisition.site is None,
        flags.TWO_PARTS: len(found.outlines) > 1,
        flags.LOW_CONFIDENCE: found.confidence is not None and found.confidence < place.limits.warn,
        flags.DIFFERS_FROM_DRAWING: abs(values.get("area_found_difference", 0)) > 20,
        flags.STATED_DIFFERS: abs(values.get("area_stated", values["area"]) / values["area"] - 1) > 0.1,
        flags.PERHAPS_VESSEL: found.trace is not None and found.trace.vessel > VESSEL_PROBABILITY,
        flags.UNDER_COLOUR: place.tissue.colour,
        flags.COLOUR_INSIDE: bool((coloured & inside).any()) and not place.tissue.colour,
        flags.SMALL_IN_PIXELS: inside.sum() < 300,
        flags.DEEP: values["distance_to_skin"] > 30,
        flags.CHILD: (place.acquisition.subject.age_years or 99) < 15,
        flags.FRAME_OF_CINE: place.clip.frames.count > 1,
    }
    return tuple(flag for flag, true in raised.items() if true)
