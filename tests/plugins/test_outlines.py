"""Outlines to pixels: ImageJ's rule, checked against a point-in-polygon test and against exact areas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import points_in_poly

from plugins.contract import Region, RegionOrigin, RegionShape
from plugins.outlines import RegionInvalid, area_px, closed, extent_of, inside_point, mask_of, outline_of

SHAPE = (40, 50)


def drawn(shape: RegionShape, *points: tuple[float, float]) -> Region:
    return Region(shape, points, RegionOrigin.REGIONS_FILE)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0, 40)), min_size=3, max_size=9, unique=True))
def test_a_pixel_is_inside_when_its_centre_is(points):
    centres = [(column + 0.5, row + 0.5) for row in range(40) for column in range(50)]
    offset = [(column + 0.003, row + 0.0017) for column, row in points]  # no centre exactly on an edge
    expected = points_in_poly(centres, offset).reshape(SHAPE)
    assert (mask_of(closed(offset), SHAPE) == expected).mean() > 0.9995


def test_a_box_of_whole_pixels_holds_exactly_those():
    outline = outline_of(drawn(RegionShape.BOX, (3, 5), (13, 25)), SHAPE)
    mask = mask_of(outline, SHAPE)
    assert mask.sum() == 200
    assert mask[5:25, 3:13].all()


def test_neighbouring_boxes_share_no_pixel_and_miss_none():
    left = mask_of(closed([(0, 0), (7.5, 0), (7.5, 9.5), (0, 9.5)]), SHAPE)
    right = mask_of(closed([(7.5, 0), (20, 0), (20, 9.5), (7.5, 9.5)]), SHAPE)
    both = mask_of(closed([(0, 0), (20, 0), (20, 9.5), (0, 9.5)]), SHAPE)
    assert not (left & right).any()
    assert ((left | right) == both).all()


def test_an_ellipse_has_its_area_and_its_place():
    outline = outline_of(drawn(RegionShape.ELLIPSE, (5, 20), (45, 20), (25, 10), (25, 30)), SHAPE)
    assert area_px(outline) == pytest.approx(np.pi * 20 * 10, rel=1e-9)
    assert mask_of(outline, SHAPE).sum() == pytest.approx(np.pi * 200, rel=0.01)
    assert inside_point(outline, (25, 20))
    assert not inside_point(outline, (6, 11))


def test_a_slanted_ellipse_keeps_its_axes():
    cos, sin = np.cos(0.5), np.sin(0.5)
    ends = [(25 + 15 * cos, 20 + 15 * sin), (25 - 15 * cos, 20 - 15 * sin), (25 - 8 * sin, 20 + 8 * cos)]
    ends.append((25 + 8 * sin, 20 - 8 * cos))
    outline = outline_of(drawn(RegionShape.ELLIPSE, *ends), SHAPE)
    assert area_px(outline) == pytest.approx(np.pi * 15 * 8, rel=1e-6)


@pytest.mark.parametrize(
    ("region", "words"),
    [
        (drawn(RegionShape.POLYGON, (1, 1), (30, 1)), "corners"),
        (drawn(RegionShape.POLYGON, (1, 1), (60, 1), (10, 10)), "leaves the picture"),
        (drawn(RegionShape.POLYGON, (0, 0), (20, 20), (20, 0), (0, 30)), "crosses itself"),
        (drawn(RegionShape.POLYGON, (0, 0), (20, 0), (10, 0)), "less than one pixel"),
        (drawn(RegionShape.POLYGON, (float("nan"), 0), (20, 0), (10, 9)), "not a number"),
        (drawn(RegionShape.BOX, (3, 3)), "corners"),
        (drawn(RegionShape.ELLIPSE, (3, 3), (9, 9)), "axis ends"),
    ],
)
def test_a_drawing_that_encloses_nothing_measurable_says_why(region, words):
    with pytest.raises(RegionInvalid, match=words):
        outline_of(region, SHAPE)


def test_calipers_and_points_enclose_nothing():
    assert outline_of(drawn(RegionShape.CALIPER, (1, 1), (9, 9)), SHAPE) is None
    assert outline_of(drawn(RegionShape.POINT, (1, 1)), SHAPE) is None


def test_a_border_outside_by_rounding_is_moved_to_the_picture():
    outline = outline_of(drawn(RegionShape.BOX, (-0.4, 0), (50.4, 40)), SHAPE)
    assert mask_of(outline, SHAPE).all()


def test_the_extent_of_a_mask_is_what_holds_its_pixels() -> None:
    mask = np.zeros((9, 12), bool)
    assert mask[extent_of(mask)].size == 0
    mask[2, 5] = mask[6, 3] = True
    assert extent_of(mask) == (slice(2, 7), slice(3, 6))
    assert mask[extent_of(mask)].sum() == 2
