"""One small exam, read and analysed when the fork server has nothing else to do, so that every child starts warm.

Catalogues are compiled, networks opened and libraries' own tables made when they are first needed; without this each
child would do that anew. The networks' sessions use no threads of their own, so children inherit them whole.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundImageStorage

from plugins.builtin import BUILTIN
from plugins.contract import (
    Acquisition,
    ArrayFrames,
    Box,
    Clip,
    NoReferences,
    Region,
    RegionOrigin,
    RegionShape,
    Side,
    Spacing,
    TissueRegion,
    View,
)
from service.analyse.exam import read_exam

_UID = "2.25.1"
_ROWS, _COLUMNS, _FRAMES, _RATE = 240, 320, 40, 25
_MM = 0.15


def rehearse() -> None:
    """Read an image and analyse a muscle, a nerve and a short clip, all of noise; what comes of it is thrown away."""
    picture = np.random.default_rng(0).integers(20, 90, (_FRAMES, _ROWS, _COLUMNS), np.uint8)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "image"
        _image(picture[0]).save_as(path, enforce_file_format=True)
        read_exam([str(path)], ())
    for acquisition in _acquisitions(picture):
        for plugin in BUILTIN:
            if plugin.declines(acquisition) is None:
                plugin.analyse(acquisition, NoReferences())


def _acquisitions(picture: np.ndarray) -> Iterator[Acquisition]:
    ellipse = Region(
        RegionShape.ELLIPSE, ((90, 120), (230, 120), (160, 80), (160, 160)), RegionOrigin.PRESENTATION_STATE
    )
    box = Region(RegionShape.BOX, ((120, 90), (200, 150)), RegionOrigin.PRESENTATION_STATE)
    for structure, drawn in (("biceps_brachii", (ellipse,)), ("biceps_brachii", ()), ("median_nerve", (box,))):
        yield Acquisition(structure, Side.LEFT, None, View.TRANSVERSE, (_clip(picture[:1], drawn),))
    yield Acquisition("biceps_brachii", Side.LEFT, None, View.TRANSVERSE, (_clip(picture, ()),))


def _clip(picture: np.ndarray, drawn: tuple[Region, ...]) -> Clip:
    region = TissueRegion(Box(0, 0, _COLUMNS, _ROWS), Spacing(_MM, _MM))
    times = tuple(frame / _RATE for frame in range(len(picture))) if len(picture) > 1 else None
    return Clip(_UID, _UID, ArrayFrames(picture), (region,), times, drawn=drawn)


def _image(picture: np.ndarray) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.Modality = UltrasoundImageStorage, "US"
    dataset.StudyInstanceUID = dataset.SeriesInstanceUID = dataset.SOPInstanceUID = _UID
    dataset.SeriesDescription, dataset.PatientAge, dataset.PatientSex = "biceps left transverse", "050Y", "F"
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = _ROWS, _COLUMNS, 1
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation, dataset.PhotometricInterpretation = 7, 0, "MONOCHROME2"
    part = Dataset()
    part.RegionSpatialFormat, part.RegionDataType, part.RegionFlags = 1, 1, 0
    part.RegionLocationMinX0 = part.RegionLocationMinY0 = 0
    part.RegionLocationMaxX1, part.RegionLocationMaxY1 = _COLUMNS - 1, _ROWS - 1
    part.PhysicalUnitsXDirection = part.PhysicalUnitsYDirection = 3
    part.PhysicalDeltaX = part.PhysicalDeltaY = _MM / 10
    dataset.SequenceOfUltrasoundRegions = DicomSequence([part])
    dataset.PixelData = picture.tobytes()
    return dataset


rehearse()
