"""Where the pixels of a DICOM file lie and how they are packed, found and checked before a single one is decoded."""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels import apply_color_lut
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from plugins.contract import ReasonCode
from service.errors import Unanalysable
from service.inflating import DAMAGED, InflatesTooFar, opened

NATIVE = frozenset({ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian})
JPEG = frozenset({JPEGBaseline8Bit, JPEGExtended12Bit})
LOSSLESS = frozenset(
    {
        *NATIVE,
        ExplicitVRBigEndian,
        RLELossless,
        JPEG2000Lossless,
        JPEGLSLossless,
        JPEGLosslessSV1,
        "1.2.840.10008.1.2.4.57",
    }
)
LOSSY_CODEC = frozenset({"1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.91"})
VIDEO = frozenset(f"1.2.840.10008.1.2.4.{number}{suffix}" for number in range(100, 109) for suffix in ("", ".1"))
"""MPEG-2 (100, 101), H.264 (102 to 106), HEVC (107, 108), and the fragmentable ones of each."""
SUPPORTED = LOSSLESS | JPEG | LOSSY_CODEC | VIDEO
GREY, RGB, YBR, PALETTE = "grey", "rgb", "ybr", "palette"
_SPACES = {
    "MONOCHROME1": GREY,
    "MONOCHROME2": GREY,
    "PALETTE COLOR": PALETTE,
    "RGB": RGB,
    "YBR_RCT": RGB,
    "YBR_ICT": RGB,
    "YBR_FULL": YBR,
    "YBR_FULL_422": YBR,
    "YBR_PARTIAL_420": YBR,
    "YBR_PARTIAL_422": YBR,
}
COLOUR_TOLERANCE = 8
"""Grey levels by which channels of a colourless pixel may differ after a lossless conversion from YBR."""
LOSSY_COLOUR_TOLERANCE = 16
"""The same after JPEG, whose chroma bleeds around coloured marks."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds checked before anything is decoded: a header is a claim that anybody may make."""

    frame_pixels: int = 40_000_000
    """Rows times columns. The largest real picture known here has 3 million."""
    frames: int = 100_000
    """Almost an hour at 30 a second."""
    inflated_bytes: int = 1 << 30
    """Of a deflated data set: a bomb of a megabyte may hold a gigabyte."""


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Layout:
    """How the frames of one file are packed."""

    transfer_syntax: str
    rows: int
    columns: int
    frames: int
    samples: int
    bits_allocated: int
    bits_stored: int
    space: str
    photometric: str
    planar: bool
    offset: int
    """Of the first byte of uncompressed pixels, of the first item otherwise; in the inflated file if deflated."""
    lossy: bool
    lut: npt.NDArray[np.uint8] | None = field(default=None, compare=False, repr=False)
    """Palette: red, green, blue per stored value, shape (n, 3)."""

    @property
    def frame_bytes(self) -> int:
        """Of one uncompressed frame."""
        pixels = self.rows * self.columns
        if self.photometric == "YBR_FULL_422":
            return pixels * 2
        return pixels * self.samples * self.bits_allocated // 8


def open_file(path: Path | str, limits: Limits = DEFAULT_LIMITS) -> BinaryIO:
    """The file, or for the deflated transfer syntax its inflated copy in memory, as Explicit VR Little Endian.

    Raises
    ------
    Unanalysable
        When the file is not DICOM, or inflates beyond the limit.
    """
    try:
        return opened(path, limits.inflated_bytes)
    except InflatesTooFar as error:
        raise _unreadable(str(error)) from error
    except zlib.error as error:
        raise _unreadable("the deflated data set is damaged") from error


def read_header(path: Path | str, limits: Limits = DEFAULT_LIMITS) -> tuple[Dataset, int]:
    """All attributes before the pixels, and where the pixel data element begins.

    Raises
    ------
    Unanalysable
        When the file is no DICOM file with a SOP class.
    """
    with open_file(path, limits) as file:
        try:
            dataset = dcmread(file, stop_before_pixels=True, force=True)
            position = file.tell()
        except DAMAGED as error:
            raise _unreadable("the file cannot be parsed as DICOM") from error
    for keyword in ("SOPClassUID", "SOPInstanceUID"):  # some devices write them in the file's header alone
        if not dataset.get(keyword) and dataset.file_meta.get(f"MediaStorage{keyword}"):
            setattr(dataset, keyword, dataset.file_meta[f"MediaStorage{keyword}"].value)
    if not dataset.get("SOPClassUID") or not dataset.get("SOPInstanceUID"):
        raise _unreadable("the file is not a DICOM object")
    return dataset, position


