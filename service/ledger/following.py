"""What the audit trail follows: everything received and sent, in the order of its time, once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, select

from service.ledger.database import Database
from service.ledger.outgoing import COLUMNS
from service.ledger.tables import CURSOR, INSTANCE, OUTBOX, RESULT
from service.ledger.values import Instance, Outgoing, OutgoingState

_INSTANCE_COLUMNS = [INSTANCE.c[name] for name in Instance.__dataclass_fields__]
_RECEIVED, _SENT = "audit received", "audit sent"
_MOST = 1000
_MICRO = 1_000_000
_SET_BACK_S = 30.0
"""The trail follows a minute behind, so a smaller step back leaves nothing out."""


class Following(Database):
    """For the audit trail."""

    def follow_received(self, before: float, write: Callable[[tuple[Instance, ...]], int]) -> int:
        """Hand objects received since the last time, and before ``before``, to ``write``; what it returned.

        ``write`` must be durable when it returns. If it raises, the same objects come again.
        """
        when = INSTANCE.c.received_at
        query = select(*_INSTANCE_COLUMNS).order_by(when, INSTANCE.c.sop_instance_uid, INSTANCE.c.sha256)

        def found(connection: Connection, since: float) -> tuple[Instance, ...]:
            return tuple(Instance(*row) for row in connection.execute(query.where(when > since, when <= before)))

        return self._follow(_RECEIVED, before, found, write)

    def follow_sent(self, before: float, write: Callable[[tuple[Outgoing, ...]], int]) -> int:
        """The same for results that a destination took."""
        when = OUTBOX.c.sent_at
        query = select(*COLUMNS).join(RESULT, RESULT.c.sop_instance_uid == OUTBOX.c.sop_instance_uid).order_by(when)

        def found(connection: Connection, since: float) -> tuple[Outgoing, ...]:
            rows = (Outgoing(*row) for row in connection.execute(query.where(when > since, when <= before)))
            return tuple(replace(row, state=OutgoingState(row.state)) for row in rows)

        return self._follow(_SENT, before, found, write)

    def _follow(self, name: str, before: float, found: Callable[..., Any], write: Callable[[Any], int]) -> int:
        with self.writing() as connection:
            self.one_at_a_time(connection, name)
            at = connection.execute(select(CURSOR.c.value).where(CURSOR.c.source == name)).scalar()
            if at is not None and at / _MICRO - before > _SET_BACK_S:
                at = int(before * _MICRO)  # the clock was set back: rather twice on record than not at all
            rows = () if at is None else found(connection, at / _MICRO)
            count = write(rows) if rows else 0
            statement = self.insert(CURSOR).values(source=name, value=max(int(before * _MICRO), at or 0))
            connection.execute(
                statement.on_conflict_do_update(index_elements=["source"], set_={"value": statement.excluded.value})
            )
            return count
