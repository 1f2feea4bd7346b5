"""A report comes back as values, and a later report names it, coded, with the change."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from plugins.change import SinceLast
from plugins.codes import AREA, ECHOGENICITY, MEAN
from plugins.contract import (
    Acquisition,
    ArrayFrames,
    Clip,
    Conclusion,
    Device,
    Earlier,
    Finding,
    FrameRef,
    Measurement,
    NoReferences,
    Result,
    Scope,
    Side,
    View,
)
from service.config import Archive, Priors, Settings
from service.looking_back import LookingBack
from service.priors.asking import Patient
from service.priors.looking import _from
from service.priors.reading import device_of, earlier
from service.report.assemble import reports
from service.report.comparisons import settings_text
from service.report.values import Content, Making, Moment, Plan

OUTLINE = ((20.0, 30.0), (120.0, 30.0), (120.0, 90.0), (20.0, 90.0), (20.0, 30.0))
DEVICE = Device("Acme", "Sono 5", "SN1", (), None, "L12-5", None, "Muscle", 40.0, None, False)


def source(folder: Path, study: str, day: str, **changes: str) -> Path:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.6.1", f"{study}.1.1"
    dataset.file_meta.MediaStorageSOPClassUID, dataset.file_meta.MediaStorageSOPInstanceUID = (
        dataset.SOPClassUID,
        dataset.SOPInstanceUID,
    )
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.Modality = study, f"{study}.1", "US"
    dataset.PatientName, dataset.PatientID, dataset.PatientSex, dataset.PatientBirthDate = (
        "Canary^Carla",
        "CANARY-17",
        "F",
        "19600401",
    )
    dataset.StudyDate, dataset.StudyTime, dataset.Rows, dataset.Columns = day, "090000", 120, 160
    dataset.AccessionNumber = dataset.StudyID = ""
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    path = folder / f"{study}.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path


def result(study: str, *, area: float = 12.1, device: Device = DEVICE, version: str = "0.1.0") -> Result:
    uid = f"{study}.1.1"
    clip = Clip(uid, f"{study}.1", ArrayFrames(np.full((120, 160), 90, np.uint8)), device=device)
    acquisition = Acquisition("median_nerve", Side.LEFT, "wrist", View.TRANSVERSE, (clip,))
    measurements = (
        Measurement("area", AREA, area, "mm2"),
        Measurement("echo_intensity_mean", ECHOGENICITY, 60.5, "[arb'U]", MEAN),
    )
    single = Finding(FrameRef(uid), OUTLINE, (replace(measurements[0], value=99.0),))
    whole = Finding(FrameRef(uid), OUTLINE, measurements, Scope.ACQUISITION, (FrameRef(uid),))
    return Result("nerve_area", version, acquisition, (whole, single))


def write(folder: Path, study: str, day: str, results: tuple[Result, ...], conclusions=(), **changes: str) -> Path:
    path = source(folder, study, day, **changes)
    out = folder / f"{study}-out"
    out.mkdir()
    content = Content(study, results, tuple(conclusions), (), (), f"{study}")
    moment = Moment(datetime(2026, 1, 5, 9, 30, tzinfo=UTC), 1)
    (made,) = reports(content, {f"{study}.1.1": path}, Making(Plan(secondary_capture=False), moment, out))
    return out / made.file


@pytest.fixture
def before(tmp_path: Path) -> Dataset:
    return dcmread(write(tmp_path, "1.2.826.7", "20250705", (result("1.2.826.7", area=10.3),)))


def test_what_was_written_is_read_back(before) -> None:
    values = {one.code: one for one in earlier(before, date(2026, 1, 1))}
    area = values[AREA]
    assert (area.structure, area.side, area.site) == ("median_nerve", Side.LEFT, "wrist")
    assert (area.value, area.unit, area.days_ago) == (10.3, "mm2", 180.0)
    assert (area.plugin, area.plugin_version, area.maker) == ("nerve_area", "0.1.0", "nmus")
    assert area.device == DEVICE
    assert area.report is not None
    assert area.report.sop_instance_uid == before.SOPInstanceUID
    assert values[ECHOGENICITY].derivation == MEAN
    assert all(one.value != 99.0 for one in values.values()), "one image speaks although all of them were averaged"


def summarised(now: Result, *found: Earlier, detectable=()) -> dict[str, Conclusion]:
    made = SinceLast(detectable).summarise((now,), found, NoReferences())
    return {one.name: one for one in made}


def test_the_change_is_coded_with_the_earlier_report_as_evidence(before, tmp_path) -> None:
    now = result("1.2.826.8", area=12.1)
    detectable = [["area", "median_nerve", 1.5, "mm2", "own test and retest, n = 20"]]
    said = summarised(now, *earlier(before, date(2026, 1, 1)), detectable=detectable)
    assert "+1.8 mm²: more than the smallest detectable change of 1.5 mm²" in said["change"].text
    path = write(tmp_path, "1.2.826.8", "20260101", (now,), said.values())
    report = dcmread(path)
    changes = [one for one in _walk(report) if _name(one) == "NM-5111"]
    (area,) = [one for one in changes if "42798000" in _codes(one)]
    assert float(area.MeasuredValueSequence[0].NumericValue) == 1.8
    found = {_name(child): child for child in area.ContentSequence}
    assert float(found["42798000"].MeasuredValueSequence[0].NumericValue) == 10.3
    assert float(found["42798000"].ContentSequence[0].MeasuredValueSequence[0].NumericValue) == 180
    assert float(found["NM-5112"].MeasuredValueSequence[0].NumericValue) == 1.5
    assert found["122075"].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == before.SOPInstanceUID
    assert [_name(one) for one in report.ContentSequence].count("C0034375") == 1
    (other,) = report.PertinentOtherEvidenceSequence
    assert other.StudyInstanceUID == "1.2.826.7"
    assert other.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == before.SOPInstanceUID
    if shutil.which("dciodvfy"):
        done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, timeout=30, check=False)
        assert [line for line in done.stderr.splitlines() if line.startswith("Error")] == []
    # and what holds a change is no earlier value itself
    assert {one.value for one in earlier(report, date(2026, 6, 1)) if one.code == AREA} == {12.1}


def _walk(item: Dataset) -> Iterator[Dataset]:
    for child in item.get("ContentSequence", []):
        yield child
        yield from _walk(child)


def _name(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeValue) if "ConceptNameCodeSequence" in item else ""


def _codes(item: Dataset) -> set[str]:
    return {str(one.ConceptCodeSequence[0].CodeValue) for one in item.ContentSequence if "ConceptCodeSequence" in one}


def test_without_a_source_no_smallest_detectable_change_is_claimed(before) -> None:
    said = summarised(result("1.2.826.8"), *earlier(before, date(2026, 1, 1)))
    assert "Smallest detectable change not available" in said["change"].text
    assert all(change.detectable is None for change in said["change"].changes)


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (result("1.2.826.8", device=replace(DEVICE, model="Sono 6")), "model differ"),
        (result("1.2.826.8", device=replace(DEVICE, preset="Nerve")), "preset differ"),
        (result("1.2.826.8", device=replace(DEVICE, depth_mm=45.0)), "depth differ"),
        (result("1.2.826.8", device=replace(DEVICE, transducer=None)), "does not say its transducer"),
        (result("1.2.826.8", device=replace(DEVICE, serial_number="SN2")), "serial number differ"),
        (result("1.2.826.8", version="0.2.0"), "nerve_area 0.1.0, now it is nerve_area 0.2.0"),
    ],
)
def test_another_device_setting_or_program_is_refused_with_the_reason(before, now, why) -> None:
    said = summarised(now, *earlier(before, date(2026, 1, 1)))
    assert "change" not in said
    assert why in said["change_refused"].text
    assert "Remedy" in said["change_refused"].text


def test_a_vendors_value_is_named_and_not_subtracted(before) -> None:
    before.Manufacturer = "Acme"
    said = summarised(result("1.2.826.8"), *earlier(before, date(2026, 1, 1)))
    assert set(said) == {"change_refused"}
    assert "another program (Acme)" in said["change_refused"].text


def test_a_vendors_report_in_square_centimetres_and_old_codes_is_read(before) -> None:
    before.Manufacturer = "Acme"
    for item in _walk(before):
        if _name(item) == "42798000":
            name = item.ConceptNameCodeSequence[0]
            name.CodeValue, name.CodingSchemeDesignator = "G-D7FE", "SRT"
            item.MeasuredValueSequence[0].NumericValue = "0.103"
            item.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue = "cm2"
    (area,) = [one for one in earlier(before, date(2026, 1, 1)) if one.code == AREA]
    assert (area.value, area.unit) == (pytest.approx(10.3), "mm2")


def test_the_other_side_and_another_site_are_no_earlier_value(before) -> None:
    now = result("1.2.826.8")
    for changed in ({"side": Side.RIGHT}, {"site": "forearm"}, {"structure": "ulnar_nerve"}, {"side": Side.UNKNOWN}):
        other = replace(now, acquisition=replace(now.acquisition, **changed))
        assert summarised(other, *earlier(before, date(2026, 1, 1))) == {}


class Giving:
    """A source that gives what it is told."""

    name = "there"

    def __init__(self, *given: Dataset) -> None:
        self.given = given

    def reports(self, patient: Patient, most: int) -> Iterator[Dataset]:
        yield from self.given


def header(**changes: str) -> Dataset:
    dataset = Dataset()
    values = {"PatientID": "CANARY-17", "PatientBirthDate": "19600401", "PatientSex": "F", "StudyDate": "20260101",
              "StudyInstanceUID": "1.2.826.8"}  # fmt: skip
    for keyword, value in (values | changes).items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"PatientBirthDate": "19600402"}, "birth date"),
        ({"PatientSex": "M"}, "sex"),
        ({"PatientID": "X"}, "Patient ID"),
    ],
)
def test_a_report_of_somebody_else_is_left_out(before, changes, why) -> None:
    values, said = _from(header(**changes), [Giving(before)])
    assert values == ()
    assert f"its {why} is another" in said[0]
    assert "CANARY" not in " ".join(said)


def test_of_a_series_the_last_report_counts_and_the_study_itself_and_later_ones_never(before, tmp_path) -> None:
    newer = dcmread(write(tmp_path, "1.2.826.9", "20250705", (result("1.2.826.9", area=10.9),)))
    newer.SeriesInstanceUID, newer.StudyInstanceUID, newer.InstanceNumber = (
        before.SeriesInstanceUID,
        before.StudyInstanceUID,
        2,
    )
    values, said = _from(header(), [Giving(newer, before)])
    assert {one.value for one in values if one.code == AREA} == {10.9}
    assert said == ()
    assert _from(header(StudyInstanceUID="1.2.826.7"), [Giving(before)]) == ((), ())
    assert _from(header(StudyDate="20250101"), [Giving(before)]) == ((), ())


def test_an_archive_that_never_answers_holds_the_report_up_by_the_limit_only(tmp_path) -> None:
    path = source(tmp_path, "1.2.826.8", "20260101")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        archive = Archive(name="pacs", ae_title="PACS", host="127.0.0.1", port=port)
        settings = Settings(archive=(archive,), priors=Priors(ask=("pacs",), time_limit_seconds=1.5))
        values, (said,) = LookingBack([str(path)], settings, tmp_path, lambda: True).found()
    assert values == ()
    assert not said.evaluable
    assert said.text.startswith("Not looked at: no answer within 1.5 s from pacs")


def test_nobody_is_asked_unless_the_site_says_so(tmp_path) -> None:
    assert LookingBack([], Settings(), tmp_path, lambda: True).found() == ((), ())


WORDS = st.text(st.characters(codec="utf-8", exclude_characters=";:\r\n"), min_size=1).map(str.strip).filter(bool)


@given(
    texts=st.lists(st.none() | WORDS, min_size=4, max_size=4),
    depth=st.none() | st.floats(min_value=1, max_value=400).map(lambda value: round(value, 1)),
    lossy=st.none() | st.booleans(),
)
def test_device_settings_come_back(texts, depth, lossy) -> None:
    device = Device(texts[0], texts[1], None, (), None, texts[2], None, texts[3], depth, None, lossy)
    assert device_of(settings_text(device)) == device
