"""PNG copies of overlays, for people without a viewer. Made when somebody wants them, for packing takes a while."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread
from pydicom.pixels import pixel_array

_QUALITY = 88
_FAST = 1
"""Packed lightly: packing hard takes longer than all the drawing, and saves a fifth."""


def png_copy(capture: Path, target: Path) -> None:
    """Write the first frame of an overlay as a PNG picture."""
    Image.fromarray(_first_frame(capture)).save(target, compress_level=_FAST)


def picture(capture: Path, width: int | None = None) -> bytes:
    """The first frame of an overlay for a page: a PNG, or a small JPEG.

    Parameters
    ----------
    width:
        In pixels, of the small one.
    """
    shown, made = Image.fromarray(_first_frame(capture)), BytesIO()
    if width is None:
        shown.save(made, "PNG", compress_level=_FAST)
    else:
        shown.thumbnail((width, width), Image.Resampling.BILINEAR, reducing_gap=2)
        shown.save(made, "JPEG", quality=_QUALITY)
    return made.getvalue()


def _first_frame(capture: Path) -> NDArray[np.uint8]:
    header = dcmread(capture, stop_before_pixels=True)
    several = int(header.get("NumberOfFrames") or 1) > 1
    return np.asarray(pixel_array(capture, index=0 if several else None), np.uint8)
