"""A real Orthanc is compared with, corrected and merged in; DCMTK's archive is asked and sends what we lack."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import shutil
import socket
import subprocess
import time
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from service.config import Listener, OrthancSource, validated
from service.ledger import open_ledger
from service.patient.guard import Guard, HeldBack
from service.patient.keys import Keys
from service.patient.versions import corrections
from service.proof.account import search
from service.receive.archive import Archive
from service.receive.intake import Intake
from service.receive.listener import StorageProvider
from service.receive.orthanc import OrthancFeed
from service.reconcile import Reconciler

pytestmark = pytest.mark.acceptance
NUMBER = itertools.count(1)
KEYS = Keys(b"a secret of the site")
STUDY = "1.2.826.0.1.99"


def us_file(uid: str = "", **changes: str) -> bytes:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.6.1", uid or f"{STUDY}.4.{next(NUMBER)}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.Modality = STUDY, f"{STUDY}.1", "US"
    dataset.PatientID, dataset.PatientName, dataset.PatientBirthDate = "CANARY-17", "Canary^Carla", "19500102"
    dataset.AccessionNumber, dataset.StudyDate, dataset.StudyTime, dataset.StudyID = "ACC-1", "20260101", "120000", "1"
    dataset.SeriesNumber, dataset.InstanceNumber, dataset.PatientSex = 1, 1, "F"
    dataset.Rows = dataset.Columns = 16
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation, dataset.SamplesPerPixel = 7, 0, 1
    dataset.PhotometricInterpretation, dataset.PixelData = "MONOCHROME2", bytes(256)
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


class Here:
    """Our side, with a listener."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = open_ledger(folder)
        self.archive = Archive(folder)
        self.intake = Intake(self.ledger, self.archive)
        self.listener = StorageProvider(Listener(port=0), self.intake, self.archive.spool)

    def settings(self, **parts: object):
        return validated({"service": {"data_folder": str(self.folder)}, **parts}).placed(self.folder)

    def feed(self, url: str, **settings: object) -> OrthancFeed:
        return OrthancFeed(OrthancSource(name="hub", url=url, **settings), self.intake, self.ledger)

    def take(self, raw: bytes) -> str:
        uid = str(dcmread(BytesIO(raw)).SOPInstanceUID)
        incoming = self.intake.begin("1.2.840.10008.5.1.4.1.1.6.1", uid, str(ExplicitVRLittleEndian), "US1")
        incoming.write(raw[144 + int.from_bytes(raw[140:144], "little") :])
        self.intake.take(incoming, "US1")
        return uid


@pytest.fixture
def here(tmp_path):
    made = Here(tmp_path / "here")
    yield made
    made.listener.drain(0)
    made.ledger.close()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def until_listening(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.05)
    raise AssertionError("does not listen")


def post(hub, raw: bytes) -> str:
    reply = httpx.post(f"{hub.url}/instances", content=raw, timeout=10)
    reply.raise_for_status()
    return str(reply.json()["ID"])


def test_what_orthanc_has_and_we_lack_is_told_and_fetched(orthanc, here) -> None:
    hub = orthanc()
    numbers = [post(hub, us_file()) for _ in range(3)]
    feed = here.feed(hub.url)
    feed.reconcile()  # from now on
    assert here.ledger.status().instances == 0
    Reconciler(here.ledger, here.settings(reconcile={"fetch": False}), [feed]).now()
    (row,) = here.ledger.reconciliations()
    assert (row.peer, row.kind, row.looked, row.missing, row.mended) == ("hub", "images", 3, 3, 0)
    assert len(row.detail.splitlines()) == 3
    reconciler = Reconciler(here.ledger, here.settings(), [feed])
    assert reconciler.due() == 0, "once a day"
    reconciler.now()
    assert here.ledger.reconciliations()[0].mended == 3
    assert here.ledger.status().instances == len(numbers)
    reconciler.now()
    assert here.ledger.reconciliations()[0].missing == 0
    hub.stop()
    reconciler.now()
    assert "running" in here.ledger.reconciliations()[0].error
    hub.start()


