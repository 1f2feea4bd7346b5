"""Withdrawals: results that we take back, and images that somebody else rejected."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select, update

from service.ledger.database import Database
from service.ledger.guard_values import Withdrawal
from service.ledger.guarding import next_generation
from service.ledger.tables import EVENT, INSTANCE, OUTBOX, RESULT
from service.ledger.tables_guard import WITHDRAWAL
from service.ledger.values import OutgoingState, Result
from service.ledger.waking import wake

_COLUMNS = [WITHDRAWAL.c[name] for name in Withdrawal.__dataclass_fields__]
_RESULT_COLUMNS = [RESULT.c[name] for name in Result.__dataclass_fields__ if name != "destinations"]
_GOT = (OutgoingState.SENT, OutgoingState.SENDING)
"""Being sent counts as sent: a note about an object that did not arrive harms nobody, a missing one does."""


class Withdrawing(Database):
    """What is no longer valid."""

    def result(self, sop_instance_uid: str) -> Result | None:
        """One result of ours."""
        query = select(*_RESULT_COLUMNS).where(RESULT.c.sop_instance_uid == sop_instance_uid)
        with self.reading() as connection:
            row = connection.execute(query).first()
            return None if row is None else _result(tuple(row))

    def recipients(self, sop_instance_uid: str) -> tuple[str, ...]:
        """Destinations that a result was sent to, or is just being sent to."""
        with self.reading() as connection:
            return _recipients(connection, [sop_instance_uid])

    def withdraw(
        self, results: Sequence[Result], note: Result, now: float, *, code: str, reason: str, by: str
    ) -> tuple[str, ...]:
        """Take results back with one rejection note, in one transaction; who gets the note.

        What was not sent yet is not sent any more. The note's file must be durable before.
        """
        uids = [one.sop_instance_uid for one in results]
        first = results[0]
        with self.writing() as connection:
            to = _recipients(connection, uids)
            self._keep_note(connection, note, first, to, now)
            wake(connection)
            unsent = update(OUTBOX).where(OUTBOX.c.sop_instance_uid.in_(uids), OUTBOX.c.state.not_in(_GOT))
            connection.execute(unsent.values(state=OutgoingState.WITHDRAWN, last_error=f"withdrawn: {reason}"))
            rows = [
                Withdrawal(uid, first.study_instance_uid, "result", now, code, reason, note.sop_instance_uid, by[:64])
                for uid in uids
            ]
            self._add(connection, rows, now)
            return to

    def _keep_note(self, connection: Connection, note: Result, about: Result, to: Sequence[str], now: float) -> None:
        job = select(RESULT.c.job_id).where(RESULT.c.sop_instance_uid == about.sop_instance_uid)
        row = {column.name: getattr(note, column.name) for column in _RESULT_COLUMNS}
        row |= {
            "job_id": connection.execute(job).scalar_one(),
            "generation": about.generation,
            "study_instance_uid": about.study_instance_uid,
        }
        connection.execute(self.insert(RESULT).on_conflict_do_nothing(), row)
        for destination in to:
            outgoing = {
                "sop_instance_uid": note.sop_instance_uid,
                "destination": destination,
                "state": OutgoingState.WAITING,
                "due": now,
                "created_at": now,
            }
            connection.execute(self.insert(OUTBOX).on_conflict_do_nothing(), outgoing)

    def withdraw_images(
        self, uids: Sequence[str], now: float, *, code: str, reason: str, note_uid: str, current_study: str = ""
    ) -> tuple[str, ...]:
        """Images that a rejection note names are no longer analysed; the studies that get a new generation for it.

        Parameters
        ----------
        current_study:
            Its job is running and will see the withdrawal by itself.
        """
        with self.writing() as connection:
            known = select(WITHDRAWAL.c.sop_instance_uid).where(WITHDRAWAL.c.sop_instance_uid.in_(uids))
            done = set(connection.execute(known).scalars())
            query = select(INSTANCE.c.sop_instance_uid, INSTANCE.c.study_instance_uid).where(
                INSTANCE.c.sop_instance_uid.in_(uids), INSTANCE.c.conflict.is_(False)
            )
            studies = {row.sop_instance_uid: row.study_instance_uid for row in connection.execute(query)}
            rows = [
                Withdrawal(uid, studies.get(uid, current_study), "image", now, code, reason, note_uid)
                for uid in dict.fromkeys(uids)
                if uid not in done
            ]
            self._add(connection, rows, now)
            others = sorted(
                {row.study_instance_uid for row in rows if row.sop_instance_uid in studies} - {current_study}
            )
            for study in others:
                next_generation(connection, study, now, "rejected")
            return tuple(others)

    def _add(self, connection: Connection, rows: Sequence[Withdrawal], now: float) -> None:
        if not rows:
            return
        values = [{name: getattr(one, name) for name in Withdrawal.__dataclass_fields__} for one in rows]
        connection.execute(self.insert(WITHDRAWAL).on_conflict_do_nothing(), values)
        events = [
            {
                "at": now,
                "kind": "withdrawn",
                "study_instance_uid": one.study_instance_uid,
                "sop_instance_uid": one.sop_instance_uid,
                "detail": f"{one.kind}: {one.reason}",
            }
            for one in rows
        ]
        connection.execute(EVENT.insert(), events)

    def withdrawals(self, study_instance_uid: str | None = None, limit: int = 1000) -> tuple[Withdrawal, ...]:
        """What was withdrawn of a study, or of all, latest first."""
        query = select(*_COLUMNS).order_by(WITHDRAWAL.c.at.desc(), WITHDRAWAL.c.sop_instance_uid).limit(limit)
        if study_instance_uid is not None:
            query = query.where(WITHDRAWAL.c.study_instance_uid == study_instance_uid)
        with self.reading() as connection:
            return tuple(Withdrawal(*row) for row in connection.execute(query))

    def withdrawn(self, uids: Sequence[str]) -> frozenset[str]:
        """Which of these have been withdrawn."""
        query = select(WITHDRAWAL.c.sop_instance_uid).where(WITHDRAWAL.c.sop_instance_uid.in_(uids))
        with self.reading() as connection:
            return frozenset(connection.execute(query).scalars())


def _recipients(connection: Connection, uids: Sequence[str]) -> tuple[str, ...]:
    query = select(OUTBOX.c.destination).where(OUTBOX.c.sop_instance_uid.in_(uids), OUTBOX.c.state.in_(_GOT))
    return tuple(sorted(set(connection.execute(query).scalars())))


def _result(row: tuple[object, ...]) -> Result:
    names = [column.name for column in _RESULT_COLUMNS]
    return Result(**dict(zip(names, row, strict=True)))  # type: ignore[arg-type]
