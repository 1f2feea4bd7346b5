"""One small exam, read and analysed when the fork server has nothing else to do, so that every child starts warm.

Catalogues are compiled, networks opened and libraries' own tables made when they are first needed; without this each
child would do that anew. The networks' sessions use no threads of their own, so children inherit them whole.
"""

from __future__ import annotations

import tempfile
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
_ROWS, _COLUMNS, _FRAMES, _RATE = 480, 640, 40, 25
"""The picture that most scanners give: children practise on it, and touch as much memory as they will then use."""
_MM = 0.075
_NOISE = np.random.default_rng(0).integers(20, 90, (_FRAMES, _ROWS, _COLUMNS), np.uint8)


def rehearse() -> None:
    """Read an image and analyse muscles, a nerve and a short clip, all of noise; what comes of it is thrown away."""
    with tempfile.TemporaryDirectory() as name:
        _read(Path(name))
    for acquisition in (_drawn(), _bare(), _nerve(), _moving()):
        _analyse(acquisition)


def practise(folder: Path) -> None:
    """The same for one child, without what costs it the same each time; by itself a tenth of a second."""
    _read(folder)
    for acquisition in (_drawn(), _moving()):
        _analyse(acquisition)


def _read(folder: Path) -> None:
    path = folder / "image"
    _image(_NOISE[0]).save_as(path, enforce_file_format=True)
    read_exam([str(path)], ())


def _analyse(acquisition: Acquisition) -> None:
    for plugin in BUILTIN:
        if plugin.declines(acquisition) is None:
            plugin.analyse(acquisition, NoReferences())


def _drawn() -> Acquisition:
    corners = ((180, 240), (460, 240), (320, 160), (320, 320))
    return _still("biceps_brachii", Region(RegionShape.ELLIPSE, corners, RegionOrigin.PRESENTATION_STATE))


def _bare() -> Acquisition:
    return _still("biceps_brachii")


def _nerve() -> Acquisition:
    return _still("median_nerve", Region(RegionShape.BOX, ((240, 180), (400, 300)), RegionOrigin.PRESENTATION_STATE))


def _still(structure: str, *drawn: Region) -> Acquisition:
    return Acquisition(structure, Side.LEFT, None, View.TRANSVERSE, (_clip(_NOISE[:1], drawn),))


def _moving() -> Acquisition:
    return Acquisition("biceps_brachii", Side.LEFT, None, View.TRANSVERSE, (_clip(_NOISE, ()),))


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
