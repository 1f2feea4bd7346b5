"""Calibration: every trap that real files are known to set, each as its own test."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from plugins.contract import Box, Spacing, TissueRegion
from service.analyse.read_regions import tissue_regions


def picture(*regions: Dataset, rows: int = 48, columns: int = 64, **values: object) -> Dataset:
    dataset = Dataset()
    dataset.Rows, dataset.Columns = rows, columns
    if regions:
        dataset.SequenceOfUltrasoundRegions = list(regions)
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def test_bounds_are_inclusive_and_centimetres_become_millimetres(make_region) -> None:
    regions, remarks = tissue_regions(picture(make_region()))
    assert regions == (TissueRegion(Box(0, 0, 64, 48), Spacing(0.2, 0.1)),)
    assert remarks == ()


def test_a_border_equal_to_the_width_is_clipped_not_refused(make_region) -> None:
    regions, remarks = tissue_regions(picture(make_region(RegionLocationMaxX1=64, RegionLocationMaxY1=48)))
    assert regions == (TissueRegion(Box(0, 0, 64, 48), Spacing(0.2, 0.1)),)
    assert remarks == ()


def test_a_region_beyond_the_picture_is_not_believed(make_region) -> None:
    """The picture was halved after the scan, and its regions were not: measuring would be wrong by a factor of two."""
    regions, remarks = tissue_regions(picture(make_region(RegionLocationMaxX1=127, RegionLocationMaxY1=95)))
    assert [region.spacing for region in regions] == [None]
    assert "resampled or cropped" in remarks[0]


def test_the_first_region_need_not_be_the_picture(make_region) -> None:
    graphics = make_region(RegionSpatialFormat=0, RegionDataType=0, PhysicalDeltaX=1.0, PhysicalUnitsXDirection=0)
    physio = make_region(RegionSpatialFormat=4, RegionDataType=10)
    regions, _ = tissue_regions(picture(graphics, make_region(), physio))
    assert regions == (TissueRegion(Box(0, 0, 64, 48), Spacing(0.2, 0.1)),)


def test_negative_deltas_are_mirrored_axes(make_region) -> None:
    regions, _ = tissue_regions(picture(make_region(PhysicalDeltaX=-0.01, PhysicalDeltaY=-0.02)))
    assert regions[0].spacing == Spacing(0.2, 0.1)


def test_two_pictures_side_by_side_stay_two(make_region) -> None:
    left, right = make_region(RegionLocationMaxX1=31), make_region(RegionLocationMinX0=32)
    regions, _ = tissue_regions(picture(left, right))
    assert [region.box for region in regions] == [Box(0, 0, 32, 48), Box(32, 0, 64, 48)]


def test_the_same_region_twice_is_one(make_region) -> None:
    assert len(tissue_regions(picture(make_region(), make_region()))[0]) == 1


def test_a_colour_box_inside_its_picture_is_the_same_tissue_under_colour(make_region) -> None:
    colour = make_region(RegionDataType=2, RegionLocationMinX0=10, RegionLocationMaxX1=20)
    assert tissue_regions(picture(make_region(), colour))[0] == (
        TissueRegion(Box(0, 0, 64, 48), Spacing(0.2, 0.1), colour=True),
    )


def test_a_colour_region_alone_is_tissue_under_colour(make_region) -> None:
    assert tissue_regions(picture(make_region(RegionDataType=2)))[0][0].colour


@pytest.mark.parametrize(
    "values",
    [
        {"PhysicalUnitsXDirection": 4},
        {"PhysicalUnitsYDirection": 0},
        {"PhysicalDeltaX": 0.0},
        {"PhysicalDeltaY": float("nan")},
    ],
)
def test_other_units_and_useless_deltas_give_no_spacing(make_region, values: dict) -> None:
    regions, remarks = tissue_regions(picture(make_region(**values)))
    assert [region.spacing for region in regions] == [None]
    assert remarks


@pytest.mark.parametrize("data_type", [3, 4, 5, 6, 7, 10, 13, 14])
def test_spectra_traces_and_bars_are_no_tissue(make_region, data_type: int) -> None:
    assert tissue_regions(picture(make_region(RegionDataType=data_type)))[0] == ()


def test_pixel_spacing_counts_only_where_no_region_is_and_says_so() -> None:
    regions, remarks = tissue_regions(picture(PixelSpacing=[0.2, 0.1]))
    assert regions == (TissueRegion(Box(0, 0, 64, 48), Spacing(0.2, 0.1)),)
    assert "Pixel Spacing" in remarks[0]


def test_pixel_spacing_that_agrees_changes_nothing(make_region) -> None:
    assert tissue_regions(picture(make_region(), PixelSpacing=[0.2, 0.1])) == tissue_regions(picture(make_region()))


def test_pixel_spacing_that_differs_makes_both_unbelievable(make_region) -> None:
    regions, remarks = tissue_regions(picture(make_region(), PixelSpacing=[0.1, 0.1]))
    assert [region.spacing for region in regions] == [None]
    assert "differ" in remarks[0]


def test_no_calibration_at_all_is_said() -> None:
    assert tissue_regions(picture()) == ((), ("the image has no calibration",))


@given(
    x0=st.integers(0, 200),
    y0=st.integers(0, 200),
    x1=st.integers(0, 200),
    y1=st.integers(0, 200),
    delta=st.floats(allow_nan=True, allow_infinity=True),
)
def test_a_region_never_leaves_the_picture_and_a_spacing_is_always_positive(x0, y0, x1, y1, delta) -> None:
    item = Dataset()
    item.RegionSpatialFormat, item.RegionDataType = 1, 1
    item.RegionLocationMinX0, item.RegionLocationMinY0 = x0, y0
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = x1, y1
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = 3
    item.PhysicalDeltaX = item.PhysicalDeltaY = delta
    for found in tissue_regions(picture(item))[0]:
        assert 0 <= found.box.column0 < found.box.column1 <= 64
        assert 0 <= found.box.row0 < found.box.row1 <= 48
        assert found.spacing is None or found.spacing.row_mm > 0
