"""Texture against the values that IBSI publishes for its digital phantom (Zwanenburg 2020, reference manual)."""

from __future__ import annotations

import numpy as np
import pytest

from plugins.contract import Spacing
from plugins.echogenicity.texture import (
    binned,
    co_occurrence,
    co_occurrence_features,
    resampled,
    run_length_features,
    run_lengths,
    texture_of,
)

# The IBSI digital phantom, four slices of 4 rows and 5 columns; 0 marks voxels outside the region.
PHANTOM = np.array(
    [
        [[1, 4, 4, 1, 1], [1, 4, 6, 1, 1], [4, 1, 6, 4, 1], [4, 4, 6, 4, 1]],
        [[1, 4, 4, 1, 1], [1, 1, 6, 1, 1], [0, 1, 3, 1, 1], [4, 4, 6, 1, 1]],
        [[1, 4, 4, 0, 0], [1, 1, 1, 1, 1], [1, 1, 0, 1, 1], [1, 1, 6, 1, 1]],
        [[1, 4, 4, 0, 0], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 6, 1, 1]],
    ],
    np.uint8,
)
# Published for "2D, averaged": every slice and direction its own matrix, features averaged; three figures.
CO_OCCURRENCE = {
    "glcm_joint_maximum": 0.519,
    "glcm_joint_entropy": 2.05,
    "glcm_angular_second_moment": 0.368,
    "glcm_contrast": 5.28,
    "glcm_dissimilarity": 1.42,
    "glcm_inverse_difference": 0.678,
    "glcm_inverse_difference_moment": 0.619,
    "glcm_correlation": -0.0121,
}
RUN_LENGTH = {
    "glrlm_short_runs_emphasis": 0.641,
    "glrlm_long_runs_emphasis": 3.78,
    "glrlm_grey_level_non_uniformity_normalised": 0.46,
    "glrlm_run_length_non_uniformity_normalised": 0.492,
    "glrlm_run_percentage": 0.627,
    "glrlm_grey_level_variance": 3.35,
    "glrlm_run_length_variance": 0.761,
    "glrlm_run_entropy": 2.17,
}


@pytest.mark.parametrize(("name", "published"), CO_OCCURRENCE.items())
def test_co_occurrence_on_the_ibsi_phantom(name, published):
    found = [co_occurrence_features(co_occurrence(levels, 6))[name] for levels in PHANTOM]
    assert np.mean(found) == pytest.approx(published, rel=5e-3)


@pytest.mark.parametrize(("name", "published"), RUN_LENGTH.items())
def test_run_lengths_on_the_ibsi_phantom(name, published):
    found = [run_length_features(run_lengths(levels, 6), int((levels > 0).sum()))[name] for levels in PHANTOM]
    assert np.mean(found) == pytest.approx(published, rel=5e-3)


def test_fixed_bin_number_is_ibsis():
    picture = np.array([[0, 3.1, 3.2, 99.9, 100]], np.float32)
    assert binned(picture, np.ones((1, 5), bool), 32).tolist() == [[1, 1, 2, 32, 32]]
    assert binned(np.full((3, 3), 7, np.float32), np.ones((3, 3), bool)) is None


def test_resampling_keeps_a_ramp_and_the_areas():
    ramp = np.tile(np.arange(100, dtype=np.uint8), (80, 1))
    mask = np.zeros(ramp.shape, bool)
    mask[10:70, 20:90] = True
    picture, inside = resampled(ramp, mask, Spacing(0.2, 0.05))
    assert inside.sum() * 0.01 == pytest.approx(mask.sum() * 0.01, rel=0.03)
    assert picture[inside].mean() == pytest.approx(ramp[mask].mean(), abs=0.1)


def test_texture_hangs_little_on_pixel_size_and_not_on_gain():
    rng = np.random.default_rng(1)
    from scipy.ndimage import gaussian_filter, zoom

    base = gaussian_filter(rng.normal(size=(400, 400)), 4)
    base = 110 + 20 * base / base.std()
    fine = base.clip(0, 255).astype(np.uint8)
    coarse = zoom(base, 0.5, order=1).clip(0, 255).astype(np.uint8)
    brighter = (base + 30).clip(0, 255).astype(np.uint8)
    full = {side: np.ones((side, side), bool) for side in (400, 200)}
    at_fine = texture_of(fine, full[400], Spacing(0.05, 0.05))
    at_coarse = texture_of(coarse, full[200], Spacing(0.1, 0.1))
    for name in ("glcm_contrast", "glcm_inverse_difference_moment", "glrlm_long_runs_emphasis"):
        assert at_coarse[name] == pytest.approx(at_fine[name], rel=0.15)
    gained = texture_of(brighter, full[400], Spacing(0.05, 0.05))
    assert gained["glcm_contrast"] == pytest.approx(at_fine["glcm_contrast"], rel=0.02)


def test_no_texture_where_there_is_none_to_measure():
    grey = np.random.default_rng(0).integers(0, 255, (60, 60), dtype=np.uint8)
    every = np.ones(grey.shape, bool)
    small = np.zeros(grey.shape, bool)
    small[5:15, 5:15] = True
    assert texture_of(grey, every, Spacing(0.5, 0.1)) == {}
    assert texture_of(grey, small, Spacing(0.1, 0.1)) == {}
    assert texture_of(np.full_like(grey, 9), every, Spacing(0.1, 0.1)) == {}
    assert texture_of(grey, every, Spacing(0.1, 0.1))
