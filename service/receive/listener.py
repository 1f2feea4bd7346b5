"""The C-STORE and C-ECHO SCP: who may come, what is taken, and which status each outcome has.

====================================  ======================================
stored, flushed and in the ledger     0x0000
same object again                     0x0000, no work
same UID, other bytes                 0x0000, kept beside, alarmed
disk or ledger cannot take it now     0xA700
a UID is missing, wrong or different  0xA900
no data set of that syntax            0xC000, set aside with the reason
address or certificate not allowed    the connection is closed
calling or called title not allowed   association rejected for good (1, 1, 3 or 7)
too many associations                 association rejected for now (2, 3, 2)
disk below its watermark              association rejected for now (2, 3, 1)
====================================  ======================================
"""

from __future__ import annotations

import logging
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from pydicom.uid import UID
from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.sop_class import Verification

from service import logs
from service.config import Listener, Tls
from service.errors import Misconfigured
from service.proof.commitment import PUSH_MODEL
from service.receive.association_log import AssociationLog
from service.receive.commitment import Commitment, CommittingAssociation
from service.receive.intake import Intake
from service.receive.offered import RETIRED_ULTRASOUND, STORAGE_CLASSES, TRANSFER_SYNTAXES
from service.receive.pynetdicom_guards import GuardedRequestHandler, GuardedServer, is_known_version
from service.receive.reception import Reception, calling_title
from service.tls import Server

_LOGGER = logging.getLogger(__name__)


Alert = Callable[[str, str, str], None]
"""Is given the reason, the address and the AE title of who was turned away."""


def _nobody(_reason: str, _address: str, _peer: str) -> None:
    """No audit trail."""


