"""Pictures as other hands, scanners and screens would have made them; lines move with them exactly."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from plugins.echogenicity.region.field import field_of_view
from plugins.echogenicity.region.geometry import COLUMNS, ROWS
from plugins.echogenicity.training.truth import Case, Grey, Rows
from plugins.images import Box

Image = npt.NDArray[np.float32]
Random = np.random.Generator

KEPT_ROWS, KEPT_COLUMNS = 400, 200
"""The field is kept at this size, so that a warp neither aliases nor blurs much."""
MARGIN = 0.15
"""Share of the field's size kept all round it: menus and black margins as the scanner drew them."""


@dataclass(frozen=True)
class Sample:
    """A picture ready to be warped. Lines in rows of the kept image (pixel edges), one value per kept column."""

    number: int
    picture: Image
    lines: npt.NDArray[np.float64]
    """Shape (4, columns): superficial, deep, inner top, inner bottom; NaN where not drawn."""
    field: tuple[float, float, float, float]
    """Column0, row0, column1, row1 of the field in the kept image."""
    nothing: bool = False
    """True for a picture that shows no muscle lengthwise: neither line is there."""
    weight: float = 1.0


def sample_of(case: Case, weight: float = 1.0) -> Sample:
    """Cut the field with its surroundings out of one case."""
    grey = case.grey
    box = field_of_view(grey, np.zeros(grey.shape, bool), None)
    lines = np.stack((case.superficial, case.deep, case.inner_top, case.inner_bottom))
    return kept(case.number, grey, box, lines, weight)


def kept(number: int, grey: Grey, box: Box, lines: Rows | None, weight: float = 1.0) -> Sample:
    """The field and its surroundings at the kept size; without ``lines``, a picture of nothing."""
    width, height = box.column1 - box.column0, box.row1 - box.row0
    x0, y0 = box.column0 - MARGIN * width, box.row0 - MARGIN * height
    wide, high = width * (1 + 2 * MARGIN), height * (1 + 2 * MARGIN)
    columns, rows = int(KEPT_COLUMNS * (1 + 2 * MARGIN)), int(KEPT_ROWS * (1 + 2 * MARGIN))
    smooth = cv2.GaussianBlur(
        grey.astype(np.float32), (0, 0), max(0.35 * wide / columns, 0.01), None, max(0.35 * high / rows, 0.01)
    )
    to_kept = np.array([[columns / wide, 0, 0], [0, rows / high, 0]], np.float64)
    to_kept[:, 2] = (-x0 * columns / wide + 0.5 * columns / wide - 0.5, -y0 * rows / high + 0.5 * rows / high - 0.5)
    picture = cv2.warpAffine(smooth, to_kept, (columns, rows), flags=cv2.INTER_LINEAR, borderValue=0)
    at = x0 + (np.arange(columns) + 0.5) * wide / columns
    if lines is None:
        moved = np.full((4, columns), np.nan)
    else:
        source = np.arange(grey.shape[1]) + 0.5
        moved = np.stack([np.interp(at, source, line, left=np.nan, right=np.nan) for line in lines])
        moved = (moved - y0) * rows / high
    edges = (MARGIN * KEPT_COLUMNS, MARGIN * KEPT_ROWS, (1 + MARGIN) * KEPT_COLUMNS, (1 + MARGIN) * KEPT_ROWS)
    return Sample(number, picture.astype(np.float32), moved, edges, lines is None, weight)


