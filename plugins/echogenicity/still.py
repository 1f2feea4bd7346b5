"""Which frame of a clip stands for the muscle at rest, or why none does.

Echo intensity is read from a still. Of a clip the middle of the five frames in a row is taken that differ least from
one another: probe and muscle rest there. Likeness is the correlation of neighbouring frames, each first averaged
down to 64 × 64 cells of the tissue region so that speckle noise weighs little. Cells where the scanner drew nothing
count too, which only raises the likeness of all frames alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from plugins.contract import Box, Declined, Frames, ReasonCode

CELLS = 64
WINDOW = 5
LEAST_LIKENESS = 0.9
"""Correlation of neighbouring frames below which even the quietest moment moves too much (a proposal)."""
BLANK_SD = 1.0
"""Grey levels; a frame whose cells vary less shows nothing."""


@dataclass(frozen=True, slots=True)
class Still:
    """The frame that was taken, and how like its neighbours it is (correlation)."""

    frame: int
    likeness: float


def still_of(frames: Frames, box: Box | None = None) -> Still | Declined:
    """The quietest moment of a clip of two or more frames; one pass over the clip, a few kilobytes a frame."""
    cells = np.stack([_cells(frame, box) for frame in frames.stream()])
    spread = cells.std(axis=1)
    if not (spread > BLANK_SD).any():
        return Declined(
            ReasonCode.IMAGE_QUALITY,
            "every frame of the clip is blank",
            "send a still image of the muscle, or a clip that shows it",
        )
    likeness = _likeness(cells, spread)
    window = min(WINDOW - 1, len(likeness))
    calm = np.lib.stride_tricks.sliding_window_view(likeness, window).min(axis=1)
    best = int(np.argmax(calm))
    if calm[best] < LEAST_LIKENESS:
        return Declined(
            ReasonCode.MOTION,
            f"no moment of the clip is still: neighbouring frames correlate at {calm[best]:.2f} at best",
            "send a still image, hold the probe at rest for half a second, or draw the region on a frame",
        )
    return Still(best + (window + 1) // 2, float(calm[best]))


def _cells(frame: npt.NDArray[np.uint8], box: Box | None) -> npt.NDArray[np.float32]:
    """One frame as a vector of cell means."""
    view = frame if box is None else frame[box.row0 : box.row1, box.column0 : box.column1]
    small: npt.NDArray[np.float32] = cv2.resize(
        np.ascontiguousarray(view), (CELLS, CELLS), interpolation=cv2.INTER_AREA
    ).astype(np.float32)
    return small.ravel()


def _likeness(cells: npt.NDArray[np.float32], spread: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Correlation of each frame with the next; −1 where either is blank."""
    centred = cells - cells.mean(axis=1, keepdims=True)
    product = (centred[1:] * centred[:-1]).mean(axis=1)
    scale = spread[1:] * spread[:-1]
    shown = (spread[1:] > BLANK_SD) & (spread[:-1] > BLANK_SD)
    return np.where(shown, product / np.where(shown, scale, 1.0), -1.0).astype(np.float64)
