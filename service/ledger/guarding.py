"""Who objects belong to, which studies are held back, and what has been withdrawn."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, update

from service.ledger.database import Database
from service.ledger.guard_values import Identity, Quarantine
from service.ledger.receiving import queue_job
from service.ledger.tables import EVENT, INSTANCE, RESULT, STUDY
from service.ledger.tables_guard import IDENTITY, QUARANTINE
from service.ledger.values import Instance
from service.ledger.waking import wake

_INSTANCE_COLUMNS = [INSTANCE.c[name] for name in Instance.__dataclass_fields__]
_IDENTITY_COLUMNS = [IDENTITY.c[name] for name in Identity.__dataclass_fields__]
_QUARANTINE_COLUMNS = [QUARANTINE.c[name] for name in Quarantine.__dataclass_fields__]
_SAME_OBJECT = and_(IDENTITY.c.sop_instance_uid == INSTANCE.c.sop_instance_uid, IDENTITY.c.sha256 == INSTANCE.c.sha256)


class Guarding(Database):
    """Identities and quarantine."""

    def unidentified(
        self, study_instance_uid: str | None = None, conflict: bool = False, limit: int = 500
    ) -> tuple[Instance, ...]:
        """Objects whose identity has not been read yet: of one study, or of the studies that are open.

        With ``conflict`` the copies that came under a known UID, of all studies.
        """
        query = select(*_INSTANCE_COLUMNS).outerjoin(IDENTITY, _SAME_OBJECT).where(IDENTITY.c.sha256.is_(None))
        query = query.where(INSTANCE.c.conflict.is_(conflict))
        if study_instance_uid is not None:
            query = query.where(INSTANCE.c.study_instance_uid == study_instance_uid)
        elif not conflict:
            is_open = select(STUDY.c.study_instance_uid).where(STUDY.c.state == "open")
            query = query.where(INSTANCE.c.study_instance_uid.in_(is_open))
        with self.reading() as connection:
            return tuple(Instance(*row) for row in connection.execute(query.limit(limit)))

    def unidentified_anywhere(self, limit: int = 500) -> tuple[Instance, ...]:
        """The same for every study: once after an upgrade, for what was received before identities were kept."""
        query = select(*_INSTANCE_COLUMNS).outerjoin(IDENTITY, _SAME_OBJECT).where(IDENTITY.c.sha256.is_(None))
        with self.reading() as connection:
            return tuple(Instance(*row) for row in connection.execute(query.limit(limit)))

    def identify(self, identities: Sequence[Identity]) -> None:
        """Keep identities; those that are known stay."""
        rows = [{name: getattr(one, name) for name in Identity.__dataclass_fields__} for one in identities]
        if rows:
            with self.writing() as connection:
                connection.execute(self.insert(IDENTITY).on_conflict_do_nothing(), rows)

    def identities(self, study_instance_uid: str) -> tuple[Identity, ...]:
        """Of all objects of a study that are analysed, in order of reception."""
        query = (
            select(*_IDENTITY_COLUMNS)
            .join(INSTANCE, _SAME_OBJECT)
            .where(INSTANCE.c.study_instance_uid == study_instance_uid, INSTANCE.c.conflict.is_(False))
            .order_by(INSTANCE.c.received_at, INSTANCE.c.sop_instance_uid)
        )
        with self.reading() as connection:
            return tuple(Identity(*row) for row in connection.execute(query))

    def corrected_identity(self, study_instance_uid: str) -> str:
        """Digest of whom the study names now, if its objects named somebody else when they first came; else empty."""
        columns = [IDENTITY.c.patient_id, IDENTITY.c.patient_name, IDENTITY.c.birth_date, IDENTITY.c.accession]
        mine = INSTANCE.c.study_instance_uid == study_instance_uid
        order = (INSTANCE.c.received_at, INSTANCE.c.sop_instance_uid)
        first = select(*columns).join(INSTANCE, _SAME_OBJECT).where(mine).order_by(*order).limit(1)
        with self.reading() as connection:
            was = connection.execute(first).first()
            now = connection.execute(first.where(INSTANCE.c.conflict.is_(False))).first()
        if was is None or now is None or tuple(was) == tuple(now):
            return ""
        return hashlib.sha256("|".join(now).encode()).hexdigest()

    def studies_of(self, key: str) -> tuple[str, ...]:
        """Studies of which an object has this digest as accession number or patient ID, latest reception first."""
        return self._studies(or_(IDENTITY.c.accession == key, IDENTITY.c.patient_id == key))

    def studies_with(self, uid: str) -> tuple[str, ...]:
        """Studies that this UID names: of the study, a series, an object, or a result of ours."""
        with self.reading() as connection:
            instance = select(INSTANCE.c.study_instance_uid).where(
                or_(
                    INSTANCE.c.study_instance_uid == uid,
                    INSTANCE.c.series_instance_uid == uid,
                    INSTANCE.c.sop_instance_uid == uid,
                )
            )
            result = select(RESULT.c.study_instance_uid).where(
                or_(RESULT.c.sop_instance_uid == uid, RESULT.c.series_instance_uid == uid)
            )
            found = connection.execute(instance.union(result)).scalars()
            return tuple(sorted(found))

    def _studies(self, condition: ColumnElement[bool]) -> tuple[str, ...]:
        query = (
            select(INSTANCE.c.study_instance_uid)
            .join(IDENTITY, _SAME_OBJECT)
            .where(condition)
            .group_by(INSTANCE.c.study_instance_uid)
            .order_by(func.max(INSTANCE.c.received_at).desc())
        )
        with self.reading() as connection:
            return tuple(connection.execute(query).scalars())

    def take_version(self, newer: Instance, now: float) -> bool:
        """Let a copy that came under a known UID take the place of the one that was analysed until now.

        For a copy that differs in whom it names and in nothing else. The study is opened again. ``False`` if the
        copy is in its place already.
        """
        mine = (INSTANCE.c.sop_instance_uid == newer.sop_instance_uid) & (INSTANCE.c.sha256 == newer.sha256)
        others = (INSTANCE.c.sop_instance_uid == newer.sop_instance_uid) & (INSTANCE.c.sha256 != newer.sha256)
        with self.writing() as connection:
            taken = update(INSTANCE).where(mine, INSTANCE.c.conflict.is_(True)).values(conflict=False, generation=None)
            if connection.execute(taken).rowcount != 1:
                return False
            connection.execute(update(INSTANCE).where(others).values(conflict=True))
            study = STUDY.c.study_instance_uid == newer.study_instance_uid
            connection.execute(update(STUDY).where(study).values(state="open", last_received_at=now))
            self._note_study(connection, now, "identity changed", newer.study_instance_uid, uid=newer.sop_instance_uid)
            return True

    def quarantine(self, study_instance_uid: str) -> Quarantine | None:
        """The quarantine of a study, released or not."""
        query = select(*_QUARANTINE_COLUMNS).where(QUARANTINE.c.study_instance_uid == study_instance_uid)
        with self.reading() as connection:
            row = connection.execute(query).first()
            return None if row is None else Quarantine(*row)

    def quarantines(self, released: bool = False) -> tuple[Quarantine, ...]:
        """Studies that are held back, or that were released, longest first."""
        condition = QUARANTINE.c.released_at.is_not(None) if released else QUARANTINE.c.released_at.is_(None)
        query = select(*_QUARANTINE_COLUMNS).where(condition).order_by(QUARANTINE.c.since)
        with self.reading() as connection:
            return tuple(Quarantine(*row) for row in connection.execute(query))

    def release_study(self, study_instance_uid: str, by: str, now: float) -> int | None:
        """Somebody answers for the study: it is analysed, and what waits of it is sent. The number of its new job.

        ``None``: the study is not held back.
        """
        with self.writing() as connection:
            held = update(QUARANTINE).where(
                QUARANTINE.c.study_instance_uid == study_instance_uid, QUARANTINE.c.released_at.is_(None)
            )
            if connection.execute(held.values(released_at=now, released_by=by[:64])).rowcount != 1:
                return None
            self._note_study(connection, now, "released", study_instance_uid, detail=f"by {by[:64]}")
            wake(connection)  # of what waited to be sent
            return next_generation(connection, study_instance_uid, now, "released")

    def clear_quarantine(self, study_instance_uid: str, now: float) -> bool:
        """The contradiction is gone: nothing holds the study back any more. ``False`` if nothing did."""
        if self.quarantine(study_instance_uid) is None:  # without the writer's turn
            return False
        mine = QUARANTINE.c.study_instance_uid == study_instance_uid
        with self.writing() as connection:
            held = update(QUARANTINE).where(mine, QUARANTINE.c.released_at.is_(None))
            if connection.execute(held.values(released_at=now, released_by="contradiction gone")).rowcount != 1:
                return False
            self._note_study(connection, now, "released", study_instance_uid, detail="the contradiction is gone")
            wake(connection)
            return True

    @staticmethod
    def _note_study(
        connection: Connection, now: float, kind: str, study: str, *, uid: str = "", detail: str = ""
    ) -> None:
        row = {
            "at": now,
            "kind": kind,
            "study_instance_uid": study,
            "sop_instance_uid": uid,
            "detail": detail,
        }
        connection.execute(EVENT.insert(), row)


def next_generation(connection: Connection, study_instance_uid: str, now: float, cause: str) -> int | None:
    """Queue a study's next generation with all that has come, inside the caller's transaction.

    ``None`` if the study is unknown.
    """
    statement = (
        update(STUDY)
        .where(STUDY.c.study_instance_uid == study_instance_uid)
        .values(state="settled", generation=STUDY.c.generation + 1)
        .returning(STUDY.c.generation)
    )
    generation = connection.execute(statement).scalar()
    if generation is None:
        return None
    connection.execute(
        update(INSTANCE)
        .where(INSTANCE.c.study_instance_uid == study_instance_uid)
        .where(INSTANCE.c.generation.is_(None), INSTANCE.c.conflict.is_(False))
        .values(generation=generation)
    )
    return queue_job(connection, study_instance_uid, generation, now, cause)
