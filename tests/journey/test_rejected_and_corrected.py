"""What was rejected is taken back wherever it went; what was corrected amends; the same again makes nothing new."""

from __future__ import annotations

import shutil
import subprocess
import threading
from dataclasses import replace
from itertools import islice
from pathlib import Path

import highdicom.ko
import pytest
from highdicom.sr import CodedConcept
from pydicom import dcmread
from pydicom.uid import generate_uid

from reference_store.collecting import Collection
from service.analyse.registry import registry
from service.app import references_of
from service.commands import main
from service.config import load
from service.deliver.sender import senders
from service.demo.exam import exam_shots
from service.demo.exam_files import derived_uid, shot_dataset
from service.demo.exam_marks import Marked, marks_dataset
from service.demo.pacs import StandInPacs
from service.demo.scanner import send
from service.ledger import JobState, OutgoingState, open_ledger
from service.patient.keys import Keys
from service.patient.versions import corrections
from service.proof.account import account
from service.receive.archive import Archive
from service.receive.intake import Intake
from service.receive.listener import StorageProvider
from service.receive.settle import settle
from service.steps import StudyWork
from service.worker import Worker

SEED, SECRET = 13, b"a secret of the site"
KOS = "1.2.840.10008.5.1.4.1.1.88.59"


@pytest.fixture(scope="module")
def exam(tmp_path_factory):
    """Two stills."""
    folder = tmp_path_factory.mktemp("exam")
    study = derived_uid(SEED, "study")
    for number, shot in enumerate(islice(exam_shots(SEED), 2), 1):
        shot_dataset(shot, SEED, number, study).save_as(folder / shot.file, enforce_file_format=True)
    return sorted(folder.glob("*.dcm"))


class House:
    """The parts of a service in one process, moved by hand."""

    def __init__(self, folder: Path, port: int, more: str = "") -> None:
        self.settings_file = folder / "nmus.toml"
        self.settings_file.write_text(
            '[service]\ndata_folder = "data"\n[listener]\nport = 0\n[[destination]]\nname = "pacs"\n'
            f'ae_title = "DEMOPACS"\nhost = "127.0.0.1"\nport = {port}\n{more}',
            encoding="utf-8",
        )
        self.settings = load(self.settings_file)
        self.data = self.settings.service.data_folder
        self.now = 1_767_600_000.0
        self.ledger = open_ledger(self.data)
        archive = Archive(self.data)
        intake = Intake(self.ledger, archive, clock=lambda: self.now)
        self.listener = StorageProvider(self.settings.listener, intake, archive.spool)
        work = StudyWork(self.settings, self.ledger, registry(outside=()), references_of(self.settings), SECRET)
        self.worker = Worker(
            self.ledger, work, "worker", threading.Event(), lease_s=600, tick_s=0.1, clock=lambda: self.now
        )

    def go(self, *files: Path) -> None:
        """Receive, settle, analyse, deliver."""
        self.receive(*files)
        self.work()

    def receive(self, *files: Path) -> None:
        assert set(send(files, "127.0.0.1", self.listener.port, "NMUS").values()) == {0}

    def work(self) -> None:
        self.now += 61
        settle(self.ledger, self.settings.settle, self.now)
        while self.worker.step():
            pass
        self.send()

    def send(self) -> None:
        for one in senders(self.ledger, self.settings, "sender"):
            while one.step():
                pass
            one.close()

    def command(self, *words: str) -> int:
        return main([words[0], "--settings", str(self.settings_file), *words[1:]])


@pytest.fixture
def pacs(tmp_path):
    with StandInPacs(tmp_path / "pacs") as running:
        yield running


@pytest.fixture
def house(tmp_path, pacs):
    made = House(tmp_path, pacs.port)
    yield made
    made.listener.drain(1)
    made.ledger.close()


def kinds(pacs):
    """Objects in the PACS by SOP class."""
    found: dict[str, list] = {}
    for path in pacs.files():
        header = dcmread(path)
        found.setdefault(header.Modality, []).append(header)
    return found


def referenced(note):
    return {
        str(item.ReferencedSOPInstanceUID)
        for study in note.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }


