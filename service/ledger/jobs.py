"""Jobs: claim with attempt and lease, renew, and a fenced finish that writes everything in one transaction.

These three statements carry the guarantee that nothing is lost and nothing is visible twice. Whoever claims gets an
attempt number; whoever comes back with an older one is told so and writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, update

from service.errors import NmusError
from service.ledger.claims import CLAIM, JOB_COLUMNS, candidate
from service.ledger.database import Database
from service.ledger.guard_values import Quarantine
from service.ledger.guarding import next_generation
from service.ledger.tables import EVENT, JOB, OUTBOX, RESULT, VERDICT
from service.ledger.tables_guard import QUARANTINE
from service.ledger.values import Job, JobState, Outcome, OutgoingState, Result
from service.ledger.waking import wake

_DUE = tuple(
    select(JOB.c.id).where(condition).limit(1)
    for condition in (
        (JOB.c.state == JobState.QUEUED) & (JOB.c.due <= bindparam("now")),
        (JOB.c.state == JobState.RUNNING) & (JOB.c.lease_until < bindparam("now")),
    )
)
_RESULT_COLUMNS = [RESULT.c[name] for name in Result.__dataclass_fields__ if name != "destinations"]


class LeaseLost(NmusError):
    """Another worker owns the job by now: stop at once and write nothing."""


class Jobs(Database):
    """The queue of analyses."""

    def claim(self, now: float, owner: str, lease: float, maximum_claims: int = 5) -> Job | None:
        """Take the job that has waited longest, or one whose worker fell silent; ``None`` if there is none.

        A job that was claimed ``maximum_claims`` times without any outcome is set aside as dead instead: it kills its
        worker, and nobody lived to record it. Two jobs of one study never run at once, so amendments keep their order.
        """
        if not self._is_any_due(now):
            return None
        with self.writing() as connection:
            self.one_at_a_time(connection, "claim")  # else two machines may see the same study idle
            while True:
                first = candidate(connection, now)
                if first is None:
                    return None
                if first.claims_without_outcome < maximum_claims:
                    return self._claimed(connection, first.id, now, owner, lease)
                self._bury(connection, first.id, now, maximum_claims)

    def _is_any_due(self, now: float) -> bool:
        """Asked without the writer's turn: each commit wakes all who wait, and mostly it is for another of them."""
        with self.reading() as connection:
            return any(connection.execute(query, {"now": now}).first() is not None for query in _DUE)

    @staticmethod
    def _claimed(connection: Connection, job: int, now: float, owner: str, lease: float) -> Job:
        values = {"number": job, "who": owner, "until": now + lease, "now": now}
        return _job(connection.execute(CLAIM, values).one())

    @staticmethod
    def _bury(connection: Connection, job: int, now: float, claims: int) -> None:
        reason = (
            f"claimed {claims} times without any outcome: it ends its worker; look at the log, then rerun the study"
        )
        connection.execute(
            update(JOB).where(JOB.c.id == job).values(state=JobState.DEAD, finished_at=now, reason=reason)
        )
        connection.execute(EVENT.insert(), {"at": now, "kind": "dead", "job": job, "detail": reason})

    def renew(self, job: Job, now: float, lease: float) -> bool:
        """Keep a claimed job; ``False`` means that it is another's: kill the plugin's process at once."""
        with self.writing() as connection:
            renewed = connection.execute(update(JOB).where(*_held(job)).values(lease_until=now + lease))
            return renewed.rowcount == 1

    def finish(self, job: Job, outcome: Outcome, now: float) -> None:
        """End a job well: fence, results, outbox rows, verdicts and audit in one transaction.

        The results' files must be durable before. Results that an earlier attempt or generation already wrote under
        the same UID stay as they are.

        Raises
        ------
        LeaseLost
            Another attempt owns the job; nothing was written.
        """
        with self.writing() as connection:
            values = {"state": JobState.DONE, "finished_at": now, "findings": outcome.findings, "reason": ""}
            self._end(connection, job, values)
            self._put(connection, job, outcome.results, now)
            self._judge(connection, job, outcome)
            self._tell(connection, job, now, "done", f"{len(outcome.results)} results")

    def hand_over(self, job: Job, results: Sequence[Result], now: float) -> None:
        """Let results of a job go out that are whole while others are still made; :meth:`finish` names them again.

        Their files must be durable before. When the job fails after this, or is done again, they stay: the same work
        gives the same objects, and a later generation names them as what it amends.

        Raises
        ------
        LeaseLost
            Another attempt owns the job; nothing was written.
        """
        if not results:
            return
        with self.writing() as connection:
            if connection.execute(update(JOB).where(*_held(job)).values(owner=job.owner)).rowcount != 1:
                raise _lost(job)
            self._put(connection, job, results, now)
            wake(connection)

    def fail(
        self, job: Job, reason: str, now: float, retry_at: float | None = None, outcome: Outcome | None = None
    ) -> None:
        """End an attempt badly: queued again for ``retry_at``, or failed for good with the reason shown.

        Raises
        ------
        LeaseLost
            Another attempt owns the job; nothing was written.
        """
        again = retry_at is not None
        state = JobState.QUEUED if again else JobState.FAILED
        values: dict[str, Any] = {"state": state, "reason": reason}
        values |= {"due": retry_at} if again else {"finished_at": now}
        with self.writing() as connection:
            self._end(connection, job, values)
            self._judge(connection, job, outcome or Outcome())
            self._tell(connection, job, now, "retry" if again else "failed", reason)

    @staticmethod
    def _end(connection: Connection, job: Job, values: dict[str, Any]) -> None:
        statement = update(JOB).where(*_held(job)).values(claims_without_outcome=0, lease_until=0, **values)
        if connection.execute(statement).rowcount != 1:
            raise _lost(job)
        wake(connection)  # of what was made, and of the study's next job, which waited for this one

    def _put(self, connection: Connection, job: Job, results: Sequence[Result], now: float) -> None:
        about = {"job_id": job.id, "generation": job.generation, "study_instance_uid": job.study_instance_uid}
        rows = [{column.name: getattr(one, column.name) for column in _RESULT_COLUMNS} | about for one in results]
        waiting = {"state": OutgoingState.WAITING, "due": now, "created_at": now}
        outgoing = [
            {"sop_instance_uid": one.sop_instance_uid, "destination": destination, **waiting}
            for one in results
            for destination in one.destinations
        ]
        for table, made in ((RESULT, rows), (OUTBOX, outgoing)):
            if made:
                connection.execute(self.insert(table).on_conflict_do_nothing(), made)

    @staticmethod
    def _judge(connection: Connection, job: Job, outcome: Outcome) -> None:
        rows = [
            {
                "job_id": job.id,
                "generation": job.generation,
                "sop_instance_uid": verdict.sop_instance_uid,
                "plugin": verdict.plugin,
                "code": verdict.code,
                "text": verdict.text,
                "remedy": verdict.remedy,
            }
            for verdict in outcome.verdicts
        ]
        if rows:
            connection.execute(VERDICT.insert(), rows)

    @staticmethod
    def _tell(connection: Connection, job: Job, now: float, kind: str, detail: str) -> None:
        row = {"at": now, "kind": kind, "study_instance_uid": job.study_instance_uid, "job": job.id, "detail": detail}
        connection.execute(EVENT.insert(), row)

    def release(self, owner: str, now: float) -> int:
        """Give back the jobs of an owner that ends in order; how many."""
        return self.take_back(owner.__eq__, now)

    def take_back(self, ended: Callable[[str], bool], now: float) -> int:
        """Give back the jobs of owners that have surely ended, so that nobody waits for their leases; how many.

        The count of claims without outcome stays: a job that ends its worker each time still comes to its end.
        """
        owners = select(JOB.c.owner).where(JOB.c.state == JobState.RUNNING).distinct()
        with self.writing() as connection:
            gone = [owner for owner in connection.execute(owners).scalars() if ended(owner)]
            held = update(JOB).where(JOB.c.owner.in_(gone), JOB.c.state == JobState.RUNNING)
            wake(connection)
            return connection.execute(held.values(state=JobState.QUEUED, lease_until=0, due=now)).rowcount

    def rerun(self, study_instance_uid: str, now: float) -> int | None:
        """Queue a study's next generation with all that has come so far; ``None`` if the study is unknown."""
        with self.writing() as connection:
            return next_generation(connection, study_instance_uid, now, "rerun")

    def hold_back(self, job: Job, quarantine: Quarantine, now: float) -> None:
        """End a job because its study is doubtful: nothing of the study is sent until it is released.

        Raises
        ------
        LeaseLost
            Another attempt owns the job; nothing was written.
        """
        values = {"state": JobState.QUARANTINED, "finished_at": now, "reason": quarantine.reason}
        row = {name: getattr(quarantine, name) for name in Quarantine.__dataclass_fields__}
        again = {name: value for name, value in row.items() if name != "study_instance_uid"}
        statement = self.insert(QUARANTINE).values(**row)
        with self.writing() as connection:
            self._end(connection, job, values)
            connection.execute(statement.on_conflict_do_update(index_elements=["study_instance_uid"], set_=again))
            self._tell(connection, job, now, "quarantined", quarantine.reason)

    def job(self, number: int) -> Job | None:
        """One job as it stands."""
        with self.reading() as connection:
            row = connection.execute(select(*JOB_COLUMNS).where(JOB.c.id == number)).first()
            return None if row is None else _job(row)

    def jobs(
        self, state: JobState | None = None, study_instance_uid: str | None = None, limit: int = 100
    ) -> tuple[Job, ...]:
        """The latest jobs, newest first."""
        query = select(*JOB_COLUMNS).order_by(JOB.c.id.desc()).limit(limit)
        if state is not None:
            query = query.where(JOB.c.state == state)
        if study_instance_uid is not None:
            query = query.where(JOB.c.study_instance_uid == study_instance_uid)
        with self.reading() as connection:
            return tuple(_job(row) for row in connection.execute(query))

    def findings(self, job: int) -> str:
        """The findings JSON that a job left; empty if none."""
        with self.reading() as connection:
            return str(connection.execute(select(JOB.c.findings).where(JOB.c.id == job)).scalar() or "")

    def previous_reports(self, study_instance_uid: str, generation: int | None = None) -> tuple[Result, ...]:
        """Results of earlier generations of a study, newest generation first: what a new object amends.

        ``Result.key`` tells which earlier object is about the same thing.
        """
        query = select(*_RESULT_COLUMNS).where(RESULT.c.study_instance_uid == study_instance_uid)
        if generation is not None:
            query = query.where(RESULT.c.generation < generation)
        query = query.order_by(RESULT.c.generation.desc(), RESULT.c.instance_number, RESULT.c.sop_instance_uid)
        names = [column.name for column in _RESULT_COLUMNS]
        with self.reading() as connection:
            return tuple(Result(**dict(zip(names, row, strict=True))) for row in connection.execute(query))

    def results(self, job: int) -> tuple[Result, ...]:
        """What one job wrote."""
        query = select(*_RESULT_COLUMNS).where(RESULT.c.job_id == job).order_by(RESULT.c.role, RESULT.c.instance_number)
        names = [column.name for column in _RESULT_COLUMNS]
        with self.reading() as connection:
            return tuple(Result(**dict(zip(names, row, strict=True))) for row in connection.execute(query))


def _lost(job: Job) -> LeaseLost:
    return LeaseLost(f"job {job.id}, attempt {job.attempt}: taken over by another worker; this one's work is void")


def _held(job: Job) -> tuple[Any, ...]:
    return (JOB.c.id == job.id, JOB.c.attempt == job.attempt, JOB.c.owner == job.owner, JOB.c.state == JobState.RUNNING)


def _job(row: Row[Any, Any]) -> Job:
    job = Job(*tuple(row))
    return replace(job, state=JobState(job.state))
