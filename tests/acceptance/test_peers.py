"""DCMTK and Orthanc as senders, Orthanc as destination by both ways, and a service that is told to end."""

from __future__ import annotations

import hashlib
import itertools
import subprocess
import time
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from pydicom import Dataset, dcmread

from service.config import Destination, load
from service.deliver.sender import Sender, peer_for
from service.demo.scanner import send
from service.errors import Unreachable
from service.ledger import Instance, Outcome, OutgoingState, Result, open_ledger
from service.receive.file_header import file_header

pytestmark = pytest.mark.acceptance
EXPLICIT = "1.2.840.10008.1.2.1"
COMPREHENSIVE_3D = "1.2.840.10008.5.1.4.1.1.88.34"
CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
NUMBER = itertools.count(1)


def data_set(raw: bytes) -> bytes:
    """The bytes behind a file's header."""
    return raw[144 + int.from_bytes(raw[140:144], "little") :]


def kept(here, path: Path) -> bytes:
    """What the archive holds of a file's object."""
    ledger = here.ledger()
    (row,) = ledger.instance(str(dcmread(path, stop_before_pixels=True).SOPInstanceUID))
    ledger.close()
    return data_set((here.data / row.path).read_bytes())


@pytest.mark.parametrize("tool", ["storescu", "dcmsend"])
def test_dcmtk_sends_as_a_scanner_does(nmus, exam, dcmtk, tool) -> None:
    here = nmus()
    here.start_listening(role="listener")
    options = ["-aec", "NMUS", "-aet", "US1"]
    command = [dcmtk(tool), *options, "127.0.0.1", str(here.port), *map(str, exam)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    for path in exam:
        # storescu writes lengths of sequences anew; what was read is the same object
        raw = path.read_bytes()
        assert dcmread(BytesIO(file_header("1.2", "1.2", EXPLICIT, "") + kept(here, path))) == dcmread(path)
        if tool == "dcmsend":
            assert hashlib.sha256(kept(here, path)).digest() == hashlib.sha256(data_set(raw)).digest()
    assert subprocess.run([dcmtk("echoscu"), "127.0.0.1", str(here.port)], check=False, timeout=60).returncode == 0


def test_orthanc_sends_as_a_router_does(nmus, exam, orthanc) -> None:
    here = nmus()
    hub = orthanc(DicomModalities={"nmus": ["NMUS", "127.0.0.1", here.port]})
    here.start_listening(role="listener")
    numbers = []
    for path in exam[:2]:
        reply = httpx.post(f"{hub.url}/instances", content=path.read_bytes(), timeout=20).json()
        numbers.append(reply["ID"])
    told = httpx.post(f"{hub.url}/modalities/nmus/store", json=numbers, timeout=60)
    assert told.is_success, told.text
    for path in exam[:2]:
        assert dcmread(BytesIO(file_header("1.2", "1.2", EXPLICIT, "") + kept(here, path))) == dcmread(path)
    ledger = here.ledger()
    assert {row.source for path in exam[:2] for row in ledger.instance(str(dcmread(path).SOPInstanceUID))} == {
        "ORTHANC"
    }
    ledger.close()


@pytest.fixture
def outbox(tmp_path: Path):
    """A ledger with two results for one destination."""
    folder = tmp_path / "outbox"
    ledger = open_ledger(folder)

    def post(destination: str) -> list[Result]:
        made = []
        for sop_class in (COMPREHENSIVE_3D, CAPTURE):
            uid = f"2.25.{time.time_ns()}{next(NUMBER)}"
            dataset = Dataset()
            dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, uid
            dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.826.0.1.77", "1.2.826.0.1.77.1"
            dataset.PatientID, dataset.Modality, dataset.TextValue = "CANARY-17", "SR", "x" * 20_000
            buffer = BytesIO()
            dataset.save_as(buffer, implicit_vr=False, little_endian=True)
            raw = file_header(sop_class, uid, EXPLICIT, "") + buffer.getvalue()
            (folder / f"{uid}.dcm").write_bytes(raw)
            made.append(
                Result(uid, sop_class, "1.2.9", "sr", f"{uid}.dcm", "a" * 64, len(raw), destinations=(destination,))
            )
        number = next(NUMBER)
        ledger.keep(
            Instance(f"1.2.{number}", "1.2", f"1.3.{number}", "1.4", EXPLICIT, f"{number:064x}", "x", 1, 1.0, "U")
        )
        (study,) = ledger.open_studies()
        ledger.settle(study, 2.0)
        job = ledger.claim(3.0, "w", 30)
        assert job is not None
        ledger.finish(job, Outcome(tuple(made)), 4.0)
        return made

    yield ledger, folder, post
    ledger.close()


ORTHANC_PLUGINS = Path("/usr/share/orthanc/plugins")


def orthanc_with_dicomweb(start):
    """An Orthanc that speaks DICOMweb."""
    found = sorted(ORTHANC_PLUGINS.glob("libOrthancDicomWeb.so*"))
    if not found:
        pytest.skip("orthanc-dicomweb is not installed")
    return start(
        Plugins=[str(found[0])],
        DicomWeb={"Enable": True, "Root": "/dicom-web/"},
    )


@pytest.mark.parametrize("way", ["C-STORE", "REST", "STOW-RS"])
def test_what_orthanc_got_reads_back_equal_and_again_changes_nothing(orthanc, outbox, tmp_path, way) -> None:
    hub = orthanc_with_dicomweb(orthanc) if way == "STOW-RS" else orthanc()
    ledger, folder, post = outbox
    there = {
        "REST": Destination(name="hub", orthanc=hub.url),
        "C-STORE": Destination(name="hub", ae_title="ORTHANC", host="127.0.0.1", port=hub.dicom_port),
        "STOW-RS": Destination(name="hub", dicomweb=f"{hub.url}/dicom-web"),
    }[way]
    settings = load(None)
    settings = settings.model_copy(update={"service": settings.service.model_copy(update={"data_folder": folder})})
    sender = Sender(ledger, "hub", peer_for(there, settings), "me")
    made = post("hub")
    assert sender.step() == 2
    sender.close()
    assert [row.state for row in ledger.outgoing("hub")] == [OutgoingState.SENT] * 2
    for result in made:
        found = httpx.post(f"{hub.url}/tools/lookup", content=result.sop_instance_uid, timeout=10).json()
        (number,) = [one["ID"] for one in found if one["Type"] == "Instance"]
        stored = hub.get(f"/instances/{number}/file").content
        assert dcmread(BytesIO(stored)) == dcmread(folder / result.path)
    # a sender that died after sending does it all again: the same bytes, no second object
    again = peer_for(there, settings)
    for answered, answer in again.send(ledger.outgoing("hub")):
        assert (answered.destination, answer.fate.value) == ("hub", "sent")
    again.rest(at_once=True)
    assert len(hub.get("/instances").json()) == 2


def test_an_orthanc_sends_on_by_a_job_of_its_own(orthanc, outbox, pacs) -> None:
    hub = orthanc(DicomModalities={"pacs": [pacs.ae_title, "127.0.0.1", pacs.port], "gone": ["GONE", "127.0.0.1", 1]})
    ledger, folder, post = outbox
    settings = load(None)
    settings = settings.model_copy(update={"service": settings.service.model_copy(update={"data_folder": folder})})
    made = post("hub")
    on, lost, strange = (
        peer_for(Destination(name="hub", orthanc=hub.url, orthanc_modality=name, timeout_seconds=20), settings)
        for name in ("pacs", "gone", "strange")
    )
    assert {answer.fate.value for _, answer in lost.send(ledger.outgoing("hub")[:1])} == {"later"}
    with pytest.raises(Unreachable, match="modality"):
        list(strange.send(ledger.outgoing("hub")))
    assert {answer.fate.value for _, answer in on.send(ledger.outgoing("hub"))} == {"sent"}
    arrived = {str(dcmread(path).SOPInstanceUID) for path in pacs.folder.rglob("*.dcm")}
    assert {result.sop_instance_uid for result in made} <= arrived


def test_orthanc_posts_by_stow_and_a_file_is_dropped(nmus, exam, orthanc, until, tmp_path) -> None:
    dropped = tmp_path / "drop"
    dropped.mkdir()
    (tmp_path / "password").write_text("secret\n", encoding="utf-8")
    here = nmus(
        more=f'[stow]\nenabled = true\nusername = "hub"\npassword_file = "{tmp_path}/password"\n'
        f'[[folder]]\nname = "drop"\npath = "{dropped}"\npoll_seconds = 0.1\nstable_seconds = 0.3\n'
    )
    there = {"Url": f"http://127.0.0.1:{here.web_port}/dicom-web/", "Username": "hub", "Password": "secret"}
    found = sorted(ORTHANC_PLUGINS.glob("libOrthancDicomWeb.so*"))
    if not found:
        pytest.skip("orthanc-dicomweb is not installed")
    hub = orthanc(Plugins=[str(found[0])], DicomWeb={"Enable": True, "Root": "/dicom-web/", "Servers": {"nmus": there}})
    here.start_listening()
    posted, by_hand = exam[:2], exam[2]
    numbers = [
        httpx.post(f"{hub.url}/instances", content=path.read_bytes(), timeout=20).json()["ID"] for path in posted
    ]
    until(lambda: answers(here.web_port), 60)
    told = httpx.post(
        f"{hub.url}/dicom-web/servers/nmus/stow", json={"Resources": numbers, "Synchronous": True}, timeout=60
    )
    assert told.is_success, told.text
    (dropped / by_hand.name).write_bytes(by_hand.read_bytes())
    until((dropped / "done" / by_hand.name).exists, 30)
    for path in exam[:3]:
        assert dcmread(BytesIO(file_header("1.2", "1.2", EXPLICIT, "") + kept(here, path))) == dcmread(path)
    ledger = here.ledger()
    sources = [ledger.instance(str(dcmread(path).SOPInstanceUID))[0].source for path in exam[:3]]
    ledger.close()
    assert sources == ["hub", "hub", "drop"]


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health/live", timeout=5).is_success
    except httpx.HTTPError:
        return False


def test_a_service_that_is_told_to_end_lets_the_sender_finish(nmus, exam, until) -> None:
    here = nmus()
    here.start_listening(role="listener")
    assert set(send(exam[:2], "127.0.0.1", here.port, "NMUS").values()) == {0}
    assert here.terminate() == 0
    ledger = here.ledger()
    assert ledger.status().instances == 2
    ledger.close()
    assert "CANARY" not in here.log()
    for path in exam[:2]:
        patient = dcmread(path, stop_before_pixels=True)
        assert str(patient.PatientID) not in here.log()
        assert str(patient.PatientName) not in here.log()


def test_a_port_that_is_taken_ends_the_service_with_the_remedy(nmus) -> None:
    first, second = nmus(), nmus()
    first.start_listening(role="listener")
    text = second.settings.read_text().replace(f"port = {second.port}", f"port = {first.port}")
    second.settings.write_text(text)
    process = second.start(role="listener")
    assert process.wait(60) == 2
    assert "listener.port" in second.log()
