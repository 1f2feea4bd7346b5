"""Calibration of an ultrasound picture: which rectangle shows tissue, and how many millimetres a pixel is.

US Region Calibration module (PS3.3 C.8.5.5), read with the distrust that real files teach: the first region need not
be the picture, deltas may be negative, a border may equal the picture's width, and a picture that was resampled or
cropped after the scan keeps the regions of the old one. Where it cannot be trusted it is absent, with a remark.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from pydicom.dataset import Dataset

from plugins.contract import Box, Spacing, TissueRegion

_TWO_DIMENSIONAL = 1
_TISSUE, _COLOUR_FLOW = 1, 2
_CENTIMETRES = 3
_OVERHANG = 1
"""Pixels by which a region may overhang: scanners write the border once as last pixel, once as one past it."""
_AGREEMENT = 0.01
"""Relative difference up to which two statements of the same spacing agree."""


def tissue_regions(dataset: Dataset) -> tuple[tuple[TissueRegion, ...], tuple[str, ...]]:
    """The calibrated two-dimensional tissue regions of a picture, and remarks on what was not taken.

    Returns
    -------
    Regions clipped to the picture, each once; a colour box inside its tissue region makes that one ``colour``.
    """
    remarks: list[str] = []
    found: list[TissueRegion] = []
    for item in dataset.get("SequenceOfUltrasoundRegions") or ():
        region = _region(item, dataset, remarks)
        if region is not None and region not in found:
            found.append(region)
    if found or dataset.get("SequenceOfUltrasoundRegions"):
        regions = _checked(_merged(found), _pixel_spacing(dataset), remarks)
        return regions, tuple(remarks)
    spacing = _pixel_spacing(dataset)
    if spacing is None:
        return (), ("the image has no calibration",)
    whole = Box(0, 0, int(dataset.Columns), int(dataset.Rows))
    return (TissueRegion(whole, spacing),), ("calibration from Pixel Spacing: the image has no calibrated region",)


def _region(item: Dataset, dataset: Dataset, remarks: list[str]) -> TissueRegion | None:
    """One item, or ``None`` when it is no two-dimensional tissue."""
    if item.get("RegionSpatialFormat") != _TWO_DIMENSIONAL:
        return None
    if item.get("RegionDataType") not in (_TISSUE, _COLOUR_FLOW):
        return None
    names = ("RegionLocationMinX0", "RegionLocationMinY0", "RegionLocationMaxX1", "RegionLocationMaxY1")
    corners = [item.get(name) for name in names]
    if any(not isinstance(corner, int) for corner in corners):
        remarks.append("a region without corners was left out")
        return None
    x0, y0, x1, y1 = corners
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    box = Box(max(x0, 0), max(y0, 0), min(x1 + 1, columns), min(y1 + 1, rows))
    if box.column1 <= box.column0 or box.row1 <= box.row0:
        remarks.append("a region outside the picture was left out")
        return None
    spacing = _spacing(item, remarks)
    if x1 >= columns + _OVERHANG or y1 >= rows + _OVERHANG:
        remarks.append(
            f"the region ends at column {x1}, row {y1} of a picture of {columns} × {rows}: the picture was resampled "
            "or cropped after the scan, so its calibration does not hold"
        )
        spacing = None
    return TissueRegion(box, spacing, colour=item.get("RegionDataType") == _COLOUR_FLOW)


def _spacing(item: Dataset, remarks: list[str]) -> Spacing | None:
    if (item.get("PhysicalUnitsXDirection"), item.get("PhysicalUnitsYDirection")) != (_CENTIMETRES, _CENTIMETRES):
        remarks.append("a tissue region is not calibrated in centimetres")
        return None
    deltas = [item.get("PhysicalDeltaY"), item.get("PhysicalDeltaX")]
    if any(not isinstance(delta, int | float) or not math.isfinite(delta) or delta == 0 for delta in deltas):
        remarks.append("a tissue region's pixel size is missing or zero")
        return None
    row_mm, column_mm = (abs(float(delta)) * 10 for delta in deltas)  # a negative delta is a mirrored axis
    return Spacing(row_mm, column_mm)


def _merged(regions: Sequence[TissueRegion]) -> list[TissueRegion]:
    """Colour boxes dissolved in the tissue region that holds them at the same scale."""
    tissue = [region for region in regions if not region.colour]
    rest = []
    for colour in (region for region in regions if region.colour):
        corners = [(colour.box.column0, colour.box.row0), (colour.box.column1, colour.box.row1)]
        holders = [one for one in tissue if one.box.holds(corners) and one.spacing == colour.spacing]
        if holders:
            tissue[tissue.index(holders[0])] = replace(holders[0], colour=True)
        else:
            rest.append(colour)
    return tissue + rest


def _checked(regions: Sequence[TissueRegion], stated: Spacing | None, remarks: list[str]) -> tuple[TissueRegion, ...]:
    """Regions held against Pixel Spacing, where the file has both: two statements that differ are none."""
    if stated is None:
        return tuple(regions)
    checked = []
    for region in regions:
        if region.spacing is not None and not _agree(region.spacing, stated):
            remarks.append("the region's calibration and Pixel Spacing differ: neither is taken")
            region = replace(region, spacing=None)  # noqa: PLW2901
        checked.append(region)
    return tuple(checked)


def _agree(one: Spacing, other: Spacing) -> bool:
    return math.isclose(one.row_mm, other.row_mm, rel_tol=_AGREEMENT) and math.isclose(
        one.column_mm, other.column_mm, rel_tol=_AGREEMENT
    )


def _pixel_spacing(dataset: Dataset) -> Spacing | None:
    """Pixel Spacing (row, column) in millimetres, which no US module has but some scanners add."""
    values = dataset.get("PixelSpacing")
    try:
        row_mm, column_mm = (float(value) for value in values or ())
    except (TypeError, ValueError):
        return None
    usable = math.isfinite(row_mm) and math.isfinite(column_mm) and row_mm > 0 and column_mm > 0
    return Spacing(row_mm, column_mm) if usable else None
