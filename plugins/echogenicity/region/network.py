"""The trained network, run by ONNX Runtime: a field in, line and area maps out.

The weights lie beside the code in ``plugins/echogenicity/weights`` with their card; their digest is checked once.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime

from plugins.echogenicity.region.geometry import COLUMNS, ROWS
from plugins.images import Box, Grey, Mask

Maps = npt.NDArray[np.float32]

WEIGHTS = Path(__file__).parents[1] / "weights"
CARD = WEIGHTS / "muscle_lines.json"

VIEWS = ((0.0, 1.0, False), (-0.06, 1.10, True))
"""What the network sees: part of the field as (top, bottom) in field heights, and whether mirrored. As it is, and
mirrored from farther off; the other two combinations find no more (fold 0) and take twice the time."""


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of one weights file: its digest and what its confidence is worth."""

    file: str
    version: str
    sha256: str
    threshold: float
    coefficients: tuple[float, ...]
    """Logistic coefficients, constant first; see ``confidence``."""


@lru_cache(maxsize=1)
def card() -> Card:
    """The shipped weights' card."""
    read = json.loads(CARD.read_text(encoding="utf-8"))
    return Card(
        file=read["file"],
        version=read["version"],
        sha256=read["sha256"],
        threshold=float(read["threshold"]),
        coefficients=tuple(float(value) for value in read["coefficients"]),
    )


@lru_cache(maxsize=2)
def session(path: Path | None = None) -> onnxruntime.InferenceSession:
    """The network, loaded once in each process, on one thread so that results and load are predictable.

    Raises ``ValueError`` when the shipped file is not the one its card describes.
    """
    content = (path or WEIGHTS / card().file).read_bytes()
    if path is None and hashlib.sha256(content).hexdigest() != card().sha256:
        raise ValueError(f"{card().file} is not the file its card describes: install the package again")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def views_of(grey: Grey, coloured: Mask, box: Box) -> Maps:
    """The field as the network sees it, shape (views, 1, 256, 128)."""
    field = unmarked_field(grey, coloured, box)
    height = field.shape[0]
    views = []
    for top, bottom, mirrored in VIEWS:
        first, last = round(top * height), round(bottom * height)
        part = field[max(first, 0) : min(last, height)]
        padded = cv2.copyMakeBorder(part, max(-first, 0), max(last - height, 0), 0, 0, cv2.BORDER_CONSTANT, value=0.0)
        view = np.asarray(cv2.resize(padded, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA), np.float32)
        standard = np.asarray((view - view.mean()) / (view.std() + 4.0), np.float32)
        views.append(standard[:, ::-1] if mirrored else standard)
    return np.ascontiguousarray(np.stack(views)[:, np.newaxis], np.float32)


def maps_of(views: Maps, path: Path | None = None) -> Maps:
    """Logits of all views in the rows and columns of the field, shape (views, 5, 256, 128)."""
    logits = np.array(session(path).run(None, {"picture": views})[0], np.float32)
    for index, (top, bottom, mirrored) in enumerate(VIEWS):
        if mirrored:
            logits[index] = logits[index, :, :, ::-1]
        if (top, bottom) != (0.0, 1.0):
            logits[index] = _in_field_rows(logits[index : index + 1], top, bottom)[0]
    return logits


def _in_field_rows(logits: Maps, top: float, bottom: float) -> Maps:
    """Resample a window's rows to the field's; rows the window does not reach are very unlikely."""
    centres = (np.arange(ROWS) + 0.5) / ROWS
    at = (centres - top) / (bottom - top) * ROWS - 0.5
    low = np.clip(np.floor(at).astype(int), 0, ROWS - 2)
    share = np.clip(at - low, 0.0, 1.0).astype(np.float32)[:, np.newaxis]
    moved = logits[:, :, low] * (1 - share) + logits[:, :, low + 1] * share
    moved[:, :, (at < -0.5) | (at > ROWS - 0.5)] = -12.0
    return np.asarray(moved, np.float32)


def unmarked_field(grey: Grey, coloured: Mask, box: Box) -> npt.NDArray[np.float32]:
    """The field of view at its own size, coloured marks replaced by the grey around them."""
    part = (slice(box.row0, box.row1), slice(box.column0, box.column1))
    field = grey[part].astype(np.float32)
    marks = coloured[part]
    if not marks.any():
        return field
    plain = (~marks).astype(np.float32)
    around = cv2.blur(field * plain, (15, 15)) / np.maximum(cv2.blur(plain, (15, 15)), 1e-3)
    return np.where(marks, around, field).astype(np.float32)
