"""Which part of the picture is judged: the muscle that someone drew, else the whole tissue region."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from plugins.contract import Acquisition, Clip, FrameRef, NotAssessable, Outline, ReasonCode, Region, RegionShape
from plugins.fasciculation.clip import block_centres
from plugins.fasciculation.grid import Grid, grid_of
from plugins.outlines import RegionInvalid, outline_of

_CLOSED = (RegionShape.POLYGON, RegionShape.ELLIPSE, RegionShape.BOX)


@dataclass(frozen=True, slots=True)
class FieldOfView:
    """What is judged."""

    outline: Outline
    origin: str
    drawn: bool
    inside: npt.NDArray[np.bool_] | None
    """Blocks whose centre lies in the outline; ``None`` for all."""


def field_of_view(clip: Clip, acquisition: Acquisition) -> FieldOfView | NotAssessable:
    """The first closed region drawn for this muscle, else the tissue region."""
    image = FrameRef(clip.sop_instance_uid)
    if len(clip.regions) > 1:
        return NotAssessable(
            ReasonCode.AMBIGUOUS_CALIBRATION,
            f"{len(clip.regions)} tissue regions in one picture (dual or zoomed image)",
            "record the clip as a single image",
            image,
        )
    if clip.tissue is not None and clip.tissue.colour:
        return NotAssessable(
            ReasonCode.COLOUR_DOPPLER,
            "the tissue lies under colour Doppler: flow colours change with every frame",
            "record the clip in B-mode",
            image,
        )
    grid = grid_of(clip)
    for region in clip.drawn:
        if region.shape in _CLOSED and region.structure in (None, acquisition.structure):
            return _drawn(clip, region, grid)
    box = grid.box
    corners = ((box.column0, box.row0), (box.column1, box.row0), (box.column1, box.row1), (box.column0, box.row1))
    outline = tuple((float(column), float(row)) for column, row in (*corners, corners[0]))
    return FieldOfView(outline, "whole tissue region", drawn=False, inside=None)


def _drawn(clip: Clip, region: Region, grid: Grid) -> FieldOfView | NotAssessable:
    """Blocks inside a drawn outline."""
    try:
        outline = outline_of(region, clip.frames.shape)
    except RegionInvalid as wrong:
        return NotAssessable(
            ReasonCode.REGION_INVALID,
            str(wrong),
            "draw the muscle again",
            FrameRef(clip.sop_instance_uid, region.frame),
        )
    if outline is None:
        raise ValueError(f"a {region.shape} encloses nothing")
    points = np.array(outline, np.float32)
    inside = [cv2.pointPolygonTest(points, place, False) >= 0 for place in block_centres(grid)]
    return FieldOfView(outline, f"drawn: {region.origin}", True, np.array(inside, bool).reshape(grid.blocks))
