"""A PostgreSQL of its own for a test: real, on a free port of the loopback address, gone afterwards."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
import sqlalchemy


def binaries() -> Path:
    """Folder of initdb and pg_ctl; the test is skipped where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda one: int(one.parts[-3]))
    if not found:
        pytest.skip("PostgreSQL is not installed")
    return found[-1].parent


class PostgreSql:
    """One server. ``durable`` keeps its flushes, for tests that stop it without warning."""

    def __init__(self, durable: bool = False) -> None:
        self._binaries = binaries()
        self._numbers = itertools.count()
        self._user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        # not below tempfile's own folder: a listener of the same run moves that into its spool, which is root's alone
        self.folder = Path(tempfile.mkdtemp(prefix="nmus-pg-", dir="/tmp"))
        if self._user:
            shutil.chown(self.folder, "postgres", "postgres")
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = one.getsockname()[1]
        self._flush = "on" if durable else "off"
        self._run("initdb", "-D", self.folder / "data", "-U", "nmus", "--auth=trust", "--no-sync", "-E", "UTF8")
        self.start()

    def _run(self, tool: str, *arguments: str | Path) -> None:
        done = subprocess.run(
            [str(self._binaries / tool), *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            timeout=90,
            **self._user,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        options = f"-p {self.port} -k '' -c listen_addresses=127.0.0.1 -c fsync={self._flush} -c full_page_writes=off"
        self._run("pg_ctl", "-D", self.folder / "data", "-w", "-l", self.folder / "log", "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        """``immediate`` ends it as a power cut would."""
        self._run("pg_ctl", "-D", self.folder / "data", "-m", mode, "-w", "stop")

    def database(self, template: str = "template1") -> str:
        """Address of a new, empty database."""
        name = f"test_{next(self._numbers)}"
        engine = sqlalchemy.create_engine(self.address("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        engine.dispose()
        return self.address(name)

    def address(self, name: str) -> str:
        return f"postgresql+psycopg://nmus@127.0.0.1:{self.port}/{name}"

    def remove(self) -> None:
        if (self.folder / "data" / "postmaster.pid").exists():
            self.stop("immediate")
        deadline = time.monotonic() + 10
        while self.folder.exists() and time.monotonic() < deadline:
            shutil.rmtree(self.folder, ignore_errors=True)