def warped(sample: Sample, random: Random) -> tuple[Image, npt.NDArray[np.float64]]:
    """One random view: zoom, shift, shear, bend, flip; and its lines, shape (4, 128), in working rows."""
    x0, y0, x1, y1 = sample.field
    picture = _surrounded(sample, random)
    gentle = random.random() < 0.35
    high = (y1 - y0) * (random.uniform(0.92, 1.08) if gentle else np.exp(random.uniform(np.log(0.5), np.log(1.5))))
    wide = (x1 - x0) * (random.uniform(0.85, 1.03) if gentle else np.exp(random.uniform(np.log(0.35), np.log(1.15))))
    top = y0 + _shift(random, y1 - y0, high, gentle)
    left = x0 + (x1 - x0 - wide) * random.uniform(0, 1)
    columns = np.arange(COLUMNS) + 0.5
    flip = random.random() < 0.5
    at = left + (COLUMNS - columns if flip else columns) * wide / COLUMNS
    place = columns / COLUMNS - 0.5
    shear, bend = random.normal(0, 0.02 if gentle else 0.07), random.normal(0, 0.015 if gentle else 0.035)
    lift = (shear * place + bend * (4 * place**2 - 0.3)) * high
    rows = top + (np.arange(ROWS) + 0.5)[:, np.newaxis] * high / ROWS + lift[np.newaxis]
    across = np.broadcast_to(at, rows.shape)
    border = cv2.BORDER_REFLECT_101 if random.random() < 0.5 else cv2.BORDER_CONSTANT
    view = cv2.remap(
        picture, (across - 0.5).astype(np.float32), (rows - 0.5).astype(np.float32), cv2.INTER_LINEAR, borderMode=border
    )
    source = np.arange(sample.lines.shape[1]) + 0.5
    lines = np.stack([np.interp(at, source, line, left=np.nan, right=np.nan) for line in sample.lines])
    return view, (lines - top - lift) * ROWS / high


def _shift(random: Random, field: float, high: float, gentle: bool) -> float:
    """Where the view begins below the field's top: mostly near it, for fasciae are sought from the top down."""
    if gentle:
        return random.normal(0, 0.015) * field
    return random.uniform(-0.12, 0.08) * field if random.random() < 0.8 else random.uniform(-0.2, 0.2) * field


def _surrounded(sample: Sample, random: Random) -> Image:
    """Round the field: what the scanner drew there, black, or a flat menu grey."""
    choice = random.random()
    if choice < 0.35:
        return sample.picture
    x0, y0, x1, y1 = (round(edge) for edge in sample.field)
    inside = sample.picture[y0:y1, x0:x1]
    pad = (y0, sample.picture.shape[0] - y1, x0, sample.picture.shape[1] - x1)
    if choice < 0.6:
        return cv2.copyMakeBorder(inside, *pad, cv2.BORDER_REFLECT_101)
    return cv2.copyMakeBorder(inside, *pad, cv2.BORDER_CONSTANT, value=0.0 if choice < 0.85 else random.uniform(20, 90))


def recoloured(view: Image, random: Random) -> Image:
    """Another scanner's look: gain, gamma, depth gain, shadows, speckle, smoothing, marks, grey steps, JPEG."""
    x = view / 255.0
    if random.random() < 0.8:
        x = np.power(np.clip(x, 0, 1), np.exp(random.normal(0, 0.35)))
    if random.random() < 0.8:
        x = x * np.exp(random.normal(0, 0.3)) + random.normal(0, 0.03)
    if random.random() < 0.6:
        x = x * _field_gain(random)
    if random.random() < 0.25:
        x = _shadowed(x, random)
    if random.random() < 0.4:
        grain = cv2.GaussianBlur(
            random.normal(0, 1, x.shape).astype(np.float32),
            (0, 0),
            random.uniform(0.4, 1.8),
            None,
            random.uniform(0.4, 1.6),
        )
        x = x * (1 + random.uniform(0.05, 0.6) * grain / max(float(grain.std()), 1e-6))
    if random.random() < 0.3:
        x = cv2.GaussianBlur(x, (0, 0), random.uniform(0.3, 1.3), None, random.uniform(0.3, 1.3))
    if random.random() < 0.2:
        x = _marked(x, random)
    grey = np.clip(x * 255, 0, 255).astype(np.uint8)
    if random.random() < 0.3:
        coded = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(25, 95))])[1]
        grey = cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE)
    return grey.astype(np.float32)


