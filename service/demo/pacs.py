"""A stand-in PACS: takes whatever is stored to it on loopback and lays it into a folder. For the demo and the tests."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from pydicom.uid import AllTransferSyntaxes
from pynetdicom import AE, _config, evt
from pynetdicom.presentation import AllStoragePresentationContexts
from pynetdicom.sop_class import Verification
from pynetdicom.transport import ThreadedAssociationServer

from service.demo.pacs_services import Committing, Finding, contexts

_UID = re.compile(r"[0-9.]{1,64}")
SUCCESS, CANNOT_UNDERSTAND = 0x0000, 0xC000

Answer = Callable[[str], int]
"""From the SOP Instance UID offered to the status to answer; anything but Success stores nothing."""


@dataclass
class StandInPacs:
    """A storage and verification SCP that keeps one file for each SOP Instance UID; use it as a context manager.

    The last object of a UID wins, and ``received`` counts every store, so that a test can tell an object sent
    twice from an object stored once.
    """

    folder: Path
    ae_title: str = "DEMOPACS"
    port: int = 0
    """0 takes a free port; afterwards the port that was taken."""
    answer: Answer = lambda _uid: SUCCESS
    received: list[str] = field(default_factory=list)
    services: list[Committing | Finding] = field(default_factory=list)
    """What it does besides storing; may be set after it was made."""
    _server: ThreadedAssociationServer | None = None
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def __enter__(self) -> StandInPacs:
        """Start to listen."""
        self.folder.mkdir(parents=True, exist_ok=True)
        ae = AE(self.ae_title)
        for context in AllStoragePresentationContexts:
            ae.add_supported_context(str(context.abstract_syntax), list(AllTransferSyntaxes))
        ae.add_supported_context(Verification)
        for uid in contexts() if self.services else ():
            ae.add_supported_context(uid)
        ae.maximum_associations = 50
        handlers = [(evt.EVT_C_STORE, self._store), (evt.EVT_C_ECHO, lambda _event: SUCCESS)]
        for service in self.services:
            handlers += service.handlers()
        self._server = ae.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)
        self.port = int(self._server.server_address[1])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop to listen."""
        if self._server is not None:
            self._server.shutdown()
            self._server = None

    def file(self, sop_instance_uid: str) -> Path:
        """Where an object of this UID lies."""
        return self.folder / f"{sop_instance_uid}.dcm"

    def files(self) -> list[Path]:
        """All that is stored."""
        return sorted(self.folder.glob("*.dcm"))

    def wait_for(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until ``condition`` holds, asked again after every store; false when the time is over."""
        with self._changed:
            return self._changed.wait_for(condition, seconds)

    def _store(self, event: evt.Event) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        if not _UID.fullmatch(uid):
            return CANNOT_UNDERSTAND
        status = self.answer(uid)
        if status == SUCCESS:
            partial = self.file(uid).with_suffix(".part")
            # A listener of ours in the same process makes pynetdicom spool all data sets to files.
            spooled = _config.STORE_RECV_CHUNKED_DATASET
            partial.write_bytes(event.dataset_path.read_bytes() if spooled else event.encoded_dataset())
            partial.replace(self.file(uid))
        with self._changed:
            self.received.append(uid)
            self._changed.notify_all()
        return status
