"""``nmus doctor`` against real peers: an Orthanc, DCMTK's storescp, a service that runs, and peers that are wrong."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from service.receive.offered import TRANSFER_SYNTAXES

pytestmark = pytest.mark.acceptance


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def doctor(settings: Path, *words: str, status: int) -> dict[str, object]:
    command = [sys.executable, "-P", "-m", "service", "doctor", "--settings", str(settings), "--json", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout, done.stderr
    told = json.loads(done.stdout)
    assert done.returncode == status, [row for row in told["rows"] if row["state"] != "good"]
    return told


def by_what(told, place: str) -> dict[str, tuple[str, str, str]]:
    return {row["what"]: (row["state"], row["found"], row["remedy"]) for row in told["rows"] if row["place"] == place}


def dicom(name: str, title: str, port: int, more: str = "") -> str:
    return f'[[destination]]\nname = "{name}"\nae_title = "{title}"\nhost = "127.0.0.1"\nport = {port}\n{more}\n'


def test_an_exam_goes_through_service_and_orthanc_and_is_asked_for(nmus, orthanc, tmp_path) -> None:
    """By DICOM and by REST into one Orthanc: it answers that it has the report."""
    hub = orthanc(DicomModalities={"nmus": ["NMUS", "127.0.0.1", 1]}, DicomCheckModalityHost=False)
    more = f'confirm = "find"\n[[destination]]\nname = "rest"\northanc = "{hub.url}"\n'
    here = nmus(
        destinations=dicom("pacs", "ORTHANC", hub.dicom_port, more),
        more=f'[[orthanc]]\nname = "hub"\nurl = "{hub.url}"',
    )
    here.start_listening()
    told = doctor(here.settings, "--send", "--wait", "200", "--out", str(tmp_path / "sheets"), status=0)
    assert told["good"] is True
    exam, pacs, rest = (by_what(told, place) for place in ("simulated exam", "destination pacs", "destination rest"))
    assert exam["C-STORE"][0] == exam["report"][0] == "good"
    assert pacs["C-ECHO"][0] == pacs["Comprehensive 3D SR"][0] == pacs["confirm = 'find'"][0] == "good"
    for arrived in (pacs, rest):
        assert (
            arrived["asked for them"] == ("good", arrived["asked for them"][1], "")
            and "has all" in arrived["asked for them"][1]
        )
    reports = [
        one for one in hub.get("/instances?expand").json() if one["MainDicomTags"]["SOPInstanceUID"].startswith("2.25")
    ]
    modalities = {hub.get(f"/instances/{one['ID']}/tags?simplify").json()["Modality"] for one in reports}
    assert "SR" in modalities
    assert by_what(told, "orthanc hub")["REST"][0] == "good"
    # every ultrasound class in every syntax, with our listener and with Orthanc
    assert all(set(accepted) == set(TRANSFER_SYNTAXES) for accepted in told["accepted"]["own listener"].values())
    assert "1.2.840.10008.5.1.4.1.1.3.1" in told["accepted"]["destination pacs"]
    conformance = (tmp_path / "sheets" / "conformance.md").read_text()
    assert "Negotiated with destination pacs" in conformance and f"127.0.0.1:{here.port}" in conformance
    assert str(hub.dicom_port) in (tmp_path / "sheets" / "firewall.md").read_text()
    entered = json.loads((tmp_path / "sheets" / "orthanc.json").read_text())
    assert entered["DicomModalities"]["nmus"]["Port"] == here.port


def test_orthanc_takes_the_part_of_its_configuration_that_is_printed(nmus, orthanc) -> None:
    """What is to be copied is copied: Orthanc then knows us and reaches our listener."""
    here = nmus()
    here.start_listening(role="listener")
    told = doctor(here.settings, status=0)
    assert "sender" not in by_what(told, "machine")["service"][1], "no destination, so no sender is missed"
    assert "worker" in by_what(told, "machine")["service"][1], "one process alone runs here"
    sheet = json.loads(told["sheets"]["orthanc.json"])
    hub = orthanc(DicomModalities=sheet["DicomModalities"])
    import httpx

    assert httpx.post(f"{hub.url}/modalities/nmus/echo", json={}, timeout=20).status_code == 200


@pytest.fixture
def storescp(dcmtk, tmp_path):
    """DCMTK's storescp with options; its port."""
    running = []

    def start(*options: str) -> int:
        port = free_port()
        command = [dcmtk("storescp"), *options, "--fork", "-od", str(tmp_path), str(port)]
        running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        for _ in range(500):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return port
            with contextlib.suppress(subprocess.TimeoutExpired):
                running[-1].wait(0.02)
        raise AssertionError("storescp does not listen")

    yield start
    for one in running:
        one.kill()
        one.wait()


def test_dcmtk_is_told_apart_by_what_it_accepts(nmus, storescp) -> None:
    """+xa takes all syntaxes that DCMTK knows, +xi Implicit VR only; both are seen as they are."""
    all_of, plain = storescp("+xa"), storescp("+xi")
    here = nmus(destinations=dicom("all", "STORESCP", all_of) + dicom("plain", "STORESCP", plain))
    here.start_listening(role="listener")
    told = doctor(here.settings, status=0)
    image = "1.2.840.10008.5.1.4.1.1.6.1"
    assert told["accepted"]["destination plain"][image] == ["1.2.840.10008.1.2"]
    taken = set(told["accepted"]["destination all"][image])
    assert {"1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.5"} <= taken < set(TRANSFER_SYNTAXES)
    for place in ("destination all", "destination plain"):
        assert by_what(told, place)["C-ECHO"][0] == "good"
        assert by_what(told, place)["Comprehensive 3D SR"][0] == "good"


class Locked(BaseHTTPRequestHandler):
    """A server that wants a password."""

    def do_GET(self) -> None:
        self.send_response(401)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def locked() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Locked) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_what_is_wrong_bears_its_remedy(nmus, storescp, locked) -> None:
    closed, refusing = free_port(), storescp("--refuse")
    here = nmus(
        destinations=dicom("closed", "X", closed)
        + dicom("refusing", "X", refusing)
        + '[[destination]]\nname = "unnamed"\nae_title = "X"\nhost = "no-such-host.invalid"\nport = 104\n'
        + f'[[destination]]\nname = "locked"\northanc = "{locked}"\n'
    )
    told = doctor(here.settings, "--send", status=1)
    assert told["good"] is False
    assert by_what(told, "simulated exam")["C-STORE"][0] == "BAD", "no service runs that could take it"
    assert "nmus serve" in by_what(told, "own listener")["connection"][2]
    assert "nothing listens" in by_what(told, "destination closed")["connection"][1]
    assert by_what(told, "destination refusing")["C-ECHO"][1].startswith("rejected")
    assert "DNS" in by_what(told, "destination unnamed")["connection"][2]
    assert "password_file" in by_what(told, "destination locked")["login"][2]
    assert all(row["remedy"] for row in told["rows"] if row["state"] == "BAD")
    only = doctor(here.settings, "--peer", "closed", status=1)
    assert {row["place"] for row in only["rows"]} == {"destination closed"} and only["sheets"] == {}
