"""Opening a received DICOM file without swelling: what it holds deflated is inflated to a bound and no further.

A deflated data set of a few hundred kilobytes may hold a gigabyte, and pydicom inflates all of it before it looks at
anything. Child processes have a limit on memory besides; the service's own processes have only this.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from pydicom import Dataset, dcmread
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileMetaDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

DAMAGED = (
    ArithmeticError, AttributeError, EOFError, LookupError, NotImplementedError, OSError, RecursionError, TypeError,
    ValueError, struct.error, zlib.error, BytesLengthException, InvalidDicomError,
)  # fmt: skip
"""pydicom converts values when they are touched, and a damaged one may fail in any of these ways; OSError where a
sequence ends within an item."""
_HEAD_BYTES = 4 << 20
"""Whom and what an object names stands before any picture; more than this before it is nobody's honest header."""
_LARGE = 1 << 16
"""No name or identifier is longer (an explicit length has two bytes); in Implicit VR one may claim gigabytes."""


class InflatesTooFar(ValueError):
    """More is deflated in the file than is taken."""


def opened(path: Path | str, most: int, *, cut: bool = False) -> BinaryIO:
    """The file, or for the deflated transfer syntax its inflated copy in memory, as Explicit VR Little Endian.

    Parameters
    ----------
    most:
        Bytes to inflate at most.
    cut:
        Give what fits instead of refusing: for those who want the start only.

    Raises
    ------
    InflatesTooFar
        It holds more.
    zlib.error
        It is damaged.
    """
    try:
        meta = read_file_meta_info(path)
    except DAMAGED:
        meta = FileMetaDataset()
    if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        return Path(path).open("rb")
    start = 128 + 4 + 12 + int(meta.get("FileMetaInformationGroupLength") or 0)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    plain = io.BytesIO()
    plain.write(b"\0" * 128 + b"DICM")
    write_file_meta_info(plain, meta, enforce_standard=False)
    with Path(path).open("rb") as file:
        file.seek(start)
        _inflate(file, plain, most, cut=cut)
    plain.seek(0)
    return plain


def _inflate(file: BinaryIO, plain: io.BytesIO, most: int, *, cut: bool) -> None:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    data = file.read(1 << 20)
    while data and not inflater.eof:
        plain.write(inflater.decompress(data, 1 << 20))
        if plain.tell() > most:
            if cut:
                return
            raise InflatesTooFar(f"the deflated data set inflates beyond {most} bytes")
        data = inflater.unconsumed_tail or file.read(1 << 20)


def head(path: Path | str, wanted: Sequence[str]) -> Dataset:
    """These attributes of an object, without what is too long to be one of them.

    Raises
    ------
    Exception
        Of any type: a foreign parser on a peer's bytes.
    """
    with opened(path, _HEAD_BYTES, cut=True) as file:
        found = dcmread(file, stop_before_pixels=True, force=True, specific_tags=list(wanted), defer_size=_LARGE)
        for tag in list(found.keys()):
            element = found.get_item(tag, keep_deferred=True)
            if isinstance(element, RawDataElement) and element.value is None and element.length:
                del found[tag]
        return found


def document(path: Path | str, most: int, *, defer_size: int | None = None) -> Dataset:
    """A whole object; values beyond ``defer_size`` are read when they are asked for.

    Raises
    ------
    Exception
        Of any type, :class:`InflatesTooFar` among them.
    """
    with opened(path, most) as file:
        plain = isinstance(file, io.BytesIO)
        return dcmread(file if plain else path, defer_size=None if plain else defer_size)