def layout_of(dataset: Dataset, path: Path | str, position: int, limits: Limits = DEFAULT_LIMITS) -> Layout:
    """Check what the header claims of the pixels.

    Raises
    ------
    Unanalysable
        With the reason: no pixels, a syntax or bit depth that is not supported, a size beyond the limits or the file.
    """
    syntax = UID(str(dataset.file_meta.get("TransferSyntaxUID") or ImplicitVRLittleEndian))
    if syntax not in SUPPORTED:
        name = syntax.name if syntax.name != syntax else "private or unknown"
        raise _unreadable(
            f"transfer syntax {syntax} ({name}) is not supported",
            "send the image uncompressed or as JPEG, JPEG 2000, JPEG-LS, RLE or H.264",
        )
    _refuse_odd_pixels(dataset, limits)
    space = _SPACES.get(str(dataset.PhotometricInterpretation))
    if space is None:
        raise _unreadable(f"photometric interpretation {dataset.PhotometricInterpretation!s} is not supported")
    with open_file(path, limits) as file:
        file.seek(0, io.SEEK_END)
        size = file.tell()
        offset = _pixel_offset(file, position, syntax)
    layout = Layout(
        transfer_syntax=str(syntax),
        rows=int(dataset.Rows),
        columns=int(dataset.Columns),
        frames=int(dataset.get("NumberOfFrames") or 1),
        samples=int(dataset.SamplesPerPixel),
        bits_allocated=int(dataset.BitsAllocated),
        bits_stored=int(dataset.BitsStored),
        space=space,
        photometric=str(dataset.PhotometricInterpretation),
        planar=bool(dataset.get("PlanarConfiguration")),
        offset=offset,
        lossy=str(dataset.get("LossyImageCompression")) == "01" or syntax not in LOSSLESS,
        lut=_palette(dataset) if space == PALETTE else None,
    )
    if syntax in NATIVE | {ExplicitVRBigEndian} and offset + layout.frames * layout.frame_bytes > size:
        raise _unreadable("the file ends before the last frame", "send the image again")
    return layout


def _refuse_odd_pixels(dataset: Dataset, limits: Limits) -> None:
    needed = ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "BitsStored", "PhotometricInterpretation")
    missing = [keyword for keyword in needed if not dataset.get(keyword)]
    if missing:
        raise _unreadable(f"the object has no image: {', '.join(missing)} missing", code=ReasonCode.NOT_ULTRASOUND)
    rows, columns, frames = int(dataset.Rows), int(dataset.Columns), int(dataset.get("NumberOfFrames") or 1)
    if rows * columns > limits.frame_pixels or not 0 < frames <= limits.frames:
        raise _unreadable(f"{frames} frames of {rows} × {columns} pixels are beyond what is taken")
    if int(dataset.SamplesPerPixel) not in (1, 3):
        raise _unreadable(f"{dataset.SamplesPerPixel} samples per pixel are not supported")
    if int(dataset.BitsAllocated) not in (8, 16) or int(dataset.get("PixelRepresentation") or 0):
        raise _unreadable(f"{dataset.BitsAllocated} bits per sample, or signed samples, are not grey levels")
    if int(dataset.BitsStored) > 8 and str(dataset.PhotometricInterpretation) != "PALETTE COLOR":
        raise _unreadable(
            f"{dataset.BitsStored} bits stored: grey levels of 0 to 255 are needed",
            "export 8-bit images from the scanner",
        )


def _pixel_offset(file: BinaryIO, position: int, syntax: UID) -> int:
    """Skip the header of the Pixel Data element; refuse what is not there (float pixels, or none)."""
    file.seek(position)
    order = "big" if syntax == ExplicitVRBigEndian else "little"
    head = file.read(8)
    if len(head) < 8 or (int.from_bytes(head[:2], order), int.from_bytes(head[2:4], order)) != (0x7FE0, 0x0010):  # type: ignore[arg-type]
        raise _unreadable("the object has no pixel data", code=ReasonCode.NOT_ULTRASOUND)
    # what the element itself shows counts, not the syntax: some files write implicit headers in an explicit syntax
    return position + (12 if head[4:6] in (b"OB", b"OW", b"UN") else 8)


def _palette(dataset: Dataset) -> npt.NDArray[np.uint8]:
    """The whole colour table at 8 bits: what a stored value looks like, which is not the value itself."""
    try:
        table = apply_color_lut(np.arange(1 << int(dataset.BitsStored), dtype=np.uint16), dataset)
    except (ValueError, AttributeError, TypeError, KeyError, IndexError) as error:
        raise _unreadable("the palette cannot be read") from error
    # some scanners declare 16 bits and fill only the lower eight
    wide = table.dtype != np.uint8 and int(table.max()) > 255
    return np.ascontiguousarray((table >> 8 if wide else table).astype(np.uint8)[:, :3])


def _unreadable(text: str, remedy: str = "", code: ReasonCode = ReasonCode.UNREADABLE) -> Unanalysable:
    return Unanalysable(text, code.value, remedy or "export the image again from the scanner, or send another format")
