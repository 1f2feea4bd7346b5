"""Makers of DICOM files with defaults, so that a test names only what matters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, AllTransferSyntaxes, ExplicitVRLittleEndian, generate_uid

Make = Callable[..., Dataset]


def region(**values: Any) -> Dataset:
    item = Dataset()
    given = {
        "RegionSpatialFormat": 1,
        "RegionDataType": 1,
        "RegionFlags": 0,
        "RegionLocationMinX0": 0,
        "RegionLocationMinY0": 0,
        "RegionLocationMaxX1": 63,
        "RegionLocationMaxY1": 47,
        "PhysicalUnitsXDirection": 3,
        "PhysicalUnitsYDirection": 3,
        "PhysicalDeltaX": 0.01,
        "PhysicalDeltaY": 0.02,
        **values,
    }
    for keyword, value in given.items():
        setattr(item, keyword, value)
    return item


@pytest.fixture
def make_region() -> Make:
    return region


@pytest.fixture
def make_dataset() -> Make:
    def make(pixels: np.ndarray | None = None, syntax: str = ExplicitVRLittleEndian, **values: Any) -> Dataset:
        """An ultrasound image of (frames, rows, columns[, 3]); grey speckle of 48 rows by 64 columns by default."""
        if pixels is None:
            pixels = np.random.default_rng(7).integers(0, 256, (1, 48, 64), dtype=np.uint8)
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.3.1"
        given = {
            "SOPClassUID": "1.2.840.10008.5.1.4.1.1.3.1",
            "SOPInstanceUID": generate_uid(),
            "StudyInstanceUID": "1.2.3",
            "SeriesInstanceUID": "1.2.3.4",
            "Modality": "US",
            "Rows": pixels.shape[1],
            "Columns": pixels.shape[2],
            "NumberOfFrames": pixels.shape[0],
            "SamplesPerPixel": 3 if pixels.ndim == 4 else 1,
            "BitsAllocated": 8,
            "BitsStored": 8,
            "HighBit": 7,
            "PixelRepresentation": 0,
            "PhotometricInterpretation": "RGB" if pixels.ndim == 4 else "MONOCHROME2",
            "PixelData": pixels.tobytes(),
            **values,
        }
        if pixels.ndim == 4:
            dataset.PlanarConfiguration = 0
        dataset.file_meta.MediaStorageSOPInstanceUID = given["SOPInstanceUID"]
        for keyword, value in given.items():
            if value is not None:
                setattr(dataset, keyword, value)
        return dataset

    return make


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    def write(dataset: Dataset, name: str = "image.dcm", frames: list[bytes] | None = None) -> Path:
        if frames is not None:
            dataset.PixelData = encapsulate(frames)
            dataset["PixelData"].is_undefined_length = True
        path = tmp_path / name
        syntax = UID(dataset.file_meta.TransferSyntaxUID)
        forced = {"implicit_vr": False, "little_endian": True}  # pydicom cannot know how others are written
        dataset.save_as(path, enforce_file_format=True, **({} if syntax in AllTransferSyntaxes else forced))
        return path

    return write
