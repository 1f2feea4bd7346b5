"""One row in the ledger for each association that sent us objects: how many came, how many were refused, how it ended.

Counting is two additions an object. The row is written when the association has ended and its peer waits for nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.pdu import A_ABORT_RQ, A_RELEASE_RQ

from service import logs
from service.ledger import Association as Row
from service.ledger import Ledger, LedgerUnavailable

_LOGGER = logging.getLogger(__name__)


class Tally:
    """What came by one association so far."""

    __slots__ = ("bytes", "ending", "refused", "started_at", "stored")

    def __init__(self, started_at: float) -> None:
        self.started_at = started_at
        self.stored = self.refused = self.bytes = 0
        self.ending = "lost"


class AssociationLog:
    """Counts by association, and writes the rows."""

    def __init__(self, ledger: Ledger, clock: Callable[[], float] | None = None) -> None:
        self._ledger = ledger
        self._clock = clock or ledger.clock
        self._tallies: WeakKeyDictionary[Association, Tally] = WeakKeyDictionary()

    @property
    def handlers(self) -> list[tuple[Any, Any]]:
        """As pynetdicom binds them."""
        return [
            (evt.EVT_ACCEPTED, self._begun),
            (evt.EVT_PDU_RECV, self._told),
            (evt.EVT_ABORTED, lambda event: self._ending(event, "aborted")),
            (evt.EVT_CONN_CLOSE, self._ended),
        ]

    def stored(self, association: Association, size: int) -> None:
        """One object more."""
        tally = self._tallies.get(association)
        if tally is not None:
            tally.stored += 1
            tally.bytes += size

    def refused(self, association: Association) -> None:
        """One object that was not taken."""
        tally = self._tallies.get(association)
        if tally is not None:
            tally.refused += 1

    def _begun(self, event: evt.Event) -> None:
        self._tallies[event.assoc] = Tally(self._clock())

    def _told(self, event: evt.Event) -> None:
        """The peer says how it ends, before the connection does; data do not come by here."""
        if isinstance(event.pdu, A_RELEASE_RQ):
            self._ending(event, "released")
        elif isinstance(event.pdu, A_ABORT_RQ):
            self._ending(event, "aborted")

    def _ending(self, event: evt.Event, how: str) -> None:
        tally = self._tallies.get(event.assoc)
        if tally is not None:
            tally.ending = how

    def _ended(self, event: evt.Event) -> None:
        tally = self._tallies.pop(event.assoc, None)
        if tally is None or not tally.stored + tally.refused:
            return
        requestor = event.assoc.requestor
        row = Row(
            tally.started_at,
            self._clock(),
            str(requestor.ae_title).strip()[:16],
            str(requestor.primitive.called_ae_title).strip()[:16] if requestor.primitive else "",
            str(requestor.address)[:64],
            tally.stored,
            tally.refused,
            tally.bytes,
            tally.ending,
        )
        try:
            self._ledger.associated(row)
        except LedgerUnavailable as error:
            # the objects have rows of their own; this one only says how they came
            logs.event(_LOGGER, logging.WARNING, "association not recorded", reason=str(error))
