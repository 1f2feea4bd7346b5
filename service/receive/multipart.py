"""Reading a multipart body as it comes, in pieces of any size (RFC 2046 section 5.1, PS3.18 section 8.6.1.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from enum import Enum

_HEADERS_LIMIT = 16_384
_PADDING_LIMIT = 1_024
_BOUNDARY_LIMIT = 200
"""RFC 2046 allows 70 characters; Orthanc's DICOMweb plugin writes 73."""


class Malformed(ValueError):
    """The body is no multipart body of that boundary."""


@dataclass(frozen=True, slots=True)
class Begin:
    """A part begins."""

    content_type: str
    """Its media type without parameters, in small letters; empty where it says none."""


@dataclass(frozen=True, slots=True)
class Data:
    """More of the part."""

    content: bytes


@dataclass(frozen=True, slots=True)
class End:
    """The part is whole."""


class _State(Enum):
    BODY = "body"
    BOUNDARY = "after a boundary"
    HEADERS = "headers"
    CLOSED = "closed"


class MultipartReader:
    """Cuts a body at its boundaries; holds no more of it than a boundary's length and one part's headers."""

    def __init__(self, boundary: str) -> None:
        self._delimiter = b"\r\n--" + boundary.encode("ascii")
        self._buffer = bytearray(b"\r\n")  # so that the first boundary is found like the others
        self._state = _State.BODY
        self._in_part = False

    @property
    def closed(self) -> bool:
        """Whether the closing boundary has come."""
        return self._state is _State.CLOSED

    def feed(self, content: bytes) -> Iterator[Begin | Data | End]:
        """What a piece of the body brings.

        Raises
        ------
        Malformed
            It is no multipart body.
        """
        self._buffer += content
        while True:
            before = (self._state, len(self._buffer))
            match self._state:
                case _State.BODY:
                    yield from self._body()
                case _State.BOUNDARY:
                    self._boundary()
                case _State.HEADERS:
                    yield from self._headers()
                case _State.CLOSED:
                    self._buffer.clear()  # an epilogue is to be ignored
            if (self._state, len(self._buffer)) == before:
                return

    def _body(self) -> Iterator[Data | End]:
        at = self._buffer.find(self._delimiter)
        sure = at if at >= 0 else len(self._buffer) - len(self._delimiter) + 1
        if sure > 0:
            content = bytes(self._buffer[:sure])
            del self._buffer[:sure]
            if self._in_part:
                yield Data(content)
        if at >= 0:
            del self._buffer[: len(self._delimiter)]
            self._state = _State.BOUNDARY
            if self._in_part:
                self._in_part = False
                yield End()

    def _boundary(self) -> None:
        if len(self._buffer) < 2:
            return
        if self._buffer.startswith(b"--"):
            self._state = _State.CLOSED
            return
        end = self._buffer.find(b"\r\n")
        if end < 0:
            if len(self._buffer) > _PADDING_LIMIT:
                raise Malformed("a boundary is followed by something else than a line's end")
            return
        if bytes(self._buffer[:end]).strip(b" \t"):
            raise Malformed("a boundary is followed by something else than a line's end")
        del self._buffer[:end]  # the line's end stays: a part may have no headers at all
        self._state = _State.HEADERS

    def _headers(self) -> Iterator[Begin]:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _HEADERS_LIMIT:
                raise Malformed("the headers of a part are longer than any that are sensible")
            return
        told = content_type(bytes(self._buffer[:end]))
        del self._buffer[: end + 4]
        self._state, self._in_part = _State.BODY, True
        # a boundary may follow at once, before which an empty part has no line's end of its own
        yield Begin(told)


def content_type(headers: bytes) -> str:
    """The media type that a part's headers state."""
    for line in headers.decode("latin-1").split("\r\n"):
        name, colon, value = line.partition(":")
        if colon and name.strip().lower() == "content-type":
            return value.partition(";")[0].strip().lower()
    return ""


def boundary(header: str) -> str | None:
    """The boundary of a ``Content-Type: multipart/related; type="application/dicom"``; ``None`` for anything else."""
    message = Message()
    message["Content-Type"] = header
    if message.get_content_type() != "multipart/related":
        return None
    kind = message.get_param("type")
    if kind is not None and str(kind).lower() != "application/dicom":
        return None
    found = message.get_param("boundary")
    if not isinstance(found, str) or not 0 < len(found) <= _BOUNDARY_LIMIT or not found.isascii():
        return None
    return found
