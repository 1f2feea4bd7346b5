"""What came in, and when a study becomes a job."""

from __future__ import annotations

from functools import cached_property

from sqlalchemy import Connection, Select, bindparam, func, literal_column, select, union_all, update

from service.ledger.database import Database, Prepared, Transaction
from service.ledger.tables import CURSOR, EVENT, INSTANCE, JOB, RESULT, STUDY, WAY
from service.ledger.values import Instance, JobState, Kept, OpenStudy
from service.ledger.waking import wake

_INSTANCE_COLUMNS = [INSTANCE.c[name] for name in Instance.__dataclass_fields__]
_INSTANCE_FIELDS = tuple(Instance.__dataclass_fields__)
_RESULT_MARK = ""
_OF_UID = union_all(
    select(INSTANCE.c.sha256).where(INSTANCE.c.sop_instance_uid == bindparam("uid")),
    select(literal_column("''")).select_from(RESULT).where(RESULT.c.sop_instance_uid == bindparam("uid")),
)
"""Digests under a UID, and the mark if it is that of a result. Built once: so are all statements of reception."""
_INSERT_INSTANCE = INSTANCE.insert()


class Receiving(Database):
    """Instances, studies that are open, cursors of polled sources."""

    def keep(self, instance: Instance, called: str | None = None) -> Kept:
        """Record an object whose file is durable already; durable itself when this returns.

        Idempotent: the same object again is a ``DUPLICATE`` and changes nothing. A new one opens its study, and so
        does one that comes again by another way, for that may ask for another workflow.

        Parameters
        ----------
        called:
            The title that chooses a workflow, empty for all other ways in; ``None`` where there are no workflows.

        Raises
        ------
        LedgerUnavailable
            Not recorded: answer 0xA700.
        """
        return self.write_together(lambda connection: self._keep(connection, instance, called))

    def _keep(self, transaction: Transaction, instance: Instance, called: str | None) -> Kept:
        self.one_at_a_time(transaction, f"instance {instance.sop_instance_uid}")
        known = [row[0] for row in self._digests(transaction, {"uid": instance.sop_instance_uid}).fetchall()]
        if _RESULT_MARK in known:
            return Kept.OWN
        another = called is not None and self._is_another_way(transaction, instance.study_instance_uid, called)
        if instance.sha256 in known:
            if another:
                self._open(transaction, {"uid": instance.study_instance_uid, "at": instance.received_at})
            return Kept.DUPLICATE
        row = {name: getattr(instance, name) for name in _INSTANCE_FIELDS}
        self._insert(transaction, {**row, "conflict": bool(known), "generation": None})
        if known:
            self._note(
                transaction,
                {
                    "at": instance.received_at,
                    "kind": "conflict",
                    "study_instance_uid": instance.study_instance_uid,
                    "sop_instance_uid": instance.sop_instance_uid,
                    "detail": "same UID as an earlier object, other bytes",
                },
            )
            return Kept.CONFLICT
        self._open(transaction, {"uid": instance.study_instance_uid, "at": instance.received_at})
        return Kept.NEW

    def _is_another_way(self, transaction: Transaction, study: str, called: str) -> bool:
        """Whether this is the first that came so; it is noted."""
        rows = self._way(transaction, {"study_instance_uid": study, "called": called})
        return bool(rows.fetchall())

    @cached_property
    def _way(self) -> Prepared:
        names = ("study_instance_uid", "called")
        statement = self.insert(WAY).values({name: bindparam(name) for name in names})
        return self.prepared(statement.on_conflict_do_nothing().returning(WAY.c.called))

    @cached_property
    def _digests(self) -> Prepared:
        return self.prepared(_OF_UID)

    @cached_property
    def _insert(self) -> Prepared:
        return self.prepared(_INSERT_INSTANCE, (*_INSTANCE_FIELDS, "conflict", "generation"))

    @cached_property
    def _open(self) -> Prepared:
        statement = self.insert(STUDY).values(
            study_instance_uid=bindparam("uid"),
            generation=literal_column("0"),
            first_received_at=bindparam("at"),
            last_received_at=bindparam("at"),
            state=literal_column("'open'"),
        )
        return self.prepared(
            statement.on_conflict_do_update(
                index_elements=["study_instance_uid"],
                set_={"last_received_at": statement.excluded.last_received_at, "state": statement.excluded.state},
            )
        )

    @cached_property
    def _note(self) -> Prepared:
        return self.prepared(EVENT.insert(), ("at", "kind", "study_instance_uid", "sop_instance_uid", "detail"))

    def has_instance(self, sop_instance_uid: str) -> bool:
        """Whether an object with this UID is stored, or is a result of ours."""
        with self.reading() as connection:
            return connection.execute(_OF_UID, {"uid": sop_instance_uid}).first() is not None

    def open_studies(self) -> tuple[OpenStudy, ...]:
        """Studies with something new, the one that has been quiet longest first."""
        newcomers = (
            select(INSTANCE.c.study_instance_uid, INSTANCE.c.source)
            .join(STUDY, STUDY.c.study_instance_uid == INSTANCE.c.study_instance_uid)
            .where(STUDY.c.state == "open", INSTANCE.c.generation.is_(None), INSTANCE.c.conflict.is_(False))
            .distinct()
        )
        studies = select(STUDY).where(STUDY.c.state == "open").order_by(STUDY.c.last_received_at)
        with self.reading() as connection:
            ways = _ways(connection, select(STUDY.c.study_instance_uid).where(STUDY.c.state == "open"))
            sources: dict[str, list[str]] = {}
            for uid, source in connection.execute(newcomers):
                sources.setdefault(uid, []).append(source)
            return tuple(
                OpenStudy(
                    row.study_instance_uid,
                    row.generation,
                    row.last_received_at,
                    tuple(sorted(sources.get(row.study_instance_uid, []))),
                    ways.get(row.study_instance_uid, ()),
                )
                for row in connection.execute(studies)
            )

    def called(self, study_instance_uid: str) -> tuple[str, ...]:
        """The titles that choose a workflow by which a study came; the empty one for all other ways in."""
        with self.reading() as connection:
            return _ways(connection, [study_instance_uid]).get(study_instance_uid, ())

    def restart_quiet(self, study: OpenStudy, now: float) -> None:
        """Count the quiet time from ``now``: for a clock that was set back behind the last reception."""
        with self.writing() as connection:
            connection.execute(_same(study).values(last_received_at=now))

    def settle(self, study: OpenStudy, now: float) -> int | None:
        """Close a study as it was seen and queue the job of its next generation, in one transaction.

        Returns the job's number, or ``None`` if something came in meanwhile: it stays open.
        Earlier generations still queued are superseded.
        """
        with self.writing() as connection:
            closed = connection.execute(_same(study).values(state="settled", generation=study.generation + 1))
            if closed.rowcount == 0:
                return None
            generation = study.generation + 1
            connection.execute(
                update(INSTANCE)
                .where(INSTANCE.c.study_instance_uid == study.study_instance_uid)
                .where(INSTANCE.c.generation.is_(None), INSTANCE.c.conflict.is_(False))
                .values(generation=generation)
            )
            return queue_job(
                connection, study.study_instance_uid, generation, now, "late images" if study.generation else "first"
            )

    def instances(self, study_instance_uid: str, generation: int | None = None) -> tuple[Instance, ...]:
        """What a job of this generation sees, in order of reception; all without conflicts if ``None``."""
        query = (
            select(*_INSTANCE_COLUMNS)
            .where(INSTANCE.c.study_instance_uid == study_instance_uid, INSTANCE.c.conflict.is_(False))
            .order_by(INSTANCE.c.received_at, INSTANCE.c.sop_instance_uid)
        )
        if generation is not None:
            query = query.where(INSTANCE.c.generation <= generation)
        with self.reading() as connection:
            return tuple(Instance(*row) for row in connection.execute(query))

    def instance(self, sop_instance_uid: str) -> tuple[Instance, ...]:
        """Every version kept under this UID; the first is the one that is analysed."""
        query = select(*_INSTANCE_COLUMNS).where(INSTANCE.c.sop_instance_uid == sop_instance_uid)
        with self.reading() as connection:
            return tuple(Instance(*row) for row in connection.execute(query.order_by(INSTANCE.c.conflict)))

    def cursor(self, source: str) -> int:
        """How far a source has been read; 0 before the first time."""
        with self.reading() as connection:
            return int(
                connection.execute(select(func.max(CURSOR.c.value)).where(CURSOR.c.source == source)).scalar() or 0
            )

    def advance(self, source: str, value: int) -> None:
        """Record how far a source has been read; everything up to there must have been kept before."""
        statement = self.insert(CURSOR).values(source=source, value=value)
        with self.writing() as connection:
            connection.execute(
                statement.on_conflict_do_update(index_elements=["source"], set_={"value": statement.excluded.value})
            )


