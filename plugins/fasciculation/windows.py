"""A clip's steps cut into what is judged at once: at every standstill, and then every 20 s."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from plugins.fasciculation.flow import Step

WINDOW_S = 20.0
"""Judged at once; statistics of noise and pulsation are taken over this long."""
OVERLAP_S = 2.0
"""Windows overlap by this much, so that an event on the seam is seen whole by one of them."""
STANDSTILL_S, STANDSTILL_FRAMES = 0.5, 5
"""A picture that does not change for longer than both was frozen, or its frames were lost: speckle under a hand-held
probe changes with every frame. What happens meanwhile is not seen."""
_EDGE_S = OVERLAP_S / 2

Times = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Window:
    """Steps that are judged together."""

    before: int
    """Frame before the first step."""
    steps: tuple[Step, ...]
    core: tuple[float, float]
    """What comes at these times (s, the first included) is this window's: the cores of a clip tile it."""
    opens: bool
    """Nothing was seen just before it."""

    def own(self, times_s: Times) -> tuple[Step, ...]:
        """Steps that end in the core."""
        return tuple(step for step in self.steps if self.core[0] <= times_s[step.frame] < self.core[1])

    def at(self, times_s: Times) -> Times:
        """Times of its frames, one more than steps."""
        return times_s[[self.before, *(step.frame for step in self.steps)]]


def standstill_s(times_s: Times) -> float:
    """From how long on a picture that does not change stands still."""
    usual = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 0.0
    return max(STANDSTILL_S, STANDSTILL_FRAMES * usual)


def windows(stream: Iterable[Step], times_s: Times) -> Iterator[Window]:
    """The steps of a clip in windows, holding no more than one and a half."""
    longest = standstill_s(times_s)
    held: list[Step] = []
    before, begin, opens = 0, -np.inf, True
    for step in stream:
        last = held[-1].frame if held else before
        if times_s[step.frame] - times_s[last] > longest:
            yield Window(before, tuple(held), (begin, np.inf), opens)
            held, before, begin, opens = [], step.frame, -np.inf, True
            continue
        held.append(step)
        # judged late enough that what remains is never a short scrap
        if times_s[step.frame] - times_s[before] >= 1.5 * WINDOW_S:
            end = float(times_s[before]) + WINDOW_S
            now = tuple(each for each in held if times_s[each.frame] <= end)
            yield Window(before, now, (begin, end - _EDGE_S), opens)
            begin, opens = end - _EDGE_S, False
            keep = [each for each in held if times_s[each.frame] > end - OVERLAP_S]
            before = held[len(held) - len(keep) - 1].frame
            held = keep
    yield Window(before, tuple(held), (begin, np.inf), opens)


@dataclass(slots=True)
class Tally:
    """What all windows of a clip come to."""

    times_s: Times
    frames: int = 0
    """That show the tissue anew."""
    _steps: int = 0
    _lasted_s: float = 0.0
    _judged: list[tuple[float, float]] = field(default_factory=list)

    def add(self, window: Window, *, judged: bool) -> None:
        """One more, in order."""
        at, own = window.at(self.times_s), window.own(self.times_s)
        self.frames += len(own) + int(window.opens)
        self._steps += len(own)
        self._lasted_s += float(np.diff(at)[len(at) - 1 - len(own) :].sum()) if own else 0.0
        if judged:
            self._judged.append((float(at[0]), float(at[-1])))

    @property
    def rate_hz(self) -> float:
        """Frames a second that show the tissue anew, while the picture does not stand still."""
        return self._steps / self._lasted_s if self._lasted_s > 0 else 0.0

    @property
    def span_s(self) -> float:
        """From the first frame's start to the last frame's end."""
        usual = float(np.median(np.diff(self.times_s))) if len(self.times_s) > 1 else 0.0
        return float(self.times_s[-1] - self.times_s[0]) + usual

    def standstills(self) -> list[tuple[float, float]]:
        """(start, end) of the times that no window judges because nothing changes, in order."""
        found, last, longest = [], float(self.times_s[0]), standstill_s(self.times_s)
        for start, end in [*self._judged, (float(self.times_s[0]) + self.span_s, np.inf)]:
            if start - last > longest:
                found.append((last, start))
            last = max(last, end)
        return found
