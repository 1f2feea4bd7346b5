"""The section that lets the title by which we are called decide what is done."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from service.config.fields import Section

STOW = "stow"
"""How what comes by STOW-RS is called in ``called``."""


class Workflow(Section):
    """``[[workflow]]``: what is done with studies that are sent to a title of their own."""

    name: str = Field(min_length=1, max_length=64)
    called: tuple[Annotated[str, Field(min_length=1, max_length=64)], ...] = Field(min_length=1)
    """AE titles by which senders call us; or the name of an ``[[orthanc]]`` or ``[[folder]]``, or ``stow``."""
    plugins: tuple[str, ...] | None = None
    """Analyses to run; all that are on when left out, none with ``[]``: received and kept only."""
    destinations: tuple[str, ...] | None = None
    """Who gets the results; all when left out, nobody with ``[]``: analysed and kept here, for a silent trial."""
    quiet_seconds: float | None = Field(default=None, ge=0)
    """Instead of what ``[settle]`` says."""


@dataclass(frozen=True, slots=True)
class Course:
    """What is to be done with one study."""

    names: tuple[str, ...] = ()
    """Workflows that it came for; empty: the whole of the settings."""
    plugins: frozenset[str] | None = None
    destinations: frozenset[str] | None = None
    quiet: tuple[float | None, ...] = (None,)
    """Quiet seconds that each of them asks for; ``None`` is what ``[settle]`` says."""

    def runs(self, plugin: str) -> bool:
        """Whether a plugin is to see the study."""
        return self.plugins is None or plugin in self.plugins

    def goes_to(self, destination: str) -> bool:
        """Whether a destination gets results."""
        return self.destinations is None or destination in self.destinations

    def quiet_seconds(self, usual: float) -> float:
        """The longest that any of them asks for."""
        return max(usual if one is None else one for one in self.quiet)


def ways(workflows: Iterable[Workflow]) -> frozenset[str]:
    """Every title, and every name of another way in, that chooses a workflow."""
    return frozenset(one.strip() for workflow in workflows for one in workflow.called)


def course(workflows: Collection[Workflow], called: Collection[str]) -> Course:
    """What is done with a study that came by these ways: all that any of them asks for.

    Parameters
    ----------
    called:
        As the ledger holds it: titles that choose a workflow, and the empty text where something came by another.
    """
    chosen = [one for one in workflows if {way.strip() for way in one.called} & set(called)]
    if not chosen:
        return Course()
    plain = bool(set(called) - ways(chosen))  # some of it came as if there were no workflows
    quiet = tuple(one.quiet_seconds for one in chosen)
    return Course(
        tuple(one.name for one in chosen),
        None if plain else _union(one.plugins for one in chosen),
        None if plain else _union(one.destinations for one in chosen),
        (*quiet, None) if plain else quiet,
    )


def _union(parts: Iterable[tuple[str, ...] | None]) -> frozenset[str] | None:
    """Everything that is named; ``None``, which is all, if any part is that."""
    found: set[str] = set()
    for part in parts:
        if part is None:
            return None
        found |= set(part)
    return frozenset(found)


def check(workflows: tuple[Workflow, ...], destinations: set[str]) -> None:
    """Refuse what could be read in two ways, or names what is not there.

    Raises
    ------
    ValueError
        Names it.
    """
    for key, values in (
        ("name", [one.name for one in workflows]),
        ("called", [way.strip() for one in workflows for way in one.called]),
    ):
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            raise ValueError(f"[[workflow]] has {key} {twice[0]!r} more than once: it must choose one workflow")
    for one in workflows:
        strange = [name for name in one.destinations or () if name not in destinations]
        if strange:
            raise ValueError(f"[[workflow]] {one.name!r} names {strange[0]!r}, which is no [[destination]]")
