"""Figures of the classifier that ships, on clips that nothing was tuned on.

    python plugins/fasciculation/training/heldout.py FOLDER

FOLDER holds what simulate.py and semi.py wrote for seeds from 5000 on.
"""

from __future__ import annotations

import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
from dataset import NAMES, ClipData, load

from plugins.fasciculation.assess import STILL_ENOUGH
from plugins.fasciculation.evaluate import Share
from plugins.fasciculation.events import SURE
from plugins.fasciculation.judge import verdicts
from plugins.fasciculation.plugin import Fasciculation
from plugins.fasciculation.pulse import beating

EDGES_MM = (0.1, 0.15, 0.2, 0.3, 0.5, 0.8, 1.2)
STILL = ("passive", "active", "semi-passive", "semi-active")


def kept_in(clip: ClipData) -> np.ndarray:
    if not clip.found:
        return np.array([], int)
    confidence = np.array([verdict.confidence for verdict in verdicts(clip.found)])
    threshold = Fasciculation().threshold
    needed = np.where(clip.in_motion, max(threshold, SURE), threshold)
    return np.flatnonzero((confidence >= needed) & ~np.array(beating(clip.found), bool))


def main() -> None:
    clips = [load(path) for path in sorted(Path(sys.argv[1]).glob("*.npz"))]
    judged = [(clip, kept_in(clip)) for clip in clips]
    print("moving clips:")
    for kind in STILL:
        here = [clip for clip in clips if clip.kind == kind]
        print(f"  {kind:14s} not assessable {Share(sum(clip.judged_share < STILL_ENOUGH for clip in here), len(here))}")
    wrongly = [clip.kind for clip in clips if clip.kind not in STILL and clip.judged_share < STILL_ENOUGH]
    print("assessable scenes not assessed:", Counter(wrongly))
    usable = [(clip, kept) for clip, kept in judged if clip.kind not in STILL and clip.judged_share >= STILL_ENOUGH]
    for group in ("", "semi-"):
        mine = [(clip, kept) for clip, kept in usable if clip.kind.startswith("semi-") == bool(group)]
        for kind in sorted({clip.kind for clip, _ in mine}):
            row(kind, [(clip, kept) for clip, kept in mine if clip.kind == kind])
        row(f"ALL {group}", mine)
        curve(mine)
    gaps = [
        clip.found[at].peak_s - clip.truth[clip.matched[at]]["peak_s"]
        for clip, kept in usable
        for at in kept
        if clip.matched[at] >= 0
    ]
    print(f"timing: mean {np.mean(gaps):+.3f} s, median absolute {np.median(np.abs(gaps)):.3f} s, n {len(gaps)}")
    sizes = [
        clip.found[at].height_mm / clip.truth[clip.matched[at]]["peak_mm"]
        for clip, kept in usable
        for at in kept
        if clip.matched[at] >= 0
    ]
    print(
        "measured over true displacement: median",
        np.round(np.median(sizes), 2),
        "quartiles",
        np.round(np.percentile(sizes, [25, 75]), 2),
    )
    named(usable)


def row(kind: str, clips: list) -> None:
    twitching = [(clip, kept) for clip, kept in clips if clip.per_minute > 0]
    matched = sum(int(clip.matched[at] >= 0) for clip, kept in twitching for at in kept)
    alarms = sum(len(kept) for _, kept in twitching)
    big = [
        (clip, kept, at) for clip, kept in twitching for at, event in enumerate(clip.truth) if event["peak_mm"] >= 0.3
    ]
    found = sum(at in {clip.matched[index] for index in kept} for clip, kept, at in big)
    none = [(clip, kept) for clip, kept in clips if clip.per_minute == 0]
    false = sum(len(kept) for _, kept in none)
    minutes = sum(clip.duration_s * clip.judged_share for clip, _ in none) / 60
    text = f"none: {false} false in {minutes:.1f} min"
    print(f"{kind:18s} P {Share(matched, alarms)} | R>=0.3 mm {Share(found, len(big))} | {text}")


def curve(clips: list) -> None:
    for low, high in pairwise(EDGES_MM):
        here = [
            (clip, kept, at)
            for clip, kept in clips
            for at, event in enumerate(clip.truth)
            if low <= event["peak_mm"] < high
        ]
        found = sum(at in {clip.matched[index] for index in kept} for clip, kept, at in here)
        print(f"  recall {low:.2f} to {high:.2f} mm: {Share(found, len(here))}")


def named(clips: list) -> None:
    """How often the name of a rejected movement is right."""
    table = Counter()
    for clip, _ in clips:
        for verdict, name in zip(verdicts(clip.found), clip.names, strict=True):
            if name > 0 and verdict.confidence < Fasciculation().threshold:
                table[NAMES[name], verdict.likely] += 1
    for true in sorted({pair[0] for pair in table}):
        here = {said: n for (was, said), n in table.items() if was == true}
        print(f"  {true:26s} {sum(here.values()):4d} named right {here.get(true, 0)}: {here}")


if __name__ == "__main__":
    main()
