"""Semi-simulated clips: real muscle stills made to move, kept as simulate.py keeps its own.

    python plugins/fasciculation/training/semi.py FOLDER FIRST_SEED COUNT RATE_PER_MINUTE SECONDS [KIND ...]

Stills: muscle_longitudinal (Apache-2.0, N. Cronin and co-workers; scale not stated, taken as 45 mm of depth) and, for
clips of which each has a still of its own, also nerve_transverse (CC-BY-4.0, T. Kandaouroff: limbs across; taken as 35
mm). Seeds below 5000 use the first two thirds of the stills in the order of their names, seeds from 5000 the last
third: neighbours come from one subject.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from simulate import grid_for, keep

from plugins.contract import Box
from service.demo.simulator import Cine, Picture, twitches
from service.demo.simulator.cine import schedule
from service.demo.simulator.scenes import ASSESSABLE, MOVING, scene
from service.demo.simulator.warped import WarpedCine, warped_frames

KINDS = (*ASSESSABLE, *MOVING)
HELD_OUT = 5000
"""Seeds from here on take the last third of the stills."""
DATA = Path(os.environ.get("NMUS_DATA", Path(__file__).parents[3].parent / "shared" / "data"))


LONGITUDINAL, TRANSVERSE = ("muscle_longitudinal", 45.0), ("nerve_transverse", 35.0)
"""Folder, and depth in mm that a picture is taken to show."""


@dataclass(frozen=True)
class Still:
    """A file and the depth it is taken to show."""

    path: Path
    depth_mm: float


def stills(held_out: bool, source: tuple[str, float] = LONGITUDINAL) -> list[Still]:
    """One part of a source's pictures, in the order of their names."""
    files = sorted((DATA / source[0] / "images").glob("*.png"))
    cut = 2 * len(files) // 3
    return [Still(path, source[1]) for path in (files[cut:] if held_out else files[:cut])]


def drawn(kind: str, seed: int) -> Still:
    """A random still, the same one for every kind of a seed."""
    files = stills(seed >= HELD_OUT)
    return files[int(np.random.default_rng([seed, 11]).integers(len(files)))]


def in_turn(kind: str, seed: int) -> Still:
    """Every still of both sources comes once before any comes again; kinds of one seed have different ones."""
    held_out = seed >= HELD_OUT
    files = stills(held_out) + stills(held_out, TRANSVERSE)
    order = np.random.default_rng([int(held_out), 12]).permutation(len(files))
    return files[order[(seed * len(KINDS) + KINDS.index(kind)) % len(files)]]


def picture_of(still: Still) -> tuple[np.ndarray, float]:
    """The tissue part of a still, 400 rows high, and its mm per pixel."""
    grey = cv2.imread(str(still.path), cv2.IMREAD_GRAYSCALE)
    part = grey[tissue_in(grey)]
    high = 400
    wide = round(part.shape[1] * high / part.shape[0])
    return cv2.resize(part, (min(wide, 600), high), interpolation=cv2.INTER_AREA), still.depth_mm / high


def tissue_in(grey: np.ndarray) -> tuple[slice, slice]:
    """The largest area with speckle: screens have scales, marks and a bar of grey levels around it."""
    level = grey.astype(np.float32)
    spread = np.sqrt(np.maximum(cv2.blur(level * level, (9, 9)) - cv2.blur(level, (9, 9)) ** 2, 0))
    busy = cv2.morphologyEx((spread > 2).astype(np.uint8), cv2.MORPH_OPEN, np.ones((25, 25)))
    busy = cv2.morphologyEx(busy, cv2.MORPH_CLOSE, np.ones((41, 41)))
    _, _, areas, _ = cv2.connectedComponentsWithStats(busy)
    left, top, wide, high, _ = max(areas[1:], key=lambda each: each[cv2.CC_STAT_AREA])
    return slice(top, top + high), slice(left, left + wide)


def moving_clip(
    kind: str, seed: int, per_minute: float, duration_s: float, choose: Callable[[str, int], Still] = drawn
) -> tuple[Cine, WarpedCine]:
    """A scene of a kind with its tissue replaced by a real still."""
    still, spacing = picture_of(choose(kind, seed))
    # the draw after that of a still by chance: clips made before stay what they were
    rng = np.random.default_rng([seed, 11])
    rng.integers(len(stills(seed >= HELD_OUT)))
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
    kinds = sys.argv[6:] or KINDS
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(first, first + count):
        for kind in kinds:
            begun = time.time()
            semi(folder, kind, seed, per_minute, seconds)
            print("semi", kind, seed, f"{time.time() - begun:.1f} s", flush=True)


if __name__ == "__main__":
    main()