@pytest.mark.parametrize("is_sent", [True, False])
def test_what_an_interrupted_attempt_told_otherwise_is_taken_back(house, pacs, exam, is_sent):
    """Its worker died after a report had gone out, and the references that it compared with are others by now."""
    house.receive(exam[0])
    house.now += 61
    settle(house.ledger, house.settings.settle, house.now)
    job = house.ledger.claim(house.now, "dead", 30)
    work = house.worker.analyse
    outcome = work(job, lambda: True)
    (report,) = (one for one in outcome.results if one.role == "sr")
    path = house.data / report.path
    other = replace(report, sop_instance_uid="2.25.77", path="results/other.dcm")
    dataset = dcmread(path)
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "2.25.77"
    dataset.save_as(house.data / other.path, enforce_file_format=True)
    house.ledger.hand_over(job, (other,), house.now)
    if is_sent:
        house.send()
    house.work()
    there = kinds(pacs)
    assert [referenced(note) for note in there.get("KO", [])] == [{"2.25.77"}] * is_sent
    expected = {report.sop_instance_uid, "2.25.77"} if is_sent else {report.sop_instance_uid}
    assert {str(one.SOPInstanceUID) for one in there["SR"]} == expected
    (done,) = house.ledger.jobs()
    assert done.attempt == 2


def test_a_report_that_is_rejected_is_taken_back_where_it_went(house, pacs, exam, tmp_path, capsys):
    house.go(exam[0])
    before = kinds(pacs)
    (report,) = before["SR"]
    uid = str(report.SOPInstanceUID)
    assert house.command("reject", uid, "--reason", "quality", "--by", "A. Doctor", "--text", "wrong preset") == 0
    assert "the note goes to pacs" in capsys.readouterr().out
    house.work()
    (note,) = kinds(pacs)["KO"]
    assert note.SOPClassUID == KOS
    assert note.ConceptNameCodeSequence[0].CodeValue == "113001"
    assert note.StudyInstanceUID == report.StudyInstanceUID
    assert (note.PatientID, note.AccessionNumber) == (report.PatientID, report.AccessionNumber)
    assert referenced(note) == {str(one.SOPInstanceUID) for group in before.values() for one in group}
    if shutil.which("dciodvfy"):
        path = pacs.file(str(note.SOPInstanceUID))
        told = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
        assert "Error" not in told.stderr + told.stdout, told.stderr
    # once more, and the same analysis again: nothing new
    assert house.command("reject", uid, "--reason", "quality", "--by", "A. Doctor") == 1
    count = len(pacs.received)
    house.ledger.rerun(str(report.StudyInstanceUID), house.now)
    house.work()
    assert len(pacs.received) == count
    (row,) = [one for one in account(house.ledger, str(report.StudyInstanceUID)).results if one.result.role == "sr"]
    assert row.withdrawn == "wrong preset"
    assert house.command("why", uid) == 0
    assert "withdrawn (wrong preset)" in capsys.readouterr().out
    assert {one.kind for one in house.ledger.events(str(report.StudyInstanceUID))} >= {"withdrawn"}


def test_what_was_not_sent_yet_is_withdrawn_silently(house, pacs, exam):
    pacs.__exit__(None, None, None)
    house.go(exam[0])
    (result,) = [one for one in house.ledger.results(1) if one.role == "sr"]
    assert house.command("reject", result.sop_instance_uid, "--reason", "safety", "--by", "A. Doctor") == 0
    assert {one.state for one in house.ledger.outgoing()} == {OutgoingState.WITHDRAWN}
    assert house.command("reject", "1.2.3", "--reason", "quality", "--by", "A") == 1


def note_over(paths, folder, code="113001", meaning="Rejected for Quality Reasons"):
    """A rejection note as a PACS sends it."""
    evidence = [dcmread(path, stop_before_pixels=True) for path in paths]
    for one in evidence:
        for keyword in ("StudyID", "ReferringPhysicianName", "AccessionNumber"):
            if keyword not in one:
                setattr(one, keyword, "")
    document = highdicom.ko.KeyObjectSelectionDocument(
        evidence=evidence,
        content=highdicom.ko.KeyObjectSelection(CodedConcept(code, "DCM", meaning), evidence),
        series_instance_uid=generate_uid(),
        series_number=7,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="Some PACS",
    )
    path = folder / f"{document.SOPInstanceUID}.dcm"
    document.save_as(path, enforce_file_format=True)
    return path


