"""A DICOM file (PS3.10) that comes in pieces, from a download, a folder or a request, into the spool.

Its header is read for the three UIDs that the intake asks for and is written anew: what lies in the archive begins
with a header of our own, behind which stands the data set as it came.
"""

from __future__ import annotations

from service.errors import Refused
from service.receive.archive import Incoming
from service.receive.file_header import header_values
from service.receive.identity import CANNOT_UNDERSTAND, OUT_OF_RESOURCES
from service.receive.intake import Intake

_HEADER_LIMIT = 1 << 16
_FIXED = 144
"""Preamble, prefix and the group's length (PS3.10 section 7.1)."""


class ArrivingFile:
    """One file on its way in. Give it pieces with :meth:`write`, then :meth:`end`; or :meth:`discard` it.

    Parameters
    ----------
    source:
        Who sends it, for the ledger.
    maximum_bytes:
        A longer file is refused.
    """

    def __init__(self, intake: Intake, source: str, maximum_bytes: int) -> None:
        self._intake = intake
        self._source = source
        self._maximum_bytes = maximum_bytes
        self._head = bytearray()
        self._incoming: Incoming | None = None
        self.announced = ("", "")
        """SOP class and instance UID that the file's header states, once it has come."""

    def write(self, part: bytes | memoryview) -> None:
        """Take the next piece.

        Raises
        ------
        Refused
            0xC000 for what is no DICOM file or too long, 0xA900 for wrong UIDs, 0xA700 for a full disk; what came so
            far is gone.
        """
        try:
            if self._incoming is None:
                self._head += part
                self._incoming = self._begun()
            else:
                self._incoming.write(part)
        except OSError as error:
            self.discard()
            raise Refused(f"spool cannot be written: {error.strerror}; free disk space", OUT_OF_RESOURCES) from error
        except Refused:
            self.discard()
            raise
        if self._incoming is not None and self._incoming.size > self._maximum_bytes:
            self.discard()
            raise Refused("file is longer than listener.maximum_object_mb", CANNOT_UNDERSTAND)

    def end(self) -> Incoming:
        """All has come: the spool file, to be taken or discarded.

        Raises
        ------
        Refused
            0xC000: it ended within its header.
        """
        if self._incoming is None:
            raise Refused("file is no DICOM file", CANNOT_UNDERSTAND)
        incoming, self._incoming = self._incoming, None
        return incoming

    def discard(self) -> None:
        """Forget what came so far; harmless twice."""
        if self._incoming is not None:
            self._incoming.discard()
            self._incoming = None

    def _begun(self) -> Incoming | None:
        """Open the spool once the file's header has come."""
        head = self._head
        if len(head) < _FIXED:
            return None
        end = _FIXED + int.from_bytes(head[140:144], "little")
        if head[128:136] != b"DICM\x02\0\0\0" or end > _HEADER_LIMIT:
            raise Refused("file is no DICOM file", CANNOT_UNDERSTAND)
        if len(head) < end:
            return None
        values = header_values(bytes(head[_FIXED:end]))
        self.announced = (values.get(2, ""), values.get(3, ""))
        incoming = self._intake.begin(*self.announced, values.get(0x10, ""), self._source)
        try:
            incoming.write(bytes(head[end:]))
        except OSError:
            incoming.discard()
            raise
        self._head = bytearray()
        return incoming
