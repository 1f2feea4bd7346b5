"""The data phase of an association that sends us objects: one thread, big reads, no polling.

pynetdicom negotiates; then this module reads the connection itself, streams the fragments of each C-STORE data set
into the spool, and answers. Whatever is not a P-DATA-TF PDU (release, abort, garbage) is given back unread, and
pynetdicom's state machine goes on from there; other messages (C-ECHO) are given to pynetdicom's own classes.
Sources: PS3.8 section 9.3.5 (P-DATA-TF), annex E (fragmentation); PS3.7 section 9.3.1 (C-STORE).
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import time
from typing import Protocol

from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu_primitives import P_DATA

from service.receive.archive import Incoming
from service.receive.command_set import StoreRequest, store_request, store_response
from service.receive.pynetdicom_guards import MAXIMUM_PDU_BYTES, GuardedSocket, ParkedDUL

_BUFFER_BYTES = 1 << 18
_P_DATA_TF = 0x04
_TIMEVAL = struct.Struct("@ll")
_PDU = struct.Struct(">BxI")
_ITEM = struct.Struct(">IBB")
_COMMAND, _LAST = 0x01, 0x02
_MAXIMUM_COMMAND_BYTES = 1 << 16


class Taker(Protocol):
    """Where received objects go. Every method answers with a DIMSE status and a comment."""

    maximum_object_bytes: int

    def begin(self, association: Association, request: StoreRequest, transfer_syntax_uid: str) -> Incoming | Answer:
        """Open the spool, or refuse at once; the rest of the object is then read and dropped."""
        ...

    def end(self, association: Association, request: StoreRequest, incoming: Incoming) -> Answer:
        """The object is whole."""
        ...


Answer = tuple[int, str]


class Malformed(Exception):
    """The peer breaks the protocol: abort."""


class Closed(Exception):
    """The connection ended, or somebody wants it to end."""


class StorageAssociation(Association):  # type: ignore[misc]
    """An acceptor's association whose data phase is ours. ``taker`` is set on a subclass for each server."""

    taker: Taker

    def __init__(self, ae: ApplicationEntity, mode: str) -> None:
        super().__init__(ae, mode)
        self.dul = ParkedDUL(self)
        self.dul.daemon = True
        self.acse_timeout = ae.acse_timeout  # these two set the timers of ``dul``
        self.network_timeout = ae.network_timeout

    def kill(self) -> None:
        """Stop the threads of this association."""
        self.dul.hand_back()
        super().kill()

    def _run_reactor(self) -> None:
        if self.dul.wait_until_parked(5):
            timed_out = False
            try:
                timed_out = not DataPhase(self, self.taker).run()
            except Malformed:
                self.dul.hand_back()
                self.abort()
                return
            finally:
                if not timed_out:
                    self.dul._idle_timer.restart()
                self.dul.hand_back()
        super()._run_reactor()


