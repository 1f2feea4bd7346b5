"""When no area is given, and what would help: every rule in one place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from plugins.contract import Acquisition, Clip, Declined, FrameRef, Line, NotAssessable, ReasonCode, TissueRegion
from plugins.images import Box, Grey, Outline, Point, Spacing
from reference_store import anatomy

KINDS = frozenset({"nerve", "root", "trunk"})
EDGE_PX = 2.0
"""An outline this near to the picture's border may go on beyond it."""
DARK = 12
"""Grey levels up to this are taken for the black margin around a picture."""
LIT_SHARE = 0.03


def declined(acquisition: Acquisition) -> Declined | None:
    """Why an acquisition is not for the nerve analysis, from its attributes alone."""
    if acquisition.structure is None:
        return Declined(
            ReasonCode.STRUCTURE_UNKNOWN,
            "the images do not say which nerve they show",
            "name it on the scanner, add a site mapping rule, or pass --structure",
        )
    try:
        kind = anatomy.structure(acquisition.structure).kind
    except KeyError:
        return Declined(
            ReasonCode.STRUCTURE_UNKNOWN,
            f"the structure {acquisition.structure!r} is not in the anatomy catalogue",
            "use a key of the catalogue",
        )
    if kind not in KINDS:
        return Declined(ReasonCode.NOT_APPLICABLE, f"{acquisition.structure} is a {kind}, not a nerve", "none needed")
    return None


def site_problem(acquisition: Acquisition) -> NotAssessable | None:
    """A site that the catalogue has not, or not for this nerve; a root or trunk without its level."""
    structure = anatomy.structure(acquisition.structure or "")
    image = FrameRef(acquisition.clips[0].sop_instance_uid)
    if acquisition.site is None:
        if structure.kind == "nerve":
            return None
        return NotAssessable(
            ReasonCode.SITE_UNKNOWN,
            f"{structure.name}: the level at which it was measured is not stated, and its area depends on it",
            "name the level: root at the transverse process, or interscalene",
            image,
        )
    known = {site.key for site in anatomy.sites(structure.key)}
    if acquisition.site in known:
        return None
    return NotAssessable(
        ReasonCode.SITE_UNKNOWN,
        f"{structure.name}: the site {acquisition.site!r} is not one of this nerve's sites in the catalogue",
        "name one of: " + ", ".join(sorted(known)),
        image,
    )


def calibrated(clip: Clip, points: Sequence[Point], frame: int) -> TissueRegion | NotAssessable:
    """The one region with spacing that holds all points, or why there is none."""
    image = FrameRef(clip.sop_instance_uid, frame)
    if not clip.regions or all(region.spacing is None for region in clip.regions):
        return NotAssessable(
            ReasonCode.NO_CALIBRATION,
            "the image states no size of its pixels: an area in mm² cannot be given",
            "send the image as DICOM with its region calibration",
            image,
        )
    found = clip.region_of(points) if points else clip.tissue
    if found is None:
        count = len(clip.regions)
        if count == 1:
            return NotAssessable(
                ReasonCode.CUT_OFF,
                "what was drawn leaves the calibrated tissue of the picture",
                "draw inside the picture, or send an image that shows the whole nerve",
                image,
            )
        return NotAssessable(
            ReasonCode.AMBIGUOUS_CALIBRATION,
            f"the picture holds {count} calibrated regions, and nothing says which one shows the nerve",
            "mark the nerve inside one region, or send the pictures one by one",
            image,
        )
    if found.spacing is None:
        return NotAssessable(
            ReasonCode.NO_CALIBRATION,
            "the part of the image that shows the nerve states no size of its pixels",
            "send the image as DICOM with its region calibration",
            image,
        )
    return found


def spacing_of(tissue: TissueRegion) -> Spacing:
    """The spacing of a region that ``calibrated`` gave.

    Raises
    ------
    ValueError
        For a region without spacing.
    """
    if tissue.spacing is None:
        raise ValueError("this region states no spacing")
    return tissue.spacing


def lit_box(grey: Grey, box: Box) -> Box:
    """The box without the black margins that a scanner leaves around a picture."""
    lit = grey[box.row0 : box.row1, box.column0 : box.column1] > DARK
    rows = np.flatnonzero(lit.mean(axis=1) > LIT_SHARE)
    columns = np.flatnonzero(lit.mean(axis=0) > LIT_SHARE)
    if not len(rows) or not len(columns):
        return box
    return Box(
        box.column0 + int(columns[0]), box.row0 + int(rows[0]), box.column0 + int(columns[-1]) + 1, box.row1
    )  # fmt: skip


def cut_off(outline: Outline, lit: Box, image: FrameRef) -> NotAssessable | None:
    """An outline that touches the border of the picture: the nerve may go on beyond it."""
    array = np.asarray(outline, float)
    low, high = array.min(axis=0), array.max(axis=0)
    inside = (
        low[0] > lit.column0 + EDGE_PX
        and low[1] > lit.row0 + EDGE_PX
        and high[0] < lit.column1 - EDGE_PX
        and high[1] < lit.row1 - EDGE_PX
    )
    if inside:
        return None
    return NotAssessable(
        ReasonCode.CUT_OFF,
        "the nerve reaches the border of the picture and may go on beyond it",
        "send an image that shows the whole nerve",
        image,
        (Line(outline),),
    )
