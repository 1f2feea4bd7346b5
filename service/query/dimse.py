"""An association of our own with a peer, for questions: opened, used, released."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pynetdicom import AE, _config
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext

from service.config import Archive, Destination, Scanner, Tls
from service.errors import Unreachable
from service.replies import keep_replies
from service.tls import Client


@dataclass(frozen=True, slots=True)
class Remote:
    """A peer as it is reached by DIMSE."""

    name: str
    ae_title: str
    host: str
    port: int
    calling_ae_title: str
    timeout_seconds: float
    tls: Client | None = None
    """How it is spoken to with encryption."""


def remote_of(peer: Archive | Destination | Scanner, own_title: str, tls: Tls | None = None) -> Remote:
    """The peer of a section of the settings; ``own_title`` where that names no other for us.

    Parameters
    ----------
    tls:
        Our certificates, for a destination that is spoken to with encryption.
    """
    calling = getattr(peer, "calling_ae_title", None) or own_title
    name = str(getattr(peer, "name", peer.ae_title))
    secure = Client(peer, tls or Tls()) if isinstance(peer, Destination) and peer.tls else None
    return Remote(name, peer.ae_title or "", peer.host or "", peer.port or 0, calling, peer.timeout_seconds, secure)


@contextlib.contextmanager
def association(
    remote: Remote,
    contexts: Sequence[PresentationContext],
    handlers: Sequence[tuple[Any, Any]] = (),
    roles: Sequence[SCP_SCU_RoleSelectionNegotiation] = (),
) -> Iterator[Association]:
    """An established association, released at the end.

    Raises
    ------
    Unreachable
        The peer is away, or rejects us.
    """
    _config.LOG_HANDLER_LEVEL = "none"  # its handlers print identifiers
    ae = AE(ae_title=remote.calling_ae_title)
    ae.connection_timeout = 5
    ae.acse_timeout = 15
    ae.dimse_timeout = remote.timeout_seconds
    ae.network_timeout = remote.timeout_seconds + 15
    made = ae.associate(
        remote.host,
        remote.port,
        contexts=list(contexts),
        ae_title=remote.ae_title,
        ext_neg=list(roles),
        tls_args=None if remote.tls is None else (remote.tls.context, remote.tls.server_name),
        evt_handlers=list(handlers),
    )
    if not made.is_established:
        told = "is it running and reachable?"
        if made.is_rejected:
            answer = made.acceptor.primitive
            told = f"rejected: {answer.result_str}, {answer.reason_str}"
        elif remote.tls is not None and remote.tls.trouble:
            told = f"TLS handshake failed ({remote.tls.trouble})"
        raise Unreachable(f"{remote.name}: no association with {remote.host}:{remote.port}; {told}")
    keep_replies(made)
    try:
        yield made
    finally:
        if made.is_established:
            made.release()