class DataPhase:
    """Reads one established association until something other than data comes."""

    def __init__(self, association: StorageAssociation, taker: Taker) -> None:
        self._association = association
        self._taker = taker
        self._dul: ParkedDUL = association.dul
        self._guarded: GuardedSocket = association.dul.socket
        self._connection = self._guarded.socket
        self._timeout = association.network_timeout or 60
        self._buffer = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0
        self._deadline = 0.0
        self._command = bytearray()
        self._request: StoreRequest | None = None
        self._incoming: Incoming | None = None
        self._answer: Answer | None = None
        self._passing_on = False

    def run(self) -> bool:
        """Serve until the peer sends something else (``True``) or is silent for too long (``False``).

        Raises
        ------
        Malformed
            Abort the association.
        """
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        poll.register(self._dul.bell, select.POLLIN)
        bell = self._dul.bell.fileno()
        self._limit_waiting(self._timeout)
        try:
            while True:
                if self._start == self._end and not self._decrypted():
                    events = poll.poll(self._timeout * 1000)
                    if not events:
                        return False
                    if any(descriptor == bell for descriptor, _ in events):
                        return True
                if not self._pdu():
                    return True
        except (BlockingIOError, TimeoutError) as error:
            raise Malformed from error  # the system's way, and TLS's, to say that a wait reached its limit
        except (Closed, OSError):
            return True
        finally:
            if self._incoming is not None:
                self._incoming.discard()
            self._limit_waiting(0)
            self._guarded.give_back(bytes(self._view[self._start : self._end]))

    def _decrypted(self) -> bool:
        """Whether TLS holds bytes that ``poll`` does not see: those of a record that was read in part."""
        return isinstance(self._connection, ssl.SSLSocket) and self._connection.pending() > 0

    def _limit_waiting(self, seconds: float) -> None:
        """Have the system end a wait on the connection after so long; 0 is never.

        Python's own time limit asks the system twice more for every read; under TLS there is no other.
        """
        if isinstance(self._connection, ssl.SSLSocket):
            self._connection.settimeout(seconds or None)
            return
        limit = _TIMEVAL.pack(int(seconds), int(seconds % 1 * 1e6))
        with contextlib.suppress(OSError):  # closed meanwhile
            self._connection.settimeout(None)
            self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
            self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)

    def _pdu(self) -> bool:
        """Read one PDU; ``False`` if it is not data, which is left unread."""
        self._deadline = time.monotonic() + self._timeout
        self._need(6)
        kind, remaining = _PDU.unpack_from(self._buffer, self._start)
        if kind != _P_DATA_TF:
            return False
        if remaining > MAXIMUM_PDU_BYTES:
            raise Malformed
        self._start += 6
        while remaining:
            self._need(6)
            length, context_id, control = _ITEM.unpack_from(self._buffer, self._start)
            if length < 2 or length + 4 > remaining:
                raise Malformed
            self._start += 6
            remaining -= length + 4
            if control & _COMMAND:
                self._take_command(context_id, length - 2, bool(control & _LAST))
            else:
                self._take_data(context_id, length - 2, bool(control & _LAST))
        return True

    def _need(self, count: int) -> None:
        """Have at least so many bytes (a few) in one piece."""
        if self._end - self._start >= count:
            return
        if self._start + count > _BUFFER_BYTES:
            rest = bytes(self._view[self._start : self._end])
            self._view[: len(rest)] = rest
            self._start, self._end = 0, len(rest)
        while self._end - self._start < count:
            self._fill()

    def _fill(self) -> None:
        if self._start == self._end:
            self._start = self._end = 0
        if time.monotonic() > self._deadline:
            raise Malformed  # a peer that drips bytes
        count = self._connection.recv_into(self._view[self._end :])
        if count == 0:
            raise Closed
        self._end += count

    def _part(self, most: int) -> memoryview:
        """What there is of the next bytes, at least one."""
        if self._start == self._end:
            self._fill()
        part = self._view[self._start : min(self._end, self._start + most)]
        self._start += len(part)
        return part

    def _take_command(self, context_id: int, length: int, last: bool) -> None:
        if self._request is not None or len(self._command) + length > _MAXIMUM_COMMAND_BYTES:
            raise Malformed
        while length:
            part = self._part(length)
            self._command += part
            length -= len(part)
        if not last:
            return
        command = bytes(self._command)
        self._command.clear()
        context = self._association._accepted_cx.get(context_id)
        if context is None:
            raise Malformed
        try:
            request = store_request(command)
        except ValueError as error:
            raise Malformed from error
        if request is None:
            self._pass_on(context_id, b"\x03" + command)
            return
        self._request = request
        begun = self._taker.begin(self._association, request, str(context.transfer_syntax[0]))
        if isinstance(begun, Incoming):
            self._incoming = begun
        else:
            self._answer = begun

    def _take_data(self, context_id: int, length: int, last: bool) -> None:
        if self._passing_on:
            data = bytearray(b"\x02" if last else b"\x00")
            while length:
                part = self._part(length)
                data += part
                length -= len(part)
            self._pass_on(context_id, bytes(data))
            return
        if self._request is None:
            raise Malformed
        while length:
            part = self._part(length)
            length -= len(part)
            self._write(part)
        if last:
            self._finish(context_id)

    def _write(self, part: memoryview) -> None:
        if self._incoming is None:
            return
        try:
            self._incoming.write(part)
        except OSError as error:
            self._incoming.discard()
            self._incoming = None
            self._answer = (0xA700, f"spool cannot be written: {error.strerror}")
            return
        if self._incoming.size > self._taker.maximum_object_bytes:
            raise Malformed

    def _finish(self, context_id: int) -> None:
        request, incoming, answer = self._request, self._incoming, self._answer
        self._request = self._incoming = self._answer = None
        if request is None:
            raise Malformed
        if incoming is not None:
            answer = self._taker.end(self._association, request, incoming)
        status, comment = answer or (0xC000, "")
        self._connection.sendall(store_response(request, context_id, status, comment))

    def _pass_on(self, context_id: int, fragment: bytes) -> None:
        """Give a fragment of another message to pynetdicom, and have it serve the message when it is whole."""
        primitive = P_DATA()
        primitive.presentation_data_value_list = [[context_id, fragment]]
        self._association.dimse.receive_primitive(primitive)
        number, message = self._association.dimse.get_msg(block=False)
        self._passing_on = self._association.dimse.message is not None
        if message is not None and not isinstance(message, C_STORE):
            self._association._serve_request(message, number)