def _ways(connection: Connection, studies: list[str] | Select[tuple[str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    query = select(WAY.c.study_instance_uid, WAY.c.called).where(WAY.c.study_instance_uid.in_(studies))
    for study, called in connection.execute(query.order_by(WAY.c.called)):
        found[study] = (*found.get(study, ()), called)
    return found


def _same(study: OpenStudy):  # type: ignore[no-untyped-def]  # noqa: ANN202 - SQLAlchemy's Update[...] says nothing here
    """UPDATE of the study only if nothing came in since it was read."""
    return update(STUDY).where(
        STUDY.c.study_instance_uid == study.study_instance_uid,
        STUDY.c.state == "open",
        STUDY.c.last_received_at == study.last_received_at,
        STUDY.c.generation == study.generation,
    )


def queue_job(connection: Connection, study_instance_uid: str, generation: int, now: float, cause: str) -> int:
    """Insert a job inside the caller's transaction; what was still queued of the study is covered by it."""
    connection.execute(
        update(JOB)
        .where(JOB.c.study_instance_uid == study_instance_uid, JOB.c.state == JobState.QUEUED)
        .values(state=JobState.SUPERSEDED, finished_at=now, reason=f"covered by generation {generation}")
    )
    values = {
        "study_instance_uid": study_instance_uid,
        "generation": generation,
        "state": JobState.QUEUED,
        "due": now,
        "created_at": now,
        "cause": cause,
    }
    job: int = connection.execute(JOB.insert().returning(JOB.c.id), values).scalar_one()
    connection.execute(
        EVENT.insert(),
        {"at": now, "kind": "queued", "study_instance_uid": study_instance_uid, "job": job, "detail": cause},
    )
    wake(connection)
    return job