def test_a_patient_corrected_in_orthanc_is_fetched_again_under_the_new_identity(orthanc, here) -> None:
    hub = orthanc()
    feed = here.feed(hub.url)
    feed.poll()
    post(hub, us_file())
    post(hub, us_file())
    assert feed.poll() == 2
    assert feed.poll() == 0
    (patient,) = hub.get("/patients").json()
    changed = {
        "Replace": {"PatientID": "MERGED-1", "PatientName": "Canary^Carla"},
        "Keep": ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"],
        "KeepSource": False,
        "Force": True,
    }
    httpx.post(f"{hub.url}/patients/{patient}/modify", json=changed, timeout=30).raise_for_status()
    feed.poll()
    assert corrections(here.ledger, here.folder, KEYS, 1e9) == 2
    assert search(here.ledger, KEYS, "MERGED-1") == (STUDY,)
    Guard(here.settings(), here.ledger, KEYS).check(STUDY, 1e9)
    assert here.ledger.corrected_identity(STUDY)
    assert [str(dcmread(here.folder / one.path).PatientID) for one in here.ledger.instances(STUDY)] == ["MERGED-1"] * 2
    before = here.ledger.status()
    feed.poll()
    feed.reconcile()
    assert here.ledger.status().instances == before.instances == 2


def test_orthanc_is_asked_whose_study_it_is_and_sends_what_we_lack(orthanc, here) -> None:
    modality = {"nmus": {"AET": "NMUS", "Host": "127.0.0.1", "Port": here.listener.port}}
    hub = orthanc(DicomModalities=modality)
    held, lacking = us_file(), us_file()
    post(hub, held)
    post(hub, lacking)
    here.take(held)
    peer = {
        "name": "hub", "ae_title": "ORTHANC", "host": "127.0.0.1", "port": hub.dicom_port,
        "identity": True, "reconcile": True, "fetch": True,
    }  # fmt: skip
    chosen = here.settings(archive=[peer])
    Guard(chosen, here.ledger, KEYS).check(STUDY, 1.0)
    Reconciler(here.ledger, chosen).now()
    (row,) = here.ledger.reconciliations()
    assert (row.looked, row.missing, row.mended, row.error) == (2, 1, 1, "")
    assert len(here.ledger.instances(STUDY)) == 2
    here.take(us_file(PatientBirthDate="19600102"))
    chosen = here.settings(archive=[peer], identity={"among_objects": False})
    with pytest.raises(HeldBack, match="hub says otherwise of the birth date"):
        Guard(chosen, here.ledger, KEYS).check(STUDY, 1.0)


ENTRY = """(0008,0005) CS ISO_IR 100
(0008,0050) SH ACC-1
(0010,0010) PN Canary^Carla
(0010,0020) LO {patient}
(0010,0030) DA 19500102
(0020,000d) UI 1.2.826.0.1.99
(0032,1060) LO Ultrasound
(0040,0100) SQ
(fffe,e000) -
(0008,0060) CS US
(0040,0001) AE SONO1
(0040,0002) DA 20260101
(0040,0003) TM 120000
(0040,0006) PN A
(0040,0007) LO Ultrasound
(0040,0009) SH 1
(fffe,e00d) -
(fffe,e0dd) -
(0040,1001) SH 1
"""


