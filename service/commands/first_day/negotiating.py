"""Who is there, and what they would take: connection, C-ECHO and presentation contexts, without sending an object."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydicom.uid import UID
from pynetdicom import AE, _config
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.sop_class import Verification

from service.commands.first_day.rows import Row, State
from service.config import Archive, Destination, Listener, Scanner, Settings
from service.errors import Misconfigured, Unreachable
from service.replies import keep_replies
from service.tls import Client

ULTRASOUND = {
    "1.2.840.10008.5.1.4.1.1.6.1": "Ultrasound Image",
    "1.2.840.10008.5.1.4.1.1.3.1": "Ultrasound Multi-frame Image",
    "1.2.840.10008.5.1.4.1.1.6.2": "Enhanced US Volume",
    "1.2.840.10008.5.1.4.1.1.6": "Ultrasound Image (retired)",
    "1.2.840.10008.5.1.4.1.1.3": "Ultrasound Multi-frame Image (retired)",
}
"""What scanners send (PS3.4 annex B.5 and B.6)."""
_CONNECT_S, _ASSOCIATE_S = 5.0, 15.0
_CALLING_UNKNOWN, _CALLED_UNKNOWN = 3, 7
"""Reasons of a rejection by the service user (PS3.8 table 9-21)."""
_EVERY = 128
"""Presentation contexts that one association can carry."""

Accepted = Mapping[str, tuple[str, ...]]
"""SOP class to the transfer syntaxes that the peer accepts for it."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A partner as it is reached by DICOM."""

    place: str
    ae_title: str
    host: str
    port: int
    calling: str
    tls: Client | None = None


class NoAssociation(Unreachable):
    """With the remedy apart from what happened."""

    def __init__(self, text: str, remedy: str) -> None:
        super().__init__(text)
        self.remedy = remedy


def peer_of(kind: str, entry: Archive | Destination | Scanner, settings: Settings) -> Peer:
    """The partner of one table of the settings. Raises ``Misconfigured`` when its certificates cannot be used."""
    name = str(getattr(entry, "name", entry.ae_title))
    calling = getattr(entry, "calling_ae_title", None) or settings.listener.ae_title
    tls = Client(entry, settings.tls) if isinstance(entry, Destination) and entry.tls else None
    return Peer(f"{kind} {name}", entry.ae_title or "", entry.host or "", entry.port or 0, calling, tls)


