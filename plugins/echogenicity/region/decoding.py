"""From the network's maps to two lines, the alternatives, and the evidence for either.

Each line is the best path through the columns' log-probabilities (dynamic programming, at most one row a column),
then the expected row near that path, which is finer than a row. A path that changes over from one line to another is
sought again near the simple curve that the map speaks for most.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from plugins.echogenicity.region.curves import kink, likeliest_curve
from plugins.echogenicity.region.geometry import COLUMNS, ROWS, Layer, Rows
from plugins.echogenicity.region.network import Maps

NEAR = 6
"""Rows on either side of a path that count as the line."""
THINNEST = 10
"""Rows that must lie between the two lines; a muscle thinner than 4 % of the field cannot be measured in it."""
BEND = 1.5
"""Cost of one row of rise, in units of log-probability."""
EDGE_LEVEL = 0.35
"""Share of the area map's plateau at which the muscle begins."""
USUAL_FASCIA = (3.0, 3.6)
"""Rows from the superficial and the deep fascia's centre to the muscle, as readers usually drew them (fold 0)."""
EDGE_SHARE = 0.3
"""Share that the area map's own edge has against the usual one."""
SMOOTH = 2.5
"""Columns (standard deviation) over which a line is smoothed."""
FAR = 40
"""Rows from which two paths are simply different."""
STEADY = 6.0
"""Rows of sudden departure from a simple curve from which a path is sought again; see ``curves``."""
WIDEST_FASCIA = 9.0
"""Rows from a fascia's centre to the muscle, at most."""

Stack = npt.NDArray[np.float32]
Path = npt.NDArray[np.intp]
"""The row in every column."""


@dataclass(frozen=True, slots=True)
class _Maps:
    """What all views say together: log-probability of each line, presence of each, area."""

    lines: Stack
    presence: Stack
    area: Stack


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for a pair of lines, each 0 to 1 except ``spread``."""

    mass: tuple[float, float]
    """Mean probability that the superficial, the deep line lies near its path."""
    presence: tuple[float, float]
    agreement: float
    """Overlap (intersection over union) of the area map with the space between the lines."""
    spread: float
    """Mean distance in rows between the views' own paths and the common one."""
    kink: float = 0.0
    """Largest sudden departure of either line from a simple curve, in rows; see ``curves``."""
    share: float = 0.0
    """Share of the field's depth that lies between the lines."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One pair of lines with its evidence."""

    layer: Layer
    evidence: Evidence


def readings(logits: Maps, fascia_scale: float = 1.0) -> tuple[Reading, ...]:
    """The best pair of lines and up to two others, best first. ``logits``: (views, 5, 256, 128), field rows.

    ``fascia_scale``: how many times thicker than usual a fascia is in rows, because the field is less deep.
    """
    lines = _log_softmax(logits[:, :2])
    likely = _sigmoid(logits[:, 2:]).mean(axis=0)
    common = np.log(np.exp(lines).mean(axis=0) + 1e-9)
    maps = _Maps(common, likely[:2], likely[2])
    uppers = best_paths(np.concatenate((common[:1], lines[:, 0])))
    uppers[0] = _steadied(common[0], uppers[0])
    found = []
    for superficial, deep, own_lower in _pairs(common[1], lines[:, 1], common[0], uppers):
        apart = np.abs(uppers[1:] - superficial).clip(max=FAR).mean(), np.abs(own_lower - deep).clip(max=FAR).mean()
        found.append(_reading(maps, (superficial, deep), float(np.mean(apart)), fascia_scale))
    return tuple(found)


def best_paths(scores: Stack) -> Path:
    """The best path of each map, shape (maps, columns), for maps of shape (maps, rows, columns)."""
    maps, rows, columns = scores.shape
    total = scores[:, :, 0].copy()
    moves = np.zeros((columns, maps, rows), np.int8)
    edge = np.full((maps, 1), -np.inf)
    for column in range(1, columns):
        above = np.concatenate((edge, total[:, :-1]), axis=1) - BEND
        below = np.concatenate((total[:, 1:], edge), axis=1) - BEND
        best = np.maximum(above, below)
        moves[column] = np.where(above >= below, -1, 1) * (best > total)
        total = np.maximum(best, total) + scores[:, :, column]
    paths = np.empty((maps, columns), np.intp)
    paths[:, -1] = total.argmax(axis=1)
    index = np.arange(maps)
    for column in range(columns - 1, 0, -1):
        paths[:, column - 1] = paths[:, column] + moves[column, index, paths[:, column]]
    return paths


def _pairs(lower: Stack, own: Stack, upper: Stack, uppers: Path) -> list[tuple[Path, Path, Path]]:
    """The best pair, the pair with another deep line, the pair with another superficial line.

    ``lower`` and ``upper`` are the common maps, ``own`` each view's map of the deep line, ``uppers`` the superficial
    paths, the common one first. The third of every triple are the views' own deep paths.
    """
    barred = _below(np.concatenate((lower[np.newaxis], own)), uppers)
    paths = best_paths(np.concatenate((barred, _without(upper, uppers[0])[np.newaxis])))
    best, own_lower, other_upper = _steadied(barred[0], paths[0]), paths[1:-1], paths[-1]
    under_other = _below(lower[np.newaxis], other_upper[np.newaxis])
    others = best_paths(np.concatenate((_without(barred[0], best)[np.newaxis], under_other)))
    return [(uppers[0], best, own_lower), (uppers[0], others[0], own_lower), (other_upper, others[1], own_lower)]


