"""Simulate clips of every scene and keep what the detector sees of them: working pictures, times and truth.

    python plugins/fasciculation/training/simulate.py FOLDER FIRST_SEED COUNT RATE_PER_MINUTE SECONDS [KIND ...]

One .npz a clip. Seeds below 5000 are for tuning and training; those from 5000 on are held out and judged once:
README.md says which are used up.
"""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np

from plugins.contract import ArrayFrames, Box, Clip, Spacing, TissueRegion
from plugins.fasciculation.grid import Grid, grid_of
from service.demo.simulator import frame_times_s, frames, twitches
from service.demo.simulator.scenes import ASSESSABLE, MOVING, scene


def simulate(folder: Path, kind: str, seed: int, per_minute: float, duration_s: float) -> None:
    name = folder / f"sim-{kind}_{per_minute:g}_{seed}.npz"
    if name.exists():
        return
    cine = scene(kind, seed, duration_s, per_minute)
    grid = grid_for((cine.picture.rows, cine.picture.columns), cine.picture.box, cine.picture.spacing_mm)
    keep(
        name,
        work=np.stack([grid.reduced(frame) for frame in frames(cine)]),
        times=np.array(frame_times_s(cine)),
        meta=np.array(["sim", kind, seed, per_minute, duration_s, (-1, 0)], dtype=object),
        truth=np.array([asdict(twitch) for twitch in twitches(cine)], dtype=object),
        grid=np.array([grid], dtype=object),
        picture=np.array([cine.picture], dtype=object),
    )


def grid_for(shape: tuple[int, int], box: Box, spacing_mm: float) -> Grid:
    region = TissueRegion(box, Spacing(spacing_mm, spacing_mm))
    return grid_of(Clip("1.2.3", "1.2", ArrayFrames(np.zeros((1, *shape), np.uint8)), (region,)))


def keep(name: Path, **arrays: np.ndarray) -> None:
    """Write under another name first: a run that was broken off leaves no half file."""
    part = name.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, **arrays)
    part.rename(name)


def main() -> None:
    cv2.setNumThreads(1)
    folder, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    per_minute, seconds = float(sys.argv[4]), float(sys.argv[5])
    kinds = sys.argv[6:] or [*ASSESSABLE, *MOVING]
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(first, first + count):
        for kind in kinds:
            begun = time.time()
            simulate(folder, kind, seed, per_minute, seconds)
            print(kind, seed, f"{time.time() - begun:.1f} s", flush=True)


if __name__ == "__main__":
    main()