def own(listener: Listener) -> Peer:
    """Our own listener, as a scanner would call it."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(listener.host, listener.host)  # noqa: S104
    calling = listener.calling_ae_titles[0] if listener.calling_ae_titles else "NMUSDOCTOR"
    return Peer("own listener", listener.ae_title, host, listener.port, calling)


def reached(peer: Peer) -> None:
    """Whether anything listens there.

    Raises
    ------
    NoAssociation
        Says which of name, route, firewall and port is to be looked at.
    """
    where = f"{peer.host}:{peer.port}"
    try:
        socket.create_connection((peer.host, peer.port), timeout=_CONNECT_S).close()
    except socket.gaierror as error:
        raise NoAssociation(
            f"the name {peer.host} is not known here", "check the host, or this machine's DNS"
        ) from error
    except ConnectionRefusedError as error:
        remedy = "is it running, and is the port right?"
        raise NoAssociation(f"{where} refuses the connection: nothing listens there", remedy) from error
    except TimeoutError as error:
        remedy = f"a firewall between, or a wrong address: allow TCP from this machine to {where}"
        raise NoAssociation(f"{where} does not answer within {_CONNECT_S:g} s", remedy) from error
    except OSError as error:
        raise NoAssociation(f"{where}: {error.strerror or error}", "check address, route and firewall") from error


def associated(peer: Peer, contexts: Sequence[PresentationContext]) -> Association:
    """An association, to be released by the caller.

    Raises
    ------
    NoAssociation
        Says what to change at whom.
    """
    _config.LOG_HANDLER_LEVEL = "none"  # its handlers print identifiers
    ae = AE(ae_title=peer.calling)
    ae.connection_timeout, ae.acse_timeout, ae.dimse_timeout = _CONNECT_S, _ASSOCIATE_S, _ASSOCIATE_S
    ae.network_timeout = 2 * _ASSOCIATE_S
    tls = None if peer.tls is None else (peer.tls.context, peer.tls.server_name)
    made = ae.associate(peer.host, peer.port, contexts=list(contexts), ae_title=peer.ae_title, tls_args=tls)
    if made.is_established:
        keep_replies(made)
        return made
    if made.is_rejected:
        answer = made.acceptor.primitive
        remedies = {
            _CALLING_UNKNOWN: f"make the title {peer.calling} and this machine's address known there",
            _CALLED_UNKNOWN: f"its title is not {peer.ae_title}: ask its administrator",
        }
        remedy = remedies.get(answer.diagnostic, "ask its administrator what it wants")
        raise NoAssociation(f"rejected: {answer.result_str}, {answer.reason_str}", remedy)
    if peer.tls is not None and peer.tls.trouble:
        raise NoAssociation(f"TLS handshake failed: {peer.tls.trouble}", "check both certificates and authorities")
    if made.is_aborted and peer.tls is None:
        remedy = f"make the title {peer.calling} and this machine's address known there; or it wants TLS (tls = true)"
        raise NoAssociation("it closed the connection without an answer", remedy)
    raise NoAssociation("no association", "is it a DICOM service?")


def echoed(peer: Peer) -> float:
    """Milliseconds of a C-ECHO. Raises ``NoAssociation``."""
    begun = time.perf_counter()
    made = associated(peer, [build_context(Verification)])
    try:
        if not made.accepted_contexts:
            raise NoAssociation("it does not take the Verification class", "harmless; ask its administrator")
        status = int(getattr(made.send_c_echo(), "Status", -1))
    finally:
        made.release()
    if status != 0:
        raise NoAssociation(f"C-ECHO answered {status:#06x}", "ask its administrator")
    return 1000 * (time.perf_counter() - begun)


def negotiated(peer: Peer, classes: Iterable[str], syntaxes: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """What the peer accepts of every class in every syntax: one context a pair, one association a class.

    Raises
    ------
    NoAssociation
        None came about.
    """
    found: dict[str, tuple[str, ...]] = {}
    for sop_class in classes:
        accepted: list[str] = []
        for start in range(0, len(syntaxes), _EVERY):
            contexts = [build_context(sop_class, [syntax]) for syntax in syntaxes[start : start + _EVERY]]
            accepted += _accepted(peer, contexts)
        found[sop_class] = tuple(accepted)
    return found


def _accepted(peer: Peer, contexts: Sequence[PresentationContext]) -> list[str]:
    made = associated(peer, contexts)
    try:
        return [str(context.transfer_syntax[0]) for context in made.accepted_contexts]
    finally:
        made.release()


def answers(peer: Peer, needs_echo: bool = True) -> Iterator[Row]:
    """Rows of connection and C-ECHO; stops at the first that is bad."""
    bad = State.BAD if needs_echo else State.WARN
    try:
        reached(peer)
    except NoAssociation as error:
        yield Row(peer.place, "connection", bad, str(error), error.remedy)
        return
    yield Row(peer.place, "connection", State.GOOD, f"{peer.host}:{peer.port} answers")
    try:
        spent = echoed(peer)
    except (NoAssociation, Misconfigured) as error:
        yield Row(peer.place, "C-ECHO", bad, str(error), getattr(error, "remedy", ""))
        return
    yield Row(peer.place, "C-ECHO", State.GOOD, f"{peer.ae_title} answers {peer.calling} in {spent:.0f} ms")


def named(sop_class: str) -> str:
    """A class in words."""
    return ULTRASOUND.get(sop_class) or UID(sop_class).name.removesuffix(" Storage")


def syntaxes_in_words(syntaxes: Sequence[str], all_of: int) -> str:
    """How many, and which when they are few."""
    if len(syntaxes) == all_of:
        return f"all {all_of} transfer syntaxes"
    few = ", ".join(UID(one).name.partition(":")[0].strip() for one in syntaxes[:4])
    return f"{len(syntaxes)} of {all_of}: {few}{' …' if len(syntaxes) > 4 else ''}" if syntaxes else "not taken"
