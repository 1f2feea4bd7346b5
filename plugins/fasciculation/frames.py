"""Frames that show the tissue anew, under an even light.

Those that repeat the one before are left out, and those that show no tissue.

A frame that a grabber or a network lost comes as black, white or torn. Whatever lies in it seems to go out and come
back at once, as a twitch does; a frame that is left out is bridged like one that the scanner dropped. Pictures that
flicker, as of two focal zones in turn or filmed from a screen, do the same to a lesser degree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from plugins.fasciculation.grid import Grid

Bytes = npt.NDArray[np.uint8]

_SAME = 0.02
"""Mean difference in grey levels under which two frames are the same frame recorded twice."""
_UNLIKE, _ROUNDING = 0.25, 1.0
"""A picture whose mean or spread of grey changes by more than such a share (and so many grey levels) from one frame to
the next is another picture: tissue that moves keeps both."""
_FLICKER, _FOLLOWS = 0.02, 0.1
"""Share by which a picture's mean grey jumps from one frame to the next when the light changes, not the tissue: motion
of any kind changed it by 1 % at most (18 clips of simulated tissue and of real stills). How much of such a jump enters
the light with every frame, so that a gain that was turned comes in slowly."""
_LONGEST = 8
"""Broken frames in a row. When the picture has not come back after more than so many it has changed for good: the gain
was turned, the probe lifted."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """One frame of a clip as a working picture."""

    index: int
    picture: Bytes
    mean: float
    spread: float


class _Light:
    """Mean grey that pictures would have, had nothing but the tissue changed."""

    def __init__(self, mean: float = 0.0) -> None:
        self._own = self._last = mean

    def on(self, seen: _Seen) -> Bytes:
        """The next picture in this light; as it is, unless the light has changed."""
        jump = seen.mean - self._last
        self._last = seen.mean
        if abs(jump) <= max(_FLICKER * seen.mean, _ROUNDING / 4):
            self._own += jump
        self._own += _FOLLOWS * (seen.mean - self._own)
        if abs(seen.mean - self._own) < _ROUNDING / 100:
            return seen.picture
        return np.asarray(cv2.convertScaleAbs(seen.picture, alpha=self._own / max(seen.mean, _ROUNDING)), np.uint8)


def telling(frames: Iterable[Bytes], grid: Grid) -> Iterator[tuple[int, Bytes]]:
    """Index and working picture of every frame that shows the tissue anew, holding a few of them.

    Parameters
    ----------
    frames:
        Grey frames in order, as ``Frames.stream`` gives them.
    grid:
        The clip's working grid, for frames of this size.
    """
    kept: _Seen | None = None
    doubtful: list[_Seen] = []
    light = _Light()
    for index, frame in enumerate(frames):
        picture = grid.reduced(frame)
        before = doubtful[-1] if doubtful else kept
        if before is not None and cv2.norm(before.picture, picture, cv2.NORM_L1) < _SAME * picture.size:
            continue
        mean, spread = (float(value[0, 0]) for value in cv2.meanStdDev(picture))
        doubtful.append(_Seen(index, picture, mean, spread))
        if kept is not None and _alike(kept, doubtful[-1]):
            doubtful = doubtful[-1:]  # those between the two were broken
        elif kept is None or len(doubtful) > _LONGEST:
            light = _Light(doubtful[0].mean)
        else:
            continue
        kept = doubtful[-1]
        yield from ((each.index, light.on(each)) for each in doubtful)
        doubtful = []


def _alike(one: _Seen, other: _Seen) -> bool:
    return all(
        abs(a - b) <= _UNLIKE * max(a, b) + _ROUNDING for a, b in ((one.mean, other.mean), (one.spread, other.spread))
    )
