"""What a finished exam adds to the reference store, and that nothing in it leads back to a person."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundImageStorage, generate_uid

from plugins.codes import ECHOGENICITY
from plugins.contract import (
    Acquisition,
    ArrayFrames,
    Box,
    Clip,
    Finding,
    FrameRef,
    Measurement,
    Result,
    Scope,
    Spacing,
    TissueRegion,
)
from reference_store.collecting import Collection, VolunteerRule
from reference_store.comparison import Comparison, Refusal, RefusalCode
from reference_store.phantom import PhantomRule
from reference_store.quality import QualityLog
from reference_store.store import Store, latest
from reference_store.synthetic import DEVICE
from reference_store.values import Side, Subject, View
from service.analyse.feeding import ExamFacts, FeedRules, exam_facts, feed, keep_phantoms, phantoms

FACTS = ExamFacts("NMUS volunteer", "arm", "HV-012", "SITE", "2026-01-05")
RULES = FeedRules(VolunteerRule(patient_id="^HV-"), PhantomRule(study_description="phantom"))
NOTHING = Refusal(RefusalCode.NO_REFERENCE, "none", "collect")
PICTURE = np.full((80, 60), 100, np.uint8) + np.arange(80, dtype=np.uint8)[:, np.newaxis]


def _acquisition(structure: str | None = "biceps_brachii") -> Acquisition:
    region = TissueRegion(Box(5, 10, 55, 70), Spacing(0.1, 0.1))
    clip = Clip("1.2.3", "1.2", ArrayFrames(PICTURE), (region,), device=DEVICE)
    return Acquisition(structure, Side.LEFT, None, View.TRANSVERSE, (clip,), Subject(44.0, "F", 170.0, 65.0))


def _result(answer: Comparison | Refusal | None = NOTHING, structure: str | None = "biceps_brachii") -> Result:
    measured = Measurement("echo_intensity_mean", ECHOGENICITY, 61.5, "[arb'U]", comparison=answer)
    outline = ((10.0, 20.0), (40.0, 20.0), (40.0, 50.0), (10.0, 20.0))
    finding = Finding(FrameRef("1.2.3"), outline, (measured,), Scope.ACQUISITION)
    return Result("echogenicity", "1.0.0", _acquisition(structure), (finding,))


def _feed(folder: Path, result: Result, facts: ExamFacts = FACTS) -> tuple[str, int]:
    return feed(folder, RULES, facts, [result], ae_title="SCANNER", day="2026-02-01")


def test_a_volunteers_value_is_kept_once_and_under_a_pseudonym(tmp_path):
    assert _feed(tmp_path, _result()) == ("volunteer", 1)
    assert _feed(tmp_path, _result()) == ("volunteer", 0)
    [found] = Collection(tmp_path).current()
    assert (found.value, found.quantity, found.on) == (61.5, "muscle_echo_intensity", "2026-01-05")
    assert found.overlay == "1.2.3" and found.origin == "exam, by patient_id"
    everything = "".join(path.read_text() for path in tmp_path.glob("*.jsonl"))
    assert "HV-012" not in everything and "volunteer" not in everything


@pytest.mark.parametrize(
    "result",
    [
        _result(None),
        _result(Refusal(RefusalCode.BLOCKED, "region off the image", "repeat")),
        _result(structure=None),
    ],
    ids=["never compared", "blocked by a flag", "structure unknown"],
)
def test_what_could_not_be_a_normal_value_is_not_kept(tmp_path, result):
    assert _feed(tmp_path, result) == ("volunteer", 0)


@pytest.mark.parametrize("way", ["study_description", "protocol_name", "ae_title", "patient_id"])
def test_each_of_the_four_ways_makes_a_volunteer_and_is_recorded(tmp_path, way):
    facts = dataclasses.replace(FACTS, study_description="arm exam", protocol_name="muscles", patient_id="4711")
    said = {"study_description": "arm exam", "protocol_name": "muscles", "ae_title": "SCANNER", "patient_id": "4711"}
    rules = FeedRules(VolunteerRule(**{way: f"^{said[way]}$"}))
    assert feed(tmp_path, rules, facts, [_result()], ae_title="SCANNER", day="2026-02-01") == ("volunteer", 1)
    assert Collection(tmp_path).current()[0].origin == f"exam, by {way}"
    other = FeedRules(VolunteerRule(**{way: "^somebody else$"}))
    assert feed(tmp_path, other, facts, [_result()], ae_title="SCANNER", day="2026-02-01") == ("patient", 0)


def test_the_picture_with_the_outline_is_kept_beside_the_value(tmp_path):
    shown = {(0, "1.2.3"): "1.2.826.77", (1, "1.2.3"): "of another result"}
    feed(tmp_path, RULES, FACTS, [_result()], ae_title="SCANNER", day="2026-02-01", overlays=shown)
    assert Collection(tmp_path).current()[0].overlay == "1.2.826.77"


def test_without_a_patient_id_sides_could_not_be_told_from_persons(tmp_path):
    rules = FeedRules(VolunteerRule(study_description="volunteer"))
    facts = dataclasses.replace(FACTS, patient_id=None)
    assert feed(tmp_path, rules, facts, [_result()], ae_title="", day="2026-02-01") == ("volunteer", 0)


def test_a_patient_gives_only_a_z_to_the_watch(tmp_path):
    answer = Comparison("x", "1.0.0", "0" * 64, "site-validated", "here", z=0.4)
    facts = dataclasses.replace(FACTS, patient_id="4711")
    for _ in range(2):
        assert _feed(tmp_path, _result(answer), facts) == ("patient", 1)
    [one] = QualityLog(tmp_path).watches()
    assert one.n == 1 and Collection(tmp_path).current() == ()
    assert "4711" not in (tmp_path / "patients.jsonl").read_text()
    assert _feed(tmp_path, _result(NOTHING), facts) == ("patient", 0)


def test_a_phantom_image_is_measured_in_its_tissue_region_and_kept_once(tmp_path):
    [one] = phantoms([_acquisition(None)])
    assert one.values.mean == pytest.approx(PICTURE[10:70].mean(), abs=1.0)
    assert keep_phantoms(tmp_path, [one], "2026-01-05") == 1
    assert keep_phantoms(tmp_path, [one], "2026-01-05") == 0
    assert [row.mean for rows in QualityLog(tmp_path).phantoms().values() for row in rows] == [one.values.mean]


def test_facts_come_from_the_first_file_that_can_be_read(tmp_path):
    broken, good = tmp_path / "broken.dcm", tmp_path / "good.dcm"
    broken.write_bytes(b"nothing")
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, UltrasoundImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset(str(good), {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = UltrasoundImageStorage, meta.MediaStorageSOPInstanceUID
    dataset.PatientID, dataset.IssuerOfPatientID, dataset.StudyDate = "HV-012", "SITE", "20260105"
    dataset.StudyDescription, dataset.ProtocolName = "NMUS volunteer", "arm"
    dataset.save_as(good, enforce_file_format=True)
    assert exam_facts([str(broken), str(good)]) == FACTS
    assert exam_facts([str(broken)]) == ExamFacts()


def test_the_running_service_sees_a_decision_without_a_restart(tmp_path):
    first = latest(tmp_path)
    assert latest(tmp_path) is first
    Store(tmp_path).select("median_nerve", "pnbmj_t2", by="A", on="2026-01-05")
    assert latest(tmp_path).sources == (("median_nerve", "pnbmj_t2"),)
