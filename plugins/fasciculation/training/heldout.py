"""Clips that nothing was tuned on, judged by the plugin itself from the frames to the answer.

    python plugins/fasciculation/training/heldout.py FILE FIRST_SEED COUNT RATE_PER_MINUTE SECONDS [KIND ...]

One JSON line a clip is added to FILE, with the truth beside what was found; clips that FILE has already are left out.
A kind is one of the simulator's, or ``still-`` and one: a real still made to move, of two sources in turn, so that
hardly two clips share one. ``figures.py FILE`` makes the tables.
Seeds below 5000 are for tuning and training; those from 5000 on are held out and looked at once (README.md says which).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from dataset import NAMES, match, name_of
from semi import moving_clip

from plugins.contract import Acquisition, ArrayFrames, Clip, NotAssessable, Side, Spacing, TissueRegion, View
from plugins.fasciculation.assess import ClipResult, assess
from plugins.fasciculation.plugin import Fasciculation
from service.demo.simulator import Cine, frames, twitches
from service.demo.simulator.cine import schedule
from service.demo.simulator.scenes import ASSESSABLE, MOVING, scene
from service.demo.simulator.warped import WarpedCine, warped_frames


@dataclass(frozen=True)
class Peak:
    """When an event was at its height, and how far it went: what ``dataset`` asks of a candidate."""

    peak_s: float
    height_mm: float


def clip_of(kind: str, seed: int, per_minute: float, duration_s: float) -> tuple[Cine, Clip]:
    """A scene and its clip, in memory."""
    if kind.startswith("still-"):
        cine, warped = moving_clip(kind.removeprefix("still-"), seed, per_minute, duration_s)
        return cine, in_memory(warped_frames(warped), times_of(warped), cine)
    cine = scene(kind, seed, duration_s, per_minute)
    return cine, in_memory(frames(cine), times_of(cine), cine)


def times_of(cine: Cine | WarpedCine) -> tuple[float, ...]:
    return tuple(time_s for time_s, _ in schedule(cine.seed, cine.duration_s, cine.frame_rate_hz, cine.faults))


def in_memory(pictures: Iterator[np.ndarray], times_s: tuple[float, ...], cine: Cine) -> Clip:
    spacing = Spacing(cine.picture.spacing_mm, cine.picture.spacing_mm)
    region = TissueRegion(cine.picture.box, spacing)
    return Clip("1.2.3", "1.2", ArrayFrames(np.stack(list(pictures))), (region,), frame_times_s=times_s)


def judged(kind: str, seed: int, per_minute: float, duration_s: float) -> dict:
    """What the plugin says of one clip, beside the truth."""
    cine, clip = clip_of(kind, seed, per_minute, duration_s)
    whole = Acquisition("biceps_brachii", Side.RIGHT, None, View.TRANSVERSE, (clip,))
    said = assess(clip, whole, Fasciculation())
    truth = [asdict(twitch) for twitch in twitches(cine)]
    answer = {"reason": said.code.value} if isinstance(said, NotAssessable) else found_in(said, truth, cine)
    return {
        "kind": kind, "seed": seed, "per_minute": per_minute, "duration_s": duration_s,
        "frames": clip.frames.count, "truth": truth, **answer,
    }  # fmt: skip


def found_in(said: ClipResult, truth: list[dict], cine: Cine) -> dict:
    """Events with what they truly were."""
    peaks = [Peak(event.properties["peak_s"], event.properties["peak_displacement_mm"]) for event in said.seen.events]
    places = [event.centre for event in said.seen.events]
    events = [
        {
            "peak_s": peak.peak_s,
            "centre": place,
            "mm": event.properties["peak_displacement_mm"],
            "confidence": event.confidence,
            "accepted": event.accepted,
            "rejected_as": event.rejected_as,
            "in_motion": event.properties["in_motion"] > 0,
            "truly": NAMES[0] if which >= 0 else true_name(peak, place, truth, cine),
        }
        for event, peak, place, which in zip(
            said.seen.events, peaks, places, match(peaks, places, truth), strict=True
        )
    ]  # fmt: skip
    return {"observed_s": said.seen.observed_s, "span_s": said.seen.span_s, "events": events}


def true_name(peak: Peak, place: tuple[float, float], truth: list[dict], cine: Cine) -> str:
    """Empty for what lies beside a twitch at its time."""
    name = name_of(peak, place, truth, cine)
    return NAMES[name] if name >= 0 else ""


def main() -> None:
    cv2.setNumThreads(1)
    file, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    per_minute, seconds = float(sys.argv[4]), float(sys.argv[5])
    kinds = sys.argv[6:] or [*ASSESSABLE, *MOVING]
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    done = {(row["kind"], row["seed"], row["per_minute"]) for row in map(json.loads, lines)}
    for seed in range(first, first + count):
        for kind in kinds:
            if (kind, seed, per_minute) in done:
                continue
            row = judged(kind, seed, per_minute, seconds)
            with file.open("a", encoding="utf-8") as out:
                out.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
