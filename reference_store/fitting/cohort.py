"""Who is fitted: one row a subject, however many sides were measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference_store.observations import Group, Observation
from reference_store.terms import covariates
from reference_store.values import Subject

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Cohort:
    """Subjects of one group, each with the values of one or more sides."""

    group: Group
    keys: tuple[str, ...]
    subjects: tuple[Subject, ...]
    sides: tuple[Floats, ...]
    """Values of a subject's sides, arrays of one to a few numbers."""
    dropped: tuple[tuple[str, str], ...] = ()
    """Subject and reason, for those who cannot be fitted."""

    def __len__(self) -> int:
        """The number of subjects, never of sides."""
        return len(self.subjects)

    def column(self, name: str) -> Floats:
        """A covariate by its name in documents, shape (n,), NaN where unknown."""
        known = [covariates(subject)[name] for subject in self.subjects]
        return np.array([np.nan if value is None else value for value in known], dtype=np.float64)

    def without(self, index: int) -> Cohort:
        """The cohort without one subject."""

        def rest(items: tuple[Any, ...]) -> tuple[Any, ...]:
            return items[:index] + items[index + 1 :]

        return Cohort(self.group, rest(self.keys), rest(self.subjects), rest(self.sides), self.dropped)


def gather(observations: Iterable[Observation], group: Group) -> Cohort:
    """The cohort of one group. Subjects without age or sex cannot be fitted and are named with the reason."""
    people: dict[str, tuple[Subject, list[float]]] = {}
    for found in observations:
        if found.group == group:
            people.setdefault(found.subject_key, (found.subject, []))[1].append(found.value)
    dropped = [
        (key, "age or sex unknown")
        for key, (person, _) in people.items()
        if person.age_years is None or person.sex not in ("M", "F")
    ]
    out = {key for key, _ in dropped}
    kept = {key: person for key, person in sorted(people.items()) if key not in out}
    return Cohort(
        group,
        tuple(kept),
        tuple(person for person, _ in kept.values()),
        tuple(np.array(values, dtype=np.float64) for _, values in kept.values()),
        tuple(dropped),
    )


def of_values(group: Group, subjects: Sequence[Subject], values: Floats) -> Cohort:
    """A cohort of plain arrays: ``values`` of shape (n,) or (n, sides)."""
    keys = tuple(f"subject-{number}" for number in range(len(subjects)))
    return Cohort(group, keys, tuple(subjects), tuple(np.atleast_1d(row) for row in values))
