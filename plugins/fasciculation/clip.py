"""One clip from first frame to last: streamed, judged stretch by stretch, with flat memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plugins.contract import Clip, ReducedFrames
from plugins.fasciculation.candidates import Candidate, candidates
from plugins.fasciculation.flow import Step, steps
from plugins.fasciculation.graphics import GRAPHICS, redrawn
from plugins.fasciculation.grid import Floats, Grid, grid_of
from plugins.fasciculation.judge import Verdict, verdicts
from plugins.fasciculation.motion import (
    FROZEN,
    NO_PICTURE,
    UNSEEN,
    Stretch,
    called,
    moving,
    stretches,
    without_picture,
)
from plugins.fasciculation.pulse import PULSE, beating
from plugins.fasciculation.stretch import field_of
from plugins.fasciculation.windows import Tally, Times, Window, windows

_FEWEST = 8
"""Steps of a window under which nothing can be said of it."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One candidate with its verdict, in the clip's own terms."""

    candidate: Candidate
    verdict: Verdict
    frame: int
    in_motion: str
    """Name of the stretch that it lies in and that cannot be judged; empty when it lies in none."""
    known_as: str
    """What it is by a rule, whatever the verdict: a beat of an artery, a graphic; else empty."""


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
    """Frames that show the tissue anew."""
    rate_hz: float
    """Of these, how many a second while the picture does not stand still."""
    usual_mm: Floats
    """How far each block usually goes out and back, noise included, shape (rows, columns)."""
    probe_mm_s: tuple[tuple[tuple[float, float], ...], ...]
    """(time in s, speed of the whole picture) averaged over each 0.2 s, for every run without a standstill."""

    @property
    def unseen_s(self) -> float:
        """Time without a picture of the tissue."""
        return sum(each.end_s - each.start_s for each in self.stretches if each.name in UNSEEN)

    @property
    def frozen_s(self) -> float:
        """Of that, the time in which the same picture was shown on."""
        return sum(each.end_s - each.start_s for each in self.stretches if each.name == FROZEN)

    @property
    def moving_s(self) -> float:
        """Time in which too much moves."""
        return max(self.span_s - self.observed_s - self.unseen_s, 0.0)


@dataclass(frozen=True, slots=True)
class _Part:
    """What one window gave. Its field is not kept: it takes 7 MB, and clips may be long."""

    judged: list[Judged]
    stretches: list[Stretch]
    unseen: list[Stretch]
    observed_s: float
    probe_mm_s: list[tuple[float, float]]
    opens: bool
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
    tally = Tally(times)
    for window in windows(_steps(clip, grid), times):
        judged = len(window.steps) >= _FEWEST
        tally.add(window, judged=judged)
        if judged:
            parts.append(_judged_part(window, times, grid, inside))
    return _joined(parts, grid, tally)


def _steps(clip: Clip, grid: Grid) -> Iterator[Step]:
    """Motion is seen in a smaller picture anyway: whoever decodes is asked for one that is small already."""
    by, frames = grid.shrink, clip.frames
    if by > 1 and isinstance(frames, ReducedFrames):
        return steps(frames.reduced(by), grid.shrunk(by))
    return steps(frames.stream(), grid)


def block_centres(grid: Grid) -> list[tuple[float, float]]:
    """The middle of every block as a (column, row) point, row by row."""
    return [grid.centre(row + 0.5, column + 0.5) for row in range(grid.blocks[0]) for column in range(grid.blocks[1])]


