"""What people decided about references, as recorded events: activation, retirement, choice of source, attestation.

Documents never change; these rows do all the changing, each with a name and a date, and are never rewritten. The state
of a store is what its events add up to.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from reference_store import attestation as attestations
from reference_store import bridging
from reference_store.attestation import Attestation
from reference_store.bridging import Bridge
from reference_store.suspension import Suspension


class Kind(StrEnum):
    """What can be decided."""

    ACTIVATE = "activate"
    RETIRE = "retire"
    SELECT = "select"
    """One source for one structure."""
    ATTEST = "attest"
    SUSPEND = "suspend"
    RESUME = "resume"
    VALIDATE = "validate"
    BRIDGE = "bridge"


@dataclass(frozen=True, slots=True)
class State:
    """The sum of all events."""

    activated: tuple[str, ...] = ()
    retired: frozenset[str] = frozenset()
    sources: tuple[tuple[str, str], ...] = ()
    attestations: tuple[Attestation, ...] = ()
    suspensions: tuple[Suspension, ...] = ()
    validated: frozenset[str] = frozenset()
    bridges: tuple[Bridge, ...] = ()


def event(kind: Kind, by: str, on: str, **facts: object) -> dict[str, Any]:
    """One event row. Raises ``ValueError`` without a name, or with a date that is none."""
    return event_row(by, on, event=kind.value, **facts)


def event_row(by: str, on: str, **facts: object) -> dict[str, Any]:
    """A signed row of any journal. Raises ``ValueError`` without a name, or with a date that is none."""
    if not by.strip():
        raise ValueError("a decision needs the name of who takes it")
    try:
        date.fromisoformat(on)
    except ValueError as error:
        raise ValueError(f"{on!r} is not a date; write it as 2026-03-31") from error
    return {"by": by.strip(), "on": on, **facts}


def total(rows: Iterable[dict[str, Any]]) -> State:
    """What the events add up to. Raises ``ValueError`` naming the row that is none."""
    activated: list[str] = []
    retired: set[str] = set()
    validated: set[str] = set()
    bridges: list[Bridge] = []
    sources: dict[str, str] = {}
    signed: list[Attestation] = []
    suspended: dict[tuple[str, str, str | None], Suspension] = {}
    for number, row in enumerate(rows, start=1):
        try:
            kind = Kind(row["event"])
            if kind is Kind.ACTIVATE:
                activated = [release for release in activated if release != row["release"]] + [row["release"]]
            elif kind is Kind.RETIRE:
                retired.add(row["release"])
            elif kind is Kind.VALIDATE:
                (validated.add if row["accepted"] else validated.discard)(row["release"])
            elif kind is Kind.BRIDGE:
                bridges.append(bridging.from_json(row["bridge"]))
            elif kind is Kind.SELECT:
                sources[row["structure"]] = row["source"]
            elif kind is Kind.ATTEST:
                signed.append(attestations.from_json({**row["attestation"], "by": row["by"], "on": row["on"]}))
            elif kind in (Kind.SUSPEND, Kind.RESUME):
                _suspend(suspended, kind, row)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"events, row {number}: {type(error).__name__}: {error}") from error
    return State(
        tuple(activated),
        frozenset(retired),
        tuple(sorted(sources.items())),
        tuple(signed),
        tuple(suspended.values()),
        frozenset(validated),
        tuple(bridges),
    )


def _suspend(suspended: dict[tuple[str, str, str | None], Suspension], kind: Kind, row: dict[str, Any]) -> None:
    key = (row["manufacturer"], row["model"], row.get("serial_number"))
    if kind is Kind.RESUME:
        suspended.pop(key, None)
    else:
        suspended[key] = Suspension(*key, reason=row["reason"], remedy=row["remedy"])
