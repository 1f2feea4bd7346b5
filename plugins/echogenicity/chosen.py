"""Which region of an image is measured: what a person drew wins; else what the search found; else none, with why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from plugins.contract import (
    Acquisition,
    Clip,
    FrameRef,
    Line,
    LineRole,
    NotAssessable,
    Outline,
    Point,
    ReasonCode,
    Region,
    RegionShape,
    TissueRegion,
)
from plugins.outlines import RegionInvalid, area_px, outline_of

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
    whole: bool = False
    """Whether the outline is said to surround the whole muscle, and not just to lie in it."""
    superficial: tuple[Point, ...] = ()
    deep: tuple[Point, ...] = ()
    """Centre lines of the aponeuroses, left to right, where known."""
    alternatives: tuple[Outline, ...] = ()
    confidence: float | None = None
    label: str = ""


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
    if clip.regions and not any(_overlaps(known, outline) for known in clip.regions):
        return _invalid(clip, "the drawn region lies outside the tissue of the picture", region)
    return Chosen(
        frame=region.frame,
        outline=outline,
        origin=f"drawn: {region.origin}",
        tissue=tissue,
        whole=region.structure == acquisition.structure and region.shape is not RegionShape.BOX,
        label=region.label,
    )


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
