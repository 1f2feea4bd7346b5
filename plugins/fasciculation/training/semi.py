"""Semi-simulated clips: real muscle stills made to move, kept as simulate.py keeps its own.

    python plugins/fasciculation/training/semi.py FOLDER FIRST_SEED COUNT RATE_PER_MINUTE SECONDS [KIND ...]

Stills: muscle_timtrack (CC0, T. van der Zee; 115.25 px/cm) and muscle_longitudinal (Apache-2.0, N. Cronin and
co-workers; scale not stated, taken as 45 mm of depth). Seeds below 5000 use the first two thirds of the stills in the
order of their names, seeds from 5000 the last third: neighbours come from one subject.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
from simulate import grid_for, keep

from plugins.contract import Box
from service.demo.simulator import Picture, twitches
from service.demo.simulator.cine import schedule
from service.demo.simulator.scenes import ASSESSABLE, MOVING, scene
from service.demo.simulator.warped import WarpedCine, warped_frames

DATA = Path(os.environ.get("NMUS_DATA", Path(__file__).parents[3].parent / "shared" / "data"))


def stills(held_out: bool) -> list[tuple[Path, float]]:
    """(file, mm per pixel after reduction)"""
    long = sorted((DATA / "muscle_longitudinal" / "images").glob("*.png"))
    cut = 2 * len(long) // 3
    return [(path, 0.0) for path in (long[cut:] if held_out else long[:cut])]


def picture_of(path: Path) -> tuple[np.ndarray, float]:
    """The tissue part of a still, 400 rows high, and its mm per pixel."""
    grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    part = grey[tissue_in(grey)]
    high = 400
    wide = round(part.shape[1] * high / part.shape[0])
    return cv2.resize(part, (min(wide, 600), high), interpolation=cv2.INTER_AREA), 45 / high


def tissue_in(grey: np.ndarray) -> tuple[slice, slice]:
    """The largest area with speckle: screens have scales, marks and a bar of grey levels around it."""
    level = grey.astype(np.float32)
    spread = np.sqrt(np.maximum(cv2.blur(level * level, (9, 9)) - cv2.blur(level, (9, 9)) ** 2, 0))
    busy = cv2.morphologyEx((spread > 2).astype(np.uint8), cv2.MORPH_OPEN, np.ones((25, 25)))
    busy = cv2.morphologyEx(busy, cv2.MORPH_CLOSE, np.ones((41, 41)))
    _, _, areas, _ = cv2.connectedComponentsWithStats(busy)
    left, top, wide, high, _ = max(areas[1:], key=lambda each: each[cv2.CC_STAT_AREA])
    return slice(top, top + high), slice(left, left + wide)


def moving_clip(kind: str, seed: int, per_minute: float, duration_s: float):
    """A scene of a kind with its tissue replaced by a real still."""
    files = stills(seed >= 5000)
    rng = np.random.default_rng([seed, 11])
    still, spacing = picture_of(files[int(rng.integers(len(files)))][0])
    cine = scene(kind, seed, duration_s, per_minute)
    # motions were drawn for the scene's own picture: give it the still's size and draw again
    picture = Picture(still.shape[0], still.shape[1], Box(0, 0, still.shape[1], still.shape[0]), spacing)
    cine = scene(kind, seed, duration_s, per_minute, picture=picture)
    warped = WarpedCine(
        still, spacing, cine.motions, cine.frame_rate_hz, duration_s, cine.faults,
        grain=float(rng.uniform(1, 6)), seed=seed,
    )  # fmt: skip
    return cine, warped


def semi(folder: Path, kind: str, seed: int, per_minute: float, duration_s: float) -> None:
    name = folder / f"semi-{kind}_{per_minute:g}_{seed}.npz"
    if name.exists():
        return
    cine, warped = moving_clip(kind, seed, per_minute, duration_s)
    grid = grid_for(warped.still.shape, cine.picture.box, warped.spacing_mm)
    times = [time_s for time_s, _ in schedule(warped.seed, duration_s, warped.frame_rate_hz, warped.faults)]
    keep(
        name,
        work=np.stack([grid.reduced(frame) for frame in warped_frames(warped)]),
        times=np.array(times),
        meta=np.array([f"semi-{kind}", seed, per_minute, duration_s], dtype=object),
        truth=np.array([asdict(twitch) for twitch in twitches(cine)], dtype=object),
        grid=np.array([grid], dtype=object),
        picture=np.array([cine.picture], dtype=object),
    )


def main() -> None:
    cv2.setNumThreads(1)
    folder, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    per_minute, seconds = float(sys.argv[4]), float(sys.argv[5])
    kinds = sys.argv[6:] or [*ASSESSABLE, *MOVING]
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(first, first + count):
        for kind in kinds:
            begun = time.time()
            semi(folder, kind, seed, per_minute, seconds)
            print("semi", kind, seed, f"{time.time() - begun:.1f} s", flush=True)


if __name__ == "__main__":
    main()
