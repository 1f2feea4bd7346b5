"""Suggested class, patterns, reader's grades, neighbours and backscatter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from plugins.contract import (
    Box,
    Comparison,
    Question,
    Region,
    RegionOrigin,
    RegionShape,
    Result,
    Spacing,
    Subject,
    View,
)
from plugins.echogenicity import Echogenicity
from plugins.echogenicity.backscatter import calibrated_backscatter_db, checked_series
from plugins.echogenicity.limits import Limits
from plugins.echogenicity.maps import local_figures, local_map
from plugins.echogenicity.patterns import RULES, patterns_of
from plugins.echogenicity.visual import Features, suggested_class


@dataclass(frozen=True)
class Scored:
    """References that give each quantity its z-score."""

    scores: tuple[tuple[str, float], ...]

    def compare(self, question: Question) -> Comparison:
        return Comparison("id", "1", "hash", "local", "a source", z=dict(self.scores).get(question.quantity))


def echo(z: float) -> Scored:
    return Scored((("muscle_echo_intensity", z),))


def named(finding, prefix: str) -> list:
    return [o for o in finding.observations if o.name.startswith(prefix)]


# --- suggested class ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("z", "layers", "expected"),
    [
        (0.4, {}, "normal"),
        (2.6, {}, "uncertain"),
        (2.6, {"border": 85}, "abnormal"),
        (3.9, {}, "abnormal"),
        (0.4, {"border": 62}, "uncertain"),
    ],
)
def test_suggested_class(muscle, z, layers, expected):
    average = muscle.analyse(muscle.clip(muscle.layers(**layers)), references=echo(z))[-1]
    (observation,) = named(average, "suggested_class")
    assert observation.value.meaning == f"Suggested: {expected}"
    assert "not a Heckmatt grade" in observation.source
    assert "heckmatt" not in observation.text.lower()


def test_without_a_reference_only_doubt_can_be_suggested(muscle):
    assert named(muscle.analyse()[-1], "suggested_class") == []
    assert named(muscle.analyse(muscle.clip(muscle.layers(muscle=110)))[-1], "suggested_class") == []
    (faint,) = named(muscle.analyse(muscle.clip(muscle.layers(border=62)))[-1], "suggested_class")
    assert faint.value.meaning == "Suggested: uncertain"
    assert "brightness not compared" in faint.text


def test_nothing_is_suggested_when_nothing_tells_brightness(muscle):
    assert named(muscle.analyse(muscle.clip(spacing=None))[-1], "suggested_class") == []
    assert suggested_class(Features(None, "", 0, False), ()) is None


def test_an_old_tibialis_is_not_called_abnormal(muscle):
    clip = muscle.clip(structure="tibialis_anterior")
    kwargs = {"structure": "tibialis_anterior", "references": echo(4.0)}
    (old,) = named(muscle.analyse(clip, subject=Subject(85), **kwargs)[-1], "suggested_class")
    (young,) = named(muscle.analyse(clip, subject=Subject(60), **kwargs)[-1], "suggested_class")
    assert old.value.meaning == "Suggested: uncertain"
    assert young.value.meaning == "Suggested: abnormal"


def test_a_readers_grade_is_passed_on_as_given(muscle):
    average = muscle.analyse(reader_grades=(("Heckmatt", "2"), ("modified Heckmatt", "3")))[-1]
    first, second = named(average, "reader_grade")
    assert (first.value.value, first.value.meaning) == ("NM-1072", "Heckmatt grade 2, given by a reader")
    assert second.value.value == "NM-1065"
    assert second.text == "modified Heckmatt 3, given by a reader"


# --- patterns ----------------------------------------------------------------------------------------------------

MET = {
    "ground_glass": ({"local_variation": 8, "glcm_inverse_difference_moment": 0.7, "anisotropy": 0.05}, 2.5, None),
    "attenuation": (
        {"echo_intensity_slope": -50, "echo_intensity_thirds_difference": 30, "deep_border_contrast": 5}, None, None),
    "focal": ({"bright_area_share": 20}, 1.0, None),
    "see_through": ({"echo_intensity_slope": -2, "deep_border_contrast": 80}, 1.8, None),
    "patchy": ({"local_variation": 50}, 2.5, -2.0),
    "moth_eaten": ({"dark_island_count": 3}, 2.5, None),
    "calcification": ({"shadowing_spot_count": 1}, None, None),
}  # fmt: skip


@pytest.mark.parametrize("name", MET)
def test_a_pattern_speaks_when_all_its_features_are_met(name, muscle):
    values, z_echo, z_thickness = MET[name]
    found = patterns_of(muscle.acquisition(view=View.TRANSVERSE), values, z_echo, z_thickness, Limits())
    (observation,) = [o for o in found if o.name == f"pattern_{name}"]
    assert observation.text.startswith("Features consistent with")
    assert "proposals" in observation.source


@pytest.mark.parametrize("name", MET)
def test_a_pattern_is_silent_when_any_feature_is_missing(name, muscle):
    values, z_echo, z_thickness = MET[name]
    acquisition = muscle.acquisition(view=View.TRANSVERSE)
    for missing in values:
        rest = {key: value for key, value in values.items() if key != missing}
        found = patterns_of(acquisition, rest, z_echo, z_thickness, Limits())
        assert f"pattern_{name}" not in {o.name for o in found}
    if z_echo is not None:
        for other in (3.0 if name == "focal" else 0.0, None):
            found = patterns_of(acquisition, values, other, z_thickness, Limits())
            assert f"pattern_{name}" not in {o.name for o in found}


def test_every_rule_is_tested_and_the_usual_muscle_shows_none(muscle):
    assert set(MET) == set(RULES)
    assert named(muscle.analyse(references=echo(0.2))[-1], "pattern") == []


def grained(level: float, sd: float = 6.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(level, sd, (300, 400)).clip(0, 255)


def spots(picture: np.ndarray, level: float, *places: tuple[int, int], radius: float = 20) -> np.ndarray:
    row, column = np.mgrid[:300, :400]
    for r, c in places:
        picture = np.where(np.hypot(row - r, column - c) < radius, level, picture)
    return picture


def figures(picture: np.ndarray) -> dict[str, float]:
    grey = picture.clip(0, 255).astype(np.uint8)
    every = np.ones(grey.shape, bool)
    return local_figures(local_map(grey, every, every, Spacing(0.1, 0.1)))


def test_round_dark_islands_of_the_right_size_are_counted():
    places = ((60, 60), (60, 200), (200, 120), (220, 320))
    assert figures(spots(grained(150), 60, *places))["dark_island_count"] == 4
    assert figures(spots(grained(150), 60, *places, radius=5))["dark_island_count"] == 0
    band = grained(150)
    band[100:130] = 60
    assert figures(band)["dark_island_count"] == 0
    assert figures(grained(150))["dark_island_count"] == 0


def test_bright_areas_are_measured():
    radius = 50
    share = 100 * np.pi * radius**2 / (300 * 400)
    found = figures(spots(grained(60), 190, (150, 200), radius=radius))
    assert found["bright_area_share"] == pytest.approx(share, rel=0.5)
    septa = grained(60)
    septa[::40] = septa[1::40] = 220
    assert figures(septa)["bright_area_share"] < 1
    assert found["local_variation"] > 35
    assert figures(grained(60, 3))["local_variation"] < 5


def test_a_spot_needs_its_shadow_to_count_as_calcification():
    bright = spots(grained(90), 250, (80, 200), radius=12)
    assert figures(bright)["shadowing_spot_count"] == 0
    bright[95:, 188:212] = 15
    assert figures(bright)["shadowing_spot_count"] == 1


def test_texture_and_maps_are_left_out_of_lossy_images(muscle):
    from plugins.contract import Device

    names = {m.name for m in muscle.analyse(muscle.clip(device=Device(lossy=True)))[0].measurements}
    assert not any(name.startswith("gl") for name in names)


# --- neighbours --------------------------------------------------------------------------------------------------


def flexors(muscle, deep: float, uid: str, seed: int):
    """Two flexors beside each other in one picture, both drawn and named."""
    pixels = muscle.layers(streaks=0, seed=seed)
    pixels[80:200, 60:180] = np.random.default_rng(seed).normal(deep, 5, (120, 120)).clip(0, 255)
    drawn = tuple(
        Region(RegionShape.BOX, points, RegionOrigin.SCANNER, structure=structure)
        for structure, points in (
            ("flexor_digitorum_profundus", ((62.0, 82.0), (178.0, 198.0))),
            ("flexor_carpi_ulnaris", ((222.0, 82.0), (338.0, 198.0))),
        )
    )
    return muscle.clip(pixels, drawn=drawn, uid=uid)


def test_the_deep_flexor_against_the_ulnar_flexor(muscle, value):
    structure = "flexor_digitorum_profundus"
    bright = [flexors(muscle, 90 + k, f"1.{k}", k) for k in range(3)]
    average = muscle.analyse(*bright, structure=structure)[-1]
    assert value(average, "neighbour_difference") == pytest.approx(31, abs=2)
    (observation,) = named(average, "pattern_neighbour_contrast")
    assert "supportive only" in observation.text
    even = [flexors(muscle, 55, f"1.{k}", k) for k in range(3)]
    assert named(muscle.analyse(*even, structure=structure)[-1], "pattern_neighbour") == []
    assert named(muscle.analyse(bright[0], structure=structure)[-1], "pattern_neighbour") == []


# --- calibrated backscatter --------------------------------------------------------------------------------------

SERIES = ((40.0, 60.0), (45.0, 80.0), (50.0, 100.0), (55.0, 120.0))


def test_backscatter_is_the_gain_at_which_the_phantom_looks_as_bright():
    assert calibrated_backscatter_db(90, 50, SERIES) == pytest.approx(-2.5)
    assert calibrated_backscatter_db(100, 50, SERIES) == pytest.approx(0)
    assert calibrated_backscatter_db(200, 50, SERIES) is None


@pytest.mark.parametrize("series", [SERIES[:2], (*SERIES, (60.0, 120.0)), (*SERIES, (50.0, 130.0))])
def test_a_series_without_a_law_is_refused(series):
    with pytest.raises(ValueError, match=r"steps|brighter"):
        checked_series(series)
    with pytest.raises(ValueError, match=r"steps|brighter"):
        Echogenicity(gain_series=series)


def test_backscatter_appears_only_where_the_site_gave_series_and_gain(muscle, value):
    names = {m.name for m in muscle.analyse()[0].measurements}
    assert "calibrated_backscatter" not in names
    found = muscle.analyse(plugin=Echogenicity(gain_series=SERIES, gain_db=45.0))[0]
    mean = value(found, "echo_intensity_mean")
    assert value(found, "calibrated_backscatter") == pytest.approx((mean - 80) / 4)


# --- pages -------------------------------------------------------------------------------------------------------


def test_pages_show_outline_profile_repeats_and_band(muscle):
    banded = Comparison(
        "id", "1", "hash", "local", "a source", z=0.3, lower_limit=40, upper_limit=90, limits="mean ± 2 SD"
    )

    class Banded:
        def compare(self, question: Question) -> Comparison:
            return banded

    clips = [muscle.clip(muscle.layers(seed=k), uid=f"1.{k}") for k in range(3)]
    *images, average = muscle.analyse(*clips, references=Banded())
    assert all(len(image.pages) == 1 for image in images)
    without = muscle.analyse(*clips, plugin=Echogenicity(image_pages=False))
    assert [len(finding.pages) for finding in without] == [0, 0, 0, 1]
    assert [len(finding.pages) for finding in muscle.analyse(clips[0])] == [0, 1]
    (page,) = average.pages
    assert len(page.panels) <= 6
    (heat,) = [panel.heat_map for panel in page.panels if panel.heat_map]
    assert 0 == heat.low < np.nanmedian(heat.values) < heat.high <= 260
    assert page.title == "Biceps brachii, left, longitudinal, mean of 3 images"
    assert page.panels[0].crop == Box(20, 20, 380, 280)
    nearest = page.panels[0].title.removeprefix("Image ").removesuffix(", nearest to the mean")
    assert images[int(nearest) - 1].image == average.image
    drawn = [series for panel in page.panels if panel.chart for series in panel.chart.series]
    assert {"points", "line"} <= {series.kind for series in drawn}
    assert [(series.y[0], series.y2[0]) for series in drawn if series.kind == "band" and series.label] == [(40, 90)]
    profile = next(panel.chart for panel in page.panels if panel.chart and "depth" in panel.chart.x_label)
    # the axis begins at black
    assert min(value for series in profile.series for value in series.y) == 0
    assert [series.label for series in profile.series if series.kind == "line"] == ["image 1", "image 2", "image 3"]
    assert any("a source" in line for panel in page.panels for line in panel.text)
    result = Result("echogenicity", "0.1.0", muscle.acquisition(*clips), (*images, average))
    assert result.outcomes[-1] is average
