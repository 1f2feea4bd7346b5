"""Confirmations: whether a destination that took a result really has it, and sending again what it lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, select, update

from service.ledger.database import Database
from service.ledger.proof_values import Confirmation, ConfirmState, ConfirmStatus
from service.ledger.tables import EVENT, OUTBOX, RESULT
from service.ledger.tables_proof import CONFIRMATION
from service.ledger.values import OutgoingState
from service.ledger.waking import wake

_OF_RESULT = {"sop_class_uid", "series_instance_uid", "study_instance_uid", "sha256", "path"}
_COLUMNS = [
    RESULT.c[name] if name in _OF_RESULT else CONFIRMATION.c[name] for name in Confirmation.__dataclass_fields__
]
_OPEN = (ConfirmState.WAITING, ConfirmState.ASKED, ConfirmState.RESENDING)


class Confirming(Database):
    """What was sent and is to be confirmed."""

    def claim_confirmations(
        self, destination: str, now: float, lease: float, limit: int = 200
    ) -> tuple[Confirmation, ...]:
        """Take what is due, oldest first. Nobody else gets the rows before ``lease`` has passed."""
        due = (
            select(CONFIRMATION.c.sop_instance_uid)
            .where(CONFIRMATION.c.destination == destination)
            .where(CONFIRMATION.c.state.in_([ConfirmState.WAITING, ConfirmState.ASKED]), CONFIRMATION.c.due <= now)
            .order_by(CONFIRMATION.c.due)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        with self.writing() as connection:
            uids = connection.execute(due).scalars().all()
            if not uids:
                return ()
            mine = (CONFIRMATION.c.destination == destination) & CONFIRMATION.c.sop_instance_uid.in_(uids)
            connection.execute(
                update(CONFIRMATION).where(mine).values(due=now + lease, attempt=CONFIRMATION.c.attempt + 1)
            )
            return _confirmations(connection, mine)

    def asked(
        self, rows: Sequence[Confirmation], transaction_uid: str, now: float, deadline: float
    ) -> tuple[Confirmation, ...]:
        """Note a request for commitment; call it before the request leaves, for its answer may come at once."""
        values = {
            "state": ConfirmState.ASKED,
            "transaction_uid": transaction_uid,
            "asked_at": now,
            "due": deadline,
            "reason": "",
        }
        with self.writing() as connection:
            for row in rows:
                connection.execute(update(CONFIRMATION).where(_same(row)).values(**values))
        return tuple(replace(row, state=ConfirmState.ASKED, transaction_uid=transaction_uid) for row in rows)

    def of_transaction(self, transaction_uid: str) -> tuple[Confirmation, ...]:
        """What was asked for under this transaction and has not been asked for anew since."""
        with self.reading() as connection:
            return _confirmations(connection, CONFIRMATION.c.transaction_uid == transaction_uid)

    def confirmed(self, rows: Sequence[Confirmation], now: float, note: str = "") -> int:
        """The destination has them; how many were not known to be confirmed yet."""
        values = {"state": ConfirmState.CONFIRMED, "confirmed_at": now, "reason": note}
        with self.writing() as connection:
            return sum(self._close(connection, row, now, kind="confirmed", detail=note, values=values) for row in rows)

    def ask_again(self, rows: Sequence[Confirmation], due: float, reason: str, *, counted: bool = True) -> None:
        """No usable answer: ask once more when it is due, under a new transaction.

        ``counted`` is false when the question did not even arrive.
        """
        values = {
            "state": ConfirmState.WAITING,
            "due": due,
            "reason": reason,
            "transaction_uid": "",
            "attempt": CONFIRMATION.c.attempt - (0 if counted else 1),
        }
        with self.writing() as connection:
            for row in rows:
                connection.execute(update(CONFIRMATION).where(_same(row)).values(**values))

    def unconfirmed(self, rows: Sequence[Confirmation], now: float, reason: str) -> None:
        """Give up asking: the reason is shown and somebody must look."""
        values = {"state": ConfirmState.UNCONFIRMED, "reason": reason}
        with self.writing() as connection:
            for row in rows:
                self._close(connection, row, now, kind="unconfirmed", detail=reason, values=values)

    def send_again(self, row: Confirmation, now: float, reason: str) -> bool:
        """The destination lacks it: into the outbox with it. ``False`` if it is there already."""
        with self.writing() as connection:
            again = update(OUTBOX).where(
                OUTBOX.c.sop_instance_uid == row.sop_instance_uid,
                OUTBOX.c.destination == row.destination,
                OUTBOX.c.state == OutgoingState.SENT,
            )
            if not connection.execute(again.values(state=OutgoingState.WAITING, due=now, last_error=reason)).rowcount:
                return False
            wake(connection)
            values = {"state": ConfirmState.RESENDING, "resent": CONFIRMATION.c.resent + 1, "reason": reason}
            return self._close(connection, row, now, kind="resent", detail=reason, values=values)

    @staticmethod
    def _close(
        connection: Connection, row: Confirmation, now: float, *, kind: str, detail: str, values: dict[str, Any]
    ) -> bool:
        """Change a row that is still open, and say so in the audit trail; ``False`` if it was closed before."""
        statement = update(CONFIRMATION).where(_same(row)).values(**values)
        if connection.execute(statement).rowcount != 1:
            return False
        told = {
            "at": now,
            "kind": kind,
            "study_instance_uid": row.study_instance_uid,
            "sop_instance_uid": row.sop_instance_uid,
            "destination": row.destination,
            "detail": detail,
        }
        connection.execute(EVENT.insert(), told)
        return True

    def reconfirm(self, methods: Mapping[str, str], since: float, now: float) -> dict[str, int]:
        """Ask again for everything that was sent since then, as a daily reconciliation does; how many by destination.

        Parameters
        ----------
        methods:
            Destination to the way of confirming; others are left alone.
        """
        counts = {}
        with self.writing() as connection:
            for destination, method in methods.items():
                query = select(OUTBOX.c.sop_instance_uid).where(
                    OUTBOX.c.destination == destination,
                    OUTBOX.c.state == OutgoingState.SENT,
                    OUTBOX.c.sent_at >= since,
                )
                uids = connection.execute(query).scalars().all()
                for uid in uids:
                    expect(self, connection, uid, destination, method=method, due=now, anew=True)
                counts[destination] = len(uids)
        return counts

    def confirmations(
        self, destination: str | None = None, study_instance_uid: str | None = None
    ) -> tuple[Confirmation, ...]:
        """Rows, the ones that are due first."""
        condition = CONFIRMATION.c.sop_instance_uid != ""
        if destination is not None:
            condition &= CONFIRMATION.c.destination == destination
        if study_instance_uid is not None:
            condition &= RESULT.c.study_instance_uid == study_instance_uid
        with self.reading() as connection:
            return _confirmations(connection, condition)

    def confirm_status(self) -> tuple[ConfirmStatus, ...]:
        """Numbers by destination."""

        def number(condition: ColumnElement[bool]) -> ColumnElement[int]:
            return func.sum(case((condition, 1), else_=0))

        state = CONFIRMATION.c.state
        query = select(
            CONFIRMATION.c.destination,
            number(state == ConfirmState.CONFIRMED),
            number(state.in_(_OPEN)),
            number(state == ConfirmState.UNCONFIRMED),
        ).group_by(CONFIRMATION.c.destination)
        with self.reading() as connection:
            rows = connection.execute(query.order_by(CONFIRMATION.c.destination))
            return tuple(ConfirmStatus(*row) for row in rows)


def expect(
    database: Database,
    connection: Connection,
    uid: str,
    destination: str,
    *,
    method: str,
    due: float,
    anew: bool = False,
) -> None:
    """Inside the caller's transaction: this object is to be confirmed. What was sent again is asked for anew.

    ``anew`` forgets how often it was sent again: a new day, a new try.
    """
    first = {
        "sop_instance_uid": uid,
        "destination": destination,
        "method": method,
        "state": ConfirmState.WAITING,
        "due": due,
    }
    again = {"method": method, "state": ConfirmState.WAITING, "due": due, "attempt": 0, "transaction_uid": ""}
    if anew:
        again["resent"] = 0
    statement = database.insert(CONFIRMATION).values(**first)
    connection.execute(statement.on_conflict_do_update(index_elements=["sop_instance_uid", "destination"], set_=again))


def _same(row: Confirmation) -> ColumnElement[bool]:
    """The row, as long as nobody has asked anew or closed it since."""
    return (
        (CONFIRMATION.c.sop_instance_uid == row.sop_instance_uid)
        & (CONFIRMATION.c.destination == row.destination)
        & (CONFIRMATION.c.attempt == row.attempt)
        & CONFIRMATION.c.state.in_([ConfirmState.WAITING, ConfirmState.ASKED])
    )


def _confirmations(connection: Connection, condition: ColumnElement[bool]) -> tuple[Confirmation, ...]:
    query = (
        select(*_COLUMNS)
        .join(RESULT, RESULT.c.sop_instance_uid == CONFIRMATION.c.sop_instance_uid)
        .where(condition)
        .order_by(CONFIRMATION.c.due, CONFIRMATION.c.sop_instance_uid)
    )
    rows = (Confirmation(*row) for row in connection.execute(query))
    return tuple(replace(row, state=ConfirmState(row.state)) for row in rows)
