"""The two command sets of C-STORE (PS3.7 section 9.3.1), read and written without a data set in between.

Every image costs one of each, and building them through general data sets is a third of the work of receiving one.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_C_STORE_RQ = 0x0001
_C_STORE_RSP = 0x8001
_NO_DATA_SET = 0x0101
_CLASS, _COMMAND, _MESSAGE, _DATA_SET, _INSTANCE = 0x0002, 0x0100, 0x0110, 0x0800, 0x1000
_ELEMENT = struct.Struct("<HHI")
_US = struct.Struct("<H")


@dataclass(frozen=True, slots=True)
class StoreRequest:
    """C-STORE-RQ: the UIDs as they came, padding and all, to be given back in the response."""

    message_id: int
    raw_class: bytes
    raw_instance: bytes

    @property
    def sop_class_uid(self) -> str:
        """Without padding."""
        return self.raw_class.decode("latin-1").rstrip("\0 ")

    @property
    def sop_instance_uid(self) -> str:
        """Without padding."""
        return self.raw_instance.decode("latin-1").rstrip("\0 ")


def store_request(command: bytes) -> StoreRequest | None:
    """Read a command set (Implicit VR Little Endian); ``None`` if it is not a C-STORE-RQ with a data set.

    Raises
    ------
    ValueError
        It is no command set at all.
    """
    values: dict[int, bytes] = {}
    offset = 0
    while offset < len(command):
        if offset + 8 > len(command):
            raise ValueError("command set ends inside an element")
        group, element, length = _ELEMENT.unpack_from(command, offset)
        offset += 8
        if group != 0 or offset + length > len(command):
            raise ValueError("command set holds an element that is none of its own")
        values[element] = command[offset : offset + length]
        offset += length
    if _short(values, _COMMAND) != _C_STORE_RQ or _short(values, _DATA_SET) == _NO_DATA_SET:
        return None
    return StoreRequest(_short(values, _MESSAGE), values.get(_CLASS, b""), values.get(_INSTANCE, b""))


def _short(values: dict[int, bytes], element: int) -> int:
    raw = values.get(element, b"")
    if len(raw) != 2:
        raise ValueError(f"command set lacks (0000,{element:04X})")
    return int(_US.unpack(raw)[0])


def store_response(request: StoreRequest, context_id: int, status: int, comment: str = "") -> bytes:
    """A whole P-DATA-TF PDU with the C-STORE-RSP; the comment (0000,0902) has room for 64 characters."""
    elements = [
        _element(_CLASS, request.raw_class),
        _element(_COMMAND, _US.pack(_C_STORE_RSP)),
        _element(0x0120, _US.pack(request.message_id)),
        _element(_DATA_SET, _US.pack(_NO_DATA_SET)),
        _element(0x0900, _US.pack(status)),
    ]
    if comment:
        raw = comment.encode("ascii", "replace")[:64]
        elements.append(_element(0x0902, raw + b" " * (len(raw) % 2)))
    elements.append(_element(_INSTANCE, request.raw_instance))
    body = b"".join(elements)
    command = _element(0x0000, struct.pack("<I", len(body))) + body
    item = struct.pack(">IBB", len(command) + 2, context_id, 0x03) + command
    return struct.pack(">BBI", 0x04, 0, len(item)) + item


def _element(element: int, raw: bytes) -> bytes:
    return _ELEMENT.pack(0, element, len(raw)) + raw
