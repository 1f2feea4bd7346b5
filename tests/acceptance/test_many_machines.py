"""Two machines, one PostgreSQL, one shared folder: killed in mid-work, nothing is lost and nothing doubled."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom import dcmread

from service.demo.exam import exam_shots
from service.demo.exam_files import derived_uid, shot_dataset
from service.demo.scanner import send
from service.errors import Unreachable
from service.ledger import JobState, Ledger, OutgoingState, open_ledger

sys.path.insert(0, str(Path(__file__).parents[1] / "service"))
from postgresql_server import PostgreSql

pytestmark = pytest.mark.acceptance
STUDIES = 3


@pytest.fixture
def server() -> Iterator[PostgreSql]:
    running = PostgreSql(durable=True)
    yield running
    running.remove()


class Machine:
    """The installed service on one of several machines: its own folder and ports, the rest shared."""

    def __init__(self, folder: Path, name: str, ports: tuple[int, int], shared: str) -> None:
        folder.mkdir()
        self.folder, self.port = folder, ports[0]
        self.settings = folder / "nmus.toml"
        self.settings.write_text(
            f'[service]\ndata_folder = "../shared"\nlocal_folder = "local"\nmachine = "{name}"\n'
            f"tick_seconds = 0.1\nlease_seconds = 6\n{shared}\n"
            f"[listener]\nport = {self.port}\ndrain_seconds = 5\nrefuse_free_mb = 200\n"
            f"[settle]\nquiet_seconds = 0.5\n[web]\nport = {ports[1]}\n[analysis]\nyield_to_reception = false\n",
            encoding="utf-8",
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, destinations: str) -> None:
        text = self.settings.read_text(encoding="utf-8").partition("[[")[0]
        self.settings.write_text(text + destinations, encoding="utf-8")
        command = [sys.executable, "-P", "-m", "service", "serve", "--settings", str(self.settings)]
        with (self.folder / "log").open("ab") as log:
            kept = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, "start_new_session": True}
            self._process = subprocess.Popen(command, **kept)

    def kill(self) -> None:
        """End everything on this machine as the power would."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)
            self._process = None

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8")


@pytest.fixture
def machines(tmp_path, server, pacs, destination) -> Iterator[Callable[[], list[Machine]]]:
    address = server.database()
    shared = f'database = "{address}"'
    made = [Machine(tmp_path / name, name, free_ports(), shared) for name in ("east", "west")]
    for one in made:
        one.start(destination(pacs))
    yield made
    for one in made:
        one.kill()


def free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]


@pytest.fixture
def studies(tmp_path) -> list[Path]:
    return stills_of_studies(tmp_path / "studies")


def stills_of_studies(folder: Path) -> list[Path]:
    """A still of each of several studies."""
    folder.mkdir()
    for number in range(STUDIES):
        shot = next(iter(exam_shots(20 + number)))
        study = derived_uid(20 + number, "study")
        shot_dataset(shot, 20 + number, 1, study).save_as(folder / f"{number}.dcm", enforce_file_format=True)
    return sorted(folder.iterdir())


def offered(files: list[Path], port: int) -> set[Path]:
    """Send as a scanner does; the files that were answered with Success."""
    good: set[Path] = set()
    with contextlib.suppress(Unreachable, RuntimeError):
        send(files, "127.0.0.1", port, "NMUS", sent=lambda path, status: good.add(path) if status == 0 else None)
    return good


def all_sent(ledger: Ledger) -> bool:
    status = ledger.status()
    return (
        status.jobs["done"] >= STUDIES
        and status.jobs["queued"] + status.jobs["running"] + status.open_studies == 0
        and bool(status.outbox)
        and all(box.waiting == 0 for box in status.outbox)
    )


def test_a_machine_and_the_database_killed_in_mid_work(*, machines, server, studies, pacs, tmp_path, until) -> None:
    east, west = machines
    missing = set(studies)

    def sent_to(machine: Machine, files: list[Path]) -> bool:
        missing.difference_update(offered(sorted(set(files) & missing), machine.port))
        return not set(files) & missing

    until(lambda: sent_to(east, studies[:1]), 240)
    until(lambda: sent_to(west, studies[1:2]), 240)
    ledger = open_ledger(tmp_path / "looking", server.address("test_0"))
    assert ledger.status().instances == 2
    until(lambda: ledger.jobs(JobState.RUNNING) or ledger.jobs(JobState.DONE), 120)
    owners = {job.owner.partition(":")[0] for job in ledger.jobs(JobState.RUNNING)}
    (victim, other) = (east, west) if "east" in owners else (west, east)
    victim.kill()
    server.stop("immediate")
    assert offered(studies[2:], other.port) == set(), "no Success while the ledger cannot be written"
    time.sleep(1)
    server.start()
    until(lambda: sent_to(other, studies[2:]), 120)
    until(lambda: all_sent(ledger), 240)
    status = ledger.status()
    assert status.instances == STUDIES
    assert status.jobs["failed"] == status.jobs["dead"] == status.conflicts == 0
    rows = ledger.outgoing()
    assert {row.state for row in rows} == {OutgoingState.SENT}
    assert sorted(path.stem for path in pacs.files()) == sorted(row.sop_instance_uid for row in rows)
    assert len({row.sop_instance_uid for row in rows}) == len(rows)
    assert {str(dcmread(path, stop_before_pixels=True).StudyInstanceUID) for path in pacs.files()} == {
        str(dcmread(path, stop_before_pixels=True).StudyInstanceUID) for path in studies
    }
    names = {process.name for process in status.processes}
    # the worker that was killed may have died before it first said that it lives
    assert {"listener@east", "listener@west"} <= names
    for one in machines:
        assert "CANARY" not in one.log
    ledger.close()
