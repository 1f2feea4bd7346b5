"""Figures of a histogram against numpy and scipy on the raw pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from plugins.echogenicity.intensity import histogram_of, intensity_of


def figures(levels):
    grey = np.asarray(levels, np.uint8).reshape(1, -1)
    return intensity_of(histogram_of(grey, np.ones(grey.shape, bool)))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(0, 255), min_size=2, max_size=300))
def test_figures_are_those_of_the_pixels(levels):
    raw, found = np.asarray(levels, float), figures(levels)
    assert found.mean == pytest.approx(raw.mean(), abs=1e-9)
    assert found.sd == pytest.approx(raw.std(ddof=1), abs=1e-6)
    for percent, value in ((5, found.p5), (50, found.median), (95, found.p95)):
        assert value == np.percentile(raw, percent, method="inverted_cdf")
    assert found.share_at_0 == pytest.approx((raw == 0).mean())
    assert found.share_at_255 == pytest.approx((raw == 255).mean())
    if np.ptp(raw) > 0:
        assert found.skewness == pytest.approx(stats.skew(raw), abs=1e-6)
        assert found.kurtosis == pytest.approx(stats.kurtosis(raw), abs=1e-6)
    else:
        assert found.skewness is None
        assert found.kurtosis is None


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 200), min_size=2, max_size=99), st.integers(1, 55))
def test_brighter_by_k_is_brighter_by_k(levels, k):
    before, after = figures(levels), figures(np.asarray(levels) + k)
    assert after.mean - before.mean == pytest.approx(k, abs=1e-9)
    assert after.median - before.median == k
    assert after.sd == pytest.approx(before.sd, abs=1e-6)


def test_black_pixels_count():
    assert figures([0, 0, 0, 100]).mean == 25


def test_one_pixel_has_no_spread_and_black_no_variation():
    assert figures([7]).sd is None
    assert figures([0, 0]).variation_percent is None


def test_an_empty_region_is_refused():
    with pytest.raises(ValueError, match="without pixels"):
        intensity_of(np.zeros(256, np.int64))
