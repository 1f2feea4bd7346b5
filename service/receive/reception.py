"""From an association to the intake: each object's bytes into the spool, each refusal into an answer."""

from __future__ import annotations

from pathlib import Path

from pynetdicom import evt
from pynetdicom.association import Association

from service import logs
from service.errors import Refused
from service.receive.archive import Incoming
from service.receive.association_log import AssociationLog
from service.receive.command_set import StoreRequest
from service.receive.data_phase import Answer
from service.receive.intake import Intake


class Reception:
    """Joins an association to the intake: the ``taker`` of the data phase, and the handler of pynetdicom's own."""

    def __init__(self, intake: Intake, maximum_object_bytes: int, log: AssociationLog | None = None) -> None:
        self._intake = intake
        self._log = log
        self.maximum_object_bytes = maximum_object_bytes

    def begin(self, association: Association, request: StoreRequest, transfer_syntax_uid: str) -> Incoming | Answer:
        """Open the spool, or refuse."""
        source = calling_title(association)
        try:
            return self._intake.begin(request.sop_class_uid, request.sop_instance_uid, transfer_syntax_uid, source)
        except Refused as refusal:
            return self._refused(association, refusal)

    def end(self, association: Association, request: StoreRequest, incoming: Incoming) -> Answer:
        """Keep an object that has come whole."""
        announced = (request.sop_class_uid, request.sop_instance_uid)
        try:
            peer = association.requestor.address
            self._intake.take(incoming, calling_title(association), peer, announced, called_title(association))
        except Refused as refusal:
            return self._refused(association, refusal)
        if self._log is not None:
            self._log.stored(association, incoming.size)
        return 0x0000, ""

    def _refused(self, association: Association, refusal: Refused) -> Answer:
        with logs.bound(peer=association.requestor.address, calling_ae_title=calling_title(association)):
            self._intake.refused(refusal)
        if self._log is not None:
            self._log.refused(association)
        return refusal.status, str(refusal)

    def handle_store(self, event: evt.Event) -> int:
        """Answer EVT_C_STORE: for versions of pynetdicom whose private names are not known here."""
        request, syntax = event.request, str(event.context.transfer_syntax)
        raw = (str(request.AffectedSOPClassUID).encode(), str(request.AffectedSOPInstanceUID).encode())
        begun = self.begin(event.assoc, StoreRequest(request.MessageID, *raw), syntax)
        if not isinstance(begun, Incoming):
            return begun[0]
        try:
            _copy_data_set(event.dataset_path, begun)
        except OSError:
            begun.discard()
            return 0xA700
        return self.end(event.assoc, StoreRequest(request.MessageID, *raw), begun)[0]


def _copy_data_set(path: Path, incoming: Incoming) -> None:
    """What pynetdicom spooled, without the header that it wrote before it."""
    with path.open("rb") as file:
        file.seek(140)
        file.seek(144 + int.from_bytes(file.read(4), "little"))
        while part := file.read(1 << 18):
            incoming.write(part)


def calling_title(association: Association) -> str:
    """Who sends."""
    return str(association.requestor.ae_title).strip()


def called_title(association: Association) -> str:
    """Whom the sender wanted."""
    return str(association.requestor.primitive.called_ae_title).strip()
