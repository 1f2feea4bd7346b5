"""The pixels: everything outside the regions that the scanner calibrated is blanked, for the patient's name is there.

Nothing reads letters. What lies outside the regions goes whole; where the scanner gave no regions, or one as large as
the picture, nobody can say where a name may stand, and the object is left out unless a person who has looked says so.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from pydicom import Dataset
from pydicom.pixels import convert_color_space, iter_pixels
from pydicom.uid import ExplicitVRLittleEndian

from service.errors import Unanalysable

_WHOLE = 0.98
"""A region of this share of the picture says nothing about where the banner is."""
_VIDEO = "1.2.840.10008.1.2.4.10"
Pixels = npt.NDArray[np.generic]


def blanked(dataset: Dataset, *, accept_unmarked: bool) -> float:
    """Replace the pixels by cleaned, uncompressed ones; the share of the picture that was kept.

    Raises
    ------
    Unanalysable
        It cannot be told where burned-in text is, or the pixels cannot be read.
    """
    keep = _kept(dataset)
    if keep is None and not accept_unmarked:
        raise Unanalysable(
            "nothing says what lies outside the tissue: a name may be burned in", remedy="look, then --accept-unmarked"
        )
    if str(dataset.file_meta.TransferSyntaxUID).startswith(_VIDEO):
        raise Unanalysable("video streams are not exported: their frames cannot be blanked without loss")
    colour = int(dataset.SamplesPerPixel) == 3
    interpretation = str(dataset.PhotometricInterpretation)
    cleaned = bytearray()
    for frame in _frames(dataset):
        whole = frame
        if colour and interpretation.startswith("YBR_FULL") and not _is_rgb_already(dataset):
            whole = convert_color_space(frame, interpretation, "RGB", per_frame=True)
        if keep is not None:
            whole = np.where(keep[..., None] if colour else keep, whole, _black(dataset, whole))
        cleaned += np.ascontiguousarray(whole, dtype=whole.dtype).tobytes()
    _replace(dataset, bytes(cleaned), colour=colour)
    return 1.0 if keep is None else float(keep.mean())


def _frames(dataset: Dataset) -> Iterator[Pixels]:
    try:
        yield from iter_pixels(dataset)
    except Exception as error:
        raise Unanalysable(f"pixels cannot be decoded ({type(error).__name__})") from error


def _kept(dataset: Dataset) -> npt.NDArray[np.bool_] | None:
    """Which pixels lie in a calibrated region; ``None``: it cannot be told."""
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    keep = np.zeros((rows, columns), dtype=bool)
    for region in dataset.get("SequenceOfUltrasoundRegions", ()):
        names = ("RegionLocationMinX0", "RegionLocationMinY0", "RegionLocationMaxX1", "RegionLocationMaxY1")
        corners = [region.get(name) for name in names]
        if None in corners:
            continue
        left, top, right, bottom = (max(0, int(one)) for one in corners)
        keep[top : bottom + 1, left : right + 1] = True
    return keep if 0 < keep.mean() < _WHOLE else None


def _is_rgb_already(dataset: Dataset) -> bool:
    """Decoders of JPEG give RGB; of uncompressed data, what is written."""
    return bool(dataset.file_meta.TransferSyntaxUID.is_compressed)


def _black(dataset: Dataset, frame: Pixels) -> Pixels:
    value = int(dataset.get("PixelPaddingValue", 0)) if dataset.PhotometricInterpretation == "MONOCHROME2" else 0
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        value = (1 << int(dataset.BitsStored)) - 1
    return np.full_like(frame, value)


def _replace(dataset: Dataset, pixels: bytes, *, colour: bool) -> None:
    dataset.PixelData = pixels + b"\0" * (len(pixels) % 2)
    dataset["PixelData"].VR = "OB" if int(dataset.BitsAllocated) == 8 else "OW"
    if colour:
        dataset.PhotometricInterpretation, dataset.PlanarConfiguration = "RGB", 0
    dataset.BurnedInAnnotation = "NO"
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
