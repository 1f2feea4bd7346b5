"""One connection read ahead by the bufferful, or straight into the memory that what comes is meant for."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import time

_BUFFER_BYTES = 1 << 18
_HEADERS_BYTES = 12
"""Of a PDU and its first item: between two long fragments no more than that is read ahead."""
_TIMEVAL = struct.Struct("@ll")


class Overdue(Exception):
    """The peer drips bytes, or none came in time."""


class Closed(Exception):
    """The connection ended."""


class Wire:
    """The reading side of a connection.

    Parameters
    ----------
    bell:
        Becomes readable when somebody else wants the connection.
    seconds:
        Longest wait for a peer to begin, and time in which what it began must come (:meth:`begin`).
    """

    def __init__(self, connection: socket.socket, bell: socket.socket, seconds: float) -> None:
        self._connection = connection
        self._bell = bell.fileno()
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)
        self._poll.register(bell, select.POLLIN)
        self._seconds = seconds
        self._encrypted = isinstance(connection, ssl.SSLSocket)
        self._wait_for_all = 0 if self._encrypted else socket.MSG_WAITALL
        self._buffer = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0
        self._most = _BUFFER_BYTES
        self._deadline = 0.0

    def limit_waiting(self, seconds: float) -> None:
        """Have the system end a wait on the connection after so long; 0 is never.

        Python's own time limit asks the system twice more for every read; under TLS there is no other.
        """
        if self._encrypted:
            self._connection.settimeout(seconds or None)
            return
        limit = _TIMEVAL.pack(int(seconds), int(seconds % 1 * 1e6))
        with contextlib.suppress(OSError):  # closed meanwhile
            self._connection.settimeout(None)
            self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
            self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)

    def something(self) -> bool | None:
        """Wait for the peer (``True``) or for the bell (``False``); ``None`` if neither came in time."""
        if not self.empty or self._decrypted():
            return True
        events = self._poll.poll(self._seconds * 1000)
        if not events:
            return None
        return all(descriptor != self._bell for descriptor, _ in events)

    def _decrypted(self) -> bool:
        """Whether TLS holds bytes that ``poll`` does not see: those of a record that was read in part."""
        return isinstance(self._connection, ssl.SSLSocket) and self._connection.pending() > 0

    @property
    def empty(self) -> bool:
        """Whether nothing has been read ahead."""
        return self._start == self._end

    def begin(self) -> None:
        """From now on what comes next must be whole in time."""
        self._deadline = time.monotonic() + self._seconds

    def unpack(self, layout: struct.Struct) -> tuple[int, ...]:
        """The next few bytes, left where they are until :meth:`skip`."""
        self._need(layout.size)
        return layout.unpack_from(self._buffer, self._start)

    def skip(self, count: int) -> None:
        """Go on behind bytes that were looked at."""
        self._start += count

    def part(self, most: int) -> memoryview:
        """What there is of the next bytes, at least one; good until the next call."""
        if self._start == self._end:
            self._fill()
        part = self._view[self._start : min(self._end, self._start + most)]
        self._start += len(part)
        return part

    def read_into(self, room: memoryview) -> int:
        """Read the next bytes where they are meant to be, when nothing was read ahead; how many, all if they come."""
        count = self._received(room, self._wait_for_all)
        self._most = _HEADERS_BYTES  # as what follows now may again be meant for somewhere else
        return count

    def rest(self) -> bytes:
        """What was read ahead; the wire is of no use afterwards."""
        return bytes(self._view[self._start : self._end])

    def _need(self, count: int) -> None:
        if self._end - self._start >= count:
            return
        if self._start + count > _BUFFER_BYTES:
            rest = self.rest()
            self._view[: len(rest)] = rest
            self._start, self._end = 0, len(rest)
        while self._end - self._start < count:
            self._fill()

    def _fill(self) -> None:
        if self._start == self._end:
            self._start = self._end = 0
        self._end += self._received(self._view[self._end : self._end + self._most], 0)
        self._most = _BUFFER_BYTES

    def _received(self, room: memoryview, flags: int) -> int:
        if time.monotonic() > self._deadline:
            raise Overdue
        count = self._connection.recv_into(room, len(room), flags)
        if count == 0:
            raise Closed
        return count
