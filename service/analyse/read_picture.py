"""Pictures and videos that are no DICOM: PNG, TIFF and JPEG with a spacing that the caller knows, and MP4."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from plugins.contract import ArrayFrames, Box, Clip, Device, Frames, ReasonCode, Spacing, TissueRegion
from service.analyse.read_layout import COLOUR_TOLERANCE, DEFAULT_LIMITS, LOSSY_COLOUR_TOLERANCE, Limits
from service.analyse.read_video import video_file
from service.errors import Unanalysable

PICTURES = frozenset({".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp"})
VIDEOS = frozenset({".mp4", ".m4v", ".mov", ".mpg", ".mpeg"})
_FORMATS = ("PNG", "TIFF", "JPEG", "BMP")


def read_picture(path: Path, spacing: Spacing | None = None, limits: Limits = DEFAULT_LIMITS) -> Clip:
    """A picture or video file as a clip. Its UID is derived from its bytes, so that reruns agree.

    Raises
    ------
    Unanalysable
        When the file is no 8-bit picture or video that can be decoded, or is too large.
    """
    rate = None
    frames: Frames
    if path.suffix.lower() in VIDEOS:
        frames, rate = video_file(path)
    else:
        frames = _still(path, limits)
    rows, columns = frames.shape
    lossy = path.suffix.lower() not in (".png", ".bmp", ".tif", ".tiff")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
    return Clip(
        sop_instance_uid=f"2.25.{int.from_bytes(digest[:16], 'big')}",
        series_instance_uid=f"2.25.{int.from_bytes(digest[16:], 'big')}",
        frames=frames,
        regions=(TissueRegion(Box(0, 0, columns, rows), spacing),) if spacing else (),
        frame_times_s=tuple(index / rate for index in range(frames.count)) if rate and frames.count > 1 else None,
        device=Device(
            lossy=True if lossy else None,
            rows=rows,
            columns=columns,
            spacing_mm=(spacing.row_mm, spacing.column_mm) if spacing else None,
        ),
        name=path.name,
    )


def _still(path: Path, limits: Limits) -> ArrayFrames:
    try:
        with Image.open(path, formats=_FORMATS) as picture:
            if picture.width * picture.height > limits.frame_pixels:
                raise _bad(f"{picture.width} × {picture.height} pixels are beyond what is taken")
            if picture.mode in ("L", "1"):
                return ArrayFrames(np.array(picture.convert("L")))
            if picture.mode not in ("RGB", "RGBA", "P", "LA"):
                raise _bad(f"a picture of mode {picture.mode} has no grey levels of 0 to 255")
            rgb = np.array(picture.convert("RGB"))
            tolerance = LOSSY_COLOUR_TOLERANCE if picture.format == "JPEG" else COLOUR_TOLERANCE
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise _bad("the picture cannot be decoded") from error
    wide = rgb.astype(np.int16)
    mask = np.asarray(wide.max(axis=2) - wide.min(axis=2) > tolerance, np.bool_)
    return ArrayFrames(np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8), mask if mask.any() else None)


def _bad(text: str) -> Unanalysable:
    return Unanalysable(text, ReasonCode.UNREADABLE.value, "save it as an 8-bit PNG")
