"""Serve the pages from a thread of the process that keeps the timers."""

from __future__ import annotations

import os
import socket
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from service.config import Tls
from service.errors import Misconfigured
from service.tls import Server

if TYPE_CHECKING:
    from starlette.applications import Starlette


_MOST_REQUESTS = 100
_WAITING = 2048  # as uvicorn's own backlog


@dataclass(frozen=True, slots=True)
class Place:
    """Where the pages are: an address, or a Unix socket with its mode."""

    host: str = "127.0.0.1"
    port: int = 0
    socket: Path | None = None
    socket_mode: int = 0o660


class WebServer:
    """A uvicorn server in a thread; ``port`` is known once :meth:`start` has returned, 0 for a Unix socket."""

    def __init__(self, application: Starlette, place: Place, tls: Tls | None = None) -> None:
        context = None if tls is None else Server(tls, "web").for_pages()
        config = uvicorn.Config(
            application,
            host=place.host,
            port=place.port,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            loop="asyncio",  # by what the project pins, whatever else is installed
            http="h11",
            ws="none",
            limit_concurrency=_MOST_REQUESTS,
            timeout_graceful_shutdown=5,
            ssl_context_factory=(lambda _config, _default: context) if context else None,
        )
        self._path = place.socket
        self._server = uvicorn.Server(config)
        self._socket = _unix_socket(place.socket, place.socket_mode) if place.socket else _bound(config, place)
        self.port = 0 if place.socket else int(self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="web", daemon=True)

    def start(self) -> None:
        """Begin to answer; who connects from now on waits and is not refused."""
        self._socket.listen(_WAITING)  # uvicorn does so only when its thread has come to it
        self._thread.start()

    def stop(self) -> None:
        """Finish what is being answered, then end."""
        self._server.should_exit = True
        self._thread.join(10)
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def _bound(config: uvicorn.Config, place: Place) -> socket.socket:
    try:
        return config.bind_socket()
    except SystemExit:  # uvicorn's own answer to a port that is taken
        raise Misconfigured(
            f"web.port = {place.port}: another program listens on {place.host}:{place.port}; choose another port or 0 "
            "for a free one"
        ) from None


def _unix_socket(path: Path, mode: int) -> socket.socket:
    """A socket file that nobody may use before it has its mode; one that a dead process left is taken away."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket():
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
                if other.connect_ex(str(path)) == 0:
                    raise Misconfigured(f"web.socket = {path}: another program listens there; give another path")
            path.unlink()
        before = os.umask(0o777)
        try:
            made.bind(str(path))
        finally:
            os.umask(before)
        path.chmod(mode)
    except OSError as error:
        made.close()
        raise Misconfigured(f"web.socket = {path}: cannot be made ({error.strerror}); give a folder of ours") from error
    return made
