"""The 204 published pairs as cases, grouped so that copies and neighbours never stand on both sides of a split.

The set holds the same picture twice in 30-odd cases (a 512×512 copy of a later file), and sweeps over one place
in some more; found by correlation of band-passed thumbnails (threshold 0.37). Groups are ordered by their highest
file number and cut into blocks: the last quarter is the test block, the rest three folds.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from scipy import ndimage
from scipy.sparse.csgraph import connected_components

SMALLEST_PX = 400
NEAR_COPY = 0.37


def data_folder() -> Path:
    root = os.environ.get("NMUS_DATA")
    beside = Path(__file__).resolve().parents[3].parent / "shared" / "data"
    return (Path(root) if root else beside) / "nerve_transverse"


@dataclass
class Case:
    name: str
    image: np.ndarray
    labels: np.ndarray
    group: int = -1
    fold: int = -1
    copy: bool = False

    def components(self, value):
        labelled, count = ndimage.label(self.labels == value)
        return [m for m in (labelled == k for k in range(1, count + 1)) if m.sum() >= SMALLEST_PX]

    def field(self):
        """Box of the picture inside the black margins: row0, row1, column0, column1."""
        lit = self.image > 12
        rows, columns = np.flatnonzero(lit.mean(1) > 0.03), np.flatnonzero(lit.mean(0) > 0.03)
        return rows[0], rows[-1] + 1, columns[0], columns[-1] + 1

    def whole_nerves(self, margin=3):
        """Nerves that the border of the picture does not cut."""
        row0, _, column0, column1 = self.field()
        out = []
        for mask in self.components(1):
            rows, columns = np.nonzero(mask)
            tall = rows.min() > row0 + margin and rows.max() < self.image.shape[0] - margin
            wide = columns.min() > column0 + margin and columns.max() < column1 - margin
            if tall and wide:
                out.append(mask)
        return out


def thumbnail(case):
    row0, row1, column0, column1 = case.field()
    small = cv2.resize(case.image[row0:row1, column0:column1], (48, 48), interpolation=cv2.INTER_AREA).astype(float)
    small -= ndimage.gaussian_filter(small, 6)
    small -= small.mean()
    return small.ravel() / np.linalg.norm(small)


def grouped(cases):
    thumbnails = np.array([thumbnail(c) for c in cases])
    alike = thumbnails @ thumbnails.T > NEAR_COPY
    _, labels = connected_components(alike, directed=False)
    for case, label in zip(cases, labels, strict=True):
        case.group = int(label)
    sizes = {c.name: tuple(sorted(int(m.sum()) for m in c.components(1))) for c in cases}
    for c in cases:
        later = [d for d in cases if d.group == c.group and d.name > c.name]
        c.copy = any(sizes[d.name] == sizes[c.name] for d in later)
    return cases


def load(folds=3, test_share=0.25):
    """All cases; ``fold`` is -1 for the test block, else 0 .. folds-1. Contiguous blocks of groups."""
    folder = data_folder()
    cases = []
    for path in sorted((folder / "images").glob("*.png")):
        image = np.array(Image.open(path).convert("L"))
        labels = np.array(Image.open(folder / "masks" / path.name))
        cases.append(Case(path.stem, image, labels))
    grouped(cases)
    last = {}
    for case in cases:
        last[case.group] = max(last.get(case.group, ""), case.name)
    order = sorted(last, key=last.__getitem__)
    cut = round(len(order) * (1 - test_share))
    fold = {g: (k * folds // cut if k < cut else -1) for k, g in enumerate(order)}
    for case in cases:
        case.fold = fold[case.group]
    return cases


def ellipse_of(mask):
    """(centre column, centre row, half major, half minor, angle) with the mask's moments and exactly its area.

    Point convention: centre of pixel [r, c] is (c + 0.5, r + 0.5). Angle in radians of the major axis.
    """
    rows, columns = np.nonzero(mask)
    x, y = columns + 0.5, rows + 0.5
    values, vectors = np.linalg.eigh(np.cov(np.stack([x, y])) + np.eye(2) / 12)
    half = 2 * np.sqrt(values[::-1])
    half *= np.sqrt(len(rows) / (np.pi * half[0] * half[1]))
    major = vectors[:, 1]
    angle = np.arctan2(major[1], major[0])
    return np.array([x.mean(), y.mean(), half[0], half[1], (angle + np.pi / 2) % np.pi - np.pi / 2])


def noisy(ellipse, rng, centre=0.10, axes=0.12, angle_deg=6.0):
    """A reader's drawing of it: centre SD as a share of the half axes, axes SD as a share, angle SD in degrees."""
    x, y, a, b, angle = ellipse
    u, v = rng.normal(size=2) * centre * np.array([a, b])
    c, s = np.cos(angle), np.sin(angle)
    scale = np.clip(1 + axes * rng.normal(size=2), 0.5, 1.7)
    return np.array(
        [x + c * u - s * v, y + s * u + c * v, a * scale[0], b * scale[1], angle + np.deg2rad(angle_deg) * rng.normal()]
    )
