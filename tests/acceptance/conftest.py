"""Real peers for the acceptance tests: an Orthanc of its own on free ports, DCMTK's tools by their full path."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from service.demo.exam import exam_shots
from service.demo.exam_files import derived_uid, shot_dataset
from service.demo.pacs import StandInPacs
from service.demo.scanner import send
from service.ledger import JobState, Ledger, open_ledger

DCMTK = Path("/usr/bin")
"""By full path: the environment's own storescu is pynetdicom's."""


_LOG_LINES = 60
BESIDE_TESTS = "[analysis]\nyield_to_reception = false\n"
"""A worker that gives way to everybody waits for minutes beside other tests: their load is no reception's."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What the services said, beside a failure: whoever reads it has no other way to their folders."""
    report = yield
    folder = getattr(item, "funcargs", {}).get("tmp_path")
    if report.failed and folder is not None:
        for log in sorted(one for one in folder.rglob("log") if one.is_file()):
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
            report.sections.append((f"end of {log.relative_to(folder)}", "\n".join(lines)))
    return report


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def until(condition: Callable[[], object], seconds: float = 120) -> None:
    """Poll until true, with a limit."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.fixture(name="until")
def until_fixture() -> Callable[..., None]:
    return until


@dataclass
class Orthanc:
    """One running Orthanc. Remote access is off, no plugin is loaded."""

    process: subprocess.Popen[bytes]
    folder: Path
    http_port: int
    dicom_port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", timeout=10)

    def alive(self) -> bool:
        try:
            return self.get("/system").is_success
        except httpx.HTTPError:
            return False

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)

    def start(self) -> None:
        binary = shutil.which("Orthanc")
        assert binary is not None
        with (self.folder / "orthanc.log").open("ab") as log:
            self.process = subprocess.Popen(
                [binary, str(self.folder / "orthanc.json")],
                stdout=log,
                stderr=log,
                env={**os.environ, "TCP_NODELAY": "1"},
            )
        until(self.alive)


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[Callable[..., Orthanc]]:
    """Start an Orthanc; keyword arguments go into its configuration."""
    if shutil.which("Orthanc") is None:
        pytest.skip("Orthanc is not installed")
    running: list[Orthanc] = []

    def start(**settings: object) -> Orthanc:
        folder = tmp_path / f"orthanc-{len(running)}"
        folder.mkdir()
        one = Orthanc(None, folder, free_port(), free_port())  # type: ignore[arg-type]
        configuration = {
            "Name": "acceptance",
            "StorageDirectory": str(folder / "storage"),
            "IndexDirectory": str(folder / "storage"),
            "HttpPort": one.http_port,
            "DicomPort": one.dicom_port,
            "DicomAet": "ORTHANC",
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "Plugins": [],
            "StableAge": 1,
            **settings,
        }
        (folder / "orthanc.json").write_text(json.dumps(configuration), encoding="utf-8")
        one.start()
        running.append(one)
        return one

    yield start
    for one in running:
        if one.process.poll() is None:
            one.stop()


class Nmus:
    """The installed command on a data folder of its own, in a process group that can be killed whole."""

    def __init__(self, folder: Path, destinations: str = "", more: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.data = folder / "data"
        self.port = free_port()
        self.web_port = free_port()
        self.settings = folder / "nmus.toml"
        if "[analysis]" not in more:
            more = f"{BESIDE_TESTS}{more}"
        self.settings.write_text(
            f'[service]\ndata_folder = "data"\ntick_seconds = 0.1\nlease_seconds = 5\n'
            f"[listener]\nport = {self.port}\ndrain_seconds = 5\nrefuse_free_mb = 200\n"
            f"[settle]\nquiet_seconds = 0.5\n[web]\nport = {self.web_port}\n{more}\n{destinations}",
            encoding="utf-8",
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, role: str = "", crash_at: str = "") -> subprocess.Popen[bytes]:
        """Run ``nmus serve``, or one of its roles; with a crash point every process dies there."""
        command = [sys.executable, "-P", "-m", "service", "serve", "--settings", str(self.settings)]
        environment = {**os.environ, "NMUS_CRASH_AT": crash_at}
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *(["--role", role] if role else [])],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
        self._started.append(self._process)
        return self._process

    def listening(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def start_listening(self, crash_at: str = "", role: str = "") -> None:
        self.start(role, crash_at)
        until(self.listening, 240)

    def kill(self) -> None:
        """End everything as the power would."""
        for process in self._started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
        self._started.clear()
        self._process = None

    def terminate(self) -> int:
        """End everything as systemd would; the exit status."""
        assert self._process is not None
        self._process.terminate()
        status = self._process.wait(60)
        self._process = None
        return status

    def ledger(self) -> Ledger:
        return open_ledger(self.data)

    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8")


@pytest.fixture
def nmus(tmp_path: Path) -> Iterator[Callable[..., Nmus]]:
    made: list[Nmus] = []

    def make(**parts: str) -> Nmus:
        made.append(Nmus(tmp_path / f"nmus-{len(made)}", **parts))
        return made[-1]

    yield make
    for one in made:
        one.kill()


@pytest.fixture(scope="session")
def analysed(tmp_path_factory: pytest.TempPathFactory, exam: list[Path]) -> Path:
    """A data folder in which one study is analysed and its results wait for the destination ``pacs``."""
    nowhere = '[[destination]]\nname = "pacs"\nae_title = "X"\nhost = "127.0.0.1"\nport = 1\n'
    here = Nmus(tmp_path_factory.mktemp("analysed"), destinations=nowhere)
    ledger = here.ledger()
    try:
        here.start_listening(role="listener")
        assert set(send(exam[:1], "127.0.0.1", here.port, "NMUS").values()) == {0}
        here.kill()
        (study,) = ledger.open_studies()
        assert ledger.settle(study, study.last_received_at + 1) is not None
        here.start(role="worker")
        until(lambda: ledger.jobs(JobState.DONE), 120)
    finally:
        here.kill()
        ledger.close()
    return here.data


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[StandInPacs]:
    with StandInPacs(tmp_path / "pacs") as running:
        yield running


@pytest.fixture(scope="session")
def exam(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The simulated exam's stills of biceps brachii, left and right."""
    folder = tmp_path_factory.mktemp("exam")
    study = derived_uid(11, "study")
    for number, shot in enumerate(itertools.islice(exam_shots(11), 6), start=1):
        shot_dataset(shot, 11, number, study).save_as(folder / shot.file, enforce_file_format=True)
    return sorted(folder.iterdir())


def destination(pacs: StandInPacs, name: str = "pacs") -> str:
    """A destination's table for the settings file."""
    return (
        f'[[destination]]\nname = "{name}"\nae_title = "{pacs.ae_title}"\nhost = "127.0.0.1"\n'
        f"port = {pacs.port}\ntimeout_seconds = 10\n"
    )


@pytest.fixture(name="destination")
def destination_fixture() -> Callable[..., str]:
    return destination


@pytest.fixture(scope="session")
def dcmtk() -> Callable[[str], str]:
    """Path of one of DCMTK's tools."""

    def tool(name: str) -> str:
        path = DCMTK / name
        if not path.exists():
            pytest.skip(f"DCMTK's {name} is not installed")
        return str(path)

    return tool
