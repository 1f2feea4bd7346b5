"""A DICOM copy of a picture or video file, so that a report about it has an image that it can refer to.

A PNG knows no patient, study or series; a report without an image that can be opened is of no use in a viewer. The
copy carries what is known (the grey levels that were measured, the calibration, the time base, the subject's age, sex
and size) and leaves the rest empty. It is written beside the report and never sent anywhere.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import simplejpeg
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
)

from plugins.contract import Clip, Subject
from service.report.identity import derived_uid
from service.report.source import NAME, VERSION, freeze
from service.report.values import Moment

_EMPTY = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
    "PatientOrientation",
    "Laterality",
)
_QUALITY = 95
_CENTIMETRES = 3
"""Physical Units (PS3.3 C.8.5.5.1.15)."""


def study_of(clips: list[Clip]) -> str:
    """A Study Instance UID for pictures that were given together; the same pictures always give the same."""
    return derived_uid("pictures", *sorted(clip.sop_instance_uid for clip in clips))


def picture_copy(clip: Clip, study_instance_uid: str, subject: Subject, moment: Moment, folder: Path) -> Path:
    """Write the copy; stills uncompressed, clips as JPEG (quality 95, Lossy Image Compression 01).

    Raises
    ------
    ValueError
        A video that does not say how many frames a second it holds has no time base that DICOM could state.
    """
    dataset = _identity(clip, study_instance_uid, subject)
    _calibration(dataset, clip)
    if clip.frames.count == 1:
        pixels = np.ascontiguousarray(clip.frames.grey(0)).tobytes()
        dataset.PixelData = pixels + b"\0" * (len(pixels) % 2)
        dataset["PixelData"].VR = "OB"
        syntax = ExplicitVRLittleEndian
    else:
        _moving(dataset, clip)
        syntax = JPEGBaseline8Bit
    freeze(dataset, moment.time)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    path = folder / f"image-{clip.sop_instance_uid.rpartition('.')[2]}.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path


def _identity(clip: Clip, study_instance_uid: str, subject: Subject) -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    for keyword in _EMPTY:
        setattr(dataset, keyword, "")
    dataset.PatientSex = subject.sex or ""
    if subject.age_years is not None:
        dataset.PatientAge = f"{int(subject.age_years):03}Y"
    if subject.height_cm is not None:
        dataset.PatientSize = f"{subject.height_cm / 100:.3f}"
    if subject.weight_kg is not None:
        dataset.PatientWeight = f"{subject.weight_kg:.2f}"
    moving = clip.frames.count > 1
    dataset.SOPClassUID = UltrasoundMultiFrameImageStorage if moving else UltrasoundImageStorage
    dataset.SOPInstanceUID, dataset.SeriesInstanceUID = clip.sop_instance_uid, clip.series_instance_uid
    dataset.StudyInstanceUID = study_instance_uid
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = "US", 1, 1
    dataset.Manufacturer, dataset.SoftwareVersions = NAME, VERSION
    dataset.ImageType = ["DERIVED", "PRIMARY"]
    dataset.DerivationDescription = "grey levels of a picture or video file"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = clip.frames.shape
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.LossyImageCompression = "01" if moving or clip.device.lossy else "00"
    return dataset


def _calibration(dataset: Dataset, clip: Clip) -> None:
    regions = []
    for one in clip.regions:
        if one.spacing is None:
            continue
        region = Dataset()
        region.RegionSpatialFormat = region.RegionDataType = 1
        region.RegionFlags = 0
        region.RegionLocationMinX0, region.RegionLocationMinY0 = one.box.column0, one.box.row0
        region.RegionLocationMaxX1, region.RegionLocationMaxY1 = one.box.column1 - 1, one.box.row1 - 1
        region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = _CENTIMETRES
        region.PhysicalDeltaX, region.PhysicalDeltaY = one.spacing.column_mm / 10, one.spacing.row_mm / 10
        regions.append(region)
    if regions:
        dataset.SequenceOfUltrasoundRegions = regions


def _moving(dataset: Dataset, clip: Clip) -> None:
    if not clip.frame_times_s:
        raise ValueError("the video does not say how many frames a second it holds")
    dataset.NumberOfFrames = clip.frames.count
    dataset.FrameTime = f"{1000 * clip.frame_times_s[1]:.6g}"
    dataset.FrameIncrementPointer = 0x00181063
    jpegs = [
        simplejpeg.encode_jpeg(np.ascontiguousarray(frame)[:, :, np.newaxis], quality=_QUALITY, colorspace="GRAY")
        for frame in clip.frames.stream()
    ]
    raw = clip.frames.shape[0] * clip.frames.shape[1] * len(jpegs)
    dataset.LossyImageCompressionMethod = "ISO_10918_1"
    dataset.LossyImageCompressionRatio = f"{raw / sum(map(len, jpegs)):.2f}"
    dataset.PixelData = encapsulate(jpegs)
