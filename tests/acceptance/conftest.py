"""Real peers for the acceptance tests: an Orthanc of its own on free ports, DCMTK's tools by their full path."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

DCMTK = Path("/usr/bin")
"""By full path: the environment's own storescu is pynetdicom's."""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def until(condition: Callable[[], object], seconds: float = 30) -> None:
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


@pytest.fixture(scope="session")
def dcmtk() -> Callable[[str], str]:
    """Path of one of DCMTK's tools."""

    def tool(name: str) -> str:
        path = DCMTK / name
        if not path.exists():
            pytest.skip(f"DCMTK's {name} is not installed")
        return str(path)

    return tool