def _judged_part(window: Window, times: Times, grid: Grid, inside: npt.NDArray[np.bool_] | None) -> _Part:
    """Field, motion and candidates of one window."""
    core = window.core
    texture = np.stack([step.texture for step in window.steps])
    at = window.at(times)
    field = field_of(np.stack([step.flow for step in window.steps]), np.mean(texture, axis=0), at, grid)
    found = [
        each
        for each in candidates(field)
        if core[0] <= each.peak_s < core[1] and (inside is None or inside[each.row, each.column])
    ]
    own = (field.times_s >= core[0]) & (field.times_s < core[1])
    much = moving(field)
    dark = without_picture(texture, at[1:], field) & ~much  # a sweep changes what can be followed, too
    said = verdicts(found)
    movements = [(each.peak_s, verdict.likely) for each, verdict in zip(found, said, strict=True)]
    apart = [called(stretch, movements) for stretch in stretches(field, much & own)]
    unseen = stretches(field, dark & own, NO_PICTURE)
    unjudged = apart + unseen
    return _Part(
        judged=[
            Judged(each, verdict, int(np.abs(times - each.peak_s).argmin()), _within(each.peak_s, unjudged), known)
            for each, verdict, known in zip(found, said, _known(found, said, window, at[1:]), strict=True)
        ],
        stretches=apart,
        unseen=unseen,
        observed_s=float((own & ~much & ~dark).sum()) / field.rate_hz,
        probe_mm_s=_averaged(field.times_s[own], field.probe_mm_s[own], max(1, round(0.2 * field.rate_hz))),
        opens=window.opens,
        valid=field.valid,
        usual_mm=field.scored.noise,
    )


def _known(found: list[Candidate], said: list[Verdict], window: Window, ends_s: Times) -> list[str]:
    """What every candidate is by a rule; empty where none fits.

    Graphics are sought among what looks like a twitch: the rest has its name, and the probe's motion changes pictures,
    too.
    """
    changed = np.stack([step.changed for step in window.steps])
    return [
        PULSE if beat else GRAPHICS if verdict.confidence > 0.5 and redrawn(each, changed, ends_s) else ""
        for each, verdict, beat in zip(found, said, beating(found), strict=True)
    ]


def _within(time_s: float, apart: list[Stretch]) -> str:
    """Name of the stretch that a time lies in; empty when it lies in none."""
    return next((each.name for each in apart if each.start_s <= time_s < each.end_s), "")


def _joined(parts: list[_Part], grid: Grid, tally: Tally) -> ClipMotion:
    """One clip of its windows."""
    valid = np.logical_and.reduce([part.valid for part in parts]) if parts else np.zeros(grid.blocks, bool)
    usual = np.median([part.usual_mm for part in parts], axis=0) if parts else np.zeros(grid.blocks)
    judged = [each for part in parts for each in part.judged]
    moved = _run_together([each for part in parts for each in part.stretches])
    unseen = _run_together([each for part in parts for each in part.unseen])
    unseen += [Stretch(start, end, FROZEN) for start, end in tally.standstills()]
    return ClipMotion(
        grid=grid,
        valid=valid,
        judged=tuple(sorted(judged, key=lambda each: each.candidate.peak_s)),
        stretches=tuple(sorted(moved + unseen, key=lambda each: each.start_s)),
        span_s=tally.span_s,
        observed_s=min(sum(part.observed_s for part in parts), tally.span_s),
        frames=tally.frames,
        rate_hz=tally.rate_hz,
        usual_mm=np.asarray(usual, np.float32),
        probe_mm_s=_runs(parts),
    )


def _averaged(times_s: Floats, values: Floats, length: int) -> list[tuple[float, float]]:
    """Middle and mean of consecutive stretches."""
    return [
        (float(times_s[at : at + length].mean()), float(values[at : at + length].mean()))
        for at in range(0, len(values), length)
    ]


def _runs(parts: list[_Part]) -> tuple[tuple[tuple[float, float], ...], ...]:
    """The probe's speed in runs that no standstill parts."""
    runs: list[list[tuple[float, float]]] = []
    for part in parts:
        if part.opens:
            runs.append([])
        runs[-1].extend(part.probe_mm_s)
    return tuple(tuple(run) for run in runs)


def _run_together(apart: list[Stretch]) -> list[Stretch]:
    """Stretches that a seam between windows cut in two."""
    joined: list[Stretch] = []
    for stretch in sorted(apart, key=lambda each: each.start_s):
        if joined and stretch.start_s - joined[-1].end_s < 0.1:
            joined[-1] = Stretch(joined[-1].start_s, stretch.end_s, joined[-1].name)
        else:
            joined.append(stretch)
    return joined
