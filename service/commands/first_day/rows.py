"""What was looked at and found: the rows of ``nmus doctor``'s table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How it stands; the exit status follows the worst."""

    GOOD = "good"
    TOLD = "told"
    """A fact that is neither good nor bad."""
    WARN = "look"
    """It works, or may; somebody should look."""
    BAD = "BAD"


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was looked at."""

    place: str
    """``machine``, ``own listener``, ``destination NAME`` and so on."""
    what: str
    state: State
    found: str
    remedy: str = ""


def table(rows: Sequence[Row]) -> list[str]:
    """For a terminal: a row a line, its remedy under it."""
    wide = [max((len(text) for text in column), default=0) for column in zip(*((r.place, r.what) for r in rows))]  # noqa: B905
    lines = []
    for row in rows:
        lines.append(f"{row.state.value:4}  {row.place.ljust(wide[0])}  {row.what.ljust(wide[1])}  {row.found}")
        if row.remedy and row.state in (State.WARN, State.BAD):
            lines.append(f"      {'→ ' + row.remedy}")
    return lines


def worst(rows: Iterable[Row]) -> int:
    """Exit status: 1 when something is bad."""
    return int(any(row.state is State.BAD for row in rows))
