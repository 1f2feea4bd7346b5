"""The data phase of an association that sends us objects: one thread, big reads, no polling.

pynetdicom negotiates; then this module reads the connection itself, streams the fragments of each C-STORE data set
into the spool, and answers. Whatever is not a P-DATA-TF PDU (release, abort, garbage) is given back unread, and
pynetdicom's state machine goes on from there; other messages (C-ECHO) are given to pynetdicom's own classes.
Sources: PS3.8 section 9.3.5 (P-DATA-TF), annex E (fragmentation); PS3.7 section 9.3.1 (C-STORE).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Protocol, TypeVar

from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu_primitives import P_DATA

from service.receive.archive import Incoming
from service.receive.command_set import StoreRequest, store_request, store_response
from service.receive.pynetdicom_guards import MAXIMUM_PDU_BYTES, GuardedSocket, ParkedDUL
from service.receive.wire import Closed, Overdue, Wire

T = TypeVar("T")

_STRAIGHT_BYTES = 1 << 14
"""Fragments at least so long are read into the spool's own memory; shorter ones are cheaper by the bufferful."""
_P_DATA_TF = 0x04
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
        self._wire = Wire(self._connection, self._dul.bell, self._timeout)
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
        self._wire.limit_waiting(self._timeout)
        try:
            while True:
                came = self._wire.something()
                if came is None:
                    return False
                if not came or not self._pdu():
                    return True
        except (Overdue, BlockingIOError, TimeoutError) as error:
            raise Malformed from error  # the last two are the system's way, and TLS's, to say that a wait was too long
        except (Closed, OSError):
            return True
        finally:
            if self._incoming is not None:
                self._incoming.discard()
            self._wire.limit_waiting(0)
            self._guarded.give_back(self._wire.rest())

    def _pdu(self) -> bool:
        """Read one PDU; ``False`` if it is not data, which is left unread."""
        self._wire.begin()
        kind, remaining = self._wire.unpack(_PDU)
        if kind != _P_DATA_TF:
            return False
        if remaining > MAXIMUM_PDU_BYTES:
            raise Malformed
        self._wire.skip(_PDU.size)
        while remaining:
            length, context_id, control = self._wire.unpack(_ITEM)
            if length < 2 or length + 4 > remaining:
                raise Malformed
            self._wire.skip(_ITEM.size)
            remaining -= length + 4
            if control & _COMMAND:
                self._take_command(context_id, length - 2, bool(control & _LAST))
            else:
                self._take_data(context_id, length - 2, bool(control & _LAST))
        return True

    def _take_command(self, context_id: int, length: int, last: bool) -> None:
        if self._request is not None or len(self._command) + length > _MAXIMUM_COMMAND_BYTES:
            raise Malformed
        while length:
            part = self._wire.part(length)
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
                part = self._wire.part(length)
                data += part
                length -= len(part)
            self._pass_on(context_id, bytes(data))
            return
        if self._request is None:
            raise Malformed
        while length:
            room = self._room(length)
            if room is None:
                part = self._wire.part(length)
                self._spool(Incoming.write, part)
                length -= len(part)
            else:
                count = self._wire.read_into(room)
                self._spool(Incoming.took, count)
                length -= count
        if last:
            self._finish(context_id)

    def _room(self, most: int) -> memoryview | None:
        """The spool's own memory for the next bytes, where there is any and nothing has been read ahead."""
        if self._incoming is None or most < _STRAIGHT_BYTES or not self._wire.empty:
            return None
        room = self._incoming.room()
        return None if room is None else room[:most]

    def _spool(self, step: Callable[[Incoming, T], None], what: T) -> None:
        """Do something with the object that is coming; what comes after an error is read and dropped."""
        if self._incoming is None:
            return
        try:
            step(self._incoming, what)
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
