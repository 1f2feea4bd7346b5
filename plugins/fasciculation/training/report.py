"""Precision, recall, false alarms and names, by scene, for clips whose candidates have been judged."""

from __future__ import annotations

from collections import Counter

import numpy as np
from dataset import NAMES, ClipData

from plugins.fasciculation.assess import STILL_ENOUGH
from plugins.fasciculation.events import FAINT, FAINT_MM, SURE
from plugins.fasciculation.pulse import beating

BIG_MM = 0.3


def counted(clip: ClipData, shares: np.ndarray, threshold: float) -> np.ndarray:
    """Which candidates count, as ``events`` decides it."""
    needed = np.where(clip.in_motion, max(threshold, SURE), threshold)
    faint = np.array([each.height_mm < FAINT_MM for each in clip.found], bool)
    needed = np.where(faint, np.maximum(needed, FAINT), needed)
    return np.asarray((shares[:, 0] >= needed) & ~np.array(beating(clip.found), bool))


def table(clips: list[ClipData], shares: list[np.ndarray], threshold: float) -> None:
    """A line for each scene of each source, and for each source."""
    print(f"--- threshold {threshold}")
    for source in ("sim", "still"):
        kinds = sorted({clip.kind for clip in clips if clip.source == source})
        for kinds_here, name in [*(({kind}, kind) for kind in kinds), (set(kinds), "all")]:
            lines = [
                (clip, counted(clip, share, threshold))
                for clip, share in zip(clips, shares, strict=True)
                if clip.source == source and clip.kind in kinds_here
            ]
            _line(f"{source} {name}", lines)


def _line(name: str, lines: list[tuple[ClipData, np.ndarray]]) -> None:
    seen: Counter[str] = Counter()
    minutes = 0.0
    for clip, kept in lines:
        if clip.judged_share < STILL_ENOUGH:
            seen["not assessable"] += 1
        elif clip.per_minute == 0:
            seen["false"] += int(kept.sum())
            minutes += clip.judged_share * clip.duration_s / 60
        else:
            hits = {clip.matched[at] for at in np.flatnonzero(kept)} - {-1}
            seen["hits"] += len(hits)
            seen["counted"] += int(kept.sum())
            for which, event in enumerate(clip.truth):
                size = "big" if event["peak_mm"] >= BIG_MM else "small"
                seen[size] += 1
                seen[f"{size} found"] += which in hits
    print(
        f"{name:18} n {len(lines):3} not assessable {seen['not assessable']:2}"
        f" P {seen['hits']}/{seen['counted']} R {seen['big found']}/{seen['big']}"
        f" = {seen['big found'] / max(seen['big'], 1):.3f} small {seen['small found']}/{seen['small']}"
        f" false {seen['false']} in {minutes:.1f} min = {seen['false'] / max(minutes, 1e-9):.2f} a minute"
    )


def names_table(clips: list[ClipData], shares: list[np.ndarray], threshold: float) -> None:
    """How what was rejected was named, name by name of what truly moved."""
    named: Counter[tuple[int, int]] = Counter()
    for clip, share in zip(clips, shares, strict=True):
        for at in np.flatnonzero(~counted(clip, share, threshold)):
            if clip.names[at] > 0:
                named[clip.names[at], 1 + int(share[at, 1:].argmax())] += 1
    for name in sorted({name for name, _ in named}):
        every = {NAMES[other]: count for (truly, other), count in sorted(named.items()) if truly == name}
        print(f"{NAMES[name]}: {every.get(NAMES[name], 0)} of {sum(every.values())}", every)
