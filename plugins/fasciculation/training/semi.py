"""Semi-simulated clips: real muscle stills made to move, kept as simulate.py keeps its own.

    python plugins/fasciculation/training/semi.py FOLDER FIRST_SEED COUNT RATE_PER_MINUTE SECONDS [KIND ...]

Stills: muscle_longitudinal (Apache-2.0, N. Cronin and co-workers; scale not stated, taken as 45 mm of depth) and
nerve_transverse (CC-BY-4.0, T. Kandaouroff: limbs across; taken as 35 mm). Seeds below 5000 use the first two thirds of
either in the order of their names, seeds from 5000 the last third: neighbours come from one subject. Seeds below 4000
give each still another look (``varied``), as scanners, presets and depths do; from 4000 on it stays as it is. Below
17000 the still's own edge, which may hold a piece of the screen's frame, moves with the tissue; from 17000 on it lies
outside of the picture, and tissue comes in from there.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import asdict, dataclass
from functools import cache
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
VARIED = 4000
"""Seeds below give stills another look."""
HELD_OUT = 5000
"""Seeds from here on take the last third of the stills."""
WITHIN = 17000
"""Seeds from here on show the inside of the still."""
MARGIN_MM, HIGH = 3.0, 400
"""Left outside on every side, more than the probe's motions go; rows of a picture."""
DATA = Path(os.environ.get("NMUS_DATA", Path(__file__).parents[3].parent / "shared" / "data"))


LONGITUDINAL, TRANSVERSE = ("muscle_longitudinal", 45.0), ("nerve_transverse", 35.0)
"""Folder, and depth in mm that a picture is taken to show."""
SELDOM, OFTENER = (556, 660), 3
"""Size of the pictures of a scanner that is behind all held-out stills of muscle along, and behind only two dozen of
those for training: these come so many times as often."""


@dataclass(frozen=True)
class Still:
    """A file and the depth it is taken to show."""

    path: Path
    depth_mm: float


@cache
def stills(held_out: bool) -> tuple[Still, ...]:
    """One part of the pictures of both sources, in the order of their names."""
    found: list[Still] = []
    for folder, depth_mm in (LONGITUDINAL, TRANSVERSE):
        files = sorted((DATA / folder / "images").glob("*.png"))
        cut = 2 * len(files) // 3
        found += [Still(path, depth_mm) for path in (files[cut:] if held_out else files[:cut])]
    return tuple(found)


def which(kind: str, seed: int) -> int:
    """Index of a clip's still: every one comes once before any comes again; kinds of one seed have different ones."""
    held_out = seed >= HELD_OUT
    pool = list(range(len(stills(held_out))))
    if seed < VARIED:
        pool = _oftener()
    order = np.random.default_rng([int(held_out), 13 if seed < VARIED else 12]).permutation(len(pool))
    return pool[order[(seed * len(KINDS) + KINDS.index(kind)) % len(pool)]]


@cache
def _oftener() -> list[int]:
    """Indices of the stills for training, those of the seldom scanner several times."""
    shapes = [cv2.imread(str(still.path), cv2.IMREAD_GRAYSCALE).shape for still in stills(False)]
    return [at for at, shape in enumerate(shapes) for _ in range(OFTENER if shape == SELDOM else 1)]


def picture_of(still: Still, high: int = HIGH) -> tuple[np.ndarray, float]:
    """The tissue part of a still, so many rows high, and its mm per pixel."""
    grey = cv2.imread(str(still.path), cv2.IMREAD_GRAYSCALE)
    part = grey[tissue_in(grey)]
    wide = round(part.shape[1] * high / part.shape[0])
    return cv2.resize(part, (min(wide, round(1.5 * high)), high), interpolation=cv2.INTER_AREA), still.depth_mm / high


