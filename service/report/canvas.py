"""A picture to draw on: antialiased lines with a dark edge, text in Source Sans Pro. Everything that is shown uses it.

Positions are (x, y) in canvas pixels, fractions allowed. Text is drawn last, over all lines, in one pass. Everything is
drawn where it will lie: a picture has four to six megabytes, and a copy of it costs more than most of what is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from service.report.letters import Mask, heights, turned, width_of, written

Picture = npt.NDArray[np.uint8]
"""Shape (rows, columns, 3), red first."""
Colour = tuple[int, int, int]
XY = tuple[float, float]

BLACK: Colour = (0, 0, 0)
WHITE: Colour = (245, 247, 250)
MUTED: Colour = (150, 160, 172)
FAINT: Colour = (64, 72, 82)
SURFACE: Colour = (17, 20, 24)
CYAN: Colour = (64, 214, 255)
AMBER: Colour = (255, 190, 84)
LIME: Colour = (190, 242, 100)
ROSE: Colour = (255, 128, 160)
VIOLET: Colour = (190, 160, 255)
CYCLE: tuple[Colour, ...] = (CYAN, AMBER, LIME, ROSE, VIOLET, WHITE)

_SHIFT = 4
"""Fractional bits of OpenCV's coordinates: lines fall where the outline is, not on whole pixels."""