def test_an_image_that_somebody_rejects_is_left_out_of_an_amended_report(house, pacs, exam, tmp_path):
    house.go(*exam)
    (first,) = kinds(pacs)["SR"]
    gone, left = (str(dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in exam)
    pointing = note_over(exam[:1], tmp_path, "113000", "Of Interest")
    house.go(pointing)
    assert len(kinds(pacs)["SR"]) == 1, "a note that merely points at something rejects nothing"
    house.go(note_over(exam[:1], tmp_path))
    reports = sorted(kinds(pacs)["SR"], key=lambda one: one.InstanceNumber)
    assert len(reports) == 2
    amended = reports[-1]
    predecessor = amended.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert predecessor.ReferencedSOPInstanceUID == first.SOPInstanceUID
    assert referenced(amended) == {left}
    rows = {one.instance.sop_instance_uid: one for one in account(house.ledger, str(first.StudyInstanceUID)).objects}
    assert rows[gone].outcome == "rejected"
    assert rows[gone].why == "Rejected for Quality Reasons"
    assert [one.code for one in house.ledger.verdicts(gone)][:1] == ["rejected"]
    house.go(note_over(exam[1:], tmp_path))
    notes = kinds(pacs)["KO"]
    rejected = {uid for note in notes for uid in referenced(note)}
    assert str(amended.SOPInstanceUID) in rejected, "nothing is left to report: the report is taken back"
    assert {one.sop_instance_uid for one in house.ledger.withdrawals()} >= {gone, left}
    assert house.ledger.jobs()[0].state is JobState.DONE


def test_a_volunteers_value_from_a_rejected_image_is_no_reference_any_more(tmp_path, pacs, exam):
    store = tmp_path / "references"
    rule = f'[references]\nfolder = "{store}"\nvolunteer_study_description = "Neuromuscular ultrasound"\n'
    made, shots = House(tmp_path, pacs.port, rule), list(islice(exam_shots(SEED), 2))
    marked = [
        Marked(dcmread(path), tuple(shot.picture.point(x, z) for x, z in shot.tissue.outline_mm), "trace")
        for path, shot in zip(exam, shots, strict=True)
    ]
    marks_dataset(marked, SEED, "marks").save_as(tmp_path / "marks.dcm", enforce_file_format=True)
    try:
        made.go(*exam, tmp_path / "marks.dcm")
        collection = Collection(store)
        held = {one.id for one in collection.current()}
        assert held
        made.go(note_over(exam, tmp_path))
        assert collection.current() == ()
        gone = collection.exclusions()
        assert set(gone) == held
        assert {one.by for one in gone.values()} == {"rejection note"}
        assert {one.reason for one in gone.values()} == {"its image has been rejected"}
    finally:
        made.listener.drain(1)
        made.ledger.close()


def test_a_merged_patient_gets_an_amended_report_and_the_same_again_nothing(house, pacs, exam, tmp_path):
    house.go(exam[0])
    (first,) = kinds(pacs)["SR"]
    merged = dcmread(exam[0])
    merged.PatientID = "MERGED-1"
    merged.save_as(tmp_path / "merged.dcm", enforce_file_format=True)
    for _ in range(2):
        house.receive(tmp_path / "merged.dcm")
        corrections(house.ledger, house.data, Keys(SECRET), house.now)
        house.work()
    reports = sorted(kinds(pacs)["SR"], key=lambda one: one.InstanceNumber)
    assert [str(one.PatientID) for one in reports] == [str(first.PatientID), "MERGED-1"]
    predecessor = reports[1].PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert predecessor.ReferencedSOPInstanceUID == first.SOPInstanceUID
    assert len(pacs.received) == len(set(pacs.received))
    count = len(pacs.received)
    house.ledger.rerun(str(first.StudyInstanceUID), house.now)
    house.work()
    assert len(pacs.received) == count, "the same content again is the same object"
