"""A line that changes over to another one is told from one that bends, and sought again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plugins.echogenicity.region.confidence import GENTLE, score
from plugins.echogenicity.region.curves import kink, likeliest_curve
from plugins.echogenicity.region.decoding import STEADY, Evidence, readings
from plugins.echogenicity.region.geometry import COLUMNS, ROWS

ACROSS = np.linspace(-1, 1, COLUMNS)


def bump(row: np.ndarray, height: float) -> np.ndarray:
    """Logits of one line: a bell of that height about a row for every column."""
    rows = np.arange(ROWS)[:, np.newaxis] + 0.5
    return height * np.exp(-0.5 * ((rows - row) / 1.5) ** 2)


def logits(deep: np.ndarray) -> np.ndarray:
    """Two views that agree: a level superficial line at row 40 and the given map of the deep line."""
    one = np.full((5, ROWS, COLUMNS), -4.0, np.float32)
    one[0] = bump(np.full(COLUMNS, 40.0), 12.0)
    one[1] = deep
    one[2:4] = np.maximum(bump(np.full(COLUMNS, 40.0), 12.0), deep) - 4
    one[4, 43:150] = 4
    return np.stack((one, one))


@pytest.mark.parametrize("line", [100 + 0 * ACROSS, 100 + 30 * ACROSS, 100 + 20 * ACROSS - 10 * ACROSS**2])
def test_a_line_that_only_slants_and_bends_has_no_kink(line: np.ndarray) -> None:
    assert kink(line) < 0.1


def test_a_line_that_changes_over_has_a_kink() -> None:
    line = np.where(np.arange(COLUMNS) < 80, 100.0, np.minimum(100 + (np.arange(COLUMNS) - 80.0), 120))
    assert kink(line) > STEADY


@pytest.mark.parametrize(("row", "rise", "sag"), [(60, 0, 0), (120, 30, 0), (150, -22, 6), (90, 10, -10)])
def test_the_likeliest_curve_is_the_one_that_the_map_shows(row: float, rise: float, sag: float) -> None:
    line = row + rise * ACROSS + sag * (ACROSS**2 - 1 / 3)
    scores = np.log(bump(line, 1.0) + 1e-6).astype(np.float32)
    assert np.abs(likeliest_curve(scores) - line).mean() < 1.5


def test_a_gap_in_a_line_does_not_lose_it() -> None:
    line = 120 + 20 * ACROSS
    scores = np.log(bump(line, 1.0) + 1e-6).astype(np.float32)
    scores[:, 40:70] = -14
    assert np.abs(likeliest_curve(scores) - line).mean() < 1.5


def test_a_path_that_would_leave_its_line_is_sought_again() -> None:
    """The map says one line for three quarters of the width, and another, seven times likelier, for the last part."""
    line, other = np.full(COLUMNS, 150.0), np.full(COLUMNS, 175.0)
    part = np.arange(COLUMNS) >= 96
    deep = bump(line, 10.0) - 2 * part * bump(line, 1.0) + part * bump(other, 10.0)
    found = readings(logits(deep))[0]
    assert np.abs(found.layer.deep - line).mean() < 1.0
    assert found.evidence.kink < STEADY


def test_a_line_that_must_change_over_is_doubted() -> None:
    """Nothing of the first line is left beside the change: it is followed, but believed less."""
    row = np.where(np.arange(COLUMNS) < 70, 150.0, np.minimum(150 + (np.arange(COLUMNS) - 70.0), 170))
    found = readings(logits(bump(row, 12.0)))[0]
    steady = replace(found.evidence, kink=0.0)
    assert found.evidence.kink > GENTLE
    assert score(found.evidence) < score(steady) - 0.5


def test_a_gentle_bend_costs_nothing() -> None:
    evidence = Evidence((1, 1), (1, 1), 1, 0, kink=GENTLE)
    assert score(evidence) == score(replace(evidence, kink=0.0))
