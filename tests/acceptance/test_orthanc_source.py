"""A real Orthanc as the source that is polled."""

from __future__ import annotations

import hashlib
import itertools
import shutil
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit

from service.config import OrthancSource
from service.errors import Unreachable
from service.ledger import Outcome, Result, open_ledger
from service.receive.archive import Archive
from service.receive.intake import Intake
from service.receive.orthanc import OrthancFeed

pytestmark = pytest.mark.acceptance
NUMBER = itertools.count(1)


def file(study: str = "1.2.3", uid: str = "", size: int = 100, syntax: str = ExplicitVRLittleEndian) -> bytes:
    dataset = Dataset()
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.6.1"
    dataset.SOPInstanceUID = uid or f"1.2.3.4.{next(NUMBER)}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, f"{study}.1"
    dataset.PatientID, dataset.Modality = "CANARY-17", "US"
    dataset.Rows = dataset.Columns = size
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation, dataset.SamplesPerPixel = 7, 0, 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    if syntax == ExplicitVRLittleEndian:
        dataset.PixelData = bytes(size * size)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


class Here:
    """Our side: ledger, archive, feed."""

    def __init__(self, folder: Path, url: str, **settings: object) -> None:
        self.folder = folder
        self.ledger = open_ledger(folder)
        self.archive = Archive(folder)
        self.intake = Intake(self.ledger, self.archive)
        self.feed = OrthancFeed(OrthancSource(name="hub", url=url, **settings), self.intake, self.ledger)

    def close(self) -> None:
        self.feed.close()
        self.ledger.close()


@pytest.fixture
def pulling(tmp_path: Path):
    opened: list[Here] = []

    def start(url: str, **settings: object) -> Here:
        opened.append(Here(tmp_path / "here", url, **settings))
        return opened[-1]

    yield start
    for here in opened:
        here.close()


def post(hub, raw: bytes) -> str:
    reply = httpx.post(f"{hub.url}/instances", content=raw, timeout=10)
    reply.raise_for_status()
    return str(reply.json()["ID"])


def test_what_orthanc_stores_arrives_once_as_it_lies_there(orthanc, pulling) -> None:
    hub = orthanc()
    here = pulling(hub.url)
    assert here.feed.poll() == 0
    numbers = [post(hub, file()) for _ in range(3)]
    numbers.append(post(hub, file(syntax=JPEGBaseline8Bit)))
    assert here.feed.poll() == 4
    assert here.feed.poll() == 0
    for number in numbers:
        there = hub.get(f"/instances/{number}/file").content
        uid = str(dcmread(BytesIO(there)).SOPInstanceUID)
        (row,) = here.ledger.instance(uid)
        end = 144 + int.from_bytes(there[140:144], "little")
        assert row.sha256 == hashlib.sha256(there[end:]).hexdigest()
        assert dcmread(here.folder / row.path) == dcmread(BytesIO(there))
        assert row.source == "hub"
    (study,) = here.ledger.open_studies()
    assert study.sources == ("hub",)


def test_many_instances_are_paged_and_a_restart_goes_on_where_it_was(orthanc, pulling, monkeypatch) -> None:
    monkeypatch.setattr("service.receive.orthanc._PAGE", 7)
    hub = orthanc()
    here = pulling(hub.url)
    here.feed.poll()
    for _ in range(20):
        post(hub, file(size=8))
    assert here.feed.poll() == 20
    here.close()
    for _ in range(5):
        post(hub, file(size=8))
    again = pulling(hub.url)
    assert again.feed.reconcile() == 5, "found by looking, before the change log is read"
    assert again.feed.poll() == 0
    assert again.ledger.status().instances == 25


def test_the_first_contact_takes_what_comes_from_now_on_unless_history_is_asked_for(orthanc, tmp_path) -> None:
    hub = orthanc()
    post(hub, file())
    without = Here(tmp_path / "without", hub.url)
    assert without.feed.reconcile() == 0
    post(hub, file(study="1.2.9"))
    assert without.feed.poll() == 1
    without.close()
    with_history = Here(tmp_path / "with", hub.url, history=True)
    assert with_history.feed.reconcile() == 2
    assert with_history.feed.poll() == 0
    with_history.close()


def test_a_change_log_that_was_cleared_and_a_new_database_lose_nothing(orthanc, pulling) -> None:
    hub = orthanc()
    here = pulling(hub.url)
    for _ in range(3):
        post(hub, file())
    assert here.feed.poll() == 0, "what lay there at the first contact"
    post(hub, file())
    httpx.delete(f"{hub.url}/changes").raise_for_status()
    assert here.feed.poll() == 0
    assert here.feed.reconcile() == 4, "ten minutes back is looked at"
    hub.stop()
    shutil.rmtree(hub.folder / "storage")
    hub.start()
    post(hub, file())
    assert here.feed.reconcile() + here.feed.poll() == 1


def test_our_own_results_are_left_where_they_are(orthanc, pulling) -> None:
    hub = orthanc()
    here = pulling(hub.url)
    here.feed.poll()
    post(hub, file())
    here.feed.poll()
    (study,) = here.ledger.open_studies()
    here.ledger.settle(study, study.last_received_at + 60)
    job = here.ledger.claim(study.last_received_at + 60, "w", 30)
    assert job is not None
    result = Result("2.25.77", "1.2.840.10008.5.1.4.1.1.88.34", "2.25.1", "sr", "x", "a" * 64, 1)
    here.ledger.finish(job, Outcome((result,)), study.last_received_at + 61)
    post(hub, file(uid="2.25.77"))
    assert here.feed.poll() == 0
    assert here.ledger.open_studies() == ()
    assert "objects_own" not in here.intake.counters, "it is not even fetched"


def test_an_orthanc_that_is_away_loses_nothing(orthanc, pulling, monkeypatch) -> None:
    hub = orthanc()
    here = pulling(hub.url)
    here.feed.poll()
    post(hub, file())
    hub.stop()
    with pytest.raises(Unreachable, match="hub"):
        here.feed.poll()
    hub.start()
    monkeypatch.setattr(type(here.archive), "free_mb", lambda self: 1.0)
    here.intake.refuse_free_mb = 100
    with pytest.raises(Unreachable, match="free some"):
        here.feed.poll()
    here.intake.refuse_free_mb = 0
    assert here.feed.poll() == 1
    assert list(here.archive.spool.iterdir()) == []


def test_an_instance_that_is_gone_or_no_dicom_is_passed_over(orthanc, pulling) -> None:
    hub = orthanc()
    here = pulling(hub.url)
    here.feed.poll()
    gone = post(hub, file())
    httpx.delete(f"{hub.url}/instances/{gone}").raise_for_status()
    post(hub, file())
    assert here.feed.poll() == 1
