"""A study out for research: nothing that identifies in any byte, pixels included, and what is of use still there."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as table
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from service.errors import Unanalysable
from service.export.header import clean
from service.export.pseudonyms import Pseudonyms
from service.export.residue import pattern
from service.export.study import Residue, export
from service.receive.archive import Archive
from service.receive.intake import Intake

STUDY = "1.2.840.99999.3"
CANARIES = ("CANARY", "Canary", "Carla", "ACC-4711", "19500102", "St. Canary", "Dr^Who", "SN-0815", STUDY)
NOW = 1_700_000_000.0


def region(left: int, top: int, right: int, bottom: int) -> Dataset:
    item = Dataset()
    item.RegionLocationMinX0, item.RegionLocationMinY0 = left, top
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = right, bottom
    item.RegionSpatialFormat = item.RegionDataType = 1
    return item


def scan(an_image, number: int = 1, size: int = 64, **changes: object) -> Dataset:
    """An ultrasound image with a banner burned in above its region, and names everywhere."""
    pixels = np.full((size, size), 80, np.uint8)
    pixels[: size // 4] = 255  # the banner
    facts: dict[str, object] = {
        "SOPInstanceUID": f"{STUDY}.1.{number}",
        "PatientBirthDate": "19500102",
        "PatientSex": "F",
        "PatientAge": "093Y",
        "PatientWeight": "61",
        "AccessionNumber": "ACC-4711",
        "StudyDate": "20240229",
        "AcquisitionDateTime": "20240229101112.5",
        "InstitutionName": "St. Canary",
        "ReferringPhysicianName": "Dr^Who",
        "SeriesDescription": "biceps of Carla Canary",
        "ImageComments": "CANARY was nervous",
        "DeviceSerialNumber": "SN-0815",
        "Manufacturer": "ACME",
        "SequenceOfUltrasoundRegions": Sequence([region(0, size // 4, size - 1, size - 1)]),
        "PixelData": pixels.tobytes(),
    }
    dataset = an_image(study=STUDY, size=size, **facts | changes)
    dataset.add_new(0x00090010, "LO", "CANARY PRIVATE")
    dataset.add_new(0x00091001, "LO", "Carla Canary")
    dataset.add_new(0x60003000, "OW", b"\1\2")
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


@pytest.fixture
def saved(tmp_path, an_image):
    def save(number: int = 1, **changes: object) -> Path:
        path = tmp_path / f"{number}.dcm"
        scan(an_image, number, **changes).save_as(path, enforce_file_format=True)
        return path

    return save


def exported(paths: list[Path], out: Path, **changes: object):
    findings = [{"sop_instance_uid": f"{STUDY}.1.1", "text": f"of {STUDY}.1.1, class 1.2.840.10008.5.1.4.1.1.6.1"}]
    return export(STUDY, paths, [], findings, out, **{"secret": b"s" * 32, "project": "p"} | changes)


def every_byte(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


def test_nothing_that_identifies_is_in_any_byte_and_the_measure_stays(saved, tmp_path) -> None:
    manifest = exported([saved(1), saved(2)], tmp_path / "out")
    everything = every_byte(tmp_path / "out")
    assert [one for one in CANARIES if one.encode() in everything] == []
    assert len(manifest.exported) == 2
    dataset = dcmread(tmp_path / "out" / manifest.exported[0].file)
    assert dataset.PatientID == str(dataset.PatientName) == manifest.patient
    assert (dataset.PatientSex, dataset.PatientAge, dataset.PatientWeight) == ("F", "090Y", 61)
    assert dataset.Manufacturer == "ACME"
    assert dataset.PatientIdentityRemoved == "YES"
    codes = {one.CodeValue for one in dataset.DeidentificationMethodCodeSequence}
    assert codes == {"113100", "113101", "113104", "113107", "113108"}
    assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
    assert dataset.SequenceOfUltrasoundRegions[0].RegionLocationMaxX1 == 63


def test_pixels_outside_the_regions_are_black_and_inside_untouched(saved, tmp_path) -> None:
    manifest = exported([saved()], tmp_path / "out")
    (one,) = manifest.exported
    assert one.kept_share == 0.75
    pixels = dcmread(tmp_path / "out" / one.file).pixel_array
    assert not pixels[:16].any()
    assert (pixels[16:] == 80).all()


def test_a_coloured_cine_is_cleaned_frame_by_frame(saved, tmp_path) -> None:
    frames = np.full((3, 64, 64, 3), 200, np.uint8)
    changes = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    cine = {"NumberOfFrames": 3, "PixelData": frames.tobytes()}
    (one,) = exported([saved(**changes, **cine)], tmp_path / "out").exported
    pixels = dcmread(tmp_path / "out" / one.file).pixel_array
    assert pixels.shape == (3, 64, 64, 3)
    assert not pixels[:, :16].any()
    assert (pixels[:, 16:] == 200).all()


@pytest.mark.parametrize("regions", [[], [region(0, 0, 63, 63)], [region(0, 0, 99, 99)]], ids=["none", "all", "more"])
def test_a_picture_that_does_not_say_where_the_tissue_lies_stays_unless_asked_for(saved, tmp_path, regions) -> None:
    unmarked = saved(2, SequenceOfUltrasoundRegions=Sequence(regions))
    with pytest.raises(Unanalysable, match="a name may be burned in"):
        exported([unmarked], tmp_path / "none")
    assert not (tmp_path / "none").exists()
    manifest = exported([saved(1), unmarked], tmp_path / "out")
    assert [len(manifest.exported), len(manifest.left_out)] == [1, 1]
    assert "accept-unmarked" in manifest.left_out[0].remedy
    assert len(exported([unmarked], tmp_path / "asked", accept_unmarked=True).exported) == 1


def test_uids_are_the_same_within_a_project_and_others_in_another(saved, tmp_path) -> None:
    path = saved()
    first, again = (exported([path], tmp_path / name) for name in ("a", "b"))
    other = exported([path], tmp_path / "c", project="q")
    assert first == again
    assert other.patient != first.patient
    assert other.exported[0].sop_instance_uid != first.exported[0].sop_instance_uid
    line = json.loads((tmp_path / "a" / "findings.jsonl").read_text())
    assert line["sop_instance_uid"] == first.exported[0].sop_instance_uid
    assert line["text"] == f"of {first.exported[0].sop_instance_uid}, class 1.2.840.10008.5.1.4.1.1.6.1"


@given(st.dates(), st.integers(0, 400), st.text())
def test_intervals_between_dates_stay_and_no_date_does(day, later, patient) -> None:
    names = Pseudonyms.of(b"s" * 32, "p", patient)
    if day < date(1900, 1, 1) or day > date(9000, 1, 1):
        return
    second = day + timedelta(days=later)
    moved = [names.date(one.strftime("%Y%m%d")) for one in (day, second)]
    gap = date.fromisoformat(moved[1]) - date.fromisoformat(moved[0])
    assert gap.days == later
    assert moved[0] != day.strftime("%Y%m%d")
    assert names.date(day.strftime("%Y%m%d") + "101112")[8:] == "101112"


@given(st.text(), st.text())
def test_a_uid_is_one_and_hides_the_first(first, second) -> None:
    names = Pseudonyms.of(b"s" * 32, "p", "x")
    made = names.uid("9" + first)
    assert made.startswith("2.25.")
    assert len(made) <= 64
    assert (made == names.uid("9" + second)) is (first == second)


TEXTS = {"LO": "CANARY", "SH": "CANARY", "LT": "CANARY", "ST": "CANARY", "UT": "CANARY", "PN": "CANARY", "UC": "CANARY"}


@pytest.mark.parametrize("category", ["X_TAGS", "Z_TAGS", "D_TAGS", "Z_D_TAGS", "X_D_TAGS", "X_Z_D_TAGS", "X_Z_TAGS"])
def test_no_value_of_the_standards_table_survives(category) -> None:
    dataset = Dataset()
    for listed in getattr(table, category):
        tag = Tag(listed[0], listed[1])
        if len(listed) == 2 and dictionary_has_tag(tag) and dictionary_VR(tag) in TEXTS:
            dataset.add_new(tag, dictionary_VR(tag), TEXTS[dictionary_VR(tag)])
    assert len(dataset) >= 3
    clean(dataset, Pseudonyms.of(b"s" * 32, "p", "x"))
    assert "CANARY" not in str(dataset)


def test_what_would_still_identify_stops_the_export(saved, tmp_path) -> None:
    path = saved(Manufacturer="Dr^Who Devices")
    with pytest.raises(Residue, match="identifying words"):
        exported([path], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("word", "there", "not_there"),
    [
        ("4711", b"ID4711,", b"0.4711 47110 14711 4711.5"),
        ("Long", b"Mrs Long.", b"Longitudinal long_axis Long_axis"),
        ("Canary", b"1Canary2", b"Canarys"),
        ("1.2.840.1", b"1.2.840.1.7", b"1.2.841"),
        ("CANARY-17", b"XCANARY-17X", b"CANARY-71"),
        ("Müller", "Dr Müller".encode(), "Möller".encode()),
    ],
)
def test_a_word_is_found_where_it_stands_for_itself(word, there, not_there) -> None:
    assert pattern(word).search(there)
    assert not pattern(word).search(not_there)


def test_a_patient_whose_name_is_a_word_of_the_codes_or_begins_the_pseudonym_can_be_exported(saved, tmp_path) -> None:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "103339001", "SCT", "Long axis of Long"
    path = saved(PatientName="Long^NMUS", PatientID="4711", ViewCodeSequence=Sequence([code]))
    export(STUDY, [path], [], [{"value": 0.4711, "name": "long_axis"}], tmp_path / "out", secret=b"s" * 32, project="p")
    other = Dataset()
    other.CodeValue, other.CodingSchemeDesignator, other.CodeMeaning = "1", "99ACME", "of Mrs Long"
    path = saved(2, PatientName="Long^Carla", ViewCodeSequence=Sequence([other]))
    with pytest.raises(Residue):
        exported([path], tmp_path / "again")


def test_every_form_of_uid_is_replaced_in_findings_and_a_version_is_none() -> None:
    names = Pseudonyms.of(b"s" * 32, "p", "x")
    uuid = "2.25.199286154133554048610344294280743092032"
    told = json.dumps(
        names.in_json(
            [{"sop_instance_uid": "1.2.3", "averaged_over": [uuid], "version": "0.1.0", "text": f"of {uuid}."}]
        )
    )
    assert uuid not in told and '"1.2.3"' not in told
    assert told.count(names.uid(uuid)) == 2 and names.uid("1.2.3") in told and '"0.1.0"' in told


def test_a_reports_texts_and_persons_go_and_its_numbers_stay() -> None:
    number, text, person = Dataset(), Dataset(), Dataset()
    number.ValueType, number.MeasuredValueSequence = "NUM", Sequence([Dataset()])
    number.MeasuredValueSequence[0].NumericValue = "12.5"
    text.ValueType, text.TextValue = "TEXT", "Carla Canary's biceps"
    person.ValueType, person.PersonName = "PNAME", "Dr^Who"
    report = Dataset()
    report.ContentSequence = Sequence([number, text, person])
    clean(report, Pseudonyms.of(b"s" * 32, "p", "x"))
    assert report.ContentSequence[0].MeasuredValueSequence[0].NumericValue == 12.5
    assert report.ContentSequence[1].TextValue == "removed"
    assert str(report.ContentSequence[2].PersonName).startswith("NMUS-")


def test_the_command_exports_what_the_service_received_and_puts_it_on_record(
    ledger, tmp_path, an_image, encode
) -> None:
    archive = Archive(tmp_path)
    intake = Intake(ledger, archive, clock=lambda: NOW)
    dataset = scan(an_image)
    incoming = archive.incoming(dataset.SOPClassUID, dataset.SOPInstanceUID, "1.2.840.10008.1.2.1", "US1")
    incoming.write(encode(dataset))
    intake.take(incoming, "US1", "192.0.2.7")
    settings = tmp_path / "nmus.toml"
    settings.write_text('[service]\ndata_folder = "."\n[audit]\nenabled = true\n')
    command = [
        sys.executable,
        "-m",
        "service",
        "export",
        STUDY,
        "--settings",
        str(settings),
        "--out",
        str(tmp_path / "out"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["patient"] in done.stdout
    assert [one for one in CANARIES if one.encode() in every_byte(tmp_path / "out")] == []
    (message,) = (tmp_path / "audit").glob("*.xml")
    assert "110106" in message.read_text()
    assert "CANARY-17" in message.read_text()
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert "nothing is overwritten" in again.stderr


def drawing(image: Dataset) -> Dataset:
    """A presentation state over an image, with names in every place that takes words."""
    state = Dataset()
    for keyword in ("StudyInstanceUID", "PatientID", "PatientName", "AccessionNumber", "InstitutionName"):
        setattr(state, keyword, image.get(keyword, ""))
    state.SOPClassUID, state.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.11.1", f"{STUDY}.9"
    state.SeriesInstanceUID, state.Modality = f"{STUDY}.8", "PR"
    state.ContentLabel, state.ContentDescription, state.ContentCreatorName = "CANARY", "Carla's nerve", "Canary^Carla"
    shown = Dataset()
    shown.ReferencedSOPClassUID, shown.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    line, text, group, layer, series = Dataset(), Dataset(), Dataset(), Dataset(), Dataset()
    line.GraphicAnnotationUnits, line.GraphicDimensions, line.NumberOfGraphicPoints = "PIXEL", 2, 3
    line.GraphicData, line.GraphicType, line.GraphicFilled = [10.5, 20.25, 30.0, 40.0, 10.5, 20.25], "POLYLINE", "N"
    text.UnformattedTextValue, text.AnchorPointAnnotationUnits = "Carla Canary, 3.2 cm", "PIXEL"
    group.ReferencedImageSequence, group.GraphicLayer = [shown], "CANARY LAYER"
    group.GraphicObjectSequence, group.TextObjectSequence = [line], [text]
    layer.GraphicLayer, layer.GraphicLayerOrder, layer.GraphicLayerDescription = "CANARY LAYER", 1, "of Dr^Who"
    series.SeriesInstanceUID, series.ReferencedImageSequence = image.SeriesInstanceUID, [shown]
    state.GraphicAnnotationSequence, state.GraphicLayerSequence = [group], [layer]
    state.ReferencedSeriesSequence = [series]
    state.file_meta = FileMetaDataset()
    state.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    state.file_meta.MediaStorageSOPClassUID, state.file_meta.MediaStorageSOPInstanceUID = (
        state.SOPClassUID,
        state.SOPInstanceUID,
    )
    return state


def test_a_drawing_goes_along_without_a_word_in_it(saved, tmp_path) -> None:
    image = saved()
    path = tmp_path / "drawing.dcm"
    drawing(dcmread(image)).save_as(path, enforce_file_format=True)
    manifest = exported([path, image], tmp_path / "out")
    assert manifest.left_out == ()
    assert [one for one in CANARIES if one.encode() in every_byte(tmp_path / "out")] == []
    state, shown = (dcmread(tmp_path / "out" / one.file) for one in manifest.exported)
    (group,) = state.GraphicAnnotationSequence
    (line,) = group.GraphicObjectSequence
    assert list(line.GraphicData) == [10.5, 20.25, 30.0, 40.0, 10.5, 20.25]
    assert group.ReferencedImageSequence[0].ReferencedSOPInstanceUID == shown.SOPInstanceUID
    assert group.GraphicLayer == state.GraphicLayerSequence[0].GraphicLayer == "LAYER1"
    assert "113103" in {one.CodeValue for one in state.DeidentificationMethodCodeSequence}
    assert "113103" not in {one.CodeValue for one in shown.DeidentificationMethodCodeSequence}


def test_a_drawing_without_an_image_is_no_export(saved, tmp_path) -> None:
    path = tmp_path / "drawing.dcm"
    drawing(dcmread(saved())).save_as(path, enforce_file_format=True)
    with pytest.raises(Unanalysable, match="nothing to export"):
        exported([path], tmp_path / "out")


def test_what_inflates_for_ever_is_left_out_and_not_opened(saved, tmp_path, monkeypatch) -> None:
    """A megabyte that holds a gigabyte, here with a smaller bound."""
    monkeypatch.setattr("service.export.study._INFLATED_BYTES", 1 << 20)
    bomb = tmp_path / "bomb.dcm"
    dataset = dcmread(saved(2))
    dataset.PixelData = bytes(32 << 20)
    dataset.Rows = dataset.Columns = 5792
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(bomb, enforce_file_format=True)
    assert bomb.stat().st_size < 1 << 17
    tracemalloc.start()
    manifest = exported([saved(1), bomb], tmp_path / "out")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [one.reason for one in manifest.left_out] == ["cannot be opened (InflatesTooFar)"]
    assert peak < 12 << 20


def test_a_deflated_image_within_the_bound_goes_along(saved, tmp_path) -> None:
    path = tmp_path / "deflated.dcm"
    dataset = dcmread(saved())
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)
    (one,) = exported([path], tmp_path / "out").exported
    assert one.kept_share == 0.75
