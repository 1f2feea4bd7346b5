"""N-EVENT-REPORT of an archive: taken on whichever association it comes, ours or its own."""

from __future__ import annotations

import logging
from collections.abc import Callable

from pydicom import Dataset
from pynetdicom import evt

from service import logs
from service.errors import NmusError
from service.ledger import Ledger
from service.proof.commitment import PUSH_MODEL, Told, answered
from service.proof.judge import judge

_LOGGER = logging.getLogger(__name__)
SUCCESS, INVALID_ARGUMENT, RESOURCE_LIMITATION = 0x0000, 0x0115, 0x0213


class CommitmentAnswers:
    """Writes an archive's answers into the ledger."""

    def __init__(self, ledger: Ledger, clock: Callable[[], float] | None = None) -> None:
        self._ledger = ledger
        self._clock = clock or ledger.clock
        self.count = 0

    def handle(self, event: evt.Event) -> tuple[int, Dataset | None]:
        """Answer EVT_N_EVENT_REPORT. Success only for what is in the ledger."""
        try:
            transaction, told = answered(event.event_information)
        except Exception as error:  # noqa: BLE001 - a foreign parser on a peer's bytes: any type comes out of it
            logs.event(_LOGGER, logging.WARNING, "commitment answer unreadable", error=type(error).__name__)
            return INVALID_ARGUMENT, None
        try:
            return self.take(transaction, told), None
        except NmusError as error:
            logs.event(_LOGGER, logging.ERROR, "commitment answer not recorded", reason=str(error))
            return RESOURCE_LIMITATION, None

    def take(self, transaction: str, told: dict[str, Told]) -> int:
        """Write an answer down; the status to reply with."""
        rows = self._ledger.of_transaction(transaction) if transaction else ()
        if not rows:
            # an answer that came too late, or twice: the objects have been asked for under another transaction
            logs.event(_LOGGER, logging.INFO, "commitment answer to no open question", count=len(told))
            return SUCCESS
        confirmed = judge(self._ledger, rows, told, self._clock())
        self.count += 1
        destination = rows[0].destination
        logs.event(_LOGGER, logging.INFO, "commitment answered", destination=destination, count=confirmed)
        return SUCCESS


def handler(answers: CommitmentAnswers) -> tuple[object, object]:
    """As pynetdicom binds it."""

    def report(event: evt.Event) -> tuple[int, Dataset | None]:
        if str(event.request.AffectedSOPClassUID) != PUSH_MODEL:
            return 0x0118, None  # no such SOP class
        return answers.handle(event)

    return evt.EVT_N_EVENT_REPORT, report