class Place(NamedTuple):
    """A rectangle of the canvas."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class _Text:
    at: XY
    words: str
    size: int
    bold: bool
    colour: Colour
    anchor: str
    turned: bool
    edge: int


class Canvas:
    """A picture under construction; ``finished`` gives it with all text on it."""

    def __init__(self, width: int, height: int, colour: Colour = BLACK) -> None:
        self.pixels: Picture = np.zeros((height, width, 3), np.uint8)
        if colour != BLACK:
            self.box(0, 0, width, height, colour)
        self._texts: list[_Text] = []

    def paste(self, picture: Picture, x: int, y: int) -> None:
        """Lay a picture down, its left upper corner at (x, y)."""
        self.pixels[y : y + picture.shape[0], x : x + picture.shape[1]] = picture

    def paste_grey(self, grey: npt.NDArray[np.uint8], x: int, y: int) -> None:
        """Lay a grey picture down, its left upper corner at (x, y)."""
        there = self.pixels[y : y + grey.shape[0], x : x + grey.shape[1]]
        cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB, dst=there)

    def line(self, points: Sequence[XY], colour: Colour, *, width: float = 2, dash: float = 0, edge: float = 0) -> None:
        """A polyline; ``dash`` is the length of its dashes, ``edge`` the width of a dark edge on either side."""
        parts = list(_dashes(points, dash)) if dash else [list(points)]
        for part in parts if edge else ():
            self._stroke(part, BLACK, width + 2 * edge)
        for part in parts:
            self._stroke(part, colour, width)

    def _stroke(self, points: Sequence[XY], colour: Colour, width: float) -> None:
        if len(points) < 2:
            return
        fixed = np.round(np.array(points, float) * (1 << _SHIFT)).astype(np.int32)
        thickness = max(1, round(width))
        cv2.polylines(self.pixels, [fixed], False, colour, thickness, cv2.LINE_AA, _SHIFT)

    def area(self, points: Sequence[XY], colour: Colour, opacity: float) -> None:
        """A filled polygon."""
        exact = np.array(points, float)
        height, width = self.pixels.shape[:2]
        low = np.maximum(np.floor(exact.min(axis=0)).astype(int) - 1, 0)
        high = np.minimum(np.ceil(exact.max(axis=0)).astype(int) + 2, (width, height))
        if (high <= low).any():
            return
        under = self.pixels[low[1] : high[1], low[0] : high[0]]
        top = under.copy()
        fixed = np.round((exact - low) * (1 << _SHIFT)).astype(np.int32)
        cv2.fillPoly(top, [fixed], colour, cv2.LINE_AA, _SHIFT)
        under[:] = cv2.addWeighted(top, opacity, under, 1 - opacity, 0)

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        """A filled rectangle, without its right and lower edge."""
        corner = (round(x1) - 1, round(y1) - 1)
        if corner[0] >= round(x0) and corner[1] >= round(y0):
            cv2.rectangle(self.pixels, (round(x0), round(y0)), corner, colour, cv2.FILLED)

    def dot(self, at: XY, radius: float, colour: Colour, *, edge: float = 0) -> None:
        """A filled disc."""
        centre = (round(at[0] * (1 << _SHIFT)), round(at[1] * (1 << _SHIFT)))
        for size, shade in ((radius + edge, BLACK), (radius, colour)) if edge else ((radius, colour),):
            cv2.circle(self.pixels, centre, round(size * (1 << _SHIFT)), shade, -1, cv2.LINE_AA, _SHIFT)

    def text(
        self,
        at: XY,
        words: str,
        size: int,
        colour: Colour = WHITE,
        *,
        bold: bool = False,
        anchor: str = "la",
        turned: bool = False,
        edge: int = 0,
    ) -> None:
        """A line of text; ``anchor`` as Pillow has it (``la`` left top, ``mm`` middle, ``rs`` right baseline)."""
        self._texts.append(_Text(at, words, size, bold, colour, anchor, turned, edge))

    def finished(self) -> Picture:
        """The picture with all its text."""
        for text in self._texts:
            if text.edge:
                self._write(text, BLACK, text.edge)
            self._write(text, text.colour, 0)
        self._texts.clear()
        return self.pixels

    def _write(self, text: _Text, colour: Colour, edge: int) -> None:
        if text.turned:
            mask = turned(text.words, text.size, bold=text.bold)
            left, top = round(text.at[0] - mask.shape[1] / 2), round(text.at[1] - mask.shape[0] / 2)
        else:
            mask, left, top = written(text.words, text.size, bold=text.bold, edge=edge)
            x, y = _pen(text)
            left, top = left + x, top + y
        _lay(self.pixels, mask, left, top, colour)


def _pen(text: _Text) -> tuple[int, int]:
    """Where the pen begins on the base line: a whole pixel, since letters were drawn for one."""
    across, down = text.anchor[0], text.anchor[1]
    above, below = heights(text.size, bold=text.bold)
    before = {"l": 0.0, "m": 0.5, "r": 1.0}[across] * width_of(text.words, text.size, bold=text.bold)
    under = {"a": above, "m": (above - below) / 2, "s": 0}[down]
    return round(text.at[0] - before), round(text.at[1] + under)


def _lay(pixels: Picture, mask: Mask, left: int, top: int, colour: Colour) -> None:
    """Lay a colour over the picture as far as the mask covers it, rounded to the nearest level."""
    rows, columns = pixels.shape[:2]
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + mask.shape[1], columns), min(top + mask.shape[0], rows)
    if x0 >= x1 or y0 >= y1:
        return
    under = pixels[y0:y1, x0:x1]
    cover = mask[y0 - top : y1 - top, x0 - left : x1 - left].astype(np.float32)
    plain = np.empty_like(under)
    plain[:] = colour
    under[:] = cv2.blendLinear(plain, under, cover, 255 - cover)


def _dashes(points: Sequence[XY], length: float) -> Iterator[list[XY]]:
    """A polyline cut into dashes with gaps of seven tenths of their length."""
    drawn, left = True, length
    part: list[XY] = [points[0]] if points else []
    for (x0, y0), (x1, y1) in pairwise(points):
        distance, done = math.hypot(x1 - x0, y1 - y0), 0.0
        while distance - done > left:
            done += left
            here = (x0 + (x1 - x0) * done / distance, y0 + (y1 - y0) * done / distance)
            if drawn:
                yield [*part, here]
            part, drawn = [here], not drawn
            left = length if drawn else length * 0.7
        left -= distance - done
        part.append((x1, y1))
    if drawn and len(part) > 1:
        yield part
