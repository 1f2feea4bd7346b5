"""Drawings that are the same on every frame of a clip, drawn once and then laid over each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from service.report.canvas import Canvas, Picture

_WHITE = (255, 255, 255)


class Stencil:
    """What some drawing does to any picture: how much of each pixel it covers, and with what.

    Lines and text are laid over a picture in shares of its pixels, so that one drawing on black and one on white tell
    all of it.
    """

    def __init__(self, width: int, height: int, draw: Callable[[Canvas], None]) -> None:
        on_black, on_white = Canvas(width, height), Canvas(width, height, _WHITE)
        draw(on_black)
        draw(on_white)
        ours = on_black.finished().reshape(-1, 3)
        left = np.maximum(on_white.finished().reshape(-1, 3), ours) - ours
        self._where = np.flatnonzero((left < 255).any(axis=1))
        self._ours = ours[self._where].astype(np.uint16) * 255 + 128
        self._left = left[self._where].astype(np.uint16)

    def lay(self, pixels: Picture) -> None:
        """Draw on a picture of the stencil's size, shape (rows, columns, 3)."""
        flat = pixels.reshape(-1, 3)
        mixed = flat.take(self._where, axis=0) * self._left + self._ours
        flat[self._where] = (mixed + (mixed >> 8)) >> 8  # a division by 255
