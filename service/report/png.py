"""PNG copies of overlays, for people without a viewer. Made when somebody wants them, for packing takes a while."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from pydicom import dcmread
from pydicom.pixels import pixel_array

_FAST = 1
"""Packed lightly: packing hard takes longer than all the drawing, and saves a fifth."""


def png_copy(capture: Path, target: Path) -> None:
    """Write the first frame of an overlay as a PNG picture."""
    header = dcmread(capture, stop_before_pixels=True)
    several = int(header.get("NumberOfFrames") or 1) > 1
    Image.fromarray(pixel_array(capture, index=0 if several else None)).save(target, compress_level=_FAST)
