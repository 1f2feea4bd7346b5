"""The field of view: where in the picture the scanner drew tissue.

Echoes are speckled, so nearly every pixel differs from its neighbour; menus, margins and scales are flat. The
largest piece of picture whose pixels mostly differ from a neighbour is the field. It is needed although DICOM
gives regions: their boxes include black margins, and many pictures have none.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from plugins.images import Box, Grey, Mask

TEXTURE_WINDOW = 15
"""Side in pixels of the square in which pixels that differ from a neighbour are counted."""
TEXTURED_SHARE = 0.35
"""A lower share than one half keeps dim, deep tissue; letters and rulers are removed by the opening."""
DIM_SHARE = 0.06
"""A row in line with the field belongs to it when this share of its pixels differs: black muscle has only streaks."""
LARGEST_GAP = 0.12
"""Rows without even that, as a share of the picture's height, which may lie between two parts of one field."""
CODEC_SHARE = 0.12
"""Margins that a video codec made noisy differ by less than this share of what the field's columns do."""
SMALLEST_RUN = 0.045
"""Such rows count in runs of at least this share of the height; a line of letters is lower."""
LEAST_HEIGHT = 0.08
"""A column belongs to the field when the field is there at least this share of its greatest height: beside a field
stand the maker's name and a scale."""
BLACK = 8
"""Grey level that letters lie on: a band of rows whose median is not over it, set off from the field, is a banner."""
SMALLEST_SIDE = 48
"""A field smaller than this, in pixels, is no image of a muscle."""


def field_of_view(grey: Grey, coloured: Mask, region_box: Box | None) -> Box:
    """The smallest box around the field; the whole region (or picture) where no texture is found.

    ``grey`` and ``coloured`` have the picture's shape (rows, columns). Coloured pixels (marks, text, Doppler) do
    not count as texture. With ``region_box``, the calibrated region, nothing outside it is considered.
    """
    limits = _within(region_box, grey.shape)
    differs = _differs(_cut(grey, limits), _cut(coloured, limits))
    within = np.asarray(_cut(grey, limits), np.float32)
    piece = _largest_textured(differs)
    lettered = _lettered_rows(within, differs, piece)
    if lettered.any():
        differs = differs & ~lettered[:, np.newaxis]
        piece = _largest_textured(differs)
    columns = _lively(within, differs & piece, piece)
    rows = np.flatnonzero((differs & piece).sum(axis=1) > 0.2 * np.maximum(piece.sum(axis=1), 1))
    if rows.size < SMALLEST_SIDE or columns.size < SMALLEST_SIDE:
        return limits
    left, right = int(columns[0]), int(columns[-1]) + 1
    top, bottom = _with_dim_rows(differs[:, left:right].mean(axis=1), int(rows[0]), int(rows[-1]))
    return Box(limits.column0 + left, limits.row0 + top, limits.column0 + right, limits.row0 + bottom)


def field_mask(grey: Grey, coloured: Mask, box: Box) -> Mask:
    """The field inside its box, shape (rows, columns) of the box: a fan or a slanted edge leaves corners out.

    The convex hull of the texture, so that dark tissue inside stays inside; everything where there is none.
    """
    piece = _largest_textured(_differs(_cut(grey, box), _cut(coloured, box)), DIM_SHARE)
    if int(piece.sum()) < SMALLEST_SIDE**2:
        return np.ones(piece.shape, bool)
    rows = np.flatnonzero(piece.any(axis=1))
    first, last = piece[rows].argmax(axis=1), piece.shape[1] - 1 - piece[rows, ::-1].argmax(axis=1)
    hull = cv2.convexHull(np.concatenate((np.stack((first, rows), 1), np.stack((last, rows), 1))).astype(np.int32))
    filled = np.zeros(piece.shape, np.uint8)
    cv2.fillConvexPoly(filled, hull, 1)
    return filled.astype(bool)


def _lettered_rows(grey: npt.NDArray[np.float32], differs: Mask, piece: Mask) -> Mask:
    """Rows of a banner above the field: lines of letters so noisy from compression that they pass for texture.

    They are set off from the field, black between the letters, and go on beside the field, as skin over black fat does
    not. Below the field nothing is left out: deep tissue is often as dim as that.
    """
    found = np.zeros(differs.shape[0], bool)
    height = piece.sum(axis=0)
    core = height > 0.5 * max(int(height.max()), 1)
    if not core.any():
        return found
    share = differs.astype(np.float32) @ core.astype(np.float32) / np.count_nonzero(core)
    runs = _runs(share > TEXTURED_SHARE)
    main = max(runs, key=lambda run: run[1] - run[0], default=(0, 0))
    for first, stop in runs:
        above, low = stop <= main[0], stop - first < LARGEST_GAP * differs.shape[0]
        if above and low and _is_black(grey[first:stop, core]) and _go_on_beside(differs[first:stop], core):
            found[:stop] = True
    return found


