"""Fasciculations: involuntary twitches of part of a muscle, counted in cine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from plugins.contract import Acquisition, Declined, NotAssessable, Outcome, ReasonCode, References
from plugins.fasciculation.assess import ClipResult, assess, finding_of, together
from reference_store import anatomy


@dataclass(frozen=True, slots=True)
class Fasciculation:
    """Counting of fasciculations in muscle cine; see README.md beside this file for method, numbers and limits."""

    name: str = "fasciculation"
    version: str = "0.1.0"
    threshold: float = 0.85
    """Confidence from which an event counts as a fasciculation."""
    minimum_s: float = 8.0
    """Judged time under which the absence of events says nothing."""
    minimum_rate_hz: float = 14.5
    """Distinct frames per second under which a twitch of 0.1 s may leave no trace."""
    fine_motion: bool = False
    """Also describe fibrillation-like fine motion. An observation without validation: see README.md."""

    def declines(self, acquisition: Acquisition) -> Declined | None:
        """Not for stills, for what is not a muscle, or for what is not named."""
        if all(clip.frames.count < 2 for clip in acquisition.clips):
            return Declined(
                ReasonCode.NOT_APPLICABLE,
                "these are stills: fasciculations show only in a clip",
                "send a cine of 30 to 60 s",
            )
        if acquisition.structure is None:
            return Declined(
                ReasonCode.STRUCTURE_UNKNOWN,
                "the clip does not say which muscle it shows",
                "name it on the scanner, add a site mapping rule, or pass --structure",
            )
        kind = _kind(acquisition.structure)
        if kind is not None and kind != "muscle":
            return Declined(ReasonCode.NOT_APPLICABLE, f"a {kind} does not fasciculate", "")
        return None

    def analyse(self, acquisition: Acquisition, references: References) -> Sequence[Outcome]:
        """A finding or a reason for every clip, then one over all clips; ``references`` are not asked."""
        outcomes: list[Outcome] = []
        judged: list[ClipResult] = []
        for clip in acquisition.clips:
            if clip.frames.count < 2:
                continue
            result = assess(clip, acquisition, self)
            if isinstance(result, NotAssessable):
                outcomes.append(result)
            else:
                judged.append(result)
                outcomes.append(finding_of(result, acquisition))
        if len(judged) > 1:
            outcomes.append(together(judged, acquisition))
        return outcomes


def _kind(structure: str) -> str | None:
    """Muscle, nerve, …; ``None`` for a structure that the catalogue does not have."""
    try:
        return anatomy.structure(structure).kind
    except KeyError:
        return None
