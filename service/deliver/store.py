"""C-STORE: the stored bytes of each object over one association, with only the contexts that are needed."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGBaseline8Bit
from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.presentation import PresentationContext, build_context

from service import crash
from service.config import Destination, Tls
from service.deliver.answers import Answer, BrokenOff, Fate, of_status
from service.deliver.streaming import stream_stores
from service.errors import Unreachable
from service.ledger import Outgoing
from service.objects import Lying
from service.replies import keep_replies
from service.tls import Client

_MAXIMUM_CONTEXTS = 128
"""PS3.8 section 9.3.2.2: odd numbers 1 to 255."""
_UNCOMPRESSED = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1"}
_STILL_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_PERMANENT = 1
_SENDING_LOOK_S, _IDLE_LOOK_S = 0.0002, 0.001
"""pynetdicom looks at its connection and its queue so often; the second is its own choice."""


class StorePeer:
    """A destination that is reached by C-STORE."""

    def __init__(self, destination: Destination, calling_ae_title: str, lying: Lying, tls: Tls | None = None) -> None:
        self._destination = destination
        self._tls = Client(destination, tls or Tls()) if destination.tls else None
        self._lying = lying
        self._usual: dict[tuple[str, str], None] = {}
        """Kinds of objects that went there before."""
        self._kept: tuple[Association, frozenset[tuple[str, str]], float] | None = None
        """An open association, what was proposed on it, and until when it is kept."""
        self._ae = AE(ae_title=destination.calling_ae_title or calling_ae_title)
        self._ae.connection_timeout = 5
        self._ae.acse_timeout = 15
        self._ae.dimse_timeout = destination.timeout_seconds
        self._ae.network_timeout = destination.timeout_seconds + 15
        self._ae.maximum_pdu_size = 131072
        # send the file's own bytes in pieces: no decoding, the same bytes each time
        _config.STORE_SEND_CHUNKED_DATASET = True
        _config.LOG_HANDLER_LEVEL = "none"

    def send(self, objects: Sequence[Outgoing]) -> Iterator[tuple[Outgoing, Answer]]:
        """Send over one association: the one that was kept, or a new one."""
        contexts, left_out = self._proposed(objects)
        for outgoing in left_out:
            yield outgoing, Answer(Fate.LATER, "more kinds of objects than one association can carry")
        association, is_kept = self._association(contexts)
        try:
            for outgoing in objects:
                if outgoing in left_out:
                    continue
                if is_kept and not isinstance(association, Answer):
                    association, answer = self._try_kept(association, contexts, outgoing)
                    is_kept = False
                else:
                    answer = association if isinstance(association, Answer) else self._store(association, outgoing)
                yield outgoing, answer
        finally:
            self._keep(association)

    def _proposed(self, objects: Sequence[Outgoing]) -> tuple[list[PresentationContext], list[Outgoing]]:
        """Contexts for these objects, then for what goes there besides, so that a study's next objects find them."""
        wanted, left_out = _contexts(objects)
        self._usual = dict(list((wanted | self._usual).items())[:_MAXIMUM_CONTEXTS])
        return [build_context(sop_class, [syntax]) for sop_class, syntax in self._usual], left_out

    def _try_kept(
        self, association: Association, contexts: list[PresentationContext], outgoing: Outgoing
    ) -> tuple[Association | Answer, Answer]:
        """Send the first object over what was kept; where the peer has ended that, over a new association."""
        try:
            return association, self._store(association, outgoing)
        except BrokenOff:  # no fault of the object
            fresh = self._associate(contexts)
            return fresh, fresh if isinstance(fresh, Answer) else self._store(fresh, outgoing)

    def get_ready(self) -> None:
        """Open an association for what is being made, if it is known what goes there; else nothing is lost."""
        if self._kept is not None or not self._usual or not self._destination.keep_open_seconds:
            return
        with contextlib.suppress(Unreachable):  # what is wrong will be told of what is to be sent
            self._keep(self._associate([build_context(sop_class, [syntax]) for sop_class, syntax in self._usual]))

    def rest(self, *, at_once: bool = False) -> None:
        """Release the association that was kept, when its time is over or the peer has ended it."""
        if self._kept is None:
            return
        association, _, until = self._kept
        if at_once or time.monotonic() >= until or not association.is_established:
            self._kept = None
            if association.is_established:
                association.release()

    def _association(self, contexts: list[PresentationContext]) -> tuple[Association | Answer, bool]:
        """The association that was kept, if it serves, else a new one; and which of the two."""
        if self._kept is not None:
            association, proposed, _ = self._kept
            if association.is_established and _kinds(contexts) <= proposed:
                self._kept = None
                _look_every(association, _SENDING_LOOK_S)
                return association, True
            self.rest(at_once=True)
        return self._associate(contexts), False

    def _keep(self, association: Association | Answer) -> None:
        """Keep it open if the peer takes every kind of object in some way; else it is asked anew each time."""
        if isinstance(association, Answer) or not association.is_established:
            return
        taken = {one.abstract_syntax for one in association.accepted_contexts}
        takes_all = taken >= {one.abstract_syntax for one in association.requestor.requested_contexts}
        keep_s = self._destination.keep_open_seconds if takes_all else 0.0
        self._kept = association, _kinds(association.requestor.requested_contexts), time.monotonic() + keep_s
        _look_every(association, _IDLE_LOOK_S)
        self.rest()

    def _associate(self, contexts: list[PresentationContext]) -> Association | Answer:
        there = self._destination
        if self._tls is not None:
            self._tls.trouble = ""
        association = self._ae.associate(
            there.host,
            there.port,
            contexts=contexts,
            ae_title=there.ae_title,
            tls_args=None if self._tls is None else (self._tls.context, self._tls.server_name),
            evt_handlers=[(evt.EVT_CONN_OPEN, _no_delay), (evt.EVT_PDU_SENT, _crash_point)],
        )
        if association.is_established:
            stream_stores(association, is_encrypted=self._tls is not None)
            keep_replies(association)
            return association
        if association.is_rejected:
            answer = association.acceptor.primitive
            told = f"association rejected: {answer.result_str}, {answer.reason_str}"
            if answer.result == _PERMANENT:
                remedy = f"make {self._ae.ae_title} and {there.ae_title} known there, then re-drive"
                return Answer(Fate.HELD, f"{told}; {remedy}")
            raise Unreachable(f"{there.name}: {told}")
        if self._tls is not None and self._tls.trouble:
            remedy = "check both certificates, the authority in tls_ca_file and tls_server_name"
            raise Unreachable(f"{there.name}: TLS handshake failed ({self._tls.trouble}); {remedy}")
        raise Unreachable(f"{there.name}: no association with {there.host}:{there.port}; is it running and reachable?")

    def _store(self, association: Association, outgoing: Outgoing) -> Answer:
        if not association.is_established:
            raise BrokenOff(f"{self._destination.name}: the association ended")
        accepted = {
            str(context.transfer_syntax[0])
            for context in association.accepted_contexts
            if context.abstract_syntax == outgoing.sop_class_uid
        }
        path = self._lying / outgoing.path
        if outgoing.transfer_syntax_uid in accepted:
            status = association.send_c_store(path)
        elif outgoing.transfer_syntax_uid in _UNCOMPRESSED and accepted & _UNCOMPRESSED:
            status = association.send_c_store(dcmread(path))  # pynetdicom re-encodes between the two
        elif _is_jpeg_still(outgoing) and accepted & _UNCOMPRESSED:
            status = association.send_c_store(_decoded(path))
        else:
            told = (
                f"SOP class {outgoing.sop_class_uid} in transfer syntax {outgoing.transfer_syntax_uid} is not accepted"
            )
            return Answer(
                Fate.HELD, f"{told} there; for SRs set the destination's sr_class, else its settings; then re-drive"
            )
        if "Status" not in status:
            raise BrokenOff(f"{self._destination.name}: no answer to a C-STORE within the time, or aborted")
        return of_status(int(status.Status), str(getattr(status, "ErrorComment", "") or ""))


