"""One clip from first frame to last: streamed, judged stretch by stretch, with flat memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plugins.contract import Clip, ReducedFrames
from plugins.fasciculation.candidates import Candidate, candidates
from plugins.fasciculation.flow import Step, steps
from plugins.fasciculation.grid import Floats, Grid, grid_of
from plugins.fasciculation.judge import Verdict, verdicts
from plugins.fasciculation.motion import Stretch, called, moving, stretches
from plugins.fasciculation.pulse import beating
from plugins.fasciculation.stretch import field_of

WINDOW_S = 20.0
"""Judged at once; statistics of noise and pulsation are taken over this long."""
OVERLAP_S = 2.0
"""Windows overlap by this much, so that an event on the seam is seen whole by one of them."""
_EDGE_S = OVERLAP_S / 2


@dataclass(frozen=True, slots=True)
class Judged:
    """One candidate with its verdict, in the clip's own terms."""

    candidate: Candidate
    verdict: Verdict
    frame: int
    in_motion: str
    """What the stretch is that it lies in and that moves too much to judge; empty when it lies in none."""
    beat: bool
    """It is one of many that come like a pulse."""


@dataclass(frozen=True, slots=True)
class ClipMotion:
    """All that was seen of motion in one clip."""

    grid: Grid
    valid: npt.NDArray[np.bool_]
    """Blocks that could be followed in every window, shape (rows, columns)."""
    judged: tuple[Judged, ...]
    stretches: tuple[Stretch, ...]
    span_s: float
    """From the first frame's start to the last frame's end."""
    observed_s: float
    """Of that, the time that could be judged."""
    frames: int
    """Frames that differ from the one before."""
    rate_hz: float
    """Distinct frames per second."""
    usual_mm: Floats
    """How far each block usually goes out and back, noise included, shape (rows, columns)."""
    probe_mm_s: tuple[float, ...]
    """Speed of the whole picture, averaged over each 0.2 s."""


@dataclass(frozen=True, slots=True)
class _Part:
    """What one window gave. Its field is not kept: it takes 7 MB, and clips may be long."""

    judged: list[Judged]
    stretches: list[Stretch]
    observed_s: float
    probe_mm_s: list[float]
    valid: npt.NDArray[np.bool_]
    usual_mm: Floats


def motion_of(clip: Clip, times_s: Sequence[float], inside: npt.NDArray[np.bool_] | None = None) -> ClipMotion:
    """Follow a clip's tissue through all its frames.

    Parameters
    ----------
    clip:
        Its frames are streamed once, in order.
    times_s:
        Start of every frame.
    inside:
        Blocks to judge, shape of the grid; all when ``None``.
    """
    grid = grid_of(clip)
    times = np.asarray(times_s, np.float64)
    parts: list[_Part] = []
    count = 1
    for window, core in _windows(_steps(clip, grid), times):
        count += sum(1 for step in window[1] if core[0] <= times[step.frame] < core[1])
        part = _judged_part(window[0], window[1], times, grid, inside=inside, core=core)
        if part is not None:
            parts.append(part)
    return _joined(parts, grid, times, count)


def _steps(clip: Clip, grid: Grid) -> Iterator[Step]:
    """Motion is seen in a smaller picture anyway: whoever decodes is asked for one that is small already."""
    by, frames = grid.shrink, clip.frames
    if by > 1 and isinstance(frames, ReducedFrames):
        return steps(frames.reduced(by), grid.shrunk(by))
    return steps(frames.stream(), grid)


def block_centres(grid: Grid) -> list[tuple[float, float]]:
    """The middle of every block as a (column, row) point, row by row."""
    return [grid.centre(row + 0.5, column + 0.5) for row in range(grid.blocks[0]) for column in range(grid.blocks[1])]


