"""Columns without contact at the ends are no part of the muscle; shadows amid it are."""

from __future__ import annotations

import numpy as np
import pytest

from plugins.echogenicity.region import locate
from plugins.echogenicity.region.contact import FADING, columns_lit, in_sight, squeezed
from plugins.echogenicity.region.geometry import COLUMNS, ROWS, Layer
from plugins.images import Spacing
from reference_store.values import View
from service.demo.simulator import LongitudinalMuscle, Picture
from service.demo.simulator.tissue import still

WIDTH = 4 * COLUMNS


def layer() -> Layer:
    """A layer between two level fasciae."""
    top, bottom = np.full(COLUMNS, 60.0), np.full(COLUMNS, 160.0)
    return Layer(top, bottom, top + 3, bottom - 3)


def lit(dark: slice, level: float = 2.0) -> np.ndarray:
    """Even grey with a dark band from top to bottom, as the working image; ``dark`` in working columns."""
    grey = np.full((2 * ROWS, WIDTH), 80.0, np.float32)
    grey[:, 4 * dark.start : 4 * dark.stop] = level
    return squeezed(grey)


@pytest.mark.parametrize(
    ("dark", "kept"),
    [(slice(0, 10), (10 + FADING, COLUMNS)), (slice(110, COLUMNS), (0, 110 - FADING))],
)
def test_dark_columns_at_an_end_are_left_out(dark: slice, kept: tuple[int, int]) -> None:
    assert columns_lit(layer(), lit(dark)) == kept


def test_a_shadow_amid_the_muscle_stays_in() -> None:
    assert columns_lit(layer(), lit(slice(50, 70))) == (0, COLUMNS)


def test_columns_that_are_merely_darker_stay_in() -> None:
    assert columns_lit(layer(), lit(slice(0, 20), level=30.0)) == (0, COLUMNS)


def test_a_layer_is_not_cut_to_a_sliver() -> None:
    assert columns_lit(layer(), lit(slice(20, COLUMNS))) == (0, COLUMNS)


def test_both_the_field_and_contact_bound_the_columns() -> None:
    mask = np.ones((2 * ROWS, WIDTH), bool)
    mask[:, : 4 * 6] = False
    found = in_sight(layer(), mask, lit(slice(100, COLUMNS)))
    assert (found.first, found.stop) == (6, 100 - FADING)


def test_the_outline_of_a_still_ends_where_contact_was_lost() -> None:
    """The mean inside is that of the lit part, not pulled down by black columns."""
    grey = still(LongitudinalMuscle(), Picture(), 3)
    box = Picture().box
    edge = box.column1 - (box.column1 - box.column0) // 6
    black = grey.copy()
    black[box.row0 : box.row1, edge : box.column1] = 0
    found = locate(black, np.zeros(grey.shape, bool), View.LONGITUDINAL, "tibialis_anterior", Spacing(0.1, 0.1), box)
    outlines = [found.outline] if found.outline else list(found.alternatives[:1])
    assert outlines
    columns = np.array(outlines[0])[:, 0]
    assert columns.max() <= edge + 1
    assert columns.max() >= edge - 0.1 * (box.column1 - box.column0)
