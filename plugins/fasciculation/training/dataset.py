"""Candidates of simulated clips with the name of what really moved, from files of simulate.py and semi.py."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from plugins.contract import Box
from plugins.fasciculation.candidates import Candidate, candidates
from plugins.fasciculation.flow import steps
from plugins.fasciculation.motion import moving
from plugins.fasciculation.stretch import field_of
from service.demo.simulator import Contraction, Tremor
from service.demo.simulator.motion import Pulse
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
MATCH_S = 0.15
AFTER_S = 0.36
"""Up to so long before or after a twitch, what else comes and goes at its place is its rebound: the way back, or the
rest between two twitches, which looks like a twitch the other way."""
AWAY_MM = 12.0
"""Further from a twitch something else moved."""


@dataclass
class ClipData:
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
    kind, seed, per_minute, duration = stored["meta"]
    picture = stored["picture"][0] if "picture" in stored else None
    plain = str(kind).removeprefix("semi-")
    cine = scene(plain, int(seed), float(duration), float(per_minute), picture=picture)
    places = [grid.centre(each.row + 0.5, each.column + 0.5) for each in found]
    matched = match(found, places, truth)
    names = [
        0 if which >= 0 else name_of(each, place, truth, cine)
        for each, place, which in zip(found, places, matched, strict=True)
    ]
    much = moving(field)
    at = [int(np.abs(field.times_s - event["peak_s"]).argmin()) for event in truth]
    return ClipData(
        str(kind), int(seed), float(per_minute), float(duration), found, matched, names, truth,
        np.array([much[each.time] for each in found], bool), float((~much).mean()),
        much[at] if at else np.zeros(0, bool),
    )  # fmt: skip


def name_of(each: Candidate, place: tuple[float, float], truth: list[dict], cine) -> int:
    """What a candidate was that matches no twitch; -1 for one beside a twitch, at its time."""
    near = [
        abs(each.peak_s - event["peak_s"])
        for event in truth
        if np.hypot(place[0] - event["centre"][0], place[1] - event["centre"][1]) * cine.picture.spacing_mm < AWAY_MM
    ]
    gap = min(near, default=9.0)
    if gap < AFTER_S:
        return -1 if gap <= MATCH_S else NAMES.index("rebound")
    return NAMES.index(cause(cine, each.peak_s, place))


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


def cause(cine, time_s: float, place: tuple[float, float]) -> str:
    """What moved, where no twitch did."""
    kind_of = {
        "Drift": "probe drift", "Breathing": "breathing", "Jerk": "probe jerk", "Compression": "compression",
        "PassiveMovement": "passive movement",
    }  # fmt: skip
    fallback = "noise"
    for motion in cine.motions:
        if isinstance(motion, Contraction):
            end = motion.start_s + 2 * motion.ramp_s + motion.hold_s
            if motion.start_s - 0.3 < time_s < end + 0.3:
                return "voluntary contraction"
        elif isinstance(motion, Tremor):
            if motion.start_s - 0.3 < time_s < motion.start_s + motion.duration_s + 0.3:
                return "contraction pseudotremor"
        elif isinstance(motion, Pulse):
            centre = cine.picture.point(*motion.centre_mm)
            far_mm = np.hypot(place[0] - centre[0], place[1] - centre[1]) * cine.picture.spacing_mm
            if motion.peak_mm > 0.1 and far_mm < 3 * motion.reach_mm + 2:
                fallback = "arterial pulsation"
        elif type(motion).__name__ in kind_of and fallback == "noise" and getattr(motion, "sd_mm", 1) > 0.15:
            fallback = kind_of[type(motion).__name__]
    return fallback