def _windows(
    stream: Iterator[Step], times: npt.NDArray[np.float64]
) -> Iterator[tuple[tuple[int, list[Step]], tuple[float, float]]]:
    """((frame before the first step, steps), (core start, core end)): the cores tile the clip."""
    held: list[Step] = []
    before, begin = 0, -np.inf
    for step in stream:
        held.append(step)
        # judged late enough that what remains is never a short scrap
        if times[step.frame] - times[before] >= 1.5 * WINDOW_S:
            end = times[before] + WINDOW_S
            now = [each for each in held if times[each.frame] <= end]
            yield (before, now), (begin, end - _EDGE_S)
            begin = end - _EDGE_S
            keep = [each for each in held if times[each.frame] > end - OVERLAP_S]
            before = held[len(held) - len(keep) - 1].frame
            held = keep
    if held:
        yield (before, held), (begin, np.inf)


def _judged_part(
    before: int,
    window: list[Step],
    times: npt.NDArray[np.float64],
    grid: Grid,
    *,
    inside: npt.NDArray[np.bool_] | None,
    core: tuple[float, float],
) -> _Part | None:
    """Field, motion and candidates of one window; ``None`` when it is too short for any."""
    if len(window) < 8:
        return None
    flow = np.stack([step.flow for step in window])
    texture: Floats = np.mean([step.texture for step in window], axis=0)
    at = np.concatenate(([times[before]], times[[step.frame for step in window]]))
    field = field_of(flow, texture, at, grid)
    found = [
        each
        for each in candidates(field)
        if core[0] <= each.peak_s < core[1] and (inside is None or inside[each.row, each.column])
    ]
    much = moving(field)
    own = (field.times_s >= core[0]) & (field.times_s < core[1])
    said = verdicts(found)
    movements = [(each.peak_s, verdict.likely) for each, verdict in zip(found, said, strict=True)]
    apart = [called(stretch, movements) for stretch in stretches(field, much & own)]
    return _Part(
        judged=[
            Judged(each, verdict, int(np.abs(times - each.peak_s).argmin()), _within(each.peak_s, apart), beat)
            for each, verdict, beat in zip(found, said, beating(found), strict=True)
        ],
        stretches=apart,
        observed_s=float((own & ~much).sum()) / field.rate_hz,
        probe_mm_s=_averaged(field.probe_mm_s[own], max(1, round(0.2 * field.rate_hz))),
        valid=field.valid,
        usual_mm=field.scored.noise,
    )


def _within(time_s: float, apart: list[Stretch]) -> str:
    """Name of the stretch that a time lies in; empty when it lies in none."""
    return next((each.name for each in apart if each.start_s <= time_s < each.end_s), "")


def _joined(parts: list[_Part], grid: Grid, times: npt.NDArray[np.float64], count: int) -> ClipMotion:
    """One clip of its windows."""
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    span = float(times[-1] - times[0]) + step
    valid = np.logical_and.reduce([part.valid for part in parts]) if parts else np.zeros(grid.blocks, bool)
    usual = np.median([part.usual_mm for part in parts], axis=0) if parts else np.zeros(grid.blocks)
    judged = [each for part in parts for each in part.judged]
    return ClipMotion(
        grid=grid,
        valid=valid,
        judged=tuple(sorted(judged, key=lambda each: each.candidate.peak_s)),
        stretches=tuple(_run_together([each for part in parts for each in part.stretches])),
        span_s=span,
        observed_s=min(sum(part.observed_s for part in parts), span),
        frames=count,
        rate_hz=(count - 1) / (span - step) if span > step else 0.0,
        usual_mm=np.asarray(usual, np.float32),
        probe_mm_s=tuple(each for part in parts for each in part.probe_mm_s),
    )


def _averaged(values: Floats, length: int) -> list[float]:
    """Means of consecutive stretches."""
    return [float(values[at : at + length].mean()) for at in range(0, len(values), length)]


def _run_together(apart: list[Stretch]) -> list[Stretch]:
    """Stretches that a seam between windows cut in two."""
    joined: list[Stretch] = []
    for stretch in sorted(apart, key=lambda each: each.start_s):
        if joined and stretch.start_s - joined[-1].end_s < 0.1:
            joined[-1] = Stretch(joined[-1].start_s, stretch.end_s, joined[-1].name)
        else:
            joined.append(stretch)
    return joined
