"""A TLS connection that two threads may use."""

from __future__ import annotations

import select
import ssl
import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class TurnsSocket(ssl.SSLSocket):
    """A TLS connection that two threads may use: one reads or writes at a time, and neither waits inside its turn.

    OpenSSL forbids two threads in one connection at once, and pynetdicom has a thread that may abort an association
    while another reads. So the system's socket never blocks; waiting is done outside of the turn.
    """

    _turn: threading.Lock
    _wait_seconds: float | None

    def shake_hands(self, seconds: float) -> None:
        """Complete the handshake as a whole within so long.

        Raises
        ------
        OSError
            The peer was silent, or what it said is not accepted.
        """
        ssl.SSLSocket.settimeout(self, seconds)  # OpenSSL's handshake counts this once, not for each read
        self.do_handshake()
        self.take_turns(None)

    def take_turns(self, seconds: float | None) -> None:
        """From now on wait so long for each read or write, outside of the turn."""
        self._turn = threading.Lock()
        self._wait_seconds = seconds
        ssl.SSLSocket.settimeout(self, 0)

    def settimeout(self, value: float | None) -> None:
        """How long a read or a write may take; ``None``: for ever."""
        if hasattr(self, "_turn"):
            self._wait_seconds = value
        else:
            super().settimeout(value)

    def recv_into(self, buffer: memoryview, nbytes: int | None = None, flags: int = 0) -> int:  # type: ignore[override]
        """Read what there is, at least one byte; 0 at the end."""
        return self._in_turn(lambda: ssl.SSLSocket.recv_into(self, buffer, nbytes, flags))

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Read what there is, at least one byte; nothing at the end."""
        return self._in_turn(lambda: ssl.SSLSocket.recv(self, buflen, flags))

    def send(self, data: bytes, flags: int = 0) -> int:  # type: ignore[override]
        """Write a part; how many bytes."""
        return self._in_turn(lambda: ssl.SSLSocket.send(self, data, flags))

    def pending(self) -> int:
        """Bytes that are decrypted already and that ``poll`` on the connection does not tell of."""
        if not hasattr(self, "_turn"):
            return super().pending()
        with self._turn:
            return super().pending()

    def _in_turn(self, step: Callable[[], T]) -> T:
        if not hasattr(self, "_turn"):
            return step()
        deadline = None if self._wait_seconds is None else time.monotonic() + self._wait_seconds
        while True:
            try:
                with self._turn:
                    return step()
            except ssl.SSLWantReadError:
                wanted = select.POLLIN
            except ssl.SSLWantWriteError:
                wanted = select.POLLOUT
            self._wait_for(wanted, deadline)

    def _wait_for(self, wanted: int, deadline: float | None) -> None:
        left = None if deadline is None else deadline - time.monotonic()
        descriptor = self.fileno()
        if descriptor < 0:
            raise OSError("connection is closed")
        if left is not None and left <= 0:
            raise TimeoutError("TLS peer is silent")
        poll = select.poll()
        poll.register(descriptor, wanted)
        poll.poll(None if left is None else left * 1000 + 1)
