"""Serve the pages from a thread of the process that keeps the timers."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import uvicorn

from service.errors import Misconfigured

if TYPE_CHECKING:
    from starlette.applications import Starlette


class WebServer:
    """A uvicorn server in a thread; ``port`` is known once :meth:`start` has returned."""

    def __init__(self, application: Starlette, host: str, port: int) -> None:
        config = uvicorn.Config(
            application,
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=5,
        )
        self._server = uvicorn.Server(config)
        self._socket = None
        try:
            self._socket = config.bind_socket()
        except SystemExit:  # uvicorn's own answer to a port that is taken
            raise Misconfigured(
                f"web.port = {port}: another program listens on {host}:{port}; choose another port or 0 for a free one"
            ) from None
        self.port = int(self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="web", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what is being answered, then end."""
        self._server.should_exit = True
        self._thread.join(10)
