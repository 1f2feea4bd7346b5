"""Reading the ledger: what stands where, why not, and who is alive."""

from __future__ import annotations

import json

from sqlalchemy import ColumnElement, Connection, Table, case, func, select

from service.ledger.confirming import Confirming
from service.ledger.tables import CIRCUIT, EVENT, INSTANCE, JOB, OUTBOX, PROCESS, RESULT, STUDY, VERDICT
from service.ledger.tables_guard import QUARANTINE
from service.ledger.values import Circuit, Event, JobState, OutboxStatus, OutgoingState, Process, Status, Verdict
from service.ledger.vouching import Vouching

_VERDICT_COLUMNS = [VERDICT.c[name] for name in Verdict.__dataclass_fields__]
_EVENT_COLUMNS = [EVENT.c[name] for name in Event.__dataclass_fields__]


class Overview(Confirming, Vouching):
    """For commands, pages and metrics."""

    def status(self) -> Status:
        """Counts and ages of everything, in one consistent view."""
        with self.reading() as connection:

            def number(table: Table, *conditions: ColumnElement[bool]) -> int:
                return int(connection.execute(select(func.count()).select_from(table).where(*conditions)).scalar_one())

            by_state = connection.execute(select(JOB.c.state, func.count()).group_by(JOB.c.state))
            states = {state.value: 0 for state in JobState} | dict(map(tuple, by_state))
            oldest = select(func.min(JOB.c.due)).where(JOB.c.state == JobState.QUEUED)
            return Status(
                instances=number(INSTANCE, INSTANCE.c.conflict.is_(False)),
                conflicts=number(INSTANCE, INSTANCE.c.conflict.is_(True)),
                open_studies=number(STUDY, STUDY.c.state == "open"),
                jobs=states,
                oldest_queued_at=connection.execute(oldest).scalar(),
                outbox=_outbox(connection),
                circuits=tuple(Circuit(*row) for row in connection.execute(select(CIRCUIT))),
                processes=tuple(
                    Process(row.name, row.pid, row.started_at, row.beat_at, json.loads(row.counters))
                    for row in connection.execute(select(PROCESS).order_by(PROCESS.c.name))
                ),
                confirmations=self.confirm_status(),
                quarantined=number(QUARANTINE, QUARANTINE.c.released_at.is_(None)),
                unanswered_requests=self.unanswered_requests(),
                reconciliations=self.last_reconciliations(),
            )

    def files(self) -> frozenset[str]:
        """Every file that the ledger names, relative to the data folder."""
        with self.reading() as connection:
            return frozenset(
                str(path) for table in (INSTANCE, RESULT) for path in connection.execute(select(table.c.path)).scalars()
            )

    def verdicts(self, sop_instance_uid: str) -> tuple[Verdict, ...]:
        """Why an instance was analysed or not, latest generation first; empty if no job has looked at it yet."""
        query = select(*_VERDICT_COLUMNS).where(VERDICT.c.sop_instance_uid == sop_instance_uid)
        with self.reading() as connection:
            rows = connection.execute(query.order_by(VERDICT.c.generation.desc(), VERDICT.c.id))
            return tuple(Verdict(*row) for row in rows)

    def events(self, study_instance_uid: str | None = None, limit: int = 200) -> tuple[Event, ...]:
        """The audit trail of a study, or of all, newest first."""
        query = select(*_EVENT_COLUMNS).order_by(EVENT.c.id.desc()).limit(limit)
        if study_instance_uid is not None:
            query = query.where(EVENT.c.study_instance_uid == study_instance_uid)
        with self.reading() as connection:
            return tuple(Event(*row) for row in connection.execute(query))

    def note(self, event: Event) -> None:
        """Add a line to the audit trail."""
        row = {name: getattr(event, name) for name in Event.__dataclass_fields__}
        with self.writing() as connection:
            connection.execute(EVENT.insert(), row)

    def beat(self, process: Process) -> None:
        """A process says that it lives, and its counters."""
        values = {
            "pid": process.pid,
            "started_at": process.started_at,
            "beat_at": process.beat_at,
            "counters": json.dumps(process.counters),
        }
        statement = self.insert(PROCESS).values(name=process.name, **values)
        with self.writing() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))


def _outbox(connection: Connection) -> tuple[OutboxStatus, ...]:
    waiting = OUTBOX.c.state.in_([OutgoingState.WAITING, OutgoingState.SENDING])

    def number(condition: ColumnElement[bool]) -> ColumnElement[int]:
        return func.sum(case((condition, 1), else_=0))

    query = (
        select(
            OUTBOX.c.destination,
            number(waiting),
            number(OUTBOX.c.state == OutgoingState.HELD),
            number(OUTBOX.c.state == OutgoingState.SENT),
            func.min(case((waiting, OUTBOX.c.created_at))),
        )
        .group_by(OUTBOX.c.destination)
        .order_by(OUTBOX.c.destination)
    )
    return tuple(OutboxStatus(*row) for row in connection.execute(query))
