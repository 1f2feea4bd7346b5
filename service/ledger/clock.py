"""The ledger's time: what leases, waits and schedules are counted by, and what is done when it was set back.

Machines that share a ledger share the clock of its server: a lease that one takes would otherwise have run out at once
for another whose clock is ahead. The embedded ledger is one machine's, and so is its clock.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from sqlalchemy import Table, select, update

from service.ledger.database import Database, LedgerUnavailable
from service.ledger.tables import CIRCUIT, CURSOR, EVENT, JOB, OUTBOX
from service.ledger.tables_proof import COMMITMENT_REQUEST, CONFIRMATION

_ASK_S = 30.0
"""How often the server is asked; between two answers our steady clock counts, which nobody sets."""
_TRY_AGAIN_S = 5.0
"""A server that is away is not waited for each time somebody wants to know how late it is."""
_SEEN = "clock"
_JUMP_S = 10.0
"""Beats are seconds apart: a smaller step back cannot be told from their own distance, and does no harm."""
_SCHEDULES: tuple[tuple[Table, tuple[str, ...]], ...] = (
    (JOB, ("due", "lease_until")),
    (OUTBOX, ("due", "lease_until")),
    (CIRCUIT, ("retry_at",)),
    (CONFIRMATION, ("due",)),
    (COMMITMENT_REQUEST, ("due",)),
)
"""Times that lie ahead. An open study's quiet time is counted anew by :mod:`service.receive.settle`."""


class Clock(Database):
    """Time, as the ledger counts it."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._clock_turn = threading.Lock()
        self._server: tuple[float, float] | None = None
        """Server's time and our steady clock at the same moment."""
        self._tried_at = -_TRY_AGAIN_S

    def clock(self) -> float:
        """Seconds since 1970: this machine's with the embedded ledger, the server's with another.

        While the server is away the last answer and our steady clock count.
        """
        if self.is_sqlite:
            return time.time()
        steady = time.monotonic()
        with self._clock_turn:
            old = self._server is None or steady - self._server[1] > _ASK_S
            if old and steady - self._tried_at > _TRY_AGAIN_S:
                self._server = self._asked() or self._server
                self._tried_at = time.monotonic()
            if self._server is None:
                return time.time()
            server, then = self._server
        return server + time.monotonic() - then

    def _asked(self) -> tuple[float, float] | None:
        try:
            with self.reading() as connection:
                before = time.monotonic()
                told = connection.exec_driver_sql("SELECT extract(epoch FROM clock_timestamp())").scalar_one()
                return float(told), (before + time.monotonic()) / 2
        except LedgerUnavailable:
            return None

    def heed_clock(self, now: float) -> float:
        """To be called every few seconds: what lies ahead is moved when the clock was set back; by how many seconds.

        A wait of ten seconds would otherwise last until the clock comes to the old time again, be it an hour or a
        year. A clock set forward ends waits and leases early, which is harmless: a lease that was taken over is void.
        """
        with self.writing() as connection:
            self.one_at_a_time(connection, _SEEN)
            seen = connection.execute(select(CURSOR.c.value).where(CURSOR.c.source == _SEEN)).scalar()
            back = float(seen) - now if seen is not None else 0.0
            statement = self.insert(CURSOR).values(source=_SEEN, value=int(now))
            connection.execute(
                statement.on_conflict_do_update(index_elements=["source"], set_={"value": statement.excluded.value})
            )
            if back <= _JUMP_S:
                return 0.0
            for table, columns in _SCHEDULES:
                for name in columns:
                    ahead: Any = table.c[name]
                    connection.execute(update(table).where(ahead > now).values({name: ahead - back}))
            row = {"at": now, "kind": "clock", "detail": f"set back by {back:.0f} s; what is due was moved with it"}
            connection.execute(EVENT.insert(), row)
            return back
