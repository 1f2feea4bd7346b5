"""Which region of an image is measured: what a person drew wins; else what the search found; else none, with why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from plugins.contract import (
    Acquisition,
    Box,
    Clip,
    FrameRef,
    Grey,
    Line,
    LineRole,
    Mask,
    NotAssessable,
    Outline,
    Point,
    ReasonCode,
    Region,
    RegionShape,
    TissueRegion,
    View,
)
from plugins.echogenicity.region import NEEDS_A_REGION, Located, locate
from plugins.outlines import RegionInvalid, area_px, closed, inside_point, outline_of

LEAST_POINTED_CONFIDENCE = 0.5
"""A candidate that is more likely wrong than right is not taken even when a point lies in it."""
ENCLOSING = (RegionShape.POLYGON, RegionShape.ELLIPSE, RegionShape.BOX)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The region to measure in one frame, and what is known of it."""

    frame: int
    outline: Outline
    origin: str
    """For the report: ``drawn: structured report``, ``found in the image``."""
    tissue: TissueRegion | None = None
    """The calibrated region it lies in; ``None`` without calibration, or when more than one holds it."""
    muscle: Outline | None = None
    """Outline of the whole muscle, where known: the region itself when the drawing says that it surrounds the muscle,
    else what the search found around a region that lies in the muscle."""
    superficial: tuple[Point, ...] = ()
    deep: tuple[Point, ...] = ()
    """Centre lines of the aponeuroses, left to right, where known."""
    alternatives: tuple[Outline, ...] = ()
    confidence: float | None = None
    by_point: bool = False
    """Whether a person's point, and not the search's own confidence, decided between candidates."""
    untried: bool = False
    """Whether the search found this muscle although its accuracy was judged on others."""
    seen: tuple[Box, Mask] | None = field(default=None, compare=False, repr=False)
    """Field of view and its mask within that box, where the search has already found them in this frame."""


def drawn_region(clip: Clip, acquisition: Acquisition) -> Region | None:
    """The drawing that speaks of this muscle: one that names it before one that names nothing.

    Drawings that name another structure are left alone. Of several, polygons come before ellipses before boxes, and
    the largest first: a contour says more than a caliper pair, and a mark inside the region is not the region.
    """
    fitting = [
        region
        for region in clip.drawn
        if region.shape in ENCLOSING and region.structure in (None, acquisition.structure)
    ]
    ranked = sorted(
        fitting, key=lambda region: (region.structure is None, ENCLOSING.index(region.shape), -_size(region.points))
    )
    return ranked[0] if ranked else None


def drawn_choice(clip: Clip, region: Region, acquisition: Acquisition) -> Chosen | NotAssessable:
    """The drawn region as an outline, checked against the picture and its calibrated regions."""
    if not 0 <= region.frame < clip.frames.count:
        return _invalid(clip, f"the drawn region lies on frame {region.frame}, which the image has not")
    try:
        outline = outline_of(region, clip.frames.shape)
    except RegionInvalid as problem:
        return _invalid(clip, str(problem), region)
    if outline is None:
        return _invalid(clip, f"a {region.shape} encloses nothing")
    tissue = clip.region_of(outline)
    whole = region.structure == acquisition.structure and region.shape is not RegionShape.BOX
    if clip.regions and not any(_overlaps(known, outline) for known in clip.regions):
        return _invalid(clip, "the drawn region lies outside the tissue of the picture", region)
    return Chosen(
        frame=region.frame,
        outline=outline,
        origin=f"drawn: {region.origin}",
        tissue=tissue,
        muscle=outline if whole else None,
    )


