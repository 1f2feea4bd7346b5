"""Lines laid on the fascia's echo: to a fraction of a pixel, not pulled away by what is brighter farther off."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from plugins.echogenicity.region.geometry import COLUMNS, ROWS, Layer
from plugins.echogenicity.region.tracing import DRAWN_BELOW, SHARES, traced

HEIGHT, WIDTH = 480, 400


def field(*fasciae: tuple[float, float], seed: int = 0) -> np.ndarray:
    """Speckle with level fasciae of (row of the picture, brightness)."""
    noise = cv2.GaussianBlur(np.random.default_rng(seed).normal(0, 1, (HEIGHT, WIDTH)), (0, 0), 2.0, None, 1.0)
    grey = 45 + 12 * noise / noise.std()
    rows = np.arange(HEIGHT)[:, np.newaxis] + 0.5
    for row, bright in fasciae:
        grey = grey + bright * np.exp(-0.5 * ((rows - row) / 2.5) ** 2)
    return grey.clip(0, 255).astype(np.float32)


def layer(top: float, bottom: float) -> Layer:
    """A layer between two rows of the picture."""
    upper, lower = (np.full(COLUMNS, row * ROWS / HEIGHT) for row in (top, bottom))
    return Layer(upper, lower, upper + 3, lower - 3)


def rows_of(found: Layer) -> tuple[float, float]:
    """Median rows of the picture, without the readers' habit of drawing below the brightest place."""
    top, bottom = (
        float(np.median(line) - share * DRAWN_BELOW) * HEIGHT / ROWS
        for line, share in zip((found.superficial, found.deep), SHARES, strict=True)
    )
    return top, bottom


@pytest.mark.parametrize("off", [-2.5, -1.0, 0.0, 1.0, 2.5])
def test_a_line_beside_its_fascia_goes_its_share_of_the_way(off: float) -> None:
    top, bottom = rows_of(traced(layer(100 + off, 300 - off), field((100, 120), (300, 120))))
    # its share of most of the way: what lies farther off counts less, so that the line stays where the network put it
    for left, share in zip((top - 100, 300 - bottom), SHARES, strict=True):
        assert left == pytest.approx((1 - 0.82 * share) * off, abs=0.15 + 0.18 * share * abs(off))


def test_a_brighter_line_farther_off_does_not_take_the_line_away() -> None:
    top, _ = rows_of(traced(layer(100, 300), field((100, 60), (112, 160), (300, 120))))
    assert abs(top - 100) < 1.0


def test_inner_edges_move_with_their_fascia() -> None:
    before = layer(98, 302)
    after = traced(before, field((100, 120), (300, 120)))
    assert np.allclose(after.inner_top - after.superficial, 3)
    assert np.allclose(after.deep - after.inner_bottom, 3)


def test_where_nothing_is_brighter_nothing_moves() -> None:
    before = layer(100, 300)
    after = traced(before, np.full((HEIGHT, WIDTH), 40, np.float32))
    assert np.allclose(after.superficial, before.superficial)
    assert np.allclose(after.deep, before.deep)


def test_lines_at_the_edge_of_the_field_are_traced_without_error() -> None:
    found = traced(layer(1.0, HEIGHT - 1.0), field((100, 120)))
    assert np.isfinite(found.superficial).all()
    assert np.isfinite(found.deep).all()
