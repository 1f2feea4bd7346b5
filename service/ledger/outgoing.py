"""The outbox: one row per object and destination, a circuit per destination."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, literal_column, select, update

from service.ledger.confirming import expect
from service.ledger.database import Database, Prepared, Transaction
from service.ledger.proof_values import ConfirmState, RequestState
from service.ledger.tables import CIRCUIT, EVENT, JOB, OUTBOX, RESULT
from service.ledger.tables_guard import QUARANTINE
from service.ledger.tables_proof import COMMITMENT_REQUEST, CONFIRMATION
from service.ledger.values import Circuit, JobState, Outgoing, OutgoingState
from service.ledger.waking import wake

_OF_RESULT = {"sop_class_uid", "transfer_syntax_uid", "study_instance_uid", "path", "size"}
COLUMNS = [RESULT.c[name] if name in _OF_RESULT else OUTBOX.c[name] for name in Outgoing.__dataclass_fields__]

_DUE = tuple(
    select(OUTBOX.c.id).where(OUTBOX.c.destination == bindparam("where"), condition).limit(1)
    for condition in (
        (OUTBOX.c.state == OutgoingState.WAITING) & (OUTBOX.c.due <= bindparam("now")),
        (OUTBOX.c.state == OutgoingState.SENDING) & (OUTBOX.c.lease_until < bindparam("now")),
    )
)
_RUNNING = select(JOB.c.id).where(JOB.c.state == JobState.RUNNING).order_by(JOB.c.due.desc()).limit(1)
_SENT = (
    update(OUTBOX)
    .where(
        OUTBOX.c.id == bindparam("number"),
        OUTBOX.c.attempt == bindparam("claimed_as"),
        OUTBOX.c.state == literal_column(f"'{OutgoingState.SENDING}'"),
    )
    .values(state=literal_column(f"'{OutgoingState.SENT}'"), sent_at=bindparam("now"), last_error=bindparam("note"))
    .returning(OUTBOX.c.id)
)
_EVENT_FIELDS = ("at", "kind", "study_instance_uid", "sop_instance_uid", "destination", "detail")


_shut = CIRCUIT.alias()
_WAITING = (
    select(OUTBOX.c.id)
    .where(
        OUTBOX.c.destination == bindparam("where"),
        ((OUTBOX.c.state == OutgoingState.WAITING) & (OUTBOX.c.due <= bindparam("now")))
        | ((OUTBOX.c.state == OutgoingState.SENDING) & (OUTBOX.c.lease_until < bindparam("now"))),
        ~select(_shut.c.destination)
        .where(_shut.c.destination == bindparam("where"))
        .where((_shut.c.retry_at > bindparam("now")) | _shut.c.paused.is_(True))
        .exists(),
        ~select(QUARANTINE.c.study_instance_uid)
        .join(RESULT, RESULT.c.study_instance_uid == QUARANTINE.c.study_instance_uid)
        .where(RESULT.c.sop_instance_uid == OUTBOX.c.sop_instance_uid, QUARANTINE.c.released_at.is_(None))
        .exists(),
    )
    .order_by(OUTBOX.c.due, OUTBOX.c.id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
"""What may go to a destination whose circuit is neither open nor paused, of studies that are not held back. This and
the next two are composed once: to compose them anew took a sender four milliseconds a batch."""
_NUMBERS = OUTBOX.c.id.in_(bindparam("numbers", expanding=True))
_CLAIMED = (
    update(OUTBOX)
    .where(_NUMBERS)
    .values(
        state=OutgoingState.SENDING,
        attempt=OUTBOX.c.attempt + 1,
        owner=bindparam("who"),
        lease_until=bindparam("until"),
    )
)
_ROWS = select(*COLUMNS).join(RESULT, RESULT.c.sop_instance_uid == OUTBOX.c.sop_instance_uid)
_IN_ORDER = (OUTBOX.c.due, OUTBOX.c.id)
_NUMBERED = _ROWS.where(_NUMBERS).order_by(*_IN_ORDER)


class Outbox(Database):
    """What is to be sent, and to whom it can be."""

    def claim_outgoing(
        self, destination: str, now: float, owner: str, lease: float, limit: int = 50
    ) -> tuple[Outgoing, ...]:
        """Take what waits for one destination, oldest first; nothing while its circuit is open or it is paused.

        Nothing of a study that is held back either.
        """
        with self.reading() as connection:  # without the writer's turn: most wake-ups are for somebody else
            if not any(connection.execute(one, {"where": destination, "now": now}).first() for one in _DUE):
                return ()
        with self.writing() as connection:
            numbers = connection.execute(_WAITING, {"where": destination, "now": now, "most": limit}).scalars().all()
            if not numbers:
                return ()
            connection.execute(_CLAIMED, {"numbers": numbers, "who": owner, "until": now + lease})
            return tuple(_row(row) for row in connection.execute(_NUMBERED, {"numbers": numbers}))

    def running_job(self) -> int | None:
        """The job that was claimed last and is being worked on: something will be to send soon."""
        with self.reading() as connection:
            return connection.execute(_RUNNING).scalar()

    def sent(self, outgoing: Outgoing, now: float, note: str = "", confirm: str = "", confirm_at: float = 0) -> bool:
        """The destination took it. ``False``: another sender owns the row by now (the object is the same bytes).

        Parameters
        ----------
        confirm, confirm_at:
            How it is to be confirmed that the destination has it, and when to ask first; empty for not at all.
        """
        if confirm:

            def also(connection: Connection) -> None:
                uid, where = outgoing.sop_instance_uid, outgoing.destination
                expect(self, connection, uid, where, method=confirm, due=confirm_at)

            values = {"state": OutgoingState.SENT, "sent_at": now, "last_error": note}
            return self._move(outgoing, now, "sent", note, also, **values)
        told = _event_row(outgoing, now, "sent", note)
        values = {"now": now, "note": note, "number": outgoing.id, "claimed_as": outgoing.attempt}

        def record(transaction: Transaction) -> bool:
            if not self._mark_sent(transaction, values).fetchall():
                return False
            self._note_sent(transaction, told)
            return True

        return self.write_together(record)

    @cached_property
    def _mark_sent(self) -> Prepared:
        return self.prepared(_SENT)

    @cached_property
    def _note_sent(self) -> Prepared:
        return self.prepared(EVENT.insert(), _EVENT_FIELDS)

    def postpone(self, outgoing: Outgoing, now: float, due: float, reason: str) -> bool:
        """Not now: the destination is away or busy. Never a dead letter, however long it lasts."""
        return self._move(outgoing, now, "", reason, state=OutgoingState.WAITING, due=due, last_error=reason)

    def hold(self, outgoing: Outgoing, now: float, reason: str) -> bool:
        """The destination refused it for good: a dead letter with its reason."""
        return self._move(outgoing, now, "held", reason, state=OutgoingState.HELD, last_error=reason)

    def renew_outgoing(self, outgoing: tuple[Outgoing, ...], now: float, lease: float) -> None:
        """Keep claimed rows while a long batch is under way."""
        for one in outgoing:
            self._move(one, now, "", "", lease_until=now + lease)

    def _move(
        self,
        outgoing: Outgoing,
        now: float,
        kind: str,
        detail: str,
        also: Callable[[Connection], None] | None = None,
        **values: object,
    ) -> bool:
        statement = (
            update(OUTBOX)
            .where(
                OUTBOX.c.id == outgoing.id,
                OUTBOX.c.attempt == outgoing.attempt,
                OUTBOX.c.state == OutgoingState.SENDING,
            )
            .values(**values)
        )
        with self.writing() as connection:
            if connection.execute(statement).rowcount != 1:
                return False
            if kind:
                connection.execute(EVENT.insert(), _event_row(outgoing, now, kind, detail))
            if also is not None:
                also(connection)
            return True

    def take_back_outgoing(self, ended: Callable[[str], bool], now: float) -> int:
        """Give back the rows of senders that have surely ended; how many."""
        owners = select(OUTBOX.c.owner).where(OUTBOX.c.state == OutgoingState.SENDING).distinct()
        with self.writing() as connection:
            gone = [owner for owner in connection.execute(owners).scalars() if ended(owner)]
            held = update(OUTBOX).where(OUTBOX.c.owner.in_(gone), OUTBOX.c.state == OutgoingState.SENDING)
            wake(connection)
            return connection.execute(held.values(state=OutgoingState.WAITING, lease_until=0, due=now)).rowcount

    def redrive(self, now: float, destination: str | None = None) -> int:
        """Let dead letters try again, ask again what was not confirmed, close the circuits; how many wait anew."""
        letters = update(OUTBOX).where(OUTBOX.c.state == OutgoingState.HELD)
        circuits = update(CIRCUIT)
        doubtful = update(CONFIRMATION).where(CONFIRMATION.c.state == ConfirmState.UNCONFIRMED)
        if destination is not None:
            letters = letters.where(OUTBOX.c.destination == destination)
            circuits = circuits.where(CIRCUIT.c.destination == destination)
            doubtful = doubtful.where(CONFIRMATION.c.destination == destination)
        with self.writing() as connection:
            connection.execute(circuits.values(retry_at=0))
            connection.execute(doubtful.values(state=ConfirmState.WAITING, due=now, attempt=0, resent=0))
            if destination is None:
                unanswered = update(COMMITMENT_REQUEST).where(COMMITMENT_REQUEST.c.state == RequestState.UNANSWERED)
                connection.execute(unanswered.values(state=RequestState.WAITING, due=now, attempt=0))
            count = connection.execute(letters.values(state=OutgoingState.WAITING, due=now)).rowcount
            row = {"at": now, "kind": "redrive", "destination": destination or "", "detail": f"{count} objects"}
            connection.execute(EVENT.insert(), row)
            wake(connection)
            return count

    def outgoing(self, destination: str | None = None, state: OutgoingState | None = None) -> tuple[Outgoing, ...]:
        """Rows of the outbox, oldest first."""
        condition = OUTBOX.c.id > 0
        if destination is not None:
            condition &= OUTBOX.c.destination == destination
        if state is not None:
            condition &= OUTBOX.c.state == state
        with self.reading() as connection:
            return _outgoing(connection, condition)

    def outgoing_of(self, study_instance_uid: str) -> tuple[Outgoing, ...]:
        """Rows of one study's results."""
        with self.reading() as connection:
            return _outgoing(connection, RESULT.c.study_instance_uid == study_instance_uid)

    def circuit(self, destination: str) -> Circuit:
        """Whether a destination is worth trying."""
        with self.reading() as connection:
            row = connection.execute(select(CIRCUIT).where(CIRCUIT.c.destination == destination)).first()
            return Circuit(*row) if row else Circuit(destination, 0, 0, "", paused=False)

    def open_circuit(self, destination: str, retry_at: float, reason: str) -> None:
        """Nothing is tried before ``retry_at``; the number of failures counts up."""
        self._set_circuit(destination, {"retry_at": retry_at, "reason": reason}, failed=True)

    def close_circuit(self, destination: str) -> None:
        """The destination answered: it is well."""
        self._set_circuit(destination, {"retry_at": 0, "reason": "", "failures": 0})

    def pause(self, destination: str, paused: bool = True) -> None:
        """Stop or resume sending to one destination; the outbox keeps filling."""
        self._set_circuit(destination, {"paused": paused})

    def _set_circuit(self, destination: str, values: dict[str, Any], failed: bool = False) -> None:
        first = {"destination": destination, "failures": 1 if failed else 0, **values}
        again = {**values, "failures": CIRCUIT.c.failures + 1} if failed else values
        statement = self.insert(CIRCUIT).values(**first)
        with self.writing() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["destination"], set_=again))
            if not failed:
                wake(connection)


def _event_row(outgoing: Outgoing, now: float, kind: str, detail: str) -> dict[str, Any]:
    about = (outgoing.study_instance_uid, outgoing.sop_instance_uid, outgoing.destination)
    return dict(zip(_EVENT_FIELDS, (now, kind, *about, detail), strict=True))


def _outgoing(connection: Connection, condition: ColumnElement[bool]) -> tuple[Outgoing, ...]:
    return tuple(_row(row) for row in connection.execute(_ROWS.where(condition).order_by(*_IN_ORDER)))


def _row(row: Row[Any]) -> Outgoing:
    outgoing = Outgoing(*tuple(row))
    return replace(outgoing, state=OutgoingState(outgoing.state))
