"""Maps whose answer is known are decoded to that answer, and poor maps to poor evidence."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugins.echogenicity.region.confidence import DEEP, DEEP_WEIGHT, confidence, score
from plugins.echogenicity.region.decoding import BEND, EDGE_SHARE, USUAL_FASCIA, Evidence, best_paths, readings
from plugins.echogenicity.region.geometry import COLUMNS, ROWS, Layer, line_points, outline_of
from plugins.echogenicity.region.layers import layers_between, ridges
from plugins.images import Box

PLACE = np.linspace(-0.5, 0.5, COLUMNS)
CENTRES = np.arange(ROWS)[:, np.newaxis] + 0.5


def maps(top: np.ndarray, bottom: np.ndarray, *, sure: float = 12.0, inner: float = 3.0, views: int = 4) -> np.ndarray:
    """Logits that say where two lines are."""
    logits = np.empty((5, ROWS, COLUMNS))
    for index, line in enumerate((top, bottom)):
        logits[index] = sure * np.exp(-0.5 * ((CENTRES - line) / 1.5) ** 2)
        logits[2 + index] = np.where(np.abs(CENTRES - line) < 3, 4.0, -6.0)
    off_middle = np.abs(CENTRES - (top + bottom) / 2)
    logits[4] = np.where(off_middle < (bottom - top) / 2 - inner, 5.0, -6.0)
    return np.repeat(logits[np.newaxis], views, axis=0).astype(np.float32)


@settings(max_examples=20, deadline=None)
@given(
    top=st.floats(15, 90),
    thickness=st.floats(40, 120),
    slope=st.floats(-25, 25),
    bend=st.floats(-15, 15),
)
def test_lines_are_found_to_a_fraction_of_a_row(top: float, thickness: float, slope: float, bend: float) -> None:
    upper = top + 0.3 * slope * PLACE
    lower = top + thickness + slope * PLACE + bend * (PLACE**2 - 0.1)
    layer = readings(maps(upper, lower))[0].layer
    assert np.abs(layer.superficial - upper).max() < 0.5
    assert np.abs(layer.deep - lower).max() < 0.5


def test_inner_edges_lie_inside_the_lines() -> None:
    upper, lower = np.full(COLUMNS, 40.0), np.full(COLUMNS, 150.0)
    layer = readings(maps(upper, lower, inner=3.1))[0].layer
    # between the usual half widths and the map's own edge at 3.1
    above, below = USUAL_FASCIA
    assert np.allclose(layer.inner_top, 40 + above + EDGE_SHARE * (3.1 - above), atol=0.2)
    assert np.allclose(layer.inner_bottom, 150 - below - EDGE_SHARE * (3.1 - below), atol=0.2)
    wide = readings(maps(upper, lower, inner=6.0))[0].layer
    assert (wide.inner_top > layer.inner_top + 0.5).all()
    shallow = readings(maps(upper, lower, inner=3.1), fascia_scale=2.0)[0].layer
    assert np.allclose(shallow.inner_top - layer.inner_top, (1 - EDGE_SHARE) * above, atol=0.01)


def test_evidence_falls_with_the_maps_sureness() -> None:
    upper, lower = np.full(COLUMNS, 40.0), np.full(COLUMNS, 150.0)
    scores = [score(readings(maps(upper, lower, sure=sure))[0].evidence) for sure in (2.0, 5.0, 8.0, 12.0)]
    assert scores == sorted(scores)
    assert scores[-1] > -0.2
    assert scores[0] < -1


def test_views_that_disagree_lower_the_score() -> None:
    upper, lower = np.full(COLUMNS, 40.0), np.full(COLUMNS, 150.0)
    agreed = maps(upper, lower)
    split = np.concatenate((maps(upper, lower, views=2), maps(upper, lower + 50, views=2)))
    assert score(readings(split)[0].evidence) < score(readings(agreed)[0].evidence) - 0.5


def test_a_second_deep_line_is_the_first_alternative() -> None:
    upper, lower, other = np.full(COLUMNS, 40.0), np.full(COLUMNS, 120.0), np.full(COLUMNS, 190.0)
    logits = maps(upper, lower)
    logits[:, 1] += (8.0 * np.exp(-0.5 * ((CENTRES - other[0]) / 1.5) ** 2)).astype(np.float32)
    found = readings(logits)
    assert abs(np.median(found[0].layer.deep) - 120) < 0.5
    assert abs(np.median(found[1].layer.deep) - 190) < 1


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_best_path_is_best(seed: int) -> None:
    """Against every path there is, on maps small enough to try them all."""
    scores = np.random.default_rng(seed).normal(size=(1, 4, 5)).astype(np.float32)
    path = best_paths(scores)[0]

    def worth(rows: tuple[int, ...]) -> float:
        steps = np.abs(np.diff(rows))
        return -np.inf if steps.max() > 1 else float(scores[0, rows, range(5)].sum() - BEND * steps.sum())

    best = max(worth(rows) for rows in itertools.product(range(4), repeat=5))
    assert worth(tuple(int(row) for row in path)) == pytest.approx(best, abs=1e-5)


def test_confidence_grows_with_the_score_and_stays_a_share() -> None:
    weak = Evidence((0.5, 0.4), (0.6, 0.5), 0.5, 10.0)
    strong = Evidence((1.0, 1.0), (1.0, 1.0), 1.0, 0.0)
    assert score(strong) == 0
    assert 0 <= confidence(weak, (4.0, 2.0)) < confidence(strong, (4.0, 2.0)) <= 1


def test_weak_evidence_weighs_more_for_a_muscle_that_takes_most_of_the_field() -> None:
    def of(share: float, mass: float = 0.8) -> float:
        return score(Evidence((1.0, mass), (1.0, 1.0), 1.0, 0.0, share=share))

    assert of(DEEP[0]) == of(0.3)
    assert of(DEEP[1]) == of(0.9) == pytest.approx(DEEP_WEIGHT * of(0.3))
    assert of(DEEP[1]) < of(sum(DEEP) / 2) < of(DEEP[0])
    # perfect evidence stays perfect
    assert of(0.9, mass=1.0) == 0


def test_a_reading_knows_what_share_of_the_field_it_takes() -> None:
    (found, *_) = readings(maps(np.full(COLUMNS, 64.0), np.full(COLUMNS, 192.0)))
    assert found.evidence.share == pytest.approx(0.5, abs=0.02)


def test_points_lie_on_the_line_by_pixel_edges() -> None:
    rows = 64 + 20 * (np.arange(COLUMNS) + 0.5) / COLUMNS
    layer = Layer(rows, rows + 60, rows + 3, rows + 57)
    box = Box(100, 50, 356, 562)  # two columns and two rows of the picture for each of the working image
    for column, row in line_points(rows, layer, box):
        assert row == pytest.approx(50 + 2 * (64 + 20 * (column - 100) / 256), abs=1e-2)
    assert line_points(rows, layer, box)[0][0] == 100
    assert line_points(rows, layer, box)[-1][0] == 356


def test_the_outline_is_closed_and_between_the_inner_edges() -> None:
    rows = np.full(COLUMNS, 64.0)
    outline = outline_of(Layer(rows, rows + 60, rows + 3, rows + 57), Box(0, 0, 256, 512))
    assert outline[0] == outline[-1]
    assert {row for _, row in outline} == {134.0, 242.0}


def test_ridges_find_bright_lines_in_speckle() -> None:
    random = np.random.default_rng(3)
    image = random.rayleigh(30, (ROWS, COLUMNS)).astype(np.float32)
    lines = (50 + 10 * PLACE, 150 - 30 * PLACE)
    for line in lines:
        image += (180 * np.exp(-0.5 * ((CENTRES - line) / 2) ** 2)).astype(np.float32)
    found = ridges(image)
    for line in lines:
        assert min(np.abs(ridge.rows - line).mean() for ridge in found) < 1.0
    best, _ = layers_between(found)[0]
    assert np.abs(best.deep - lines[1]).mean() < 1.5