def _contexts(objects: Sequence[Outgoing]) -> tuple[dict[tuple[str, str], None], list[Outgoing]]:
    """One kind for each kind of object, and others besides where we can re-encode; what finds no room."""
    wanted: dict[tuple[str, str], None] = {}
    left_out = []
    for outgoing in objects:
        kinds = {(outgoing.sop_class_uid, outgoing.transfer_syntax_uid): None}
        if outgoing.transfer_syntax_uid in _UNCOMPRESSED:
            kinds[outgoing.sop_class_uid, str(ImplicitVRLittleEndian)] = None
        if _is_jpeg_still(outgoing):
            kinds |= {
                (outgoing.sop_class_uid, str(one)): None for one in (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
            }
        if len(wanted | kinds) > _MAXIMUM_CONTEXTS:
            left_out.append(outgoing)
        else:
            wanted |= kinds
    return wanted, left_out


def _kinds(contexts: list[PresentationContext]) -> frozenset[tuple[str, str]]:
    """Class and transfer syntax of each context."""
    return frozenset((str(one.abstract_syntax), str(syntax)) for one in contexts for syntax in one.transfer_syntax)


def _is_jpeg_still(outgoing: Outgoing) -> bool:
    return outgoing.sop_class_uid == _STILL_CAPTURE and outgoing.transfer_syntax_uid == JPEGBaseline8Bit


def _decoded(path: Path) -> Dataset:
    """An overlay for a peer that takes no JPEG, as every viewer would show it; it stays the same object."""
    dataset = dcmread(path)
    dataset.decompress(as_rgb=True, generate_instance_uid=False)
    return dataset


def _no_delay(event: evt.Event) -> None:
    """Two small writes and a delayed acknowledgement otherwise cost 40 ms an object."""
    event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    _look_every(event.assoc, _SENDING_LOOK_S)


def _look_every(association: Association, seconds: float) -> None:
    """How often pynetdicom looks for what came or is to go; each object waits for four of these looks."""
    association.dul._run_loop_delay = seconds


def _crash_point(event: evt.Event) -> None:
    if isinstance(event.pdu, P_DATA_TF):
        crash.point("mid_send")
