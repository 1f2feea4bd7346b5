"""C-STORE requests straight from the file to the connection.

pynetdicom makes an object of each fragment and hands it to another thread, one for every 16 kB to a peer with DCMTK's
default: 40 ms for an overlay clip of 5 MB. The same bytes written at once take two. For the version that this was tried
with, and without TLS, whose connections two threads must not use at a time; else all goes pynetdicom's way.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pynetdicom
from pynetdicom.association import Association
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode

from service import crash

KNOWN_VERSION = "3.0.4"
_P_DATA = 4
_COMMAND, _DATA, _LAST = 1, 0, 2
"""Message control header of a fragment (PS3.8 annex E.2)."""
_HEADERS = 6
"""Bytes of a fragment's header, which count to the peer's maximum length of a PDU."""
_UNLIMITED = 1 << 20
_AT_ONCE = 1 << 18
"""Bytes read from the file and given to the system at a time."""


def stream_stores(association: Association, *, is_encrypted: bool) -> None:
    """Have what this association stores go out so."""
    if pynetdicom.__version__ != KNOWN_VERSION:
        return
    dimse = association.dimse
    ordinary = dimse.send_msg

    def send(primitive: object, context_id: int) -> None:
        if not isinstance(primitive, C_STORE) or primitive._dataset_path is None or is_encrypted:
            ordinary(primitive, context_id)
        else:
            _stream(association, primitive, context_id, *primitive._dataset_path)

    dimse.send_msg = send


def _stream(association: Association, primitive: C_STORE, context_id: int, path: Path, offset: int) -> None:
    message = C_STORE_RQ()
    message.primitive_to_message(primitive)
    command = encode(message.command_set, True, True) or b""  # always Implicit VR Little Endian (PS3.7 6.3.1)
    most = (association.dimse.maximum_pdu_size or _UNLIMITED) - _HEADERS
    connection = getattr(association.dul.socket, "socket", None)
    if connection is None:
        return  # the association has just ended, which whoever waits for an answer learns
    try:
        _put(connection, b"".join(_fragments(command, most, context_id, _COMMAND, is_end=True)), association)
        crash.point("mid_send")
        with path.open("rb") as file:
            left = file.seek(0, 2) - file.seek(offset)
            step = max(_AT_ONCE // most, 1) * most
            while left:
                block = file.read(min(step, left))
                if not block:
                    raise OSError("the file has become shorter")
                left -= len(block)
                _put(connection, b"".join(_fragments(block, most, context_id, _DATA, is_end=not left)), association)
    except OSError:
        # the peer is gone, or takes nothing any more: whoever waits for its answer learns that the association ended
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


def _fragments(data: bytes, most: int, context_id: int, kind: int, *, is_end: bool) -> Iterator[bytes | memoryview]:
    """One PDU for each fragment (PS3.8 9.3.5), as a header and a piece of the data in turn."""
    view = memoryview(data)
    for at in range(0, len(data), most):
        piece = view[at : at + most]
        control = kind | (_LAST if is_end and at + most >= len(data) else 0)
        yield struct.pack(">BBLLBB", _P_DATA, 0, len(piece) + _HEADERS, len(piece) + 2, context_id, control)
        yield piece


def _put(connection: socket.socket, data: bytes, association: Association) -> None:
    """All of it, or ``OSError`` when the peer takes nothing for as long as the association may be idle."""
    view, seconds = memoryview(data), association.network_timeout
    ready = select.poll()
    number = connection.fileno()
    if number < 0:
        raise BrokenPipeError
    ready.register(number, select.POLLOUT)
    while view:
        try:
            view = view[connection.send(view, socket.MSG_DONTWAIT) :]
        except BlockingIOError:
            if not ready.poll(None if seconds is None else seconds * 1000):
                raise TimeoutError from None
