"""What scanners ask us to vouch for, the associations they came by, and comparisons with peers."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cached_property
from typing import Any

from sqlalchemy import Row, func, select, update

from service.ledger.database import Database, Prepared
from service.ledger.proof_values import Association, CommitmentRequest, Reconciliation, RequestState
from service.ledger.tables import EVENT, INSTANCE
from service.ledger.tables_proof import ASSOCIATION, COMMITMENT_REQUEST, RECONCILIATION
from service.ledger.values import Instance
from service.ledger.waking import wake

_REQUEST_COLUMNS = [COMMITMENT_REQUEST.c[name] for name in CommitmentRequest.__dataclass_fields__]
_ASSOCIATION_COLUMNS = [ASSOCIATION.c[name] for name in Association.__dataclass_fields__]
_RECONCILIATION_COLUMNS = [RECONCILIATION.c[name] for name in Reconciliation.__dataclass_fields__]
_INSTANCE_COLUMNS = [INSTANCE.c[name] for name in Instance.__dataclass_fields__]


class Vouching(Database):
    """Commitment requests of scanners, associations, reconciliations."""

    def request_commitment(
        self, transaction_uid: str, ae_title: str, peer: str, objects: tuple[tuple[str, str], ...], now: float
    ) -> int:
        """Note a request, durable when this returns; its number. The same transaction again is the same request."""
        values = {
            "transaction_uid": transaction_uid,
            "ae_title": ae_title,
            "peer": peer,
            "received_at": now,
            "objects": json.dumps(objects),
            "state": RequestState.WAITING,
            "due": now,
        }
        again = {"objects": values["objects"], "state": RequestState.WAITING, "due": now, "attempt": 0}
        statement = self.insert(COMMITMENT_REQUEST).values(**values)
        with self.writing() as connection:
            connection.execute(
                statement.on_conflict_do_update(index_elements=["ae_title", "transaction_uid"], set_=again)
            )
            wake(connection)
            query = select(COMMITMENT_REQUEST.c.id).where(
                COMMITMENT_REQUEST.c.ae_title == ae_title, COMMITMENT_REQUEST.c.transaction_uid == transaction_uid
            )
            return int(connection.execute(query).scalar_one())

    def claim_request(self, now: float, lease: float, titles: tuple[str, ...]) -> CommitmentRequest | None:
        """Take the request that is due first among those of scanners with these titles."""
        due = (
            select(COMMITMENT_REQUEST.c.id)
            .where(COMMITMENT_REQUEST.c.state == RequestState.WAITING, COMMITMENT_REQUEST.c.due <= now)
            .where(COMMITMENT_REQUEST.c.ae_title.in_(titles))
            .order_by(COMMITMENT_REQUEST.c.due)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        with self.writing() as connection:
            number = connection.execute(due).scalar()
            if number is None:
                return None
            row = connection.execute(
                update(COMMITMENT_REQUEST)
                .where(COMMITMENT_REQUEST.c.id == number)
                .values(due=now + lease, attempt=COMMITMENT_REQUEST.c.attempt + 1)
                .returning(*_REQUEST_COLUMNS)
            ).one()
            return _request(row)

    def request(self, number: int) -> CommitmentRequest | None:
        """One request as it stands."""
        with self.reading() as connection:
            row = connection.execute(select(*_REQUEST_COLUMNS).where(COMMITMENT_REQUEST.c.id == number)).first()
            return None if row is None else _request(row)

    def requests(self, limit: int = 100) -> tuple[CommitmentRequest, ...]:
        """The latest requests, newest first."""
        query = select(*_REQUEST_COLUMNS).order_by(COMMITMENT_REQUEST.c.id.desc()).limit(limit)
        with self.reading() as connection:
            return tuple(_request(row) for row in connection.execute(query))

    def request_answered(self, number: int, lacking: int, now: float) -> None:
        """The scanner has its answer."""
        values = {"state": RequestState.ANSWERED, "lacking": lacking, "answered_at": now, "reason": ""}
        self._set_request(number, now, "vouched", f"{lacking} objects lacking", values)

    def request_postponed(self, number: int, due: float, reason: str) -> None:
        """The scanner could not be reached: try again later."""
        self._set_request(number, 0, "", reason, {"due": due, "reason": reason})

    def request_given_up(self, number: int, now: float, reason: str) -> None:
        """The scanner will not be asked any more."""
        self._set_request(number, now, "not vouched", reason, {"state": RequestState.UNANSWERED, "reason": reason})

    def _set_request(self, number: int, now: float, kind: str, detail: str, values: dict[str, Any]) -> None:
        with self.writing() as connection:
            connection.execute(update(COMMITMENT_REQUEST).where(COMMITMENT_REQUEST.c.id == number).values(**values))
            if kind:
                connection.execute(EVENT.insert(), {"at": now, "kind": kind, "detail": f"request {number}: {detail}"})

    def unanswered_requests(self) -> int:
        """How many requests nobody answered."""
        query = select(func.count()).where(COMMITMENT_REQUEST.c.state == RequestState.UNANSWERED)
        with self.reading() as connection:
            return int(connection.execute(query).scalar_one())

    def associated(self, association: Association) -> None:
        """Note an association that has ended."""
        row = {name: getattr(association, name) for name in Association.__dataclass_fields__}
        self.write_together(lambda transaction: self._insert_association(transaction, row))

    @cached_property
    def _insert_association(self) -> Prepared:
        return self.prepared(ASSOCIATION.insert(), tuple(Association.__dataclass_fields__))

    def associations(self, limit: int = 100) -> tuple[Association, ...]:
        """The latest associations, newest first."""
        query = select(*_ASSOCIATION_COLUMNS).order_by(ASSOCIATION.c.id.desc()).limit(limit)
        with self.reading() as connection:
            return tuple(Association(*row) for row in connection.execute(query))

    def reconciled(self, found: Reconciliation) -> None:
        """Note a comparison with a peer."""
        row = {name: getattr(found, name) for name in Reconciliation.__dataclass_fields__}
        with self.writing() as connection:
            connection.execute(RECONCILIATION.insert(), row)

    def reconciliations(self, limit: int = 50) -> tuple[Reconciliation, ...]:
        """The latest comparisons, newest first."""
        query = select(*_RECONCILIATION_COLUMNS).order_by(RECONCILIATION.c.id.desc()).limit(limit)
        with self.reading() as connection:
            return tuple(Reconciliation(*row) for row in connection.execute(query))

    def last_reconciliations(self) -> tuple[Reconciliation, ...]:
        """The latest comparison of each kind with each peer."""
        newest = select(func.max(RECONCILIATION.c.id)).group_by(RECONCILIATION.c.peer, RECONCILIATION.c.kind)
        query = select(*_RECONCILIATION_COLUMNS).where(RECONCILIATION.c.id.in_(newest))
        with self.reading() as connection:
            rows = connection.execute(query.order_by(RECONCILIATION.c.peer, RECONCILIATION.c.kind))
            return tuple(Reconciliation(*row) for row in rows)

    def studies_received_since(self, since: float) -> tuple[str, ...]:
        """Studies of which an object came since then."""
        query = select(INSTANCE.c.study_instance_uid).where(INSTANCE.c.received_at >= since).distinct()
        with self.reading() as connection:
            return tuple(connection.execute(query.order_by(INSTANCE.c.study_instance_uid)).scalars())


def _request(row: Row[Any, Any]) -> CommitmentRequest:
    request = CommitmentRequest(*tuple(row))
    objects = tuple((str(one), str(two)) for one, two in json.loads(str(request.objects)))
    return replace(request, objects=objects, state=RequestState(request.state))
