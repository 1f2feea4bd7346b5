"""The receivers that are compared, each a process of its own with its CPU and memory read from /proc."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_TICK = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass
class Receiver:
    """One running receiver."""

    name: str
    port: int
    process: subprocess.Popen[bytes]

    def cpu_seconds(self) -> float:
        """User and system time so far, of it and of children that ended."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(int(value) for value in fields[11:15]) / _TICK

    def peak_mb(self) -> float:
        """Largest resident memory since :meth:`forget_peak`."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024 / 1e6
        return 0.0

    def forget_peak(self) -> None:
        """Start counting the peak anew."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")


def _accepts(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"receiver ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.005)
    raise RuntimeError("receiver does not accept")


@contextmanager
def _running(name: str, port: int, command: list[str], folder: Path, **environment: str) -> Iterator[Receiver]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            cwd=folder,
            env={**os.environ, "TCP_NODELAY": "1", "PYTHONPATH": str(ROOT), **environment},
        )
        try:
            _accepts(port, process)
            yield Receiver(name, port, process)
        finally:
            process.kill()
            process.wait()
            shutil.rmtree(folder, ignore_errors=True)


def storescp(folder: Path, *options: str):
    """DCMTK's receiver with TCP_NODELAY=1; all transfer syntaxes."""
    port = free_port()
    folder.mkdir()
    return _running("storescp", port, ["/usr/bin/storescp", "+xa", *options, "-od", str(folder), str(port)], folder)


def orthanc(folder: Path, **settings: object):
    """Debian's Orthanc with TCP_NODELAY=1 and no plugin."""
    port = free_port()
    folder.mkdir()
    configuration = {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpServerEnabled": False,
        "DicomPort": port,
        "Plugins": [],
        **settings,
    }
    (folder / "orthanc.json").write_text(json.dumps(configuration), encoding="utf-8")
    binary = shutil.which("Orthanc") or "/usr/sbin/Orthanc"
    return _running("orthanc", port, [binary, str(folder / "orthanc.json")], folder)


_NO_FSYNC = "import os; os.fsync = lambda descriptor: None; "
_SERVE = "import sys; from service.__main__ import main; sys.exit(main())"


def ours(folder: Path, *, fsync: bool = True):
    """The listener's process as the service starts it, on an empty ledger."""
    port = free_port()
    folder.mkdir()
    (folder / "nmus.toml").write_text(
        f'[service]\ndata_folder = "data"\n[listener]\nport = {port}\nrefuse_free_mb = 500\n'
        "maximum_unestablished_per_address = 100\nmaximum_associations = 100\n",
        encoding="utf-8",
    )
    program = ("" if fsync else _NO_FSYNC) + _SERVE
    command = [sys.executable, "-c", program, "serve", "--settings", str(folder / "nmus.toml"), "--role", "listener"]
    return _running("nmus", port, command, folder)


@contextmanager
def worker(folder: Path) -> Iterator[None]:
    """The worker's process as the service starts it, from the moment at which it says that it is ready."""
    folder.mkdir()
    (folder / "nmus.toml").write_text('[service]\ndata_folder = "data"\n', encoding="utf-8")
    command = [sys.executable, "-c", _SERVE, "serve", "--settings", str(folder / "nmus.toml"), "--role", "worker"]
    log = folder / "log"
    with log.open("wb") as out:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=environment)
        try:
            deadline = time.monotonic() + 120
            while b"worker ready" not in log.read_bytes():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("worker does not get ready")
                time.sleep(0.005)
            yield
        finally:
            process.terminate()
            process.wait()


_TUTORIAL = """
import sys
from pynetdicom import AE, evt, AllStoragePresentationContexts, ALL_TRANSFER_SYNTAXES
ae = AE()
ae.maximum_associations = 100
for context in AllStoragePresentationContexts:
    ae.add_supported_context(context.abstract_syntax, ALL_TRANSFER_SYNTAXES)
def store(event):
    event.encoded_dataset()
    return 0
ae.start_server(("127.0.0.1", int(sys.argv[1])), evt_handlers=[(evt.EVT_C_STORE, store)])
"""


def tutorial(folder: Path):
    """pynetdicom as its tutorial shows it."""
    port = free_port()
    folder.mkdir()
    return _running("tutorial", port, [sys.executable, "-c", _TUTORIAL, str(port)], folder)
