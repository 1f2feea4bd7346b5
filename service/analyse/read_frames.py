"""The pixels of one DICOM file, decoded frame by frame when asked for. Nothing is held but a path and a layout.

JPEG baseline goes through libjpeg-turbo straight to its luminance channel (the picture's grey levels, without a round
trip over RGB); uncompressed pixels are read where they lie; everything else is decoded by GDCM through pydicom. The
decoder of each syntax is pinned, because decoders differ by a grey level here and there, and echogenicity would too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg
from pydicom.encaps import generate_frames, get_frame
from pydicom.pixels import iter_pixels
from pydicom.uid import ExplicitVRBigEndian, RLELossless

from plugins.contract import Grey, Mask, ReasonCode
from service.analyse.read_layout import (
    COLOUR_TOLERANCE,
    GREY,
    JPEG,
    LOSSY_COLOUR_TOLERANCE,
    NATIVE,
    PALETTE,
    RGB,
    YBR,
    Layout,
    open_file,
)
from service.errors import Unanalysable
from service.inflating import DAMAGED

Raw = npt.NDArray[np.generic]
"""As stored: (rows, columns) of grey or palette indices, or (rows, columns, 3) of RGB or YBR."""


@dataclass(frozen=True, slots=True)
class DicomFrames:
    """``plugins.contract.Frames`` over a DICOM file: picklable, holds no open file."""

    path: str
    layout: Layout = field(repr=False)

    @property
    def count(self) -> int:
        """Number of frames."""
        return self.layout.frames

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.layout.rows, self.layout.columns

    def grey(self, index: int) -> Grey:
        """One frame as grey levels.

        Raises
        ------
        Unanalysable
            When the frame cannot be decoded.
        """
        return next(self.stream(index, index + 1))

    def coloured(self, index: int) -> Mask:
        """Where the channels differ by more than conversion and compression make them differ."""
        layout = self.layout
        if layout.space == GREY:
            return np.zeros(self.shape, bool)
        if layout.transfer_syntax in JPEG:
            rgb = _jpeg(next(_encapsulated(self.path, layout, index, index + 1)), layout, "RGB")
            return _differs(rgb, LOSSY_COLOUR_TOLERANCE)
        raw = next(_raw(self.path, layout, index, index + 1))
        if layout.space == PALETTE:
            table = _differs(cast(npt.NDArray[np.uint8], layout.lut)[np.newaxis], COLOUR_TOLERANCE)[0]
            return cast(Mask, table[raw])
        tolerance = LOSSY_COLOUR_TOLERANCE if layout.lossy else COLOUR_TOLERANCE
        if layout.space == YBR:
            return np.asarray(np.abs(raw[..., 1:].astype(np.int16) - 128).max(axis=2) > tolerance / 2, np.bool_)
        return _differs(raw, tolerance)

    def stream(self, start: int = 0, stop: int | None = None) -> Iterator[Grey]:
        """Frames in order, one in memory at a time.

        Raises
        ------
        Unanalysable
            When a frame cannot be decoded.
        """
        stop = self.count if stop is None else min(stop, self.count)
        if not 0 <= start < max(stop, 1):
            raise IndexError(f"frame {start} of {self.count}")
        if self.layout.transfer_syntax in JPEG:
            for data in _encapsulated(self.path, self.layout, start, stop):
                yield _jpeg(data, self.layout, "GRAY")[..., 0]
            return
        for raw in _raw(self.path, self.layout, start, stop):
            yield _grey(raw, self.layout)

    def reduced(self, by: int, start: int = 0, stop: int | None = None) -> Iterator[Grey]:
        """Frames with sides divided by 2 or 4; for JPEG within the decoder's cosine transform, which then costs less.

        libjpeg's reduced transforms give the means of 2 x 2 or 4 x 4 pixels (jidctred.c), taken before the clipping
        to 0 and 255; they may differ by a level from means of decoded pixels, so that only motion is seen in them.
        """
        if by not in (2, 4):
            raise ValueError(f"frames are reduced by 2 or 4, not by {by}")
        stop = self.count if stop is None else min(stop, self.count)
        if self.layout.transfer_syntax in JPEG:
            for data in _encapsulated(self.path, self.layout, start, stop):
                yield _jpeg(data, self.layout, "GRAY", by)[..., 0]
            return
        down, right = -self.layout.rows % by, -self.layout.columns % by
        size = (self.layout.columns + right) // by, (self.layout.rows + down) // by
        for frame in self.stream(start, stop):
            if down or right:
                frame = cv2.copyMakeBorder(frame, 0, down, 0, right, cv2.BORDER_REPLICATE)  # noqa: PLW2901
            yield np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)


def _grey(raw: Raw, layout: Layout) -> Grey:
    """Grey levels of what is stored; exact where red, green and blue are equal."""
    if layout.space == PALETTE:
        return cast(Grey, _grey_table(layout)[raw])
    if layout.space == RGB:
        return np.asarray(cv2.cvtColor(np.ascontiguousarray(raw, np.uint8), cv2.COLOR_RGB2GRAY), np.uint8)
    if layout.space == YBR:
        return np.ascontiguousarray(raw[..., 0], np.uint8)
    grey = np.ascontiguousarray(raw, np.uint8)
    return np.asarray(255 - grey if layout.photometric == "MONOCHROME1" else grey, np.uint8)


def _grey_table(layout: Layout) -> npt.NDArray[np.uint8]:
    table = cv2.cvtColor(cast(npt.NDArray[np.uint8], layout.lut)[np.newaxis], cv2.COLOR_RGB2GRAY)
    return np.asarray(table[0], np.uint8)


def _differs(rgb: Raw, tolerance: int) -> Mask:
    values = rgb.astype(np.int16)
    return np.asarray(values.max(axis=2) - values.min(axis=2) > tolerance, np.bool_)


def _raw(path: str, layout: Layout, start: int, stop: int) -> Iterator[Raw]:
    if layout.transfer_syntax in NATIVE:
        yield from _native(path, layout, start, stop)
    else:
        yield from _by_pydicom(path, layout, start, stop)


def _native(path: str, layout: Layout, start: int, stop: int) -> Iterator[Raw]:
    with open_file(path) as file:
        file.seek(layout.offset + start * layout.frame_bytes)
        for _ in range(start, stop):
            data = file.read(layout.frame_bytes)
            if len(data) < layout.frame_bytes:
                raise _damaged("the file ends before the last frame")
            yield _unpacked(np.frombuffer(data, np.uint8 if layout.bits_allocated == 8 else "<u2"), layout)


def _unpacked(flat: Raw, layout: Layout) -> Raw:
    shape = (layout.rows, layout.columns)
    if layout.photometric == "YBR_FULL_422":  # two luminances, then the blue and the red that they share
        pairs = flat.reshape(-1, 4)
        chroma = np.repeat(pairs[:, 2:], 2, axis=0)
        return np.concatenate([pairs[:, :2].reshape(-1, 1), chroma], axis=1).reshape(*shape, 3)
    if layout.samples == 1:
        return flat.reshape(shape)
    return flat.reshape(3, *shape).transpose(1, 2, 0) if layout.planar else flat.reshape(*shape, 3)


def _by_pydicom(path: str, layout: Layout, start: int, stop: int) -> Iterator[Raw]:
    plugin = "" if layout.transfer_syntax in (ExplicitVRBigEndian, RLELossless) else "gdcm"
    indices = list(range(start, stop))
    try:
        for raw in iter_pixels(path, raw=True, indices=indices, decoding_plugin=plugin):
            if raw.shape[:2] != (layout.rows, layout.columns):
                raise _damaged("the compressed picture has another size than the header says")
            yield raw
    except (RuntimeError, *DAMAGED) as error:
        raise _damaged(f"the {layout.transfer_syntax} picture cannot be decoded") from error


def _encapsulated(path: str, layout: Layout, start: int, stop: int) -> Iterator[bytes]:
    """Compressed frames in order; a single one is found through the offset table or the list of items."""
    given = 0
    with open_file(path) as file:
        file.seek(layout.offset)
        try:
            if stop - start == 1:
                yield get_frame(file, start, number_of_frames=layout.frames)
                return
            for data in islice(generate_frames(file, number_of_frames=layout.frames), start, stop):
                yield data
                given += 1
        except DAMAGED as error:
            raise _damaged("the compressed frames cannot be told apart") from error
    if given < stop - start:
        raise _damaged(f"the file holds fewer than {stop} frames")


def _jpeg(data: bytes, layout: Layout, colours: str, by: int = 1) -> npt.NDArray[np.uint8]:
    """Decode one JPEG stream whose size is checked first; shape (rows, columns, 1 or 3), both divided by ``by``."""
    try:
        rows, columns, _, _ = simplejpeg.decode_jpeg_header(data)
        if (rows, columns) != (layout.rows, layout.columns):
            raise _damaged("the JPEG picture has another size than the header says")
        if layout.space == RGB and not _says_colours(data):
            # no JFIF or Adobe marker: the header's RGB holds, which libjpeg learns from an Adobe marker
            data = data[:2] + b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00" + data[2:]
        rows, columns = (0, 0) if by == 1 else (-(-rows // by), -(-columns // by))
        decoded = simplejpeg.decode_jpeg(data, colorspace=colours, min_height=rows, min_width=columns)
        return cast(npt.NDArray[np.uint8], decoded)
    except ValueError as error:
        raise _damaged("the JPEG picture cannot be decoded") from error


def _says_colours(data: bytes) -> bool:
    """Whether the stream itself says by a JFIF or Adobe marker how its channels are meant."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF and data[position + 1] not in (0xC0, 0xC1, 0xC2, 0xDA):
        name = data[position + 4 : position + 9]
        if (data[position + 1] == 0xE0 and name[:4] == b"JFIF") or (data[position + 1] == 0xEE and name == b"Adobe"):
            return True
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return False


def _damaged(text: str) -> Unanalysable:
    return Unanalysable(text, ReasonCode.UNREADABLE.value, "send the image again, or uncompressed")
