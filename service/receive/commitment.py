"""Storage commitment at the listener: scanners' requests are noted, archives' answers taken.

A request is durable before it is answered with Success. Where the settings name the scanner's address
(``[[scanner]]``) the sender process answers on an association of its own, the only way that every scanner
understands; else the answer goes back on the association of the request, as soon as that has been replied to.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection
from typing import Any

from pydicom import Dataset
from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import N_ACTION
from pynetdicom.presentation import PresentationContext, build_context

from service import logs
from service.ledger import Ledger, LedgerUnavailable
from service.objects import Objects
from service.proof.commitment import PUSH_MODEL, REQUEST, requested
from service.proof.events import CommitmentAnswers, handler
from service.proof.vouch import report
from service.receive.data_phase import StorageAssociation
from service.replies import keep_replies

_LOGGER = logging.getLogger(__name__)
SUCCESS, NO_SUCH_CLASS, NO_SUCH_ACTION = 0x0000, 0x0118, 0x0123
INVALID_ARGUMENT, RESOURCE_LIMITATION = 0x0115, 0x0213


class Commitment:
    """What the listener needs for storage commitment in both directions.

    Parameters
    ----------
    titles:
        AE titles whose address is known, so that another process answers them.
    """

    def __init__(
        self, ledger: Ledger, objects: Objects, titles: Collection[str], clock: Callable[[], float] | None = None
    ) -> None:
        self._ledger = ledger
        self._objects = objects
        self.titles = titles
        self._clock = clock or ledger.clock
        self.answers = CommitmentAnswers(ledger, clock)

    @property
    def handlers(self) -> list[tuple[Any, Any]]:
        """As pynetdicom binds them."""
        return [(evt.EVT_N_ACTION, self._requested), handler(self.answers)]

    @staticmethod
    def context() -> PresentationContext:
        """Both roles: a scanner asks us; an archive that answers us is the provider on an association of its own."""
        context = build_context(PUSH_MODEL)
        context.scu_role = context.scp_role = True
        return context

    def _requested(self, event: evt.Event) -> tuple[int, Dataset | None]:
        if str(event.request.RequestedSOPClassUID) != PUSH_MODEL:
            return NO_SUCH_CLASS, None
        if event.action_type != REQUEST:
            return NO_SUCH_ACTION, None
        calling = str(event.assoc.requestor.ae_title).strip()
        try:
            transaction, objects = requested(event.action_information)
        except Exception as error:  # noqa: BLE001 - a foreign parser on a peer's bytes: any type comes out of it
            logs.event(_LOGGER, logging.WARNING, "commitment request unreadable", error=type(error).__name__)
            return INVALID_ARGUMENT, None
        try:
            number = self._ledger.request_commitment(
                transaction, calling, event.assoc.requestor.address, objects, self._clock()
            )
        except LedgerUnavailable as error:
            logs.event(_LOGGER, logging.ERROR, "commitment request not recorded", reason=str(error))
            return RESOURCE_LIMITATION, None
        logs.event(_LOGGER, logging.INFO, "commitment requested", calling_ae_title=calling, count=len(objects))
        if calling not in self.titles and isinstance(event.assoc, CommittingAssociation):
            event.assoc.afterwards.append(lambda: self._answer_here(event.assoc, number))
        return SUCCESS, None

    def _answer_here(self, association: Association, number: int) -> None:
        """On the association of the request. What fails stays noted, with what to do about it."""
        request = self._ledger.request(number)
        if request is None:
            return
        association.dul.hand_back()  # pynetdicom's own loop reads the reply
        association.dul.ring()
        why = report(association, self._ledger, self._objects, request, self._clock())
        if why:
            remedy = f"add [[scanner]] with ae_title {request.ae_title!r} and its address, then 'nmus redrive'"
            self._ledger.request_given_up(number, self._clock(), f"{why} on the association of the request; {remedy}")
            logs.event(
                _LOGGER, logging.WARNING, "commitment not answered", calling_ae_title=request.ae_title, reason=why
            )


class CommittingAssociation(StorageAssociation):
    """An association that does something once a message has been answered."""

    def __init__(self, *arguments: Any) -> None:  # noqa: ANN401 - pynetdicom's
        super().__init__(*arguments)
        keep_replies(self)
        self.afterwards: list[Callable[[], None]] = []

    def _serve_request(self, message: Any, context_id: int) -> None:  # noqa: ANN401 - pynetdicom's
        super()._serve_request(message, context_id)
        if isinstance(message, N_ACTION):
            for step in self.afterwards:
                # not in this thread: it has to read the reply
                threading.Thread(target=_guarded, args=(step,), name="vouch", daemon=True).start()
            self.afterwards.clear()


def _guarded(step: Callable[[], None]) -> None:
    try:
        step()
    except LedgerUnavailable as error:
        logs.event(_LOGGER, logging.ERROR, "commitment not answered", reason=str(error))