def _field_gain(random: Random) -> Image:
    """A smooth gain over depth and, weaker, over width."""
    depth = np.interp(np.linspace(0, 1, ROWS), np.linspace(0, 1, 5), random.normal(0, 0.35, 5))
    width = np.interp(np.linspace(0, 1, COLUMNS), np.linspace(0, 1, 4), random.normal(0, 0.15, 4))
    return np.exp(depth[:, np.newaxis] + width[np.newaxis]).astype(np.float32)


def _shadowed(x: Image, random: Random) -> Image:
    """Lost contact or a shadow: a band of columns dimmed from some depth on, or the edge of the field black."""
    out = x.copy()
    width = int(random.integers(4, 30))
    start = int(random.choice([0, COLUMNS - width, random.integers(0, COLUMNS - width)]))
    top = 0 if random.random() < 0.6 else int(random.integers(0, ROWS // 2))
    out[top:, start : start + width] *= random.uniform(0, 0.6)
    return out


def _marked(x: Image, random: Random) -> Image:
    """Letters, crosses and a focus mark burned in."""
    ink = np.zeros(x.shape, np.uint8)
    for _ in range(int(random.integers(1, 4))):
        where = (int(random.integers(0, COLUMNS)), int(random.integers(0, ROWS)))
        cv2.putText(
            ink,
            str(random.choice(["+", "x", "A", "12", "o"])),
            where,
            cv2.FONT_HERSHEY_SIMPLEX,
            random.uniform(0.25, 0.6),
            255,
            1,
        )
    return np.maximum(x, ink.astype(np.float32) / 255)


def truth_maps(lines: npt.NDArray[np.float64], nothing: bool) -> dict[str, npt.NDArray[np.float32]]:
    """What the network should answer for one view; see ``model.loss_of``."""
    rows = lines[:2]
    seen = np.isfinite(rows) & (rows > 1) & (rows < ROWS - 1)
    outside = np.isfinite(rows) & ~seen
    index = np.arange(ROWS)[np.newaxis, :, np.newaxis] + 0.5
    half = np.stack((lines[2] - lines[0], lines[1] - lines[3]))
    near = (
        np.abs(index - np.nan_to_num(rows, nan=-99)[:, np.newaxis])
        <= np.maximum(np.nan_to_num(half), 1.0)[:, np.newaxis]
    )
    presence = near & seen[:, np.newaxis]
    known = seen | outside | nothing
    both = np.isfinite(lines[2:]).all(axis=0)
    top, bottom = np.nan_to_num(lines[2], nan=0.0), np.nan_to_num(lines[3], nan=0.0)
    area = (index[0] > top) & (index[0] < bottom) & both[np.newaxis]
    return {
        "rows": np.nan_to_num(rows).astype(np.float32),
        "seen": seen.astype(np.float32),
        "known": known.astype(np.float32),
        "presence": presence.astype(np.float32),
        "area": area.astype(np.float32),
        "area_known": (both | nothing).astype(np.float32),
    }


def standardised(view: Image) -> Image:
    """Zero mean, unit spread: what the network is given (and what ``region.network`` does)."""
    return ((view - view.mean()) / (view.std() + 4.0)).astype(np.float32)


def halved(view: Image, maps: dict[str, npt.NDArray[np.float32]]) -> tuple[Image, dict[str, npt.NDArray[np.float32]]]:
    """A view and its truth at half the rows and columns: which line is meant can be learnt from that at less cost."""
    small = cv2.resize(view, (view.shape[1] // 2, view.shape[0] // 2), interpolation=cv2.INTER_AREA)
    presence = maps["presence"]
    pairs = presence.reshape(presence.shape[0], presence.shape[1] // 2, 2, presence.shape[2] // 2, 2)
    return small, {
        "rows": maps["rows"][:, ::2] / 2,
        "seen": maps["seen"][:, ::2],
        "known": maps["known"][:, ::2],
        "presence": pairs.max(axis=(2, 4)),
        "area": maps["area"][::2, ::2],
        "area_known": maps["area_known"][::2],
    }