def tissue_in(grey: np.ndarray) -> tuple[slice, slice]:
    """The largest area with speckle: screens have scales, marks and a bar of grey levels around it."""
    level = grey.astype(np.float32)
    spread = np.sqrt(np.maximum(cv2.blur(level * level, (9, 9)) - cv2.blur(level, (9, 9)) ** 2, 0))
    busy = cv2.morphologyEx((spread > 2).astype(np.uint8), cv2.MORPH_OPEN, np.ones((25, 25)))
    busy = cv2.morphologyEx(busy, cv2.MORPH_CLOSE, np.ones((41, 41)))
    _, _, areas, _ = cv2.connectedComponentsWithStats(busy)
    left, top, wide, high, _ = max(areas[1:], key=lambda each: each[cv2.CC_STAT_AREA])
    return slice(top, top + high), slice(left, left + wide)


def varied(grey: np.ndarray, depth_mm: float, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """A picture as another scanner, preset or depth might show it, and its mm per pixel."""
    spacing = depth_mm * float(np.exp(rng.uniform(np.log(0.75), np.log(1.35)))) / len(grey)
    if rng.random() < 0.5:
        grey = grey[:, ::-1]
    if rng.random() < 0.5:
        share = rng.uniform(0.6, 1)
        high, wide = int(grey.shape[0] * share), int(grey.shape[1] * share)
        top, left = int(rng.integers(0, grey.shape[0] - high + 1)), int(rng.integers(0, grey.shape[1] - wide + 1))
        grey = grey[top : top + high, left : left + wide]
    level = grey.astype(np.float32)
    if rng.random() < 0.6:
        fine_px = rng.uniform(0.8, 2)
        level = level + rng.uniform(0, 1.5) * (level - cv2.GaussianBlur(level, (0, 0), fine_px))
    elif rng.random() < 0.4:
        level = cv2.GaussianBlur(level, (0, 0), rng.uniform(0.5, 1.5))
    middle = level.mean()
    level = middle + (level - middle) * np.exp(rng.uniform(np.log(0.7), np.log(1.7)))
    level = 255 * (np.clip(level, 0, 255) / 255) ** np.exp(rng.uniform(-0.4, 0.4))
    return np.ascontiguousarray(np.clip(level, 0, 255).astype(np.uint8)), spacing


def moving_clip(kind: str, seed: int, per_minute: float, duration_s: float) -> tuple[Cine, WarpedCine]:
    """A scene of a kind with its tissue replaced by a real still."""
    chosen = stills(seed >= HELD_OUT)[which(kind, seed)]
    # as many more rows as the margin takes
    high = round(HIGH / (1 - 2 * MARGIN_MM / chosen.depth_mm)) if seed >= WITHIN else HIGH
    still, spacing = picture_of(chosen, high)
    margin_px = (high - HIGH) // 2
    if seed < VARIED:
        still, spacing = varied(still, chosen.depth_mm, np.random.default_rng([seed, KINDS.index(kind), 14]))
    rng = np.random.default_rng([seed, 11])
    rng.integers(1 << 10)  # the grain is the second draw: clips made before stay what they were
    # motions are drawn for the still's size
    rows, columns = still.shape[0] - 2 * margin_px, still.shape[1] - 2 * margin_px
    picture = Picture(rows, columns, Box(0, 0, columns, rows), spacing)
    cine = scene(kind, seed, duration_s, per_minute, picture=picture)
    warped = WarpedCine(
        still, spacing, cine.motions, cine.frame_rate_hz, duration_s, cine.faults,
        grain=float(rng.uniform(1, 6)), seed=seed, margin_px=margin_px,
    )  # fmt: skip
    return cine, warped


def semi(folder: Path, kind: str, seed: int, per_minute: float, duration_s: float) -> None:
    name = folder / f"still-{kind}_{per_minute:g}_{seed}.npz"
    if name.exists():
        return
    cine, warped = moving_clip(kind, seed, per_minute, duration_s)
    grid = grid_for(warped.shape, cine.picture.box, warped.spacing_mm)
    times = [time_s for time_s, _ in schedule(warped.seed, duration_s, warped.frame_rate_hz, warped.faults)]
    still = which(kind, seed), len(stills(seed >= HELD_OUT))
    keep(
        name,
        work=np.stack([grid.reduced(frame) for frame in warped_frames(warped)]),
        times=np.array(times),
        meta=np.array(["still", kind, seed, per_minute, duration_s, still], dtype=object),
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
