"""Simulate clips of every scene and keep what the detector sees of them: block flow, times and truth.

    python plugins/fasciculation/training/simulate.py FOLDER FIRST_SEED COUNT [RATE_PER_MINUTE] [KIND ...]

One .npz a clip. Seeds below 5000 are for tuning and training; 5000 and above are held out and only ever evaluated.
"""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np

from plugins.contract import ArrayFrames, Clip, Spacing, TissueRegion
from plugins.fasciculation.flow import steps
from plugins.fasciculation.grid import grid_of
from service.demo.simulator import frame_times_s, frames, twitches
from service.demo.simulator.scenes import ASSESSABLE, MOVING, scene


def simulate(folder: Path, kind: str, seed: int, per_minute: float, duration_s: float = 20.0) -> None:
    name = folder / f"{kind}_{per_minute:g}_{seed}.npz"
    if name.exists():
        return
    cine = scene(kind, seed, duration_s, per_minute)
    spacing = Spacing(cine.picture.spacing_mm, cine.picture.spacing_mm)
    region = TissueRegion(cine.picture.box, spacing)
    clip = Clip(
        "1.2.3", "1.2", ArrayFrames(np.zeros((1, cine.picture.rows, cine.picture.columns), np.uint8)), (region,)
    )
    grid = grid_of(clip)
    times = frame_times_s(cine)
    found = list(steps(frames(cine), grid))
    truth = [asdict(twitch) for twitch in twitches(cine)]
    outline = [cine.picture.point(*place) for place in cine.tissue.outline_mm]
    np.savez(
        name,
        flow=np.array([step.flow for step in found], np.float32),
        texture=np.mean([step.texture for step in found], axis=0),
        frame=np.array([step.frame for step in found]),
        times=np.array(times),
        outline=np.array(outline),
        meta=np.array([kind, seed, per_minute, duration_s], dtype=object),
        truth=np.array(truth, dtype=object),
        grid=np.array([grid], dtype=object),
    )


def main() -> None:
    cv2.setNumThreads(1)
    folder, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    per_minute = float(sys.argv[4]) if len(sys.argv) > 4 else 20.0
    kinds = sys.argv[5:] or [*ASSESSABLE, *MOVING]
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(first, first + count):
        for kind in kinds:
            begun = time.time()
            simulate(folder, kind, seed, per_minute)
            print(kind, seed, f"{time.time() - begun:.1f} s", flush=True)


if __name__ == "__main__":
    main()
