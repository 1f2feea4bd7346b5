"""The whole way of an exam, step by step with the clock in the test's hand: in by C-STORE, out to a real SCP."""

from __future__ import annotations

import threading
from itertools import islice

import pytest
from pydicom import dcmread

from reference_store.collecting import Collection
from service.analyse.registry import registry
from service.app import references_of
from service.config import validated
from service.config.workflows import ways
from service.deliver.sender import senders
from service.demo.exam import exam_shots
from service.demo.exam_files import derived_uid, shot_dataset
from service.demo.exam_marks import Marked, marks_dataset
from service.demo.pacs import StandInPacs
from service.demo.returned import returned
from service.demo.scanner import send
from service.ledger import JobState, open_ledger
from service.receive.archive import Archive
from service.receive.intake import Intake
from service.receive.listener import StorageProvider
from service.receive.settle import settle
from service.steps import StudyWork
from service.worker import Worker

SEED = 7


@pytest.fixture(scope="module")
def exam(tmp_path_factory):
    """Three stills of one muscle, and a trace in each."""
    folder = tmp_path_factory.mktemp("exam")
    study = derived_uid(SEED, "study")
    marked = []
    for number, shot in enumerate(islice(exam_shots(SEED), 3), 1):
        dataset = shot_dataset(shot, SEED, number, study)
        dataset.save_as(folder / shot.file, enforce_file_format=True)
        outline = tuple(shot.picture.point(x, z) for x, z in shot.tissue.outline_mm)
        marked.append(Marked(dataset, outline, "trace"))
    marks_dataset(marked, SEED, "marks").save_as(folder / "marks.dcm", enforce_file_format=True)
    return folder


class House:
    """The parts of a service in one process, moved by hand."""

    def __init__(self, folder, pacs_port, **settings):
        values = {
            "service": {"data_folder": str(folder / "data")},
            "listener": {"port": 0},
            "settle": {"quiet_seconds": 60},
            "destination": [{"name": "pacs", "ae_title": "DEMOPACS", "host": "127.0.0.1", "port": pacs_port}],
            **settings,
        }
        self.settings = validated(values).placed(folder)
        data = self.settings.service.data_folder
        self.now = 1_767_600_000.0
        self.ledger = open_ledger(data)
        archive = Archive(data)
        intake = Intake(self.ledger, archive, clock=lambda: self.now)
        intake.ways = ways(self.settings.workflow)
        self.listener = StorageProvider(self.settings.listener, intake, archive.spool)
        work = StudyWork(
            self.settings, self.ledger, registry(outside=()), references_of(self.settings), b"a secret of the site"
        )
        self.worker = Worker(
            self.ledger, work, "worker", threading.Event(), lease_s=600, tick_s=0.1, clock=lambda: self.now
        )

    def receive(self, *files, called="NMUS"):
        statuses = send(files, "127.0.0.1", self.listener.port, called)
        assert set(statuses.values()) == {0}

    def settle(self):
        self.now += 61
        return settle(self.ledger, self.settings.settle, self.now, self.settings.workflow)

    def deliver(self):
        sent = 0
        for one in senders(self.ledger, self.settings, "sender"):
            while batch := one.step():
                sent += batch
            one.close()
        return sent

    def close(self):
        self.listener.drain(1)
        self.ledger.close()


@pytest.fixture
def pacs(tmp_path):
    with StandInPacs(tmp_path / "pacs") as running:
        yield running


@pytest.fixture
def house(tmp_path, pacs):
    made = House(tmp_path, pacs.port)
    yield made
    made.close()


def _echo(report):
    return {
        one.tracking.rsplit("/", 1)[1].strip(): one.value for one in report.values if one.measure == "echo intensity"
    }


def test_an_exam_goes_in_and_its_report_comes_back_then_late_images_amend_it(house, pacs, exam):
    first, second, third = sorted(exam.glob("biceps*.dcm"))
    house.receive(first, second, exam / "marks.dcm")
    assert settle(house.ledger, house.settings.settle, house.now + 59) == ()
    (job,) = house.settle()
    assert house.worker.step()
    assert house.ledger.job(job).state is JobState.DONE
    sent = house.deliver()
    assert sent == len(pacs.files()) > 1
    (report,) = returned(pacs.files())
    assert set(_echo(report)) == {"all images", "image 1", "image 2"}
    before = {path.name for path in pacs.files()}

    house.receive(third)
    (again,) = house.settle()
    assert house.worker.step()
    assert house.ledger.job(again).state is JobState.DONE
    house.deliver()
    (amended,) = returned(pacs.files())
    assert set(_echo(amended)) == {"all images", "image 1", "image 2", "image 3"}
    document = dcmread(amended.file)
    predecessor = document.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert f"{predecessor.ReferencedSOPInstanceUID}.dcm" == report.file.name
    assert document.SeriesInstanceUID == dcmread(report.file).SeriesInstanceUID
    assert (document.InstanceNumber, dcmread(report.file).InstanceNumber) == (2, 1)
    assert before < {path.name for path in pacs.files()}


def test_the_same_again_changes_nothing(house, pacs, exam):
    files = sorted(exam.glob("*.dcm"))
    house.receive(*files)
    house.settle()
    house.worker.step()
    house.deliver()
    before = {path.name: path.read_bytes() for path in pacs.files()}
    house.receive(*files)
    assert house.settle() == ()
    house.ledger.rerun(str(dcmread(files[0]).StudyInstanceUID), house.now)
    assert house.worker.step()
    assert house.deliver() == 0
    assert {path.name: path.read_bytes() for path in pacs.files()} == before


