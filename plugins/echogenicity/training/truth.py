"""The published pairs of picture and mask as two fascia lines, and the blocks they are split by."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.float64]

BLOCK = 24
"""File numbers that lie within such a run may show one person; runs of the published set begin at multiples of it."""
FOLDS = 4


@dataclass(frozen=True)
class Case:
    """One picture with its true lines, in rows of the picture by pixel edges; NaN where a line is not drawn."""

    number: int
    grey: Grey
    superficial: Rows
    """Centre of the superficial aponeurosis in every column of the picture."""
    deep: Rows
    inner_top: Rows
    """Lower edge of the superficial aponeurosis as drawn."""
    inner_bottom: Rows
    """Upper edge of the deep aponeurosis as drawn."""

    @property
    def block(self) -> int:
        return self.number // BLOCK

    @property
    def fold(self) -> int:
        return (self.block // 2) % FOLDS

    @property
    def narrow(self) -> bool:
        """The look with black margins round a narrow field (652 x 800 and 600 x 800 pixels)."""
        return self.grey.shape[1] == 800


def data_folder() -> Path:
    """Where the published sets lie: ``NMUS_DATA``, else ``../shared/data`` beside the checkout."""
    return Path(os.environ.get("NMUS_DATA", Path(__file__).resolve().parents[4] / "shared" / "data"))


def cases(folder: Path | None = None) -> list[Case]:
    """Every pair whose mask shows at least two lines, by file number."""
    folder = folder or data_folder() / "muscle_longitudinal"
    found = []
    for path in sorted((folder / "images").glob("*.png")):
        case = case_of(path, folder / "masks" / path.name)
        if case is not None:
            found.append(case)
    return found


def case_of(picture: Path, mask: Path) -> Case | None:
    """One pair; ``None`` when the mask does not hold two lines."""
    grey = cv2.imread(str(picture), cv2.IMREAD_GRAYSCALE)
    drawn = cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE) > 127
    pieces = _pieces(drawn)
    if not pieces:
        return None
    first = _joined(pieces, pieces[0])
    rest = [piece for piece in pieces if not _part_of(piece, first) and _below(piece, first)]
    if not rest:
        return None
    second = _joined(rest, rest[0])
    both = np.isfinite(first[0]) & np.isfinite(second[0])
    if both.sum() < 0.25 * np.isfinite(first[0]).sum():
        return None
    return Case(
        number=int(picture.stem.split("_")[-1]),
        grey=grey,
        superficial=(first[0] + first[1]) / 2,
        deep=(second[0] + second[1]) / 2,
        inner_top=first[1],
        inner_bottom=second[0],
    )


Piece = npt.NDArray[np.float64]
"""Shape (2, columns): upper and lower edge of one drawn line."""


def _span(piece: Piece) -> npt.NDArray[np.bool_]:
    return np.isfinite(piece[0])


def _pieces(drawn: npt.NDArray[np.bool_]) -> list[Piece]:
    """Connected lines from the top down, at least a twentieth of the picture wide: in each column the upper run."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(drawn.astype(np.uint8), connectivity=8)
    found = []
    for label in range(1, count):
        if stats[label, cv2.CC_STAT_WIDTH] < 0.05 * drawn.shape[1]:
            continue
        piece = labels == label
        columns = np.flatnonzero(piece.any(axis=0))
        edges = np.full((2, drawn.shape[1]), np.nan)
        for column in columns:
            rows = np.flatnonzero(piece[:, column])
            end = np.flatnonzero(np.diff(rows) > 1)
            edges[0, column], edges[1, column] = rows[0], rows[end[0] if end.size else -1] + 1
        found.append(edges)
    return sorted(found, key=lambda edges: float(np.nanmedian(edges)))


def _part_of(one: Piece, other: Piece) -> bool:
    """Whether a piece is already part of the joined line."""
    both = _span(one) & _span(other)
    return bool(both.any()) and bool(np.nanmax(np.abs(one[:, both] - other[:, both])) < 1)


def _below(one: Piece, other: Piece) -> bool:
    """Whether a piece lies under a line, which is continued level beyond its ends."""
    columns = np.arange(other.shape[1])
    span = _span(other)
    line = np.interp(columns, columns[span], other[1, span])
    return bool(np.nanmedian(one[0] - line) > 0)


def _joined(pieces: list[Piece], start: Piece) -> Piece:
    """One line of all pieces that continue each other: no shared columns, and meeting when extrapolated."""
    line = start.copy()
    columns = np.arange(line.shape[1])
    height = 0.04 * line.shape[1]
    for piece in pieces:
        if (_span(piece) & _span(line)).mean() > 0.005:
            continue
        span = _span(line)
        fit = np.polynomial.Polynomial.fit(columns[span], line[:, span].mean(axis=0), 1)
        if abs(np.nanmedian(piece.mean(axis=0) - fit(columns))) < height:
            line = np.where(np.isfinite(piece) & ~np.isfinite(line), piece, line)
    return line


def mean_inside(grey: npt.NDArray[np.uint8], outline: npt.NDArray[np.float64]) -> float:
    """Mean grey level of the pixels whose centre lies inside."""
    mask = np.zeros(grey.shape, np.uint8)
    cv2.fillPoly(mask, [np.round((outline - 0.5) * 16).astype(np.int32)], 1, shift=4)
    return float(grey[mask > 0].mean())
