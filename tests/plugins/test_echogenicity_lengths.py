"""Lengths, depth and echoes against simulated and drawn truth, and how they change when the picture does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugins.contract import (
    Acquisition,
    ArrayFrames,
    Clip,
    NoReferences,
    Region,
    RegionOrigin,
    RegionShape,
    Side,
    Spacing,
    TissueRegion,
    View,
)
from plugins.echogenicity import Echogenicity
from plugins.echogenicity.borders import borders_of, perpendicular_thickness_mm
from plugins.echogenicity.depth import depth_figures
from service.demo.simulator import LongitudinalMuscle, Picture, TransverseMuscle, still

PICTURE = Picture()


def simulated(tissue, seed: int, view: View, structure: str = "biceps_brachii"):
    """The image finding of a simulated still whose true contour is given as a drawing that names the muscle."""
    points = tuple(PICTURE.point(x, z) for x, z in tissue.outline_mm)
    drawn = Region(RegionShape.POLYGON, points, RegionOrigin.REGIONS_FILE, structure=structure)
    regions = (TissueRegion(PICTURE.box, Spacing(PICTURE.spacing_mm, PICTURE.spacing_mm)),)
    clip = Clip(f"1.{seed}", "1", ArrayFrames(still(tissue, PICTURE, seed)), regions, drawn=(drawn,))
    return Echogenicity().analyse(Acquisition(structure, Side.LEFT, None, view, (clip,)), NoReferences())[0]


@pytest.mark.parametrize("slope", [-0.1, 0.0, 0.15])
def test_simulated_longitudinal_muscle(slope, value):
    tissue = LongitudinalMuscle(slope=slope, pennation_rad=0.24)
    found = simulated(tissue, 5, View.LONGITUDINAL, "tibialis_anterior")
    mean_slant = np.arctan(slope / 2)
    assert value(found, "muscle_thickness") == pytest.approx(tissue.thickness_mm * np.cos(mean_slant), abs=0.1)
    assert value(found, "subcutaneous_thickness") == pytest.approx(tissue.upper_mm, abs=0.2)
    assert value(found, "fibre_angle") == pytest.approx(np.degrees(0.24), abs=3)
    true_pennation = np.degrees(0.24) + np.degrees(np.arctan(slope))
    assert value(found, "pennation_angle") == pytest.approx(true_pennation, abs=3)
    measures = [line for line in found.lines if line.role == "measure"]
    assert len(measures) == 3
    for line in measures:
        (c0, r0), (c1, r1) = line.points
        assert np.hypot(c1 - c0, r1 - r0) * 0.1 == pytest.approx(value(found, "muscle_thickness"), abs=2.0)


def test_simulated_transverse_muscle(value):
    tissue = TransverseMuscle()
    found = simulated(tissue, 7, View.TRANSVERSE)
    assert value(found, "muscle_thickness") == pytest.approx(16.0, abs=0.1)
    columns, rows = np.array(tissue.outline_mm).T
    area = abs(np.dot(columns[:-1], rows[1:]) - np.dot(rows[:-1], columns[1:])) / 2
    assert value(found, "cross_sectional_area") == pytest.approx(area, rel=0.005)
    assert "muscle_cut_off" not in {flag.name for flag in found.flags}
    assert value(found, "subcutaneous_thickness") == pytest.approx(6.5, abs=0.2)
    assert "fibre_angle" not in {m.name for m in found.measurements}


def test_a_muscle_that_leaves_the_field_has_no_cross_sectional_area():
    tissue = TransverseMuscle(centre_mm=(13.0, 14.5))
    points = tuple((max(0.2, x), z) for x, z in tissue.outline_mm)
    assert min(x for x, _ in points) == 0.2
    drawn = tuple(PICTURE.point(x, z) for x, z in points)
    region = Region(RegionShape.POLYGON, drawn, RegionOrigin.REGIONS_FILE, structure="biceps_brachii")
    regions = (TissueRegion(PICTURE.box, Spacing(0.1, 0.1)),)
    clip = Clip("1.1", "1", ArrayFrames(still(tissue, PICTURE, 1)), regions, drawn=(region,))
    acquisition = Acquisition("biceps_brachii", Side.LEFT, None, View.TRANSVERSE, (clip,))
    found = Echogenicity().analyse(acquisition, NoReferences())[0]
    names = {m.name for m in found.measurements}
    assert "muscle_cut_off" in {flag.name for flag in found.flags}
    assert "cross_sectional_area" not in names
    assert "region_area" in names


def test_echo_intensity_orders_muscles_by_their_echo(value):
    levels = [value(simulated(TransverseMuscle(echo_db=db), 3, View.TRANSVERSE), "echo_intensity_mean")
              for db in (-10, -7, -4, -1)]  # fmt: skip
    assert levels == sorted(levels)
    assert min(np.diff(levels)) > 5


def test_attenuation_has_its_sign_and_order(value):
    slopes = [
        value(
            simulated(TransverseMuscle(echo_db=-3, attenuation_db_cm=loss), 3, View.TRANSVERSE), "echo_intensity_slope"
        )
        for loss in (-3.0, 3.0, 6.0)
    ]
    assert slopes[0] > 0 > slopes[1] > slopes[2]


def test_thirds_slope_and_profile_of_a_ramp(muscle, value):
    clip = muscle.clip(muscle.layers(muscle=100, attenuation=70, streaks=0, grain=2))
    found, average = muscle.analyse(clip)
    assert value(found, "echo_intensity_slope") == pytest.approx(-70 / 1.4, rel=0.03)
    thirds = [value(found, f"echo_intensity_{part}_third") for part in ("superficial", "middle", "deep")]
    assert thirds[0] - thirds[1] == pytest.approx(thirds[1] - thirds[2], abs=2)
    assert value(found, "echo_intensity_thirds_difference") == pytest.approx(thirds[0] - thirds[2])
    chart = next(panel.chart for panel in average.pages[0].panels if panel.chart and "depth" in panel.chart.x_label)
    assert chart.series[0].y[1] > chart.series[0].y[-2] + 40


def test_a_corner_that_reaches_deepest_is_not_that_depths_echo():
    grey = np.full((300, 400), 50, np.uint8)
    grey[220:] = 250
    mask = np.zeros(grey.shape, bool)
    mask[50:220, 40:360] = True
    mask[220:260, 40:50] = True
    found = depth_figures(grey, mask, mask, Spacing(0.1, 0.1))
    assert found is not None
    assert max(found.profile) == 50
    assert max(found.profile_mm) == pytest.approx(15.5, abs=1)


def test_fat_and_deep_border_echo(muscle, value):
    found = muscle.analyse(muscle.clip(muscle.layers(fat=100, muscle=50, border=210, streaks=0)))[0]
    assert value(found, "subcutaneous_echo_intensity") == pytest.approx(100, abs=3)
    assert value(found, "muscle_to_subcutaneous_ratio") == pytest.approx(0.5, abs=0.03)
    assert value(found, "deep_border_echo") == pytest.approx(210, abs=12)
    assert value(found, "deep_border_contrast") == pytest.approx(160, abs=15)


def test_gel_is_not_skin(muscle, value):
    pixels = muscle.layers()
    gelled = pixels.copy()
    gelled[20:35, 20:380] = np.random.default_rng(0).integers(1, 8, (15, 360))
    thin = value(muscle.analyse(muscle.clip(gelled))[0], "subcutaneous_thickness")
    assert value(muscle.analyse(muscle.clip(pixels))[0], "subcutaneous_thickness") == pytest.approx(5.0, abs=0.2)
    assert thin == pytest.approx(3.5, abs=0.3)


@settings(max_examples=25, deadline=None)
@given(
    height=st.floats(20, 120),
    tilt=st.floats(-0.35, 0.35),
    row_mm=st.floats(0.05, 0.2),
    column_mm=st.floats(0.05, 0.2),
)
def test_thickness_of_parallel_fasciae_is_their_perpendicular_distance(height, tilt, row_mm, column_mm):
    top = [(10.0, 100.0), (310.0, 100.0 + 300 * tilt)]
    outline = (*top, (310.0, top[1][1] + height), (10.0, 100.0 + height), top[0])
    slope_mm = tilt * row_mm / column_mm
    expected = height * row_mm / np.sqrt(1 + slope_mm**2)
    found = perpendicular_thickness_mm(borders_of(outline), Spacing(row_mm, column_mm))
    assert found == pytest.approx(expected, rel=1e-6)


def test_thickness_of_a_muscle_that_swells_is_the_mean_over_the_central_four_fifths():
    # 10 rows thick, and 30 in the last fifth, half of which is central: on the whole (7 * 10 + 1 * 30) / 8
    outline = ((0.0, 50.0), (200.0, 50.0), (200.0, 80.0), (160.0, 80.0), (160.0, 60.0), (0.0, 60.0), (0.0, 50.0))
    borders = borders_of(outline)
    found = perpendicular_thickness_mm(borders, Spacing(0.1, 0.1))
    slope = np.polyfit(borders.central().columns, (borders.central().top + borders.central().bottom) / 2, 1)[0]
    # the median would say 1.0
    assert found == pytest.approx(1.25 * np.cos(np.arctan(slope)), rel=0.01)


@settings(max_examples=3, deadline=None)
@given(factor=st.floats(0.6, 1.6))
def test_spacing_scales_lengths_and_areas(muscle, value, factor):
    one = muscle.analyse(muscle.clip(spacing=Spacing(0.08, 0.08)))[0]
    other = muscle.analyse(muscle.clip(spacing=Spacing(0.08 * factor, 0.08 * factor)))[0]
    for name in ("muscle_thickness", "subcutaneous_thickness", "region_depth"):
        assert value(other, name) == pytest.approx(factor * value(one, name), rel=1e-6)
    assert value(other, "region_area") == pytest.approx(factor**2 * value(one, "region_area"), rel=1e-9)
    assert value(other, "echo_intensity_mean") == value(one, "echo_intensity_mean")


@settings(max_examples=3, deadline=None)
@given(k=st.integers(1, 30))
def test_a_brighter_image_is_brighter_by_as_much(muscle, value, k):
    pixels = muscle.layers()
    field = pixels > 0
    brighter = np.where(field, np.minimum(pixels.astype(int) + k, 255), 0).astype(np.uint8)
    points = muscle.outline(inset=60)[:-1]
    inner = tuple((c, r + (8 if r < 100 else -8)) for c, r in points)
    clips = [muscle.clip(each, points=inner) for each in (pixels, brighter)]
    before, after = (muscle.analyse(clip)[0] for clip in clips)
    for name in ("echo_intensity_mean", "echo_intensity_median", "echo_intensity_deep_third"):
        assert value(after, name) - value(before, name) == pytest.approx(k, abs=1e-9)
    for name in ("echo_intensity_slope", "echo_intensity_sd"):
        assert value(after, name) == pytest.approx(value(before, name), abs=1e-6)


@settings(max_examples=3, deadline=None)
@given(down=st.integers(-15, 15), right=st.integers(-15, 15))
def test_a_shifted_image_gives_a_shifted_outline_and_the_same_values(muscle, value, down, right):
    pixels = np.roll(muscle.layers(), (down, right), (0, 1))
    points = tuple((c + right, r + down) for c, r in muscle.outline())
    box = muscle.field
    moved = Clip(
        "1.1", "1", ArrayFrames(pixels),
        (TissueRegion(type(box)(box.column0 + right, box.row0 + down, box.column1 + right, box.row1 + down),
                      Spacing(0.1, 0.1)),),
        drawn=(Region(RegionShape.POLYGON, points, RegionOrigin.SCANNER, structure="biceps_brachii"),),
    )  # fmt: skip
    here, there = muscle.analyse(muscle.clip())[0], muscle.analyse(moved)[0]
    assert np.allclose(np.array(there.outline) - np.array(here.outline), (right, down))
    assert {m.name for m in here.measurements} == {m.name for m in there.measurements}
    for measurement in here.measurements:
        assert value(there, measurement.name) == pytest.approx(measurement.value, rel=1e-6, abs=1e-6)


def test_a_flipped_picture_has_the_same_values_and_the_opposite_angle(value):
    tissue = LongitudinalMuscle(slope=0.05)
    grey = still(tissue, PICTURE, 9)
    points = [PICTURE.point(x, z) for x, z in tissue.outline_mm]
    box = PICTURE.box
    turned = [(box.column0 + box.column1 - column, row) for column, row in points]
    mirrored = grey.copy()
    inside = np.s_[box.row0 : box.row1, box.column0 : box.column1]
    mirrored[inside] = grey[inside][:, ::-1]
    found = []
    for pixels, contour in ((grey, points), (mirrored, turned)):
        drawn = Region(RegionShape.POLYGON, tuple(contour), RegionOrigin.REGIONS_FILE, structure="biceps_brachii")
        clip = Clip("1.1", "1", ArrayFrames(pixels), (TissueRegion(box, Spacing(0.1, 0.1)),), drawn=(drawn,))
        acquisition = Acquisition("biceps_brachii", Side.LEFT, None, View.LONGITUDINAL, (clip,))
        found.append(Echogenicity().analyse(acquisition, NoReferences())[0])
    there, back = found
    for name in ("echo_intensity_mean", "muscle_thickness", "echo_intensity_slope", "subcutaneous_thickness"):
        assert value(back, name) == pytest.approx(value(there, name), rel=1e-6)
    assert value(back, "fibre_angle") == pytest.approx(-value(there, "fibre_angle"), abs=0.5)
    assert value(back, "pennation_angle") == pytest.approx(value(there, "pennation_angle"), abs=0.5)


@pytest.mark.parametrize("gain", [0.9, 1.1])
def test_a_tenth_more_or_less_gain_moves_the_mean_by_a_tenth_and_no_length(muscle, value, gain):
    pixels = muscle.layers(fascia=170, border=180)
    louder = np.round(pixels * gain).clip(0, 255).astype(np.uint8)
    before, after = (muscle.analyse(muscle.clip(each))[0] for each in (pixels, louder))
    assert value(after, "echo_intensity_mean") == pytest.approx(gain * value(before, "echo_intensity_mean"), abs=0.1)
    for name in ("muscle_thickness", "subcutaneous_thickness", "region_area"):
        assert value(after, name) == pytest.approx(value(before, name), rel=1e-9)
    assert value(after, "glcm_contrast") == pytest.approx(value(before, "glcm_contrast"), rel=0.05)
