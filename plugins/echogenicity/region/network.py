"""The trained networks, run by ONNX Runtime: a field in, line and area maps out.

Two networks that were trained apart, each for one view: where they contradict each other neither is to be believed.
The weights lie beside the code in ``plugins/echogenicity/weights`` with their card; their digests are checked once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
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
"""What each network sees: part of the field as (top, bottom) in field heights, and whether mirrored. As it is, and
mirrored from farther off; the other two combinations find no more (fold 0) and take twice the time."""


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of the weights: their digests and what their confidence is worth."""

    files: tuple[tuple[str, str], ...]
    """Name and SHA-256 of the network for each view."""
    version: str
    threshold: float
    coefficients: tuple[float, ...]
    """Logistic coefficients, constant first; see ``confidence``."""


@lru_cache(maxsize=1)
def card() -> Card:
    """The shipped weights' card."""
    read = json.loads(CARD.read_text(encoding="utf-8"))
    return Card(
        files=tuple((one["file"], one["sha256"]) for one in read["networks"]),
        version=read["version"],
        threshold=float(read["threshold"]),
        coefficients=tuple(float(value) for value in read["coefficients"]),
    )


@lru_cache(maxsize=8)
def session(path: Path, sha256: str | None = None) -> onnxruntime.InferenceSession:
    """A network, loaded once in each process, on one thread so that results and load are predictable.

    Raises ``ValueError`` when the file is not the one with this digest.
    """
    content = path.read_bytes()
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(f"{path.name} is not the file its card describes: install the package again")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def shipped() -> tuple[onnxruntime.InferenceSession, ...]:
    """The network for each view. Raises ``ValueError`` when a file is not the one its card describes."""
    return tuple(session(WEIGHTS / name, digest) for name, digest in card().files)


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


def maps_of(views: Maps, networks: Sequence[onnxruntime.InferenceSession] | None = None) -> Maps:
    """Logits of all views in the rows and columns of the field, shape (views, 5, 256, 128)."""
    found = []
    for view, network, (top, bottom, mirrored) in zip(views, networks or shipped(), VIEWS, strict=True):
        logits = np.asarray(network.run(None, {"picture": view[np.newaxis]})[0], np.float32)
        if mirrored:
            logits = logits[:, :, :, ::-1]
        found.append(logits if (top, bottom) == (0.0, 1.0) else _in_field_rows(logits, top, bottom))
    return np.concatenate(found)


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
