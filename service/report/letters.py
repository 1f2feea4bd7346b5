"""Text as masks: Source Sans Pro, each letter drawn once for each size and then laid beside the others.

Pillow lays out and draws a line anew each time, half a millisecond for one of forty letters, and a page has as many
lines. In its basic layout each letter has a whole number of pixels of its own, so a line put together from letters is
the same picture, pixel by pixel.
"""

from __future__ import annotations

import math
import string
from functools import cache, lru_cache
from importlib.resources import as_file, files
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

Mask = npt.NDArray[np.uint8]
"""How much of each pixel is covered, 0 to 255; shape (rows, columns)."""

_AIR = 2
"""Pixels around a letter before it is cut out: some reach beyond their width."""
_ALPHABET = string.digits + string.ascii_letters + string.punctuation + " ·²°±µ–−→≤≥…äöüÄÖÜß"
_seen: set[tuple[int, bool, int]] = set()
"""Size, weight and edge of what was written so far."""


class Written(NamedTuple):
    """A line of text: its mask, and where that lies from the pen's first position on the base line."""

    mask: Mask
    left: int
    top: int


@cache
def font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Source Sans Pro (SIL Open Font Licence), from the package that carries it."""
    name = f"SourceSansPro-{'Semibold' if bold else 'Regular'}.ttf"
    with as_file(files("font_source_sans_pro").joinpath("files", name)) as path:
        return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)


@cache
def heights(size: int, *, bold: bool = False) -> tuple[int, int]:
    """Pixels that letters reach above and below the base line."""
    return font(size, bold=bold).getmetrics()


def width_of(words: str, size: int, *, bold: bool = False) -> float:
    """Width of a line of text in pixels: the sum of its letters', as basic layout knows no kerning of this font."""
    return sum(_advance(letter, size, bold=bold) for letter in words)


def wrapped(words: str, size: int, width: float, *, bold: bool = False, lines: int = 99) -> list[str]:
    """Text broken at blanks into lines no wider than ``width``; what does not fit ``lines`` ends in an ellipsis."""
    found: list[str] = []
    for word in words.split():
        longer = f"{found[-1]} {word}" if found else word
        if found and width_of(longer, size, bold=bold) <= width:
            found[-1] = longer
        else:
            found.append(word)
    if len(found) > lines:
        found = [*found[: lines - 1], " ".join(found[lines - 1 :])]
    return [_cut(line, size, width, bold=bold) for line in found]


@lru_cache(maxsize=512)
def written(words: str, size: int, *, bold: bool = False, edge: int = 0) -> Written:
    """A line of text, with an edge of so many pixels around its letters."""
    _seen.add((size, bold, edge))
    above, below = heights(size, bold=bold)
    out = edge + _AIR
    line = np.zeros((above + below + 2 * out, math.ceil(width_of(words, size, bold=bold)) + 2 * out + size), np.uint8)
    pen = float(out + size // 2)
    for letter in words:
        mask, left, top = _glyph(letter, size, bold, edge)
        if mask.size:
            y, x = out + above + top, round(pen) + left
            there = line[y : y + mask.shape[0], x : x + mask.shape[1]]
            np.maximum(there, mask, out=there)
        pen += _advance(letter, size, bold=bold)
    return Written(line, -out - size // 2, -out - above)


@lru_cache(maxsize=32)
def turned(words: str, size: int, *, bold: bool = False) -> Mask:
    """A line of text that reads upwards."""
    line = written(words, size, bold=bold).mask
    inked = np.flatnonzero(line.any(axis=0))
    held = line[:, inked[0] : inked[-1] + 1] if inked.size else line[:, :1]
    return np.ascontiguousarray(np.rot90(held))


def draw_alphabet() -> None:
    """Draw the usual letters in every size that was used so far, so that no child need draw them again."""
    for size, bold, edge in sorted(_seen):
        for letter in _ALPHABET:
            _advance(letter, size, bold=bold)
            _glyph(letter, size, bold, edge)


@cache
def _advance(letter: str, size: int, *, bold: bool) -> float:
    return float(font(size, bold=bold).getlength(letter))


@cache
def _glyph(letter: str, size: int, bold: bool, edge: int) -> Written:
    """One letter, cut out."""
    face = font(size, bold=bold)
    left, top, right, bottom = face.getbbox(letter, anchor="ls", stroke_width=edge)
    x, y = math.floor(left) - _AIR, math.floor(top) - _AIR
    image = Image.new("L", (math.ceil(right) - x + _AIR, math.ceil(bottom) - y + _AIR))
    ImageDraw.Draw(image).text((-x, -y), letter, fill=255, font=face, anchor="ls", stroke_width=edge, stroke_fill=255)
    mask = np.asarray(image)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return Written(mask[:0, :0], 0, 0)
    cut = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy()
    return Written(cut, x + int(columns[0]), y + int(rows[0]))


def _cut(line: str, size: int, width: float, *, bold: bool) -> str:
    if width_of(line, size, bold=bold) <= width:
        return line
    while line and width_of(f"{line}…", size, bold=bold) > width:
        line = line[:-1]
    return f"{line.rstrip()}…"
