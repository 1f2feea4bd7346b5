"""Candidates of simulated clips with the name of what really moved, from files of simulate.py and semi.py."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from plugins.contract import Box
from plugins.fasciculation.candidates import Candidate, candidates
from plugins.fasciculation.flow import steps
from plugins.fasciculation.motion import moving
from plugins.fasciculation.stretch import field_of
from service.demo.simulator import Cine
from service.demo.simulator.motion import Motion
from service.demo.simulator.scenes import scene

NAMES = (
    "fasciculation",
    "arterial pulsation",
    "breathing",
    "compression",
    "contraction pseudotremor",
    "noise",
    "passive movement",
    "probe drift",
    "probe jerk",
    "voluntary contraction",
    "rebound",
)
CAUSES = {
    "Breathing": "breathing",
    "Compression": "compression",
    "Contraction": "voluntary contraction",
    "Drift": "probe drift",
    "Jerk": "probe jerk",
    "PassiveMovement": "passive movement",
    "Pulse": "arterial pulsation",
    "Tremor": "contraction pseudotremor",
}
"""Name of every motion of the simulator but the twitch."""
ABOUT_S = 0.3
"""Half of the time in which a motion is looked for that was taken for a twitch."""
MATCH_S = 0.15
AFTER_S = 0.36
"""Up to so long before or after a twitch, what else comes and goes at its place is its rebound: the way back, or the
rest between two twitches, which looks like a twitch the other way."""
AWAY_MM = 12.0
"""Further from a twitch something else moved."""


FOLDS = 5


@dataclass
class ClipData:
    source: str
    """``sim``, or ``still`` for a real still made to move."""
    kind: str
    seed: int
    per_minute: float
    duration_s: float
    found: list[Candidate]
    matched: list[int]
    """Index of the truth that each candidate matches, -1 for none."""
    names: list[int]
    """Index into NAMES, -1 for candidates that are too close to a truth to call."""
    truth: list[dict]
    in_motion: np.ndarray
    """Of each candidate."""
    judged_share: float
    truth_in_motion: np.ndarray
    still: tuple[int, int]
    """Which still of how many."""

    @property
    def fold(self) -> int:
        """Part for cross-validation: by seed, or by neighbouring stills, which may come from one subject."""
        return self.seed % FOLDS if self.source == "sim" else FOLDS * self.still[0] // self.still[1]


def load(path: Path) -> ClipData:
    stored = np.load(path, allow_pickle=True)
    grid = stored["grid"][0]
    # the pictures are reduced already
    followed = list(steps(stored["work"], replace(grid, box=Box(0, 0, grid.work[1], grid.work[0]))))
    texture = np.mean([step.texture for step in followed], axis=0)
    times = stored["times"][[0, *(step.frame for step in followed)]].astype(np.float32)
    field = field_of(np.stack([step.flow for step in followed]), texture, times, grid)
    found = candidates(field)
    truth = list(stored["truth"])
    source, kind, seed, per_minute, duration, still = stored["meta"]
    picture = stored["picture"][0] if source == "still" else None
    cine = scene(kind, int(seed), float(duration), float(per_minute), picture=picture)
    places = [grid.centre(each.row + 0.5, each.column + 0.5) for each in found]
    matched = match(found, places, truth)
    names = [
        0 if which >= 0 else name_of(each, place, truth, cine)
        for each, place, which in zip(found, places, matched, strict=True)
    ]
    much = moving(field)
    at = [int(np.abs(field.times_s - event["peak_s"]).argmin()) for event in truth]
    return ClipData(
        source, kind, int(seed), float(per_minute), float(duration), found, matched, names, truth,
        np.array([much[each.time] for each in found], bool), float((~much).mean()),
        much[at] if at else np.zeros(0, bool), still,
    )  # fmt: skip


def name_of(each: Candidate, place: tuple[float, float], truth: list[dict], cine: Cine) -> int:
    """What a candidate was that matches no twitch; -1 for one beside a twitch, at its time."""
    near = [
        abs(each.peak_s - event["peak_s"])
        for event in truth
        if np.hypot(place[0] - event["centre"][0], place[1] - event["centre"][1]) * cine.picture.spacing_mm < AWAY_MM
    ]
    gap = min(near, default=9.0)
    if gap < AFTER_S:
        return -1 if gap <= MATCH_S else NAMES.index("rebound")
    return NAMES.index(cause(cine, each.peak_s, place, each.height_mm))


def match(found: list[Candidate], places: list[tuple[float, float]], truth: list[dict]) -> list[int]:
    """One truth a candidate at most, within MATCH_S of its peak, nearest in place first."""
    pairs = sorted(
        (np.hypot(place[0] - event["centre"][0], place[1] - event["centre"][1]), index, which)
        for index, (each, place) in enumerate(zip(found, places, strict=True))
        for which, event in enumerate(truth)
        if abs(each.peak_s - event["peak_s"]) <= MATCH_S
    )
    matched, taken = [-1] * len(found), set()
    for _, index, which in pairs:
        if matched[index] < 0 and which not in taken:
            matched[index] = which
            taken.add(which)
    return matched


def cause(cine: Cine, time_s: float, place: tuple[float, float], height_mm: float) -> str:
    """Whichever motion carried this place furthest within a twitch's time; noise, where none went as far as it was
    seen to go."""
    spacing, box = cine.picture.spacing_mm, cine.picture.box
    x = np.array([(place[0] - box.column0) * spacing], np.float32)
    z = np.array([(place[1] - box.row0) * spacing], np.float32)
    far: Counter[str] = Counter()
    for motion in cine.motions:
        name = CAUSES.get(type(motion).__name__)
        if name is not None:
            far[name] = max(far[name], _carried(motion, time_s, x, z))
    if not far or max(far.values()) < height_mm:
        return "noise"
    return max(far, key=lambda name: far[name])


def _carried(motion: Motion, time_s: float, x_mm: np.ndarray, z_mm: np.ndarray) -> float:
    """Longest way (mm) of one motion in a place within ``ABOUT_S`` of a time, out of the plane counting as well."""
    times = time_s + np.linspace(-ABOUT_S, ABOUT_S, 9)
    path = np.zeros((len(times), 3))
    for along, deep, course in motion.modes(x_mm, z_mm):
        path[:, :2] += np.array([course(time) for time in times])[:, np.newaxis] * [along[0], deep[0]]
    path[:, 2] = [motion.out_of_plane_mm(time) for time in times]
    return float(np.hypot(*np.ptp(path[:, :2], axis=0)) + np.ptp(path[:, 2]))
