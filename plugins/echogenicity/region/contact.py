"""The columns of a layer that the beam reached: where the field of view holds both lines and the probe had contact.

Where the end of a probe lifts off the skin the picture is black from there down. Fasciae can be continued into such
columns, but nothing there is the muscle's echo: taken into the outline they pull its mean down, by eleven grey levels
in one of the published pictures. Only columns at either end are left out; a shadow amid the muscle is part of it.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from plugins.echogenicity.region.geometry import COLUMNS, ROWS, Layer
from plugins.echogenicity.region.layers import columns_seen
from plugins.images import Mask

LEAST_LIT = 0.3
"""Share of the usual column's mean grey level under which a column at the end is taken to be without contact. Chosen on
fold 1 of the published pictures, see README."""
FADING = 1
"""Further columns left out beside those: contact is lost gradually."""
FEWEST = COLUMNS // 4
"""A layer is not cut to fewer columns than this; then all are kept, and the picture is what it is."""


Grey = npt.NDArray[np.float32]


def squeezed(field: Grey) -> Grey:
    """The field of view at the size of the working image."""
    return np.asarray(cv2.resize(field, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA), np.float32)


def in_sight(layer: Layer, mask: Mask, working: Grey) -> Layer:
    """The layer in the columns where both its lines lie inside the field and the muscle between them is lit.

    ``mask`` is the field's mask in its box, ``working`` the field of view as ``squeezed`` makes it.
    """
    first, stop = columns_seen(mask, layer.superficial, layer.deep)
    lit_first, lit_stop = columns_lit(layer, working)
    first, stop = max(first, lit_first, layer.first), min(stop, lit_stop, layer.stop)
    return replace(layer, first=first, stop=stop) if stop - first >= 2 else layer


def columns_lit(layer: Layer, working: Grey) -> tuple[int, int]:
    """First and end of the columns between those at either end that are dark from fascia to fascia."""
    rows = np.arange(ROWS)[:, np.newaxis] + 0.5
    inside = (rows > layer.inner_top) & (rows < layer.inner_bottom)
    mean = (working * inside).sum(axis=0) / np.maximum(inside.sum(axis=0), 1)
    lit = np.flatnonzero(mean >= LEAST_LIT * np.median(mean))
    first = int(lit[0]) + FADING if lit[0] > 0 else 0
    stop = int(lit[-1]) + 1 - FADING if lit[-1] < COLUMNS - 1 else COLUMNS
    return (first, stop) if stop - first >= FEWEST else (0, COLUMNS)