def test_a_real_worklist_is_asked_by_accession_number(here, tmp_path, dcmtk) -> None:
    """DCMTK's wlmscpfs."""
    entries = tmp_path / "worklists" / "RIS"
    entries.mkdir(parents=True)
    (entries / "lockfile").touch()

    def plan(patient: str) -> None:
        dump = entries / "one.dump"
        dump.write_text(ENTRY.format(patient=patient), encoding="ascii")
        subprocess.run([dcmtk("dump2dcm"), "-q", str(dump), str(entries / "one.wl")], check=True)
        dump.unlink()

    port = free_port()
    plan("CANARY-17")
    peer = {"name": "ris", "ae_title": "RIS", "host": "127.0.0.1", "port": port, "worklist": True}
    chosen = here.settings(archive=[peer], identity={"unknown": "quarantine"})
    here.take(us_file())
    command = [dcmtk("wlmscpfs"), "--disable-file-reject", "-dfp", str(tmp_path / "worklists"), str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as ris:
        try:
            until_listening(port)
            Guard(chosen, here.ledger, KEYS).check(STUDY, 1.0)
            plan("CANARY-18")
            with pytest.raises(HeldBack, match="worklist of ris says otherwise of the patient ID"):
                Guard(chosen, here.ledger, KEYS).check(STUDY, 1.0)
            (entries / "one.wl").unlink()
            with pytest.raises(HeldBack, match="knows the study"):
                Guard(chosen, here.ledger, KEYS).check(STUDY, 1.0)
        finally:
            ris.terminate()


def test_results_that_a_destination_lost_are_told(orthanc, here) -> None:
    from service.ledger import Outcome, Result

    hub = orthanc()
    here.take(us_file())
    (study,) = here.ledger.open_studies()
    here.ledger.settle(study, 1.0)
    job = here.ledger.claim(2.0, "w", 30)
    raw = us_file(uid=f"{STUDY}.77")
    (here.folder / "r.dcm").write_bytes(raw)
    digest = hashlib.sha256(raw).hexdigest()
    result = Result(f"{STUDY}.77", "1.2", f"{STUDY}.1", "sr", "r.dcm", digest, len(raw), destinations=("hub",))
    here.ledger.finish(job, Outcome((result,)), 3.0)
    (row,) = here.ledger.claim_outgoing("hub", 4.0, "s", 30)
    number = post(hub, raw)
    now = 1e9
    here.ledger.sent(row, now, "", "find", now)
    to = {"name": "hub", "orthanc": hub.url, "confirm": "find"}
    reconciler = Reconciler(here.ledger, here.settings(destination=[to]), clock=lambda: now)
    reconciler.now()
    assert here.ledger.reconciliations()[0].missing == 0
    httpx.delete(f"{hub.url}/instances/{number}", timeout=10).raise_for_status()
    reconciler.now()
    found = here.ledger.reconciliations()[0]
    assert (found.kind, found.looked, found.missing, found.detail) == ("results", 1, 1, f"{STUDY}.77")


def test_dcmtk_archive_answers_and_moves(here, tmp_path, dcmtk) -> None:
    """dcmqrscp: an archive that is no relative of ours."""
    folder = tmp_path / "qr"
    (folder / "db").mkdir(parents=True)
    port = free_port()
    (folder / "cfg").write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\nHostTable BEGIN\n"
        f"nmus = (NMUS, 127.0.0.1, {here.listener.port})\nHostTable END\nVendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nQR {folder / 'db'} RW (200, 1024mb) ANY\nAETable END\n",
        encoding="ascii",
    )
    held, lacking = us_file(), us_file()
    for number, raw in enumerate((held, lacking)):
        (folder / "db" / f"{number}.dcm").write_bytes(raw)
    index = shutil.which("dcmqridx") or dcmtk("dcmqridx")
    files = [str(path) for path in sorted((folder / "db").glob("*.dcm"))]
    subprocess.run([index, str(folder / "db"), *files], check=True, capture_output=True)
    with subprocess.Popen([dcmtk("dcmqrscp"), "-c", str(folder / "cfg")], stderr=subprocess.DEVNULL) as archive:
        try:
            here.take(held)
            peer = {
                "name": "qr", "ae_title": "QR", "host": "127.0.0.1", "port": port, "identity": True,
                "reconcile": True, "fetch": True,
            }  # fmt: skip
            chosen = here.settings(archive=[peer])
            reconciler = Reconciler(here.ledger, chosen)
            until_listening(port)
            reconciler.now()
            row = here.ledger.reconciliations()[0]
            assert (row.looked, row.missing, row.mended, row.error) == (2, 1, 1, "")
            assert len(here.ledger.instances(STUDY)) == 2
            Guard(chosen, here.ledger, KEYS).check(STUDY, 1.0)
        finally:
            archive.terminate()
