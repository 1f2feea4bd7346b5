"""Whether a destination really has what it took: asked by storage commitment, C-FIND, QIDO-RS or Orthanc's own search.

"Sent" is what the destination said when it took an object; "confirmed" is what it says later of what it keeps. Some
answer Success and keep another object that bears the same UID, some lose one in their own queue.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import httpx
from pynetdicom import evt
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.presentation import build_context

from service import logs
from service.config import Destination, Settings, Tls
from service.deliver.stow import bearer, client
from service.errors import Unreachable
from service.ledger import Confirmation, Ledger
from service.objects import Lying, objects_of
from service.proof.commitment import PUSH_MODEL, PUSH_MODEL_INSTANCE, REQUEST, Standing, Told, new_transaction, request
from service.proof.events import CommitmentAnswers, handler
from service.proof.judge import judge
from service.query.dimse import association, remote_of
from service.query.find import images
from service.query.rest import orthanc_digest, qido_images

_LOGGER = logging.getLogger(__name__)
_LEASE_S = 600.0
_AWAY_S = 300.0
"""Until a destination that was away is asked again."""
_SAME_ASSOCIATION_S = 2.0
"""How long we wait for an answer on the association of the question; archives that answer there do so at once."""
ANSWER_S = (600.0, 3600.0, 86_400.0)
"""How long an archive has to answer the first, second, … request for commitment: some archive overnight."""


class Asker(Protocol):
    """A way to ask a destination."""

    def ask(self, rows: Sequence[Confirmation]) -> dict[str, Told] | None:
        """Standing by SOP Instance UID; ``None`` if the answer comes later, by itself.

        Raises
        ------
        Unreachable
            The destination is away.
        """
        ...


class Confirmer:
    """Asks one destination for what is due."""

    def __init__(
        self, ledger: Ledger, destination: str, asker: Asker, *, clock: Callable[[], float] | None = None
    ) -> None:
        self._ledger = ledger
        self._destination = destination
        self._asker = asker
        self._clock = clock or ledger.clock

    def step(self) -> int:
        """Ask for what is due; how many objects were asked for."""
        rows = self._ledger.claim_confirmations(self._destination, self._clock(), _LEASE_S)
        if not rows:
            return 0
        try:
            told = self._asker.ask(rows)
        except Unreachable as away:
            reason = str(away)
            self._ledger.ask_again(rows, self._clock() + _AWAY_S, reason, counted=False)
            logs.event(_LOGGER, logging.WARNING, "confirmation not asked", destination=self._destination, reason=reason)
            return 0
        if told is not None:
            confirmed = judge(self._ledger, rows, told, self._clock())
            logs.event(_LOGGER, logging.INFO, "confirmation asked", destination=self._destination, count=confirmed)
        return len(rows)


class CommitmentAsker:
    """Storage commitment: the answer comes on this association, or on one that the archive opens to our listener."""

    def __init__(
        self,
        ledger: Ledger,
        destination: Destination,
        own_title: str,
        *,
        tls: Tls | None = None,
        clock: Callable[[], float] | None = None,
        wait_s: float = _SAME_ASSOCIATION_S,
    ) -> None:
        self._ledger = ledger
        self._remote = remote_of(destination, own_title, tls)
        self._clock = clock or ledger.clock
        self._wait_s = wait_s

    def ask(self, rows: Sequence[Confirmation]) -> dict[str, Told] | None:
        """Request commitment under a new transaction."""
        transaction = new_transaction()
        answers = CommitmentAnswers(self._ledger, self._clock)
        replied: list[bool] = []

        def told_back(event: evt.Event) -> None:
            # our reply to the answer is on its way: to release before that would end the association in disorder
            if answers.count > 0 and isinstance(event.pdu, P_DATA_TF):
                replied.append(True)

        handlers = [handler(answers), (evt.EVT_PDU_SENT, told_back)]
        with association(self._remote, [build_context(PUSH_MODEL)], handlers) as asked:
            if not asked.accepted_contexts:
                reason = "does not take storage commitment; choose another confirm, or allow it there"
                raise Unreachable(f"{self._remote.name}: {reason}")
            now = self._clock()
            tries = min(max(row.attempt for row in rows), len(ANSWER_S))
            # before it is asked: the answer may be here sooner than the reply
            self._ledger.asked(rows, transaction, now, now + ANSWER_S[tries - 1])
            objects = [(row.sop_class_uid, row.sop_instance_uid) for row in rows]
            status, _ = asked.send_n_action(request(transaction, objects), REQUEST, PUSH_MODEL, PUSH_MODEL_INSTANCE)
            code = status.get("Status")
            if code is None:
                raise Unreachable(f"{self._remote.name}: no reply to a request for commitment")
            if code != 0x0000:
                told = Told(Standing.UNKNOWN, f"request for commitment refused, status 0x{code:04X}")
                return {row.sop_instance_uid: told for row in rows}
            _wait_for(lambda: bool(replied) or not asked.is_established, self._wait_s)
        return None


class FindAsker:
    """C-FIND at IMAGE level, one question for each series."""

    def __init__(self, destination: Destination, own_title: str, tls: Tls | None = None) -> None:
        self._remote = remote_of(destination, own_title, tls)

    def ask(self, rows: Sequence[Confirmation]) -> dict[str, Told]:
        """Look each series up."""
        told: dict[str, Told] = {}
        for (study, series), members in _by_series(rows).items():
            there = images(self._remote, study, series)
            told |= _standing(members, frozenset(there), "C-FIND")
        return told


class QidoAsker:
    """QIDO-RS, one question for each series."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self._url = destination.qido or destination.dicomweb or ""
        self._client = client(destination)

    def ask(self, rows: Sequence[Confirmation]) -> dict[str, Told]:
        """Look each series up."""
        told: dict[str, Told] = {}
        for series, members in _by_series(rows).items():
            name = self._destination.name
            there = qido_images(self._client, self._url, name, series, bearer(self._destination))
            told |= _standing(members, there, "QIDO-RS")
        return told