def found_choice(
    clip: Clip, frame: int, grey: Grey, coloured: Mask, acquisition: Acquisition
) -> Chosen | NotAssessable:
    """What the search finds in one frame; a point that someone set decides between candidates.

    The search alone answers only above its own threshold. Where a person marked a point and exactly one candidate
    holds it, that candidate is the answer: the choice was the person's, the line the picture's.
    """
    image = FrameRef(clip.sop_instance_uid, frame)
    tissues = [region for region in clip.regions if not region.colour]
    if len(tissues) > 1:
        return NotAssessable(
            ReasonCode.AMBIGUOUS_CALIBRATION,
            f"the picture holds {len(tissues)} tissue regions, and nothing says which one shows the muscle",
            "draw the region, or send the pictures one by one",
            image,
        )
    tissue = tissues[0] if tissues else None
    spacing, box = (tissue.spacing, tissue.box) if tissue else (None, None)
    located = locate(grey, coloured, acquisition.view, acquisition.structure, spacing, box)
    if located.outline is not None:
        return Chosen(
            frame=frame,
            outline=closed(located.outline),
            origin=f"found in the image: {located.method}",
            tissue=tissue,
            muscle=closed(located.outline),
            superficial=located.superficial,
            deep=located.deep,
            alternatives=located.alternatives,
            confidence=located.confidence,
            untried=bool(located.caution),
            seen=located.seen,
        )
    pointed = _pointed_at(located, _points_on(clip, frame, acquisition))
    if pointed is not None:
        outline, confidence = pointed
        return Chosen(
            frame=frame,
            outline=closed(outline),
            origin=f"found around a point that a person set: {located.method}",
            tissue=tissue,
            muscle=closed(outline),
            alternatives=tuple(other for other in located.alternatives if other != outline),
            confidence=confidence,
            by_point=True,
        )
    return NotAssessable(
        ReasonCode.NEEDS_REGION,
        f"no region was drawn, and {located.reason.removeprefix(f'{NEEDS_A_REGION}: ')}",
        "draw the muscle's contour on the scanner, in the viewer, or in a regions file",
        image,
        tuple(Line(other, LineRole.ALTERNATIVE) for other in located.alternatives),
        located.confidence,
    )


def with_muscle(chosen: Chosen, clip: Clip, grey: Grey, coloured: Mask, acquisition: Acquisition) -> Chosen:
    """A region drawn within a muscle, with the muscle's own borders where the search is sure of them.

    They serve the lengths only: what is measured stays what was drawn. Borders that do not hold the drawn region's
    middle are another muscle's, and are dropped.
    """
    if chosen.muscle is not None or chosen.tissue is None or acquisition.view is not View.LONGITUDINAL:
        return chosen
    tissue = chosen.tissue
    located = locate(grey, coloured, acquisition.view, acquisition.structure, tissue.spacing, tissue.box)
    columns, rows = zip(*chosen.outline[:-1], strict=True)
    middle = (sum(columns) / len(columns), sum(rows) / len(rows))
    if located.outline is None or not inside_point(located.outline, middle):
        return chosen
    return replace(
        chosen,
        muscle=closed(located.outline),
        superficial=located.superficial,
        deep=located.deep,
        confidence=located.confidence,
    )


def _pointed_at(located: Located, points: Sequence[Point]) -> tuple[Outline, float] | None:
    """The one candidate that holds every point, with its confidence; ``None`` when none, several or a poor one do."""
    holding = [
        (outline, confidence)
        for outline, confidence in zip(located.alternatives, located.alternative_confidences, strict=True)
        if points and all(inside_point(outline, point) for point in points)
    ]
    return holding[0] if len(holding) == 1 and holding[0][1] >= LEAST_POINTED_CONFIDENCE else None


def _points_on(clip: Clip, frame: int, acquisition: Acquisition) -> list[Point]:
    """Points that a person set on this frame and that name no other structure."""
    return [
        region.points[0]
        for region in clip.drawn
        if region.shape is RegionShape.POINT
        and region.frame == frame
        and region.points
        and region.structure in (None, acquisition.structure)
    ]


def _invalid(clip: Clip, text: str, region: Region | None = None) -> NotAssessable:
    lines: tuple[Line, ...] = ()
    rows, columns = clip.frames.shape
    if region is not None and all(0 <= c <= columns and 0 <= r <= rows for c, r in region.points):
        lines = (Line(region.points, LineRole.ALTERNATIVE, "as drawn"),)
    return NotAssessable(
        ReasonCode.REGION_INVALID,
        text,
        "draw the region again, as one closed contour within the muscle",
        FrameRef(clip.sop_instance_uid, region.frame if region is not None else 0),
        lines,
    )


def _overlaps(region: TissueRegion, points: Sequence[Point]) -> bool:
    """Whether any corner lies in the region's box."""
    return any(region.box.holds((point,)) for point in points)


def _size(points: Sequence[Point]) -> float:
    return area_px(points) if len(points) > 2 else 0.0