def test_every_object_is_explained(house, exam):
    house.receive(*sorted(exam.glob("*.dcm")))
    house.settle()
    house.worker.step()
    for path in sorted(exam.glob("biceps*.dcm")):
        verdicts = house.ledger.verdicts(str(dcmread(path).SOPInstanceUID))
        assert ("analysed", "echogenicity") in {(one.code, one.plugin) for one in verdicts}


def test_a_destination_gets_only_the_objects_it_asked_for(tmp_path, exam):
    with StandInPacs(tmp_path / "a") as reports, StandInPacs(tmp_path / "b") as all_of_it:
        house = House(
            tmp_path,
            reports.port,
            destination=[
                {"name": "a", "ae_title": "A", "host": "127.0.0.1", "port": reports.port, "objects": ["sr"],
                 "sr_class": "comprehensive"},
                {"name": "b", "ae_title": "B", "host": "127.0.0.1", "port": all_of_it.port},
            ],
        )  # fmt: skip
        house.receive(*sorted(exam.glob("*.dcm")))
        house.settle()
        house.worker.step()
        house.deliver()
        house.close()
        assert [dcmread(path).SOPClassUID[-2:] for path in reports.files()] == ["33"]
        kinds = {dcmread(path).Modality: dcmread(path).SOPClassUID[-2:] for path in all_of_it.files()}
        assert kinds["SR"] == "34"
        assert set(kinds) > {"SR"}


def test_the_called_title_chooses_analyses_and_destinations_and_another_one_widens_them(tmp_path, exam):
    with StandInPacs(tmp_path / "a") as clinic, StandInPacs(tmp_path / "b") as research:
        house = House(
            tmp_path,
            clinic.port,
            destination=[
                {"name": "clinic", "ae_title": "A", "host": "127.0.0.1", "port": clinic.port},
                {"name": "research", "ae_title": "B", "host": "127.0.0.1", "port": research.port, "objects": ["sr"]},
            ],
            workflow=[
                {"name": "nerves", "called": ["NERVES"], "plugins": ["nerve_area"], "destinations": ["research"]},
                {"name": "muscles", "called": ["MUSCLES"], "plugins": ["echogenicity"], "destinations": ["clinic"]},
            ],
        )
        files = sorted(exam.glob("*.dcm"))
        house.receive(*files, called="NERVES")
        house.settle()
        house.worker.step()
        house.deliver()
        assert clinic.files() == []
        (report,) = returned(research.files())
        assert report.values == (), "a nerve's analysis measures nothing in a muscle"
        house.receive(files[0], called="MUSCLES")
        house.settle()
        assert house.worker.step(), "the same image to another title: its study is analysed for that one too"
        house.deliver()
        house.close()
        assert {"SR", "OT"} >= {dcmread(path).Modality for path in clinic.files()} > {"SR"}
        reports = sorted((dcmread(path) for path in research.files()), key=lambda one: one.InstanceNumber)
        assert reports[1].PredecessorDocumentsSequence, "amended, not doubled"


def test_a_missing_structure_is_a_stated_reason_and_no_number(house, pacs, exam, tmp_path):
    nameless = dcmread(sorted(exam.glob("biceps*.dcm"))[0])
    del nameless.PrimaryAnatomicStructureSequence
    nameless.SeriesDescription = "Image"
    nameless.save_as(tmp_path / "nameless.dcm")
    house.receive(tmp_path / "nameless.dcm")
    house.settle()
    house.worker.step()
    house.deliver()
    (report,) = returned(pacs.files())
    assert report.values == ()
    assert any("structure-unknown" in reason for reason in report.reasons)


def test_a_volunteers_exam_collects_reference_values_on_its_own(tmp_path, pacs, exam):
    """One row for a subject, structure, side and measure, with covariates and flags; twice is as once."""
    store = tmp_path / "references"
    house = House(
        tmp_path,
        pacs.port,
        references={"folder": str(store), "volunteer_study_description": "Neuromuscular ultrasound"},
    )
    house.receive(*sorted(exam.glob("*.dcm")))
    house.settle()
    house.worker.step()
    (row,) = [one for one in Collection(store).current() if one.quantity == "muscle_echo_intensity"]
    assert (row.structure, row.side.value, row.view.value) == ("biceps_brachii", "left", "transverse")
    assert row.subject.sex == "F"
    assert row.subject.age_years == pytest.approx(64, abs=1)
    assert (row.subject.height_cm, row.subject.weight_kg) == (pytest.approx(168), 66)
    assert row.device.manufacturer == "nmus simulator"
    results = [dcmread(path, stop_before_pixels=True) for path in tmp_path.glob("**/results/*/*.dcm")]
    pictures = {str(one.SOPInstanceUID): one for one in results if "Rows" in one}
    assert row.overlay in pictures, "the picture with the outline, to be looked at before anybody is excluded"
    sources = {str(one.ReferencedSOPInstanceUID) for one in pictures[row.overlay].SourceImageSequence}
    assert sources & {str(dcmread(path).SOPInstanceUID) for path in exam.glob("biceps*.dcm")}
    assert "NMUS" not in row.subject_key
    before = len(Collection(store).current())
    house.ledger.rerun(str(dcmread(next(exam.glob("*.dcm"))).StudyInstanceUID), house.now)
    house.worker.step()
    assert len(Collection(store).current()) == before
    house.close()
