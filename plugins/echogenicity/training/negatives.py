"""Pictures in which no muscle is seen lengthwise: what the network must refuse."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from plugins.echogenicity.region.field import field_of_view
from plugins.echogenicity.training import simulate
from plugins.echogenicity.training.augment import Sample, kept
from plugins.echogenicity.training.truth import FOLDS, data_folder
from plugins.images import Box

BLOCK = 10
"""File numbers of the transverse set that may show one person."""


def transverse(
    kept_out: frozenset[int], folder: Path | None = None, *, held_out: bool = False
) -> list[tuple[int, np.ndarray]]:
    """Transverse forearm pictures of the training folds, or (``held_out``) of the folds kept out."""
    folder = folder or data_folder() / "nerve_transverse" / "images"
    found = []
    for path in sorted(folder.glob("*.png")):
        mine = (int(path.stem) // BLOCK) % FOLDS in kept_out
        if mine == held_out:
            found.append((int(path.stem), cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)))
    return found


def plain(count: int, seed: int = 11) -> list[np.ndarray]:
    """Speckle with no fascia or one, as in a phantom or with the probe lost."""
    random = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        amplitude = np.full((simulate.HEIGHT, simulate.WIDTH), 1.0)
        depth = np.arange(simulate.HEIGHT)[:, np.newaxis]
        if random.random() < 0.6:
            line = simulate.HEIGHT * (
                random.uniform(0.05, 0.9) + random.normal(0, 0.1) * np.linspace(-0.5, 0.5, simulate.WIDTH)
            )
            amplitude = amplitude + random.uniform(3, 9) * np.exp(-0.5 * ((depth - line) / 3.0) ** 2)
        if random.random() < 0.4:
            amplitude = amplitude * np.exp(-depth / simulate.HEIGHT * random.uniform(1, 6))
        if random.random() < 0.5:
            centre = random.uniform(0.2, 0.8, 2) * (simulate.HEIGHT, simulate.WIDTH)
            across = np.arange(simulate.WIDTH)[np.newaxis]
            amplitude = np.where(
                np.hypot(depth - centre[0], across - centre[1]) < random.uniform(15, 60), 0.02, amplitude
            )
        made.append(simulate.imaged(amplitude, random.uniform(6, 13), random, attenuation_db=random.uniform(0, 20)))
    return made


def samples(kept_out: frozenset[int]) -> list[Sample]:
    """All of them, ready for the same warps as real ones."""
    made = []
    for number, grey in transverse(kept_out):
        box = field_of_view(grey, np.zeros(grey.shape, bool), None)
        made.append(kept(10_000 + number, grey, box, None))
    for number, grey in enumerate(plain(60)):
        made.append(kept(20_000 + number, grey, Box(0, 0, grey.shape[1], grey.shape[0]), None))
    return made
