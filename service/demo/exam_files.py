"""The simulated exam as DICOM: US and US Multi-frame Image IODs with US Region Calibration (PS3.3 A.6, A.7, C.8.5)."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid5

import numpy as np
import simplejpeg
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
)

from plugins.images import Grey
from service.demo.simulator import Cine, Picture, frame_times_s, frames, still
from service.demo.simulator.tissue import Tissue

_NAMESPACE = UUID("8d3f9d04-6d0c-5f39-9b8e-0f6c4f4c6b57")


@dataclass(frozen=True, slots=True)
class Shot:
    """One file to be made."""

    file: str
    structure: str
    side: str
    view: str
    description: str
    tissue: Tissue
    picture: Picture = Picture()
    code: tuple[str, str] | None = None
    """Primary anatomic structure as (MDC value, meaning); ``None`` leaves it to the description."""
    site: str | None = None
    cine: Cine | None = None


def shot_dataset(shot: Shot, seed: int, number: int, study: str) -> Dataset:
    """One file, pixels included."""
    dataset = Dataset()
    dataset.SOPClassUID = UltrasoundMultiFrameImageStorage if shot.cine else UltrasoundImageStorage
    dataset.SOPInstanceUID = derived_uid(seed, shot.file)
    _patient_and_study(dataset, seed, study)
    _series(dataset, shot, seed, number)
    _equipment(dataset, shot)
    _calibration(dataset, shot.picture)
    if shot.cine:
        _moving_pixels(dataset, shot.cine)
    else:
        _still_pixels(dataset, still(shot.tissue, shot.picture, seed * 1000 + number))
    return dataset


def _patient_and_study(dataset: Dataset, seed: int, study: str) -> None:
    """Patient, Patient Study and General Study modules of an invented person."""
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = "NMUS^DEMO"
    dataset.PatientID = "NMUS-DEMO"
    dataset.PatientBirthDate = "19610402"
    dataset.PatientSex = "F"
    dataset.PatientAge = "064Y"
    dataset.PatientSize = "1.68"
    dataset.PatientWeight = "66"
    dataset.StudyInstanceUID = study
    dataset.StudyID = str(seed)
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = "20260105"
    dataset.StudyTime = "090000"
    dataset.AccessionNumber = f"DEMO{seed:06d}"[:16]
    dataset.ReferringPhysicianName = ""
    dataset.StudyDescription = "Neuromuscular ultrasound (simulated)"


def _series(dataset: Dataset, shot: Shot, seed: int, number: int) -> None:
    """General Series, General Image and anatomy."""
    dataset.Modality = "US"
    dataset.SeriesInstanceUID = derived_uid(seed, f"series {shot.description}")
    dataset.SeriesNumber = 1 + sum(map(ord, shot.description)) % 900
    dataset.SeriesDescription = shot.description
    dataset.Laterality = {"left": "L", "right": "R"}[shot.side]
    dataset.InstanceNumber = number
    dataset.SeriesTime = dataset.AcquisitionTime = dataset.ContentTime = f"0900{number:02d}"
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.PatientOrientation = ""
    view = {"transverse": ("62824007", "Transverse"), "longitudinal": ("38717003", "Longitudinal")}[shot.view]
    dataset.ViewCodeSequence = [_code(view[0], "SCT", view[1])]
    if shot.code:
        dataset.PrimaryAnatomicStructureSequence = [_code(shot.code[0], "MDC", shot.code[1])]
    if shot.site == "wrist":
        dataset.AnatomicRegionSequence = [_code("8205005", "SCT", "Wrist")]


def _equipment(dataset: Dataset, shot: Shot) -> None:
    """General Equipment and US Image: the simulator says what it is."""
    dataset.Manufacturer = "nmus simulator"
    dataset.ManufacturerModelName = "Simulated linear"
    dataset.DeviceSerialNumber = "SIM-1"
    dataset.SoftwareVersions = "1"
    dataset.StationName = "NMUS-SIM"
    dataset.TransducerData = "L9"
    dataset.TransducerType = "LINEAR"
    dataset.ProcessingFunction = "NERVE" if shot.structure == "median_nerve" else "MUSCLE"
    dataset.DepthOfScanField = round(shot.picture.depth_mm)
    dataset.LossyImageCompression = "01" if shot.cine else "00"


def _calibration(dataset: Dataset, picture: Picture) -> None:
    """One two-dimensional tissue region; deltas are in centimetres."""
    region = Dataset()
    region.RegionSpatialFormat = 1
    region.RegionDataType = 1
    region.RegionFlags = 0
    region.RegionLocationMinX0, region.RegionLocationMinY0 = picture.box.column0, picture.box.row0
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = picture.box.column1 - 1, picture.box.row1 - 1
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX = region.PhysicalDeltaY = picture.spacing_mm / 10
    region.TransducerFrequency = 9000
    dataset.SequenceOfUltrasoundRegions = [region]


def _pixel_form(dataset: Dataset, picture: Picture) -> None:
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = picture.rows, picture.columns
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelRepresentation = 0
    dataset.BurnedInAnnotation = "NO"


def _still_pixels(dataset: Dataset, picture: Grey) -> None:
    """Uncompressed."""
    _pixel_form(dataset, Picture(rows=picture.shape[0], columns=picture.shape[1]))
    dataset.PixelData = picture.tobytes()
    _meta(dataset, ExplicitVRLittleEndian)


def _moving_pixels(dataset: Dataset, cine: Cine) -> None:
    """JPEG baseline, one fragment a frame."""
    times = frame_times_s(cine)
    steps_ms = np.diff(times) * 1000
    _pixel_form(dataset, cine.picture)
    coded = [
        simplejpeg.encode_jpeg(np.ascontiguousarray(frame)[..., np.newaxis], quality=90, colorspace="GRAY")
        for frame in frames(cine)
    ]
    dataset.NumberOfFrames = len(coded)
    if np.ptp(steps_ms) < 1e-6:
        dataset.FrameIncrementPointer = 0x00181063
        dataset.FrameTime = f"{steps_ms[0]:.6g}"
    else:
        dataset.FrameIncrementPointer = 0x00181065
        dataset.FrameTimeVector = ["0", *(f"{step:.6g}" for step in steps_ms)]
    dataset.CineRate = dataset.RecommendedDisplayFrameRate = round(cine.frame_rate_hz)
    dataset.EffectiveDuration = f"{times[-1] + 1 / cine.frame_rate_hz:.6g}"
    dataset.LossyImageCompressionMethod = "ISO_10918_1"
    raw = cine.picture.rows * cine.picture.columns * len(coded)
    dataset.LossyImageCompressionRatio = f"{raw / sum(map(len, coded)):.4g}"
    dataset.PixelData = encapsulate(coded)
    dataset["PixelData"].is_undefined_length = True
    _meta(dataset, JPEGBaseline8Bit)


def _meta(dataset: Dataset, transfer_syntax: UID) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = transfer_syntax
    dataset.file_meta = meta


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def derived_uid(seed: int, what: str) -> str:
    """A UID that the same seed gives again (PS3.5 B.2)."""
    return f"2.25.{uuid5(_NAMESPACE, f'{seed} {what}').int}"
