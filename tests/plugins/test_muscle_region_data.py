"""The shipped weights on published pictures: a guard against a change in the pipeline, not a measure of accuracy.

The shipped network was trained on three quarters of these pictures, so that how often it is right here says little
about new ones. The README's numbers come from cross-validation: each picture judged by a network that never saw its
block.
"""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from plugins.echogenicity.region import locate
from plugins.images import Spacing
from reference_store.values import View

FOLDER = Path(os.environ.get("NMUS_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
PICTURES = sorted((FOLDER / "muscle_longitudinal" / "images").glob("*.png"))[5::16]
TRANSVERSE = sorted((FOLDER / "nerve_transverse" / "images").glob("*.png"))[3::20]

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not PICTURES, reason="the published pictures are not here (NMUS_DATA)"),
]


def first_two_lines(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns with two drawn lines or more, and the centres of the first two: a reading of the mask of its own."""
    columns, upper, lower = [], [], []
    for column in np.flatnonzero(mask.any(axis=0)):
        edges = np.flatnonzero(np.diff(np.r_[0, mask[:, column].astype(np.int8), 0]))
        if edges.size >= 4:
            columns.append(column + 0.5)
            upper.append((edges[0] + edges[1]) / 2)
            lower.append((edges[2] + edges[3]) / 2)
    return np.array(columns), np.array(upper), np.array(lower)


def test_the_published_lines_are_found() -> None:
    answered, right, errors = 0, 0, []
    for path in PICTURES:
        grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        mask = cv2.imread(str(path.parents[1] / "masks" / path.name), cv2.IMREAD_GRAYSCALE) > 127
        found = locate(grey, np.zeros(grey.shape, bool), View.LONGITUDINAL, "gastrocnemius_medialis", None, None)
        if found.outline is None:
            continue
        answered += 1
        columns, upper, lower = first_two_lines(mask)
        top = np.interp(columns, *np.array(found.superficial).T)
        bottom = np.interp(columns, *np.array(found.deep).T)
        off = max(np.median(np.abs(top - upper)), np.median(np.abs(bottom - lower)))
        right += bool(off < 0.02 * grey.shape[0])
        errors.append(abs(np.median(bottom - top) / np.median(lower - upper) - 1))
    assert answered >= 0.85 * len(PICTURES)
    assert right >= answered - 1
    assert np.median(errors) < 0.012


def test_most_transverse_pictures_are_refused_even_when_called_longitudinal() -> None:
    answered = 0
    for path in TRANSVERSE:
        grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        found = locate(grey, np.zeros(grey.shape, bool), View.LONGITUDINAL, None, None, None)
        answered += found.outline is not None
    assert answered <= 0.2 * len(TRANSVERSE)


def test_frames_of_a_scanner_never_trained_on_agree_with_each_other_or_are_refused() -> None:
    """Six frames of one jump (TimTrack, CC0): the muscle's thickness changes by little, and no frame is misread."""
    frames = sorted((FOLDER / "muscle_timtrack").glob("*.png"))
    if not frames:
        pytest.skip("the TimTrack frames are not here")
    spacing = Spacing(10 / 115.25, 10 / 115.25)
    found_mm = []
    for path in frames:
        grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        found = locate(grey, np.zeros(grey.shape, bool), View.LONGITUDINAL, "gastrocnemius_medialis", spacing, None)
        if found.outline is not None:
            gaps = np.array(found.deep)[:, 1] - np.array(found.superficial)[:, 1]
            found_mm.append(float(np.median(gaps)) * spacing.row_mm)
    assert not found_mm or max(found_mm) - min(found_mm) < 5
