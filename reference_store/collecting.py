"""Collecting normal values while working: which exams are volunteers', what was kept, what was excluded and why."""

from __future__ import annotations

import hmac
import re
import secrets
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reference_store import journal
from reference_store.events import event_row
from reference_store.observations import Group, Observation, ObservationError, from_json, to_json

__all__ = ["Collection", "Group", "Observation", "ObservationError", "Progress", "VolunteerRule", "progress"]

TARGETS = (20, 60, 120)
"""Subjects: 20 verify a transferred reference (CLSI EP28-A3c); 60 is the floor for regression limits (Virtanen 1998);
120 is the usual minimum of a reference interval."""
_OUTLYING = 3.5
"""Of the modified z score, by Iglewicz & Hoaglin (1993)."""


@dataclass(frozen=True, slots=True)
class VolunteerRule:
    """Regular expressions that make an exam a healthy volunteer's; one match is enough, none configured means never."""

    study_description: str | None = None
    protocol_name: str | None = None
    ae_title: str | None = None
    patient_id: str | None = None

    def matched(self, facts: Mapping[str, str | None]) -> str | None:
        """Which of the rules matched, by name (never the text it matched on), or ``None``."""
        for name in ("study_description", "protocol_name", "ae_title", "patient_id"):
            pattern, text = getattr(self, name), facts.get(name)
            if pattern and text and re.search(pattern, text, re.IGNORECASE):
                return name
        return None


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Why an observation does not count."""

    observation: str
    reason: str
    by: str
    on: str


@dataclass(frozen=True, slots=True)
class Collection:
    """The observations of a site on disk: added to, never rewritten."""

    folder: Path

    @property
    def _journal(self) -> Path:
        return self.folder / "observations.jsonl"

    def pseudonym(self, patient_id: str, issuer: str = "") -> str:
        """The subject's name here: a keyed hash, so that the file alone leads back to nobody.

        The key is made once, in ``FOLDER/subject.key``, readable by the service's account only.
        """
        path = self.folder / "subject.key"
        if not path.exists():
            journal.replace(path, secrets.token_hex(32).encode())
            path.chmod(0o600)
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
        return hmac.new(key, f"{issuer}\x1f{patient_id}".encode(), "sha256").hexdigest()[:16]

    def add(self, observations: Sequence[Observation]) -> int:
        """Keep observations, all or none; those already there are not kept twice. Returns how many were new."""
        held = {row["id"] for row in journal.rows(self._journal) if row["kind"] == "observation"}
        fresh = {found.id: found for found in observations if found.id not in held}
        rows = [{"kind": "observation", "id": key, **to_json(found)} for key, found in fresh.items()]
        journal.append(self._journal, rows)
        return len(rows)

    def exclude(self, observation: str, reason: str, by: str, on: str) -> None:
        """Take an observation out of fitting. It stays in the file. Raises ``LookupError`` or ``ValueError``."""
        if not reason.strip():
            raise ValueError("an exclusion needs a reason; a value being far away is none")
        self._decide("exclude", observation, by, on, reason=reason.strip())

    def withdraw(self, pictures: Set[str], reason: str, by: str, on: str) -> int:
        """Exclude what counts and was read in one of these pictures, by its ``overlay``; how many. Twice is as once."""
        seen_there = [found.id for found in self.current() if found.overlay in pictures]
        for found in seen_there:
            self.exclude(found, reason, by, on)
        return len(seen_there)

    def restore(self, observation: str, by: str, on: str) -> None:
        """Take an exclusion back, by a new row. Raises ``LookupError`` or ``ValueError``."""
        self._decide("restore", observation, by, on)

    def _decide(self, kind: str, observation: str, by: str, on: str, **facts: str) -> None:
        if observation not in {found.id for found in self.all()}:
            raise LookupError(f"there is no observation {observation!r}; see 'nmus references collect outliers'")
        journal.append(self._journal, [event_row(by, on, kind=kind, observation=observation, **facts)])

    def all(self) -> tuple[Observation, ...]:
        """Every observation ever kept, oldest first. Raises ``ObservationError`` or ``JournalError``."""
        return tuple(self._read(number, row) for number, row in self._rows("observation"))

    def exclusions(self) -> dict[str, Exclusion]:
        """By observation."""
        found: dict[str, Exclusion] = {}
        for _, row in self._rows("exclude", "restore"):
            if row["kind"] == "restore":
                found.pop(row["observation"], None)
            else:
                found[row["observation"]] = Exclusion(row["observation"], row["reason"], row["by"], row["on"])
        return found

    def current(self) -> tuple[Observation, ...]:
        """What counts: the latest of each key, unless it is excluded; an earlier one never comes back silently."""
        excluded = self.exclusions()
        latest = {found.key: found for found in self.all()}
        return tuple(found for found in latest.values() if found.id not in excluded)

    def _rows(self, *kinds: str) -> Iterable[tuple[int, dict[str, Any]]]:
        for number, row in enumerate(journal.rows(self._journal), start=1):
            if row.get("kind") not in ("observation", "exclude", "restore"):
                problem = f"{row.get('kind')!r} is no kind of row"
                raise ObservationError(self._journal.name, f"line {number}, field kind", problem)
            if row["kind"] in kinds:
                yield number, row

    def _read(self, number: int, row: Mapping[str, Any]) -> Observation:
        return from_json(row, self._journal.name, f"line {number}")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one group has come."""

    group: Group
    subjects: int
    observations: int
    by_decade_and_sex: tuple[tuple[str, int, int, int], ...]
    """Decade of age (``20-29``, ``unknown``), women, men, sex unknown."""
    next_target: int | None
    """The next of 20, 60, 120 subjects, or ``None`` beyond."""
    outliers: tuple[tuple[str, float], ...]
    """Observations far from their group (modified z above 3.5), to be looked at; nothing excludes them by itself."""


def progress(observations: Iterable[Observation]) -> tuple[Progress, ...]:
    """Progress of every group, largest first."""
    groups: dict[Group, list[Observation]] = {}
    for found in observations:
        groups.setdefault(found.group, []).append(found)
    made = [_progress(group, members) for group, members in groups.items()]
    return tuple(sorted(made, key=lambda one: (-one.subjects, one.group.place)))


def _progress(group: Group, members: Sequence[Observation]) -> Progress:
    people = {found.subject_key: found.subject for found in members}
    cells: Counter[tuple[str, str]] = Counter((_decade(p.age_years), p.sex or "") for p in people.values())
    decades = sorted({decade for decade, _ in cells}, key=lambda word: (word == "unknown", len(word), word))
    return Progress(
        group=group,
        subjects=len(people),
        observations=len(members),
        by_decade_and_sex=tuple(
            (decade, cells[decade, "F"], cells[decade, "M"], cells[decade, ""]) for decade in decades
        ),
        next_target=next((target for target in TARGETS if len(people) < target), None),
        outliers=outliers(members),
    )


def _decade(age: float | None) -> str:
    if age is None:
        return "unknown"
    first = int(age // 10) * 10
    return f"{first}-{first + 9}"


def outliers(members: Sequence[Observation]) -> tuple[tuple[str, float], ...]:
    """Observations whose modified z, ``0.6745 (x - median) / MAD``, exceeds 3.5, with it; of at least ten values."""
    if len(members) < 10:
        return ()
    middle = statistics.median(found.value for found in members)
    spread = statistics.median(abs(found.value - middle) for found in members)
    if spread == 0:
        return ()
    scored = [(found.id, 0.6745 * (found.value - middle) / spread) for found in members]
    return tuple((key, z) for key, z in scored if abs(z) > _OUTLYING)
