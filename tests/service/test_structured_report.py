"""The report holds what was found, compared, doubted and not assessed; viewers and validators can read it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from plugins.codes import ECHOGENICITY, MEAN, STANDARD_DEVIATION, THICKNESS
from plugins.contract import (
    Acquisition,
    Action,
    ArrayFrames,
    Clip,
    Comparison,
    Conclusion,
    Event,
    Finding,
    Flag,
    FrameRef,
    Measurement,
    NotAssessable,
    ReasonCode,
    Refusal,
    RefusalCode,
    Result,
    Scope,
    Side,
    View,
)
from service.report.assemble import reports
from service.report.measurement_groups import dense
from service.report.values import Content, Making, Moment, Plan, Previous, Unread
from service.report.values import ReasonCode as _ReasonCode

NOW = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
CINE = Path(get_testdata_file("examples_ybr_color.dcm"))
OUTLINE = ((100.0, 60.0), (300.0, 60.0), (300.0, 200.0), (100.0, 200.0), (100.0, 60.0))


@pytest.fixture(scope="module")
def cine():
    return dcmread(CINE, stop_before_pixels=True)


@pytest.fixture
def acquisition(cine):
    clip = Clip(cine.SOPInstanceUID, cine.SeriesInstanceUID, ArrayFrames(np.zeros((240, 320), np.uint8)))
    return Acquisition("biceps_brachii", Side.LEFT, None, View.TRANSVERSE, (clip,))


def finding(cine, **fields):
    compared = Comparison(
        "biceps", "1.0.0", "abc", "synthetic-test", "invented, n=120", z=2.4, percentile=99.2, expected=60.0, sd=8.0,
        upper_limit=76.0, limits="mean + 2 SD", outside="above",
    )  # fmt: skip
    known = {
        "image": FrameRef(cine.SOPInstanceUID, 4),
        "outline": OUTLINE,
        "measurements": (
            Measurement(
                "echo_intensity_mean", ECHOGENICITY, 79.2, "[arb'U]", MEAN,
                definition="mean of all pixels, black ones included", comparison=compared,
            ),
            Measurement(
                "thickness", THICKNESS, 14.0, "mm",
                comparison=Refusal(RefusalCode.NO_REFERENCE, "no reference.", "collect one."),
            ),
        ),
        "scope": Scope.ACQUISITION,
        "region_origin": "found in the image",
        "flags": (Flag("few-images", Action.WARN, "Fewer than three images were averaged."),),
        "events": (
            Event("fasciculation", 0.3, 0.2, 9, (150.0, 100.0)),
            Event("jerk", 1, 1, 20, (1, 1), accepted=False),
        ),
    }  # fmt: skip
    return Finding(**{**known, **fields})


@pytest.fixture
def content(cine, acquisition):
    unassessed = NotAssessable(
        ReasonCode.MOTION, "motion hides the answer", "scan again", FrameRef(cine.SOPInstanceUID)
    )
    return Content(
        cine.StudyInstanceUID,
        (Result("echogenicity", "0.1.0", acquisition, (finding(cine), unassessed)),),
        (
            Conclusion(
                "sides", "Left and right", "left 79, right not examined", evidence=(FrameRef(cine.SOPInstanceUID),)
            ),
        ),
        (Unread("1.2.3.4", cine.SeriesInstanceUID, _ReasonCode.UNREADABLE, "no pixels", "send it again"),),
        (("echogenicity", ("rule=ImageJ",)),),
        fingerprint="f",
    )


PLAN = Plan()


def _make(content, folder, *, plan=PLAN, previous=(), generation=1):
    folder.mkdir(exist_ok=True)
    making = Making(plan, Moment(NOW, generation), folder, tuple(previous))
    return reports(content, {str(content.results[0].acquisition.clips[0].sop_instance_uid): CINE}, making)


def _sr(content, folder, **fields):
    fields["plan"] = replace(fields.get("plan", Plan()), secondary_capture=False)
    (made,) = _make(content, folder, **fields)
    return made, dcmread(folder / made.file)


def _walk(item):
    yield item
    for child in item.get("ContentSequence", []):
        yield from _walk(child)


def _texts(document):
    return [item.TextValue for item in _walk(document) if item.get("ValueType") == "TEXT"]


def test_numbers_sites_and_outlines_come_back(content, tmp_path):
    _, document = _sr(content, tmp_path)
    report = hd.sr.srread(tmp_path / next(tmp_path.glob("*.dcm")).name)
    (group,) = report.content.get_planar_roi_measurement_groups()
    assert group.finding_sites[0].topographical_modifier is None
    assert (group.finding_sites[0].value.value, group.finding_sites[0].value.scheme_designator) == ("7:629", "MDC")
    values = {one.name.value: one.value for one in group.get_measurements()}
    assert values["110849"] == 79.2
    assert values["113071"] == 2.4
    assert values["59089-3"] == 14.0
    region = group.roi
    assert region.graphic_type.value == "POLYLINE"
    assert (region.value[0] == region.value[-1]).all()
    assert len(region.value) >= 8
    assert document.VerificationFlag == "UNVERIFIED"
    assert document.ContentQualification == "RESEARCH"


def test_comparison_stands_in_the_properties_and_its_source_is_named(content, tmp_path):
    _, document = _sr(content, tmp_path)
    numbers = {
        item.ConceptNameCodeSequence[0].CodeValue: float(item.MeasuredValueSequence[0].NumericValue)
        for item in _walk(document)
        if item.get("ValueType") == "NUM" and item.get("RelationshipType") == "HAS PROPERTIES"
    }
    assert numbers == {"121416": 2.4, "121415": 99.2, "373098007": 60.0, "121414": 8.0, "371933006": 76.0}
    texts = " ".join(_texts(document))
    assert "invented, n=120" in texts
    assert "collect one" in texts


def test_a_number_says_how_it_was_computed(content, tmp_path):
    _, document = _sr(content, tmp_path)
    told = {
        item.ConceptNameCodeSequence[0].CodeValue: [
            (child.RelationshipType, child.ConceptNameCodeSequence[0].CodeMeaning, child.TextValue)
            for child in item.get("ContentSequence", [])
            if child.ValueType == "TEXT" and child.RelationshipType == "INFERRED FROM"
        ]
        for item in _walk(document)
        if item.get("ValueType") == "NUM" and item.RelationshipType == "CONTAINS"
    }
    assert told["110849"] == [("INFERRED FROM", "Equation", "mean of all pixels, black ones included")]
    assert not any(told[other] for other in told if other != "110849")


def test_doubts_and_what_was_not_assessed_are_told(content, tmp_path):
    _, document = _sr(content, tmp_path)
    texts = " ".join(_texts(document))
    for words in ("Fewer than three images", "motion hides the answer", "scan again", "no pixels", "left 79"):
        assert words in texts


def test_only_accepted_events_are_referenced_and_frames_count_from_one(content, tmp_path):
    _, document = _sr(content, tmp_path)
    (illustration,) = [
        item
        for item in _walk(document)
        if item.get("ValueType") == "IMAGE" and item.ConceptNameCodeSequence[0].CodeValue == "121200"
    ]
    assert illustration.ReferencedSOPSequence[0].ReferencedFrameNumber == 10


def test_every_group_has_an_outline_and_no_viewer_tag(content, tmp_path):
    _, document = _sr(content, tmp_path)
    groups = [
        item
        for item in _walk(document)
        if item.get("ValueType") == "CONTAINER" and item.ConceptNameCodeSequence[0].CodeValue == "125007"
    ]
    assert groups
    for one in groups:
        assert any(child.ValueType == "SCOORD" for child in one.ContentSequence)
        tracking = next(c for c in one.ContentSequence if c.ConceptNameCodeSequence[0].CodeValue == "112039")
        assert "Cornerstone" not in tracking.TextValue


def test_the_same_work_gives_the_same_bytes(content, tmp_path):
    first, _ = _sr(content, tmp_path / "a")
    second, _ = _sr(content, tmp_path / "b")
    assert first == second
    assert (tmp_path / "a" / first.file).read_bytes() == (tmp_path / "b" / second.file).read_bytes()


def test_other_findings_make_another_object_that_names_its_predecessor(content, tmp_path):
    first, _ = _sr(content, tmp_path / "a")
    changed = replace(content, fingerprint="g")
    second, document = _sr(
        changed, tmp_path / "b", previous=[Previous(first.key, tmp_path / "a" / first.file)], generation=2
    )
    assert second.sop_instance_uid != first.sop_instance_uid
    assert second.series_instance_uid == first.series_instance_uid
    assert second.instance_number == 2
    reference = document.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert reference.ReferencedSOPInstanceUID == first.sop_instance_uid
    assert reference.PurposeOfReferenceCodeSequence[0].CodeValue == "121360"


def test_each_sr_class_that_is_asked_for_is_made(content, tmp_path):
    plan = Plan(sr_classes=("comprehensive-3d", "comprehensive"), secondary_capture=False)
    made = _make(content, tmp_path, plan=plan)
    assert {one.sop_class_uid.rsplit(".", 1)[1] for one in made} == {"33", "34"}
    assert len({one.sop_instance_uid for one in made}) == 2


def test_a_report_can_be_made_for_each_series(content, tmp_path):
    made, _ = _sr(content, tmp_path, plan=Plan(per="series"))
    assert made.key.endswith(content.results[0].acquisition.clips[0].series_instance_uid)


def test_a_study_without_any_finding_still_gets_its_reasons(content, cine, tmp_path):
    bare = replace(content, results=(replace(content.results[0], outcomes=content.results[0].outcomes[1:]),))
    _, document = _sr(bare, tmp_path)
    assert "motion hides the answer" in " ".join(_texts(document))


def test_a_header_with_invalid_values_is_no_obstacle(content, tmp_path, cine):
    odd = dcmread(CINE)
    odd.PatientSex = "X"
    odd.PatientBirthDate = ""
    for keyword in ("AccessionNumber", "StudyID", "ReferringPhysicianName"):
        if keyword in odd:
            delattr(odd, keyword)
    path = tmp_path / "odd.dcm"
    odd.save_as(path)
    making = Making(Plan(secondary_capture=False), Moment(NOW, 1), tmp_path)
    (made,) = reports(content, {cine.SOPInstanceUID: path}, making)
    assert dcmread(tmp_path / made.file).PatientSex == ""


def test_tracking_follows_the_patient_and_hides_who_it_is(content, tmp_path, cine):
    def tracking(secret, folder):
        _, document = _sr(content, folder, plan=Plan(tracking_secret=secret))
        return {i.UID for i in _walk(document) if i.get("ValueType") == "UIDREF" and "UID" in i}

    assert tracking(b"one", tmp_path / "a") == tracking(b"one", tmp_path / "b")
    assert tracking(b"one", tmp_path / "c") != tracking(b"two", tmp_path / "d")


@pytest.mark.parametrize("count", range(4, 12))
def test_dense_outlines_keep_their_corners(count):
    angles = np.linspace(0, 2 * np.pi, count - 1, endpoint=False)
    corners = [(float(np.cos(a)), float(np.sin(a))) for a in angles]
    outline = (*corners, corners[0])
    made = dense(outline)
    assert len(made) >= 8
    assert made[0] == made[-1]
    assert set(outline) <= set(made)


ALLOWED = (
    "Unrecognized defined term <99NMUS>",  # a legal private scheme, which the validator cannot know
    "Value dubious for this VR - (0x0010,0x0010)",
    "would be needed to build DICOMDIR",  # empty Type 2 values of the source
)


@pytest.mark.acceptance
@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is not installed")
@pytest.mark.parametrize("sr_class", ["comprehensive-3d", "comprehensive"])
def test_dciodvfy_finds_no_error(content, tmp_path, sr_class):
    made, _ = _sr(content, tmp_path, plan=Plan(sr_classes=(sr_class,)))
    said = subprocess.run(["dciodvfy", str(tmp_path / made.file)], capture_output=True, text=True, check=False).stderr
    lines = [line for line in said.splitlines() if line.startswith(("Error", "Warning"))]
    assert [line for line in lines if not any(known in line for known in ALLOWED)] == []


@pytest.mark.acceptance
@pytest.mark.skipif(not Path("/usr/bin/dsrdump").exists(), reason="dcmtk is not installed")
def test_dsrdump_reads_it(content, tmp_path):
    made, _ = _sr(content, tmp_path)
    said = subprocess.run(["/usr/bin/dsrdump", str(tmp_path / made.file)], capture_output=True, text=True, check=False)
    assert said.returncode == 0
    problems = [line for line in said.stderr.splitlines() if line.startswith(("E:", "F:"))]
    assert problems == []
    assert "Left biceps brachii" in said.stdout


def _groups_of(document):
    return [
        item
        for item in _walk(document)
        if item.get("ValueType") == "CONTAINER" and item.ConceptNameCodeSequence[0].CodeValue == "125007"
    ]


def _names_of(group):
    numbers = [item for item in group.ContentSequence if item.ValueType == "NUM"]
    return [item.ConceptNameCodeSequence[0].CodeValue for item in numbers]


def test_no_group_names_a_concept_twice(content, cine, tmp_path):
    """Viewers show a number by its name alone: mean and SD of one concept, or two z-scores, could not be told apart."""
    mean, thickness = finding(cine).measurements
    spread = replace(mean, name="sd", value=21.0, derivation=STANDARD_DEVIATION, comparison=None)
    other = replace(thickness, comparison=mean.comparison)
    several = finding(cine, measurements=(mean, spread, other))
    made = replace(content, results=(replace(content.results[0], outcomes=(several,)),))
    _, document = _sr(made, tmp_path)
    names = [_names_of(group) for group in _groups_of(document)]
    assert names == [["110849", "113071"], ["110849", "59089-3", "113071"]]
    tracking = [item.UID for item in _walk(document) if item.get("ValueType") == "UIDREF" and item.RelationshipType]
    assert len(set(tracking)) == len(tracking)


def test_counts_are_written_as_whole_numbers(content, cine, tmp_path):
    counted = finding(cine, measurements=(Measurement("count", THICKNESS, 3.0, "{counts}"),))
    made = replace(content, results=(replace(content.results[0], outcomes=(counted,)),))
    made_object, _ = _sr(made, tmp_path)
    assert b"3.0" not in (tmp_path / made_object.file).read_bytes().split(b"{counts}")[1]


def test_a_report_without_numbers_keeps_the_container_that_viewers_ask_for(content, tmp_path):
    bare = replace(content, results=(replace(content.results[0], outcomes=content.results[0].outcomes[1:]),))
    _, document = _sr(bare, tmp_path)
    containers = [item for item in document.ContentSequence if item.ValueType == "CONTAINER"]
    assert "Imaging Measurements" in [item.ConceptNameCodeSequence[0].CodeMeaning for item in containers]
    assert _groups_of(document) == []


def test_an_object_named_only_by_its_file_header_is_no_obstacle(content, cine, tmp_path):
    """A real scanner writes the SOP Instance UID nowhere else, and a character set and dates that do not exist."""
    odd = dcmread(CINE)
    del odd.SOPInstanceUID, odd.Modality
    odd.StudyDate, odd.StudyTime = "", ""
    path = tmp_path / "odd.dcm"
    odd.save_as(path)
    data = path.read_bytes().replace(b"ISO_IR 100", b"ISO_IR    ")
    path.write_bytes(data)
    making = Making(Plan(secondary_capture=False), Moment(NOW, 1), tmp_path)
    (made,) = reports(content, {cine.SOPInstanceUID: path}, making)
    assert dcmread(tmp_path / made.file).CurrentRequestedProcedureEvidenceSequence


@pytest.mark.acceptance
@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is not installed")
def test_dciodvfy_finds_no_error_in_a_report_without_numbers(content, tmp_path):
    bare = replace(content, results=(replace(content.results[0], outcomes=content.results[0].outcomes[1:]),))
    made, _ = _sr(bare, tmp_path)
    said = subprocess.run(["dciodvfy", str(tmp_path / made.file)], capture_output=True, text=True, check=False).stderr
    lines = [line for line in said.splitlines() if line.startswith(("Error", "Warning"))]
    assert [line for line in lines if not any(known in line for known in ALLOWED)] == []


READER = shutil.which("tid1500reader", path=f"{sysconfig.get_path('scripts')}:{os.environ.get('PATH', '')}")


@pytest.mark.acceptance
@pytest.mark.skipif(READER is None, reason="dcmqi is not installed")
def test_dcmqi_reads_every_number_and_its_comparison(content, tmp_path):
    """A reader by other people gets back what was measured, with z-score and limit as properties."""
    made, _ = _sr(content, tmp_path)
    out = tmp_path / "read.json"
    command = [READER, "--inputDICOM", str(tmp_path / made.file), "--outputMetadata", str(out)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    (group,) = json.loads(out.read_text())["Measurements"]
    assert group["FindingSite"]["CodeMeaning"] == "Left biceps brachii"
    assert group["TrackingIdentifier"].startswith("Biceps brachii left")
    read = {item["quantity"]["CodeValue"]: item for item in group["measurementItems"]}
    assert float(read["110849"]["value"]) == 79.2
    assert read["110849"]["units"]["CodeValue"] == "[arb'U]"
    told = read["110849"]["measurementNumProperties"]
    properties = {one["numProperty"]["CodeValue"]: float(one["numPropertyValue"]) for one in told}
    assert (properties["121416"], properties["371933006"]) == (2.4, 76.0)


def test_a_conclusion_s_number_of_many_digits_is_written(content, tmp_path):
    measured = (Measurement("difference", ECHOGENICITY, 50 / 3, "[arb'U]"),)
    concluded = replace(content.conclusions[0], measurements=measured)
    _, document = _sr(replace(content, conclusions=(concluded,)), tmp_path)
    numbers = [item.MeasuredValueSequence[0] for item in _walk(document) if item.ValueType == "NUM"]
    values = [one.get("FloatingPointValue") for one in numbers]
    assert 50 / 3 in values