class StorageProvider:
    """A running SCP.

    Parameters
    ----------
    settings:
        Section ``[listener]``.
    spool:
        Folder for pynetdicom's own temporary files, on the data folder's disk.
    commitment:
        Storage commitment; none is offered without.
    log:
        Keeps a row for each association.

    Raises
    ------
    Misconfigured
        The address cannot be listened on.
    """

    def __init__(
        self,
        settings: Listener,
        intake: Intake,
        spool: Path,
        *,
        tls: Tls | None = None,
        commitment: Commitment | None = None,
        log: AssociationLog | None = None,
        alert: Alert = _nobody,
    ) -> None:
        self._settings = settings
        self._intake = intake
        self._commitment = commitment
        self._log = log
        self._alert = alert
        self.rejections: Counter[str] = Counter()
        _configure_pynetdicom(spool)
        self._reception = Reception(intake, settings.maximum_object_mb * 1_000_000, log)
        self._ae = AE()
        _limit(self._ae, settings)
        self._plain = self._listen(settings.port, None) if settings.plain else None
        secure = None if settings.tls_port is None else Server(tls or Tls())
        self._secure = None if secure is None else self._listen(settings.tls_port or 0, secure)
        self._servers = [one for one in (self._plain, self._secure) if one is not None]
        self._threads = [
            threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
            for one in self._servers
        ]
        for thread in self._threads:
            thread.start()

    @property
    def port(self) -> int:
        """Where it listens without encryption; the one taken, if 0 was asked for. 0: nowhere."""
        return _port(self._plain)

    @property
    def tls_port(self) -> int:
        """Where it listens with encryption; 0: nowhere."""
        return _port(self._secure)

    @property
    def associations(self) -> int:
        """How many are open."""
        return len(self._open())

    def _open(self) -> list[Association]:
        return [association for server in self._servers for association in server.active_associations]

    @property
    def counters(self) -> dict[str, float]:
        """What came in, and who was turned away and why, since the start."""
        turned_away = {f"rejected_{reason}": float(count) for reason, count in self.rejections.copy().items()}
        return {**self._intake.counters, **turned_away}

    def adopt(self, settings: Listener) -> None:
        """Other settings from the next association on, all but the addresses; who is connected stays so."""
        self._settings = settings
        _limit(self._ae, settings)
        self._reception.maximum_object_bytes = settings.maximum_object_mb * 1_000_000
        self._intake.refuse_free_mb = settings.refuse_free_mb
        for server in self._servers:
            server.ae_title = settings.ae_title
            server.networks = settings.networks
            server.maximum_unestablished = settings.maximum_unestablished_per_address

    def _listen(self, port: int, secure: Server | None) -> GuardedServer:
        extras: dict[str, object] = {}
        if is_known_version():
            association = type("NmusAssociation", (CommittingAssociation,), {"taker": self._reception})
            extras["request_handler"] = type(
                "NmusRequestHandler", (GuardedRequestHandler,), {"association_class": association}
            )
        address = (self._settings.host, port)
        try:
            made: GuardedServer = self._ae.make_server(
                address,
                ae_title=self._settings.ae_title,
                contexts=[build_context(Verification)],
                evt_handlers=self._handlers(),
                server_class=self._server_class(secure),
                **extras,
            )
        except OSError as error:
            raise Misconfigured(
                f"listener.host, listener.{'tls_port' if secure else 'port'} = {address[0]}:{address[1]}: cannot "
                f"listen ({error.strerror}); "
                "give a free port and an address of this machine"
            ) from error
        self._ae._servers.append(made)
        return made

    def _handlers(self) -> list[tuple[evt.EventType, Callable[..., int | None]]]:
        """What is done at which of pynetdicom's events."""
        handlers = [(evt.EVT_REQUESTED, self._requested), (evt.EVT_C_ECHO, _echoed), (evt.EVT_ACCEPTED, self._accepted)]
        # for what comes after a commitment was answered on this association, when pynetdicom reads it
        handlers.append((evt.EVT_C_STORE, self._reception.handle_store))
        if self._commitment is not None:
            handlers += self._commitment.handlers
        if self._log is not None:
            handlers += self._log.handlers
        return handlers

    def _server_class(self, secure: Server | None) -> type[GuardedServer]:
        """pynetdicom makes the server itself: what ours needs goes with its class."""
        return type(
            "NmusServer",
            (GuardedServer,),
            {
                "networks": self._settings.networks,
                "maximum_unestablished": self._settings.maximum_unestablished_per_address,
                "refusals": self.rejections,
                "tls": secure,
                "handshake_seconds": self._settings.acse_timeout_seconds,
                "told": staticmethod(self._turned_away),
                "request_queue_size": 128,
            },
        )

    def _requested(self, event: evt.Event) -> None:
        """Refuse who may not come; else offer exactly what was proposed and is taken."""
        association = event.assoc
        proposal = association.requestor.primitive
        reason = self._objection(proposal.calling_ae_title.strip(), proposal.called_ae_title.strip())
        if reason is not None:
            name, verdict = reason
            self.rejections[name] += 1
            logs.event(
                _LOGGER,
                logging.WARNING,
                "association rejected",
                reason=name,
                peer=association.requestor.address,
                calling_ae_title=proposal.calling_ae_title.strip(),
            )
            self._alert(name, association.requestor.address, proposal.calling_ae_title.strip())
            association.acse.send_reject(*verdict)
            association.kill()
            return
        # after the arrival of a valid request the acceptance limit counts, no longer that for strangers
        proposed = {str(context.abstract_syntax) for context in proposal.presentation_context_definition_list}
        taken = STORAGE_CLASSES | {*RETIRED_ULTRASOUND, *self._settings.private_sop_classes, Verification}
        association.acceptor._contexts = [_context(uid) for uid in proposed & taken]
        if self._commitment is not None and PUSH_MODEL in proposed:
            association.acceptor._contexts.append(self._commitment.context())
        association.dul.socket.deadline_seconds = self._settings.network_timeout_seconds

    def _turned_away(self, reason: str, address: str) -> None:
        logs.event(_LOGGER, logging.WARNING, "connection closed", reason=reason, peer=address)
        self._alert(reason, address, "")

    def _objection(self, calling: str, called: str) -> tuple[str, tuple[int, int, int]] | None:
        settings = self._settings
        if settings.calling_ae_titles and calling not in settings.calling_ae_titles:
            return "calling_ae_title", (1, 1, 3)
        if settings.require_called_ae_title and called not in {settings.ae_title.strip(), *self._intake.ways}:
            return "called_ae_title", (1, 1, 7)
        if not self._intake.has_room():
            return "disk", (2, 3, 1)
        return None

    def _accepted(self, event: evt.Event) -> None:
        self._intake.count("associations")
        event.assoc._server.introduced(event.assoc)
        association = event.assoc
        logs.event(
            _LOGGER,
            logging.INFO,
            "association accepted",
            peer=association.requestor.address,
            calling_ae_title=calling_title(association),
        )

    def drain(self, seconds: float) -> int:
        """Stop listening, let open associations finish, abort what is left after so long; how many that were."""
        for server, thread in zip(self._servers, self._threads, strict=True):
            if thread.is_alive():
                server.shutdown()
        deadline = time.monotonic() + seconds
        while self._open() and time.monotonic() < deadline:
            time.sleep(0.02)
        left = self._open()
        for association in left:
            association.abort()
        for thread in self._threads:
            thread.join(5)
        return len(left)


def _port(server: GuardedServer | None) -> int:
    return 0 if server is None else int(server.socket.getsockname()[1])


@lru_cache(maxsize=512)
def _context(uid: str) -> PresentationContext:
    """Shared between associations: negotiation reads it and writes into contexts of its own."""
    return build_context(UID(uid), None if uid == Verification else list(TRANSFER_SYNTAXES))


def _limit(ae: AE, settings: Listener) -> None:
    """Set what is asked of the entity for each association."""
    ae.ae_title = settings.ae_title
    ae.maximum_associations = settings.maximum_associations
    ae.maximum_pdu_size = settings.maximum_pdu_bytes
    ae.network_timeout = settings.network_timeout_seconds
    ae.acse_timeout = settings.acse_timeout_seconds
    ae.dimse_timeout = settings.network_timeout_seconds


def _configure_pynetdicom(spool: Path) -> None:
    """Documented, process-wide settings; this is the listener's own process."""
    _config.LOG_HANDLER_LEVEL = "none"  # its handlers print identifiers
    _config.STORE_RECV_CHUNKED_DATASET = True
    _config.UNRESTRICTED_STORAGE_SERVICE = not is_known_version()
    tempfile.tempdir = str(spool)


def _echoed(_event: evt.Event) -> int:
    return 0x0000