def _steadied(scores: Stack, path: Path) -> Path:
    """The path, or where it changes over from one line to another the best one near the likeliest simple curve."""
    if kink(smooth(np.asarray(path, np.float64) + 0.5, SMOOTH)) <= STEADY:
        return path
    away = np.abs(np.arange(ROWS)[:, np.newaxis] + 0.5 - likeliest_curve(scores))
    near = np.where(away <= NEAR, scores, -30.0)
    found: Path = best_paths(np.asarray(near, np.float32)[np.newaxis])[0]
    return found


def _below(scores: Stack, upper: Path) -> Stack:
    """The deep line's maps where rows above or close under the superficial path are barred."""
    rows = np.arange(ROWS)[np.newaxis, :, np.newaxis]
    return np.where(rows < upper[:, np.newaxis] + THINNEST, -30.0, scores)


def _without(scores: Stack, path: Path) -> Stack:
    """A map in which a line already found is erased."""
    rows = np.arange(ROWS)[:, np.newaxis]
    return np.where(np.abs(rows - path[np.newaxis]) <= 2 * NEAR, -30.0, scores)


def _reading(maps: _Maps, paths: tuple[Path, Path], spread: float, fascia_scale: float) -> Reading:
    """The pair of two paths: sub-pixel lines, inner edges and evidence."""
    superficial, deep = paths
    common, presence, area = maps.lines, maps.presence, maps.area
    probability = np.exp(common)
    (top, top_mass), (bottom, bottom_mass) = (_expected(probability[line], path) for line, path in enumerate(paths))
    bottom = np.maximum(bottom, top + THINNEST / 2)
    rows = np.arange(ROWS)[:, np.newaxis] + 0.5
    layer = _with_inner_edges(top, bottom, area, fascia_scale)
    between = (rows > layer.inner_top) & (rows < layer.inner_bottom)
    muscle = area > 0.5
    evidence = Evidence(
        mass=(top_mass, bottom_mass),
        presence=(_along(presence[0], superficial), _along(presence[1], deep)),
        agreement=int((muscle & between).sum()) / max(int((muscle | between).sum()), 1),
        spread=spread,
        kink=max(kink(top), kink(bottom)),
        share=float(np.median(bottom - top)) / ROWS,
    )
    return Reading(layer, evidence)


def _expected(probability: Stack, path: Path) -> tuple[Rows, float]:
    """Expected row (pixel edges) within ``NEAR`` of the path, smoothed, and the mean probability found there."""
    rows = np.arange(ROWS)[:, np.newaxis]
    near = np.where(np.abs(rows - path[np.newaxis]) <= NEAR, probability, 0.0)
    mass = near.sum(axis=0)
    # where the map says nothing the path itself speaks
    weight = near + 1e-6 * (rows == path[np.newaxis])
    expected = ((rows + 0.5) * weight).sum(axis=0) / weight.sum(axis=0)
    return smooth(expected, SMOOTH), float(mass.mean())


def _along(presence: Stack, path: Path) -> float:
    """Mean presence along a path, the largest of three rows."""
    columns = np.arange(COLUMNS)
    rows = np.stack([np.clip(path + offset, 0, ROWS - 1) for offset in (-1, 0, 1)])
    return float(presence[rows, columns].max(axis=0).mean())


def _with_inner_edges(top: Rows, bottom: Rows, area: Stack, scale: float) -> Layer:
    """Where the muscle begins and ends between the two centres: the fasciae's own width stays outside.

    The area map's edge is noisy, so it is drawn towards the usual half width of a fascia.
    """
    rows = np.arange(ROWS)[:, np.newaxis] + 0.5
    third = (bottom - top) / 3
    core = area[(rows > top + third) & (rows < bottom - third)]
    level = EDGE_LEVEL * float(np.median(core)) if core.size else EDGE_LEVEL
    seen = _first_above(area, top, level), _first_above(area[::-1], ROWS - bottom, level)
    upper, lower = (
        np.minimum(scale * usual + EDGE_SHARE * (smooth(edge, 6.0) - scale * usual), 0.25 * (bottom - top))
        for usual, edge in zip(USUAL_FASCIA, seen, strict=True)
    )
    return Layer(top, bottom, top + upper, bottom - lower)


def _first_above(area: Stack, start: Rows, level: float) -> Rows:
    """Rows from ``start`` down to where the map first reaches the level, between rows; ``WIDEST_FASCIA`` at most."""
    steps = np.arange(0.0, WIDEST_FASCIA + 0.25, 0.25)
    at = np.clip(start[np.newaxis] + steps[:, np.newaxis] - 0.5, 0, ROWS - 1.001)
    low, columns = at.astype(np.intp), np.arange(COLUMNS)
    values = area[low, columns] * (1 - (at - low)) + area[low + 1, columns] * (at - low)
    reached = values >= level
    return np.where(reached.any(axis=0), steps[reached.argmax(axis=0)], WIDEST_FASCIA)


def smooth(values: Rows, sigma: float) -> Rows:
    """Along the line, mirrored so that its ends keep their slope."""
    margin = int(4 * sigma)
    before = 2 * values[0] - values[margin:0:-1]
    after = 2 * values[-1] - values[-2 : -margin - 2 : -1]
    padded = np.concatenate((before, values, after))[np.newaxis]
    return np.asarray(cv2.GaussianBlur(padded, (0, 0), sigmaX=sigma)[0, margin:-margin], np.float64)


def _log_softmax(logits: Stack) -> Stack:
    """Over the rows of every column."""
    shifted = logits - logits.max(axis=-2, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-2, keepdims=True)), np.float32)


def _sigmoid(logits: Maps) -> Stack:
    return np.asarray(1 / (1 + np.exp(-logits.clip(-40, 40))), np.float32)
