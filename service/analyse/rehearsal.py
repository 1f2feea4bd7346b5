"""One small exam, read and analysed when the fork server has nothing else to do, so that every child starts warm.

Catalogues are compiled, networks opened and libraries' own tables made when they are first needed; without this each
child would do that anew. The networks' sessions use no threads of their own, so children inherit them whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import (
    ExplicitVRLittleEndian,
    GrayscaleSoftcopyPresentationStateStorage,
    UltrasoundImageStorage,
)

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
    Result,
    Side,
    Spacing,
    TissueRegion,
    View,
)
from service.analyse.exam import read_exam

STILL, MOVING = "2.25.1", "2.25.2"
"""SOP Instance UIDs, and the names of files."""
_SERIES = "2.25.3"
_ROWS, _COLUMNS, _FRAMES, _RATE = 480, 640, 40, 16
"""The picture that most scanners give: children practise on it, and touch as much memory as they will then use."""
_MM = 0.075
_PATCH, _TWITCH = (slice(200, 280), slice(260, 380)), (1, 3, 5, 6, 5, 3, 1)
"""Rows and columns that move once, and by how many pixels in the frames that show it."""


def _cine() -> np.ndarray:
    """Speckle that is still but for one twitch, shape (frames, rows, columns)."""
    random = np.random.default_rng(0)
    noise = random.normal(0, 160, (_ROWS, _COLUMNS)).astype(np.float32)
    still = np.clip(60 + cv2.GaussianBlur(noise, (0, 0), 1.6), 0, 250).astype(np.uint8)
    frames: np.ndarray = still + random.integers(0, 4, (_FRAMES, _ROWS, _COLUMNS), np.uint8)  # no two alike
    for number, pixels in enumerate(_TWITCH, _FRAMES // 2):
        frames[number][_PATCH] = np.roll(still, pixels, axis=0)[_PATCH]
    return frames


_PICTURES = _cine()


def rehearse(folder: Path, _before: object = ()) -> tuple[Result, ...]:
    """Read an image and analyse muscles, a nerve and a short clip, all of noise; what comes of it is for a report."""
    read_exam(_written(folder), ())
    return (*_of(_drawn()), *_of(_moving()), *_of(_bare()), *_of(_nerve()))


def practise(folder: Path, _before: object = ()) -> tuple[Result, ...]:
    """The same for one child, without what costs it the same each time."""
    read_exam(_written(folder), ())
    return (*_of(_drawn()), *_of(_moving(), but=("echogenicity",)))


def _of(acquisition: Acquisition, but: tuple[str, ...] = ()) -> Iterator[Result]:
    """What plugins find, without some."""
    for plugin in BUILTIN:
        if plugin.name not in but and plugin.declines(acquisition) is None:
            outcomes = plugin.analyse(acquisition, NoReferences())
            yield Result(plugin.name, plugin.version, acquisition, tuple(outcomes))


def _written(folder: Path) -> list[str]:
    """A still and a clip, whose headers reports are made from, and a contour in the still."""
    still, moving, marks = folder / STILL, folder / MOVING, folder / "marks"
    _image(_PICTURES[0], STILL).save_as(still, enforce_file_format=True)
    _image(_PICTURES[0], MOVING).save_as(moving, enforce_file_format=True)
    _contour().save_as(marks, enforce_file_format=True)
    return [str(still), str(marks)]


def _drawn() -> Acquisition:
    corners = ((180, 240), (460, 240), (320, 160), (320, 320))
    return _still("biceps_brachii", Region(RegionShape.ELLIPSE, corners, RegionOrigin.PRESENTATION_STATE))


def _bare() -> Acquisition:
    return _still("biceps_brachii")


def _nerve() -> Acquisition:
    return _still("median_nerve", Region(RegionShape.BOX, ((240, 180), (400, 300)), RegionOrigin.PRESENTATION_STATE))


def _still(structure: str, *drawn: Region) -> Acquisition:
    return Acquisition(structure, Side.LEFT, None, View.TRANSVERSE, (_clip(_PICTURES[:1], drawn, STILL),))


def _moving() -> Acquisition:
    return Acquisition("biceps_brachii", Side.LEFT, None, View.TRANSVERSE, (_clip(_PICTURES, (), MOVING),))


def _clip(picture: np.ndarray, drawn: tuple[Region, ...], uid: str) -> Clip:
    region = TissueRegion(Box(0, 0, _COLUMNS, _ROWS), Spacing(_MM, _MM))
    times = tuple(frame / _RATE for frame in range(len(picture))) if len(picture) > 1 else None
    return Clip(uid, _SERIES, ArrayFrames(picture), (region,), times, drawn=drawn)


def _object(sop_class: str, uid: str, modality: str) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.Modality = sop_class, uid, modality
    dataset.StudyInstanceUID = dataset.SeriesInstanceUID = _SERIES
    return dataset


def _contour() -> Dataset:
    """A presentation state with a closed line in the still, as viewers store what was drawn."""
    dataset = _object(GrayscaleSoftcopyPresentationStateStorage, "2.25.4", "PR")
    dataset.ContentLabel = "MARKS"
    image, series, line, marked = Dataset(), Dataset(), Dataset(), Dataset()
    image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = UltrasoundImageStorage, STILL
    series.SeriesInstanceUID, series.ReferencedImageSequence = _SERIES, DicomSequence([image])
    dataset.ReferencedSeriesSequence = DicomSequence([series])
    line.GraphicAnnotationUnits, line.GraphicType, line.GraphicFilled = "PIXEL", "POLYLINE", "N"
    line.GraphicDimensions, line.NumberOfGraphicPoints = 2, 5
    line.GraphicData = [180.0, 160.0, 460.0, 160.0, 460.0, 320.0, 180.0, 320.0, 180.0, 160.0]
    marked.GraphicLayer, marked.ReferencedImageSequence = "MARKS", DicomSequence([image])
    marked.GraphicObjectSequence = DicomSequence([line])
    dataset.GraphicAnnotationSequence = DicomSequence([marked])
    return dataset


def _image(picture: np.ndarray, uid: str) -> Dataset:
    dataset = _object(UltrasoundImageStorage, uid, "US")
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
