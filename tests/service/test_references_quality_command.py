"""``nmus references qc`` on DICOM images of a phantom: what is measured, kept once, and how true millimetres are."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence

from reference_store.quality import QualityLog
from service.commands import references
from service.errors import Misconfigured

SIZE, MM = 300, 0.1


def nmus(capsys, *words: object) -> tuple[int, object]:
    """Run one command with --json: its status and what it printed."""
    parser = argparse.ArgumentParser()
    references.add_parser(parser.add_subparsers(dest="command"))
    status = references.run(parser.parse_args(["references", *map(str, words), "--json"]))
    return status, json.loads(capsys.readouterr().out)


def _picture(*targets: tuple[float, float, float, float]) -> np.ndarray:
    """Speckle of mean 90 with discs: row, column, diameter in mm, grey level."""
    rng = np.random.default_rng(1)
    grey = 90 + rng.normal(0, 6, (SIZE, SIZE))
    rows, columns = np.indices(grey.shape)
    for row, column, diameter, level in targets:
        inside = np.hypot(rows - row, columns - column) * MM <= diameter / 2
        grey[inside] = level + rng.normal(0, 3, int(inside.sum()))
    return np.clip(grey, 0, 255).astype(np.uint8)


@pytest.fixture
def phantom(tmp_path: Path, an_image):
    """Writes an image of a phantom and says where it is."""

    def make(name: str = "phantom.dcm", grey: np.ndarray | None = None, **changes: object) -> Path:
        region = Dataset()
        region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 1, 0
        region.RegionLocationMinX0 = region.RegionLocationMinY0 = 0
        region.RegionLocationMaxX1 = region.RegionLocationMaxY1 = SIZE - 1
        region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
        region.PhysicalDeltaX = region.PhysicalDeltaY = MM / 10
        facts = {
            "Manufacturer": "EXAMPLE", "ManufacturerModelName": "SYNTH-1", "SoftwareVersions": "1.0",
            "StudyDate": "20260105", "SequenceOfUltrasoundRegions": Sequence([region]),
            "PixelData": (_picture() if grey is None else grey).tobytes(), **changes,
        }  # fmt: skip
        path = tmp_path / name
        an_image(size=SIZE, **facts).save_as(path, enforce_file_format=True)
        return path

    return make


def test_an_image_is_measured_on_its_own_day_and_kept_once(capsys, tmp_path, phantom):
    folder, path = tmp_path / "store", phantom()
    status, [first] = nmus(capsys, "qc", "measure", path, "--folder", folder)
    assert status == 0 and first["kept"] and first["on"] == "2026-01-05" and first["mean"] == pytest.approx(90, abs=1)
    _, [again] = nmus(capsys, "qc", "measure", path, "--folder", folder)
    assert not again["kept"] and again["mean"] == first["mean"]
    [[row]] = QualityLog(folder).phantoms().values()
    assert row.on == "2026-01-05"


def test_one_bad_file_keeps_nothing(capsys, tmp_path, phantom):
    folder, bad = tmp_path / "store", tmp_path / "bad.dcm"
    bad.write_bytes(b"nothing")
    nameless = phantom("nameless.dcm", ManufacturerModelName=None)
    for broken in (bad, phantom("uncalibrated.dcm", SequenceOfUltrasoundRegions=None), nameless):
        with pytest.raises(Misconfigured, match=f"{broken.name}.*nothing was kept"):
            nmus(capsys, "qc", "measure", phantom(), broken, "--folder", folder)
        capsys.readouterr()
    assert not (folder / "phantom.jsonl").exists()


@pytest.mark.parametrize("level", [20, 220])
def test_a_distance_of_two_targets_is_that_of_their_centres(capsys, phantom, level):
    """20 mm down and 5 mm across: 20.6 mm."""
    path = phantom(grey=_picture((50, 100, 3.0, level), (250, 150, 3.0, level)))
    ask = ("qc", "distance", path, "--target", "55,97", "--target", "246,152", "--true-mm")
    status, facts = nmus(capsys, *ask, 20.616)
    assert status == 0 and facts["apart_mm"] == pytest.approx(20.616, abs=0.1)
    status, facts = nmus(capsys, *ask, 20.0)
    assert status == 1 and facts["errors"]["apart_mm"] == pytest.approx(0.031, abs=0.005)


def test_the_size_of_a_target_is_taken_at_half_contrast(capsys, phantom):
    path = phantom(grey=_picture((150, 150, 3.0, 10)))
    status, facts = nmus(capsys, "qc", "distance", path, "--target", "145,155", "--true-mm", 3)
    assert status == 0
    assert (facts["height_mm"], facts["width_mm"]) == pytest.approx((3.0, 3.0), abs=0.15)


@pytest.mark.parametrize("place", ["20,150", "290,290"])
def test_nothing_is_measured_where_nothing_stands_out(capsys, phantom, place):
    with pytest.raises(Misconfigured, match=r"stands out|outside"):
        nmus(capsys, "qc", "distance", phantom(), "--target", place, "--true-mm", 3)


def test_a_preset_can_be_attested_from_an_image(capsys, tmp_path, phantom):
    common = ("--preset", "P", "--setting", "gain_dB=50", "--by", "A", "--folder", tmp_path / "store")
    _, facts = nmus(capsys, "attest", "--image", phantom(), *common)
    assert facts["model"] == "SYNTH-1"
    [event] = [json.loads(line) for line in (tmp_path / "store" / "events.jsonl").read_text().splitlines()]
    device = event["attestation"]["device"]
    assert device["software_versions"] == ["1.0"] and device["spacing_mm"] == pytest.approx([MM, MM])
    with pytest.raises(Misconfigured, match="names no manufacturer"):
        nmus(capsys, "attest", "--image", phantom(Manufacturer=None), *common)
