"""A store that speaks S3, of its own for a test: a real server process on a free port of the loopback address.

nanio checks every signature and ``Content-MD5`` and keeps its objects as files, so what it has outlives its process.
It knows no conditions on PUT; :class:`Scripted` answers as stores that do.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from service.config import Objects

ACCESS, SECRET = "NMUSTEST", "CANARY-secret-of-the-object-store"
SERVE = """
import sys, uvicorn
port, certificate, key = int(sys.argv[1]), *sys.argv[2:4]
tls = {"ssl_certfile": certificate, "ssl_keyfile": key} if certificate else {}
uvicorn.run("nanio.app:build_app", factory=True, host="127.0.0.1", port=port, log_level="warning", **tls)
"""


class ObjectServer:
    """One server with one bucket."""

    def __init__(self, certificate: Path | str = "", key: Path | str = "") -> None:
        pytest.importorskip("nanio")
        self.folder = Path(tempfile.mkdtemp(prefix="nmus-s3-"))
        self.bucket = self.folder / "data" / "images"
        self.bucket.mkdir(parents=True)
        for name, text in (("access", ACCESS), ("secret", SECRET)):
            (self.folder / name).write_text(f"{text}\n")
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = one.getsockname()[1]
        self._tls = [str(certificate), str(key)]
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def endpoint(self) -> str:
        return f"http{'s' if self._tls[0] else ''}://127.0.0.1:{self.port}"

    def start(self) -> None:
        own = {"NANIO_DATA_DIR": str(self.folder / "data"), "NANIO_ACCESS_KEY": ACCESS, "NANIO_SECRET_KEY": SECRET}
        command = [sys.executable, "-c", SERVE, str(self.port), *self._tls]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, env={**os.environ, **own}, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise AssertionError((self.folder / "log").read_text())

    def stop(self) -> None:
        """As the power would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(10)
            self._process = None

    def freeze(self, frozen: bool = True) -> None:
        """It takes connections and says nothing, until it is let go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP if frozen else signal.SIGCONT)

    def files(self, part: str = "") -> list[Path]:
        """Whole objects as they lie with the server."""
        return sorted(one for one in (self.bucket / part).rglob("*") if one.is_file() and not one.name.startswith("."))

    def section(self, **changes: object) -> Objects:
        made: dict[str, object] = {"endpoint": self.endpoint, "bucket": "images", "timeout_seconds": 5}
        made |= {"access_key_file": self.folder / "access", "secret_key_file": self.folder / "secret"}
        return Objects.model_validate(made | changes)

    def toml(self, **changes: object) -> str:
        """The section of a settings file."""
        values = self.section(**changes).model_dump(exclude_defaults=True, mode="json")
        lines = (
            f"{name} = {f'{value}' if isinstance(value, float | int) else repr(value)}"
            for name, value in values.items()
        )
        return "\n".join(("[objects]", *lines, ""))

    def remove(self) -> None:
        self.stop()
        subprocess.run(["rm", "-rf", str(self.folder)], check=True)


Asked = tuple[str, str, dict[str, str], bytes]
"""Method, path, headers and body of a request."""
Said = tuple[int, bytes, dict[str, str]]


class Scripted:
    """A server that answers as a test says: for what stores say that the real one never does."""

    def __init__(self, answer: Callable[[Asked], Said]) -> None:
        asked: list[Asked] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                one = (self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                asked.append(one)
                status, raw, headers = answer(one)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(raw)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(raw)

            do_GET = do_PUT = do_HEAD = do_DELETE = _any  # noqa: N815

            def log_message(self, *_arguments: object) -> None:
                """Quiet."""

        self.asked = asked
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def remove(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
