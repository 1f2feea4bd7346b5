"""Answers to scanners that asked for storage commitment, each on an association of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from pynetdicom import build_role
from pynetdicom.presentation import build_context

from service import logs
from service.config import Scanner, Settings
from service.errors import Unreachable
from service.ledger import CommitmentRequest, Ledger
from service.objects import Objects, objects_of
from service.proof.commitment import PUSH_MODEL
from service.proof.vouch import report
from service.query.dimse import association, remote_of

_LOGGER = logging.getLogger(__name__)
_LEASE_S = 300.0
TRY_AGAIN_S = (10.0, 60.0, 300.0, 1800.0, 3600.0)
GIVE_UP_S = 7 * 86_400.0
"""A scanner that is switched off over a long weekend still gets its answer."""


class Answerer:
    """Answers the scanners whose addresses are known."""

    def __init__(
        self,
        ledger: Ledger,
        objects: Objects,
        scanners: Sequence[Scanner],
        own_title: str,
        *,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._ledger = ledger
        self._objects = objects
        self._remotes = {one.ae_title.strip(): remote_of(one, own_title) for one in scanners}
        self._clock = clock or ledger.clock

    def step(self) -> int:
        """Answer one request that is due; 1 if there was one."""
        request = self._ledger.claim_request(self._clock(), _LEASE_S, tuple(self._remotes))
        if request is None:
            return 0
        try:
            why = self._tell(request)
        except Unreachable as away:
            why = str(away)
        if why:
            self._later(request, why)
        else:
            logs.event(_LOGGER, logging.INFO, "commitment answered", calling_ae_title=request.ae_title)
        return 1

    def _tell(self, request: CommitmentRequest) -> str:
        # we open the association and are its provider: that has to be said (PS3.4 section J.3.3)
        role = build_role(PUSH_MODEL, scp_role=True)
        remote = self._remotes[request.ae_title]
        with association(remote, [build_context(PUSH_MODEL)], roles=[role]) as told:
            if not told.accepted_contexts:
                return f"{remote.name} does not take answers to storage commitment at this address"
            return report(told, self._ledger, self._objects, request, self._clock())

    def _later(self, request: CommitmentRequest, why: str) -> None:
        now = self._clock()
        if now - request.received_at > GIVE_UP_S:
            self._ledger.request_given_up(request.id, now, f"{why}; check [[scanner]], then 'nmus redrive'")
        else:
            wait = TRY_AGAIN_S[min(request.attempt, len(TRY_AGAIN_S)) - 1]
            self._ledger.request_postponed(request.id, now + wait, why)
        logs.event(_LOGGER, logging.WARNING, "commitment not answered", calling_ae_title=request.ae_title, reason=why)


def answerer(ledger: Ledger, settings: Settings) -> Answerer | None:
    """If the settings name a scanner."""
    if not settings.scanner:
        return None
    return Answerer(ledger, objects_of(settings), settings.scanner, settings.listener.ae_title)
