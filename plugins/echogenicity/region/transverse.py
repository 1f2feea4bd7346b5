"""Transverse views: layers down to the bone, as a suggestion only.

A muscle's area needs its sides, and in a transverse view they are often septa that only anatomy tells from others.
No public set of outlined transverse muscles was available to judge a finder on, so none of these outlines is ever
given as an answer: they are shown, and a person draws or chooses. Found are the bright lines, and which of them is
bone: a strong echo with a shadow below it (acoustic shadowing behind cortical bone).
"""

from __future__ import annotations

import numpy as np

from plugins.echogenicity.region.geometry import ROWS, Layer
from plugins.echogenicity.region.layers import Image, Ridge, layer_from, layers_between, ridges

SHADOW = 0.55
"""Bone leaves less than this share of the grey above it in what lies below."""
BONE_STRENGTH = 0.45
SKIN = 0.03
"""Share of the field's height in which the skin's own echo is not taken for a fascia."""


def suggestions(image: Image) -> tuple[Layer, ...]:
    """Layers worth showing, best first: fascia to bone when bone is seen, then the strongest pairs of lines."""
    found = tuple(ridge for ridge in ridges(image) if float(np.median(ridge.rows)) > SKIN * ROWS)
    shadowing = [ridge for ridge in found if is_bone(ridge, image)]
    bone = min(shadowing, key=lambda ridge: float(np.median(ridge.rows)), default=None)
    above = found if bone is None else tuple(ridge for ridge in found if _above(ridge, bone))
    layers = [layer for layer, _ in layers_between(above)]
    if bone is not None:
        fasciae = sorted((ridge for ridge in above if ridge is not bone), key=lambda ridge: -ridge.strength)
        layers = [layer_from(ridge.rows, bone.rows) for ridge in fasciae[:1]] + layers
    return tuple(layers)


def is_bone(ridge: Ridge, image: Image) -> bool:
    """A strong line with a shadow: in its middle half the grey below is far under the grey above."""
    quarter = image.shape[1] // 4
    above, below = [], []
    for column in range(quarter, 3 * quarter):
        row = int(np.clip(ridge.rows[column], 12, ROWS - 24))
        above.append(float(image[max(row - 60, 0) : row - 8, column].mean()))
        below.append(float(image[row + 10 : row + 70, column].mean()))
    darker = np.median(below) < SHADOW * np.median(above)
    return bool(darker and ridge.strength > BONE_STRENGTH and np.median(above) > 4)


def _above(ridge: Ridge, bone: Ridge) -> bool:
    return bool(np.median(ridge.rows) <= np.median(bone.rows))