def _is_black(letters: npt.NDArray[np.float32]) -> bool:
    return float(np.median(letters)) <= BLACK


def _go_on_beside(rows: Mask, core: npt.NDArray[np.bool_]) -> bool:
    """Whether as much differs beside the core columns as in half of them."""
    beside = rows[:, ~core]
    return beside.shape[1] >= TEXTURE_WINDOW and float(beside.mean()) > 0.5 * float(rows[:, core].mean())


def _runs(wanted: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and end of every run."""
    edges = np.flatnonzero(np.diff(np.r_[0, wanted.astype(np.int8), 0]))
    return [(int(first), int(stop)) for first, stop in zip(edges[::2], edges[1::2], strict=True)]


def _lively(grey: npt.NDArray[np.float32], differs: Mask, piece: Mask) -> npt.NDArray[np.intp]:
    """Columns that really differ: a fifth of their pixels, and by more than a codec's noise in a black margin."""
    height = np.maximum(piece.sum(axis=0), 1)
    high = height > LEAST_HEIGHT * height.max()
    step = np.abs(np.diff(grey, axis=0, prepend=grey[:1]))
    lively = np.where(piece, step, 0).sum(axis=0) / height
    noise = CODEC_SHARE * float(np.quantile(lively[piece.any(axis=0)], 0.75)) if piece.any() else 0.0
    return np.flatnonzero((differs.sum(axis=0) > 0.2 * height) & (lively > noise) & high)


def _with_dim_rows(share: npt.NDArray[np.float64], first: int, last: int) -> tuple[int, int]:
    """Grow the rows ``first`` to ``last`` over dim ones above and below, bridging gaps of a bounded size.

    Only runs of rows count that are higher than letters are.
    """
    dim = np.r_[0, (share > DIM_SHARE).astype(np.int8), 0]
    starts, stops = np.flatnonzero(np.diff(dim) == 1), np.flatnonzero(np.diff(dim) == -1)
    runs = [(int(a), int(b)) for a, b in zip(starts, stops, strict=True) if b - a >= SMALLEST_RUN * share.size]
    gap = LARGEST_GAP * share.size
    stop = last + 1
    for low, high in reversed(runs):
        if low < first <= high + gap:
            first = low
    for low, high in runs:
        if high > stop >= low - gap:
            stop = high
    return first, stop


def _within(region_box: Box | None, shape: tuple[int, ...]) -> Box:
    """The region clipped to the picture; the whole picture when nothing of it is left."""
    rows, columns = shape[0], shape[1]
    whole = Box(0, 0, columns, rows)
    if region_box is None:
        return whole
    box = Box(
        max(0, region_box.column0),
        max(0, region_box.row0),
        min(columns, region_box.column1),
        min(rows, region_box.row1),
    )
    return box if box.column1 - box.column0 >= 2 and box.row1 - box.row0 >= 2 else whole


def _cut(array: npt.NDArray[np.generic], box: Box) -> npt.NDArray[np.generic]:
    return array[box.row0 : box.row1, box.column0 : box.column1]


def _differs(grey: npt.NDArray[np.generic], coloured: npt.NDArray[np.generic]) -> Mask:
    """Grey pixels that differ from the one before or above."""
    values = np.asarray(grey, np.int16)
    differs = np.zeros(values.shape, bool)
    differs[:, 1:] |= values[:, 1:] != values[:, :-1]
    differs[1:, :] |= values[1:, :] != values[:-1, :]
    differs &= ~np.asarray(coloured, bool)
    return differs


def _largest_textured(differs: Mask, least_share: float = TEXTURED_SHARE) -> Mask:
    """The largest piece whose pixels mostly differ, opened so that letters, rulers and wedges fall away."""
    window = (TEXTURE_WINDOW, TEXTURE_WINDOW)
    counts = cv2.boxFilter(differs.view(np.uint8), cv2.CV_16U, window, normalize=False, borderType=cv2.BORDER_REPLICATE)
    textured = (counts > least_share * TEXTURE_WINDOW**2).view(np.uint8)
    opened = cv2.morphologyEx(textured, cv2.MORPH_OPEN, np.ones((2 * TEXTURE_WINDOW + 1,) * 2, np.uint8))
    count, labels = cv2.connectedComponents(opened, connectivity=4)  # without the pieces' figures a third of the time
    if count < 2:
        return np.zeros(differs.shape, bool)
    largest = 1 if count == 2 else 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    piece: Mask = labels == largest
    return piece
