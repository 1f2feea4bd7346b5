"""Transverse views: layers down to the bone, as a suggestion only.

A muscle's area needs its sides, and in a transverse view they are often septa that only anatomy tells from others.
No public set of outlined transverse muscles was available to judge a finder on, so none of these outlines is ever
given as an answer: they are shown, and a person draws or chooses. Found are the bright lines (``layers``) and the
bone: a bright arc under which every column is dark to the bottom (acoustic shadow behind cortical bone).
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from plugins.echogenicity.region.geometry import COLUMNS, ROWS, Layer, Rows
from plugins.echogenicity.region.layers import Image, layer_from, layers_between, ridges

DARK = 0.35
"""A column is in shadow from where it stays under this share of the tissue's grey."""
BRIGHT = 1.5
"""Bone is at least so many times brighter than tissue."""
LEAST_SHADOW = 0.06
"""Share of the field's height that the shadow must have."""
LEAST_ARC = 0.15
"""Share of the width that the arc must have."""
SKIN = 0.03
"""Share of the height in which the skin's own echo is not taken for a fascia."""


def suggestions(image: Image) -> tuple[Layer, ...]:
    """Layers worth showing, best first: fascia to bone where bone is seen, then the strongest pairs of lines."""
    found = tuple(ridge for ridge in ridges(image) if float(np.median(ridge.rows)) > SKIN * ROWS)
    layers = [layer for layer, _ in layers_between(found)]
    bone = bone_surface(image)
    if bone is not None:
        rows, first, stop = bone
        above = [ridge for ridge in found if (rows - ridge.rows)[first:stop].min() > 0.1 * ROWS]
        if above:
            strongest = max(ridge.strength for ridge in above)
            fascia = next(ridge for ridge in above if ridge.strength > 0.6 * strongest)
            layers.insert(0, replace(layer_from(fascia.rows, rows), first=first, stop=stop))
    return tuple(layers)


def bone_surface(image: Image) -> tuple[Rows, int, int] | None:
    """Row of the bone in every column, and the first and end column it is seen in; ``None`` without a shadow."""
    smooth = cv2.GaussianBlur(image, (0, 0), sigmaX=1.5, sigmaY=2.5)
    tissue = float(np.median(smooth[: ROWS // 2]))
    lit = smooth > DARK * tissue
    last = np.where(lit.any(axis=0), ROWS - 1 - lit[::-1].argmax(axis=0), 0)
    columns = np.arange(COLUMNS)
    near = np.clip(last + np.arange(-16, 1)[:, np.newaxis], 0, ROWS - 1)
    bright = smooth[near, columns].max(axis=0) > BRIGHT * tissue
    first, stop = _longest(bright & (last < (1 - LEAST_SHADOW) * ROWS))
    if tissue < 4 or stop - first < LEAST_ARC * COLUMNS:
        return None
    surface = near[smooth[near, columns].argmax(axis=0), columns].astype(np.float64) + 0.5
    # beyond the arc nothing is known: its ends are held, and the layer is cut to the arc
    held = np.interp(columns, columns[first:stop], surface[first:stop])
    return np.asarray(cv2.GaussianBlur(held[np.newaxis], (0, 0), sigmaX=2)[0], np.float64), first, stop


def _longest(seen: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """First and end of the longest run."""
    edges = np.flatnonzero(np.diff(np.r_[0, seen.astype(np.int8), 0]))
    runs = list(zip(edges[::2], edges[1::2], strict=True))
    first, stop = max(runs, key=lambda run: run[1] - run[0], default=(0, 0))
    return int(first), int(stop)
