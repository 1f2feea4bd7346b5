"""When nothing can be said: stretches in which probe or limb move too much, and what they look like.

A twitch that happens while everything moves is missed by every published method, so such time is taken off the time
observed; a clip that moves most of the time is not assessable.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from plugins.fasciculation.field import Field
from plugins.fasciculation.grid import Floats
from plugins.fasciculation.stretch import LEAST_TEXTURE

PROBE_MM_S = 4.0
"""Mean speed of the whole picture above which nothing is judged."""
UNREST_MM_S = 0.22
"""Median residual speed of the blocks above which nothing is judged: tissue moves against itself everywhere."""
SMOOTH_S = 0.4
MARGIN_S = 0.15
"""Taken off on both sides of a moving stretch."""
LONG_S = 4.0
"""A contraction, a knock or a press is over by then."""
LIMB = "passive or active movement"
NO_PICTURE, FROZEN = "no picture", "frozen picture"
UNSEEN = (NO_PICTURE, FROZEN)
"""Stretches in which nothing was seen; in all others too much moved."""
SEEN_SHARE = 0.5
"""Share of the blocks that can be followed otherwise under which there is no picture: the probe lost contact."""
TELLING = ("breathing", "compression", "contraction pseudotremor", "probe jerk", "voluntary contraction")
"""Names of single movements by which a whole stretch can be called."""
VOTES = 3
"""Least number of movements of one name in a stretch that call it so, if they are also half of all in it."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the clip that was not judged."""

    start_s: float
    end_s: float
    name: str


def moving(field: Field) -> npt.NDArray[np.bool_]:
    """Which of the field's times lie in too much motion, shape (times,)."""
    length = max(1, round(SMOOTH_S * field.rate_hz))
    probe = ndimage.uniform_filter1d(field.probe_mm_s, length)
    unrest = ndimage.uniform_filter1d(field.unrest_mm_s, length)
    much = (probe > PROBE_MM_S) | (unrest > UNREST_MM_S)
    margin = max(1, round(MARGIN_S * field.rate_hz))
    return np.asarray(ndimage.binary_dilation(much, iterations=margin), bool)


def without_picture(texture: Floats, times_s: npt.NDArray[np.float64], field: Field) -> npt.NDArray[np.bool_]:
    """Which of the field's times show hardly any of the tissue that the others show, shape (times,).

    Parameters
    ----------
    texture:
        Of every block at every step, shape (steps, rows, columns).
    times_s:
        Ends of the steps.
    """
    if not field.valid.any():
        return np.zeros(len(field.times_s), bool)
    seen = (texture[:, field.valid] > LEAST_TEXTURE).mean(axis=1)
    dark = np.interp(field.times_s, times_s, seen) < SEEN_SHARE
    return np.asarray(ndimage.binary_dilation(dark, iterations=max(1, round(MARGIN_S * field.rate_hz))), bool)


def stretches(field: Field, much: npt.NDArray[np.bool_], name: str = "") -> list[Stretch]:
    """Stretches of marked times under a name; without one, what kind of motion each most likely was."""
    labels, count = ndimage.label(much)
    found = []
    for index in range(1, count + 1):
        times = np.flatnonzero(labels == index)
        start, end = float(field.times_s[times[0]]), float(field.times_s[times[-1]]) + 1 / field.rate_hz
        found.append(Stretch(start, end, name or _named(field, times, end - start)))
    return found


def called(stretch: Stretch, movements: Iterable[tuple[float, str]]) -> Stretch:
    """The stretch under the name that most of the movements in it were taken for, if they agree.

    What moved is told better by many places and their course than by two speeds of the whole picture; a long stretch
    keeps its name.

    Parameters
    ----------
    movements:
        Time (s) and most probable name of every movement of the clip.
    """
    if stretch.end_s - stretch.start_s >= LONG_S:
        return stretch
    votes = Counter(name for time_s, name in movements if stretch.start_s <= time_s < stretch.end_s)
    for name, count in votes.most_common(1):
        if name in TELLING and count >= VOTES and 2 * count >= votes.total():
            return replace(stretch, name=name)
    return stretch


def _named(field: Field, times: npt.NDArray[np.int64], length_s: float) -> str:
    """Short and of the whole picture is a knock; tissue against itself is muscle or joint, long is the joint."""
    probe = float(np.max(field.probe_mm_s[times]))
    unrest = float(np.max(field.unrest_mm_s[times]))
    if probe / PROBE_MM_S > unrest / UNREST_MM_S:
        return "probe jerk" if length_s < 1.2 else "probe movement"
    return "voluntary contraction" if length_s < LONG_S else LIMB