class OrthancAsker:
    """An Orthanc by REST: it says which file it keeps, so that another object under our UID is told."""

    def __init__(self, destination: Destination, lying: Lying) -> None:
        self._name = destination.name
        self._url = destination.orthanc or ""
        self._lying = lying
        password = destination.password.get_secret_value()
        self._client = httpx.Client(
            auth=httpx.BasicAuth(destination.username, password) if destination.username else None,
            timeout=httpx.Timeout(destination.timeout_seconds, connect=5),
        )

    def ask(self, rows: Sequence[Confirmation]) -> dict[str, Told]:
        """Compare digests."""
        return {row.sop_instance_uid: self._told(row) for row in rows}

    def _told(self, row: Confirmation) -> Told:
        theirs = orthanc_digest(self._client, self._url, self._name, row.sop_instance_uid)
        if theirs is None:
            return Told(Standing.LACKING, "not found there")
        ours = hashlib.md5((self._lying / row.path).read_bytes(), usedforsecurity=False).hexdigest()
        if theirs != ours:
            return Told(Standing.NEVER, "it keeps other bytes under this UID")
        return Told(Standing.PRESENT, "same digest there")


def asker_for(destination: Destination, settings: Settings, ledger: Ledger) -> Asker | None:
    """The way that a destination's settings choose; ``None`` for not at all."""
    own = settings.listener.ae_title
    match destination.confirm:
        case "commitment":
            return CommitmentAsker(ledger, destination, own, tls=settings.tls)
        case "qido":
            return QidoAsker(destination)
        case "find" if destination.orthanc is not None:
            return OrthancAsker(destination, objects_of(settings))
        case "find":
            return FindAsker(destination, own, settings.tls)
    return None


def confirmers(ledger: Ledger, settings: Settings) -> tuple[Confirmer, ...]:
    """One for each destination that can be asked."""
    askers = [(one.name, asker_for(one, settings, ledger)) for one in settings.destination]
    return tuple(Confirmer(ledger, name, asker) for name, asker in askers if asker is not None)


def _by_series(rows: Sequence[Confirmation]) -> dict[tuple[str, str], list[Confirmation]]:
    series: dict[tuple[str, str], list[Confirmation]] = {}
    for row in rows:
        series.setdefault((row.study_instance_uid, row.series_instance_uid), []).append(row)
    return series


def _standing(rows: Sequence[Confirmation], there: frozenset[str], how: str) -> dict[str, Told]:
    present, lacking = Told(Standing.PRESENT, f"found by {how}"), Told(Standing.LACKING, f"not found by {how}")
    return {row.sop_instance_uid: present if row.sop_instance_uid in there else lacking for row in rows}


def _wait_for(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
