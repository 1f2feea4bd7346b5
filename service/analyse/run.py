"""Run the plugins over the acquisitions of an exam, each run in a child of its own, then the exam's summaries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from plugins.builtin import BUILTIN, SUMMARIES
from plugins.contract import (
    Acquisition,
    Conclusion,
    Declined,
    Earlier,
    NotAssessable,
    Outcome,
    Plugin,
    ReasonCode,
    References,
    Result,
    Summary,
)
from service.analyse.child import ChildFailed, Limits, call
from service.analyse.conform import mistyped
from service.analyse.registry import Registry
from service.analyse.validate import checked, checked_conclusions
from service.errors import Unanalysable

_TRUSTED = frozenset(type(plugin) for plugin in BUILTIN)
"""Built-in plugins may decline in this process: they decide from attributes alone, and are tested for it."""

_TRUSTED_SUMMARIES = frozenset(type(summary) for summary in SUMMARIES)
"""They conclude in the report's own child."""

_NOT_ITS_FAULT = frozenset({"cancelled", "disk-full"})

_REASONS = {
    "time-limit": (ReasonCode.TIME_LIMIT, "raise analysis.time_limit_seconds, or send a shorter clip"),
    "memory-limit": (ReasonCode.MEMORY_LIMIT, "raise analysis.memory_limit_mb, or send a smaller image"),
}


@dataclass(frozen=True, slots=True)
class Room:
    """Where and within which bounds analyses run."""

    scratch: Path
    limits: Limits = Limits()
    wanted: Callable[[], bool] = field(default=lambda: True, compare=False)


def analyse(
    acquisitions: Sequence[Acquisition],
    registry: Registry,
    references: References,
    room: Room,
    *,
    progress: Callable[[Acquisition, str], None] = lambda _acquisition, _plugin: None,
) -> tuple[Result, ...]:
    """Every plugin on every acquisition that it does not decline, in order.

    An acquisition that all plugins decline gives one result without a plugin, holding the reason.

    Raises
    ------
    ChildFailed
        Only with ``kind`` ``cancelled`` or ``disk-full``; every other failure of a plugin becomes a NotAssessable.
    """
    results: list[Result] = []
    for acquisition in acquisitions:
        declined: list[tuple[Plugin, Declined]] = []
        taken = len(results)
        for plugin in registry.plugins:
            progress(acquisition, plugin.name)
            answer = _run(plugin, acquisition, references, room)
            if isinstance(answer, Declined):
                declined.append((plugin, answer))
            else:
                results.append(Result(plugin.name, plugin.version, acquisition, answer))
        if len(results) == taken:
            results.append(Result("", "", acquisition, (_not_for_any(acquisition, declined),)))
    return tuple(results)


def conclude_outside(
    results: Sequence[Result], earlier: Sequence[Earlier], registry: Registry, references: References, room: Room
) -> tuple[Conclusion, ...]:
    """The conclusions of summaries of others, each run in a child of its own: one that hangs costs no report.

    Raises
    ------
    ChildFailed
        Only with ``kind`` ``cancelled`` or ``disk-full``.
    """
    conclusions: list[Conclusion] = []
    for summary in outside(registry):
        given = (summary, results, earlier, references)
        try:
            said = call(_summarised, *given, limits=room.limits, scratch=room.scratch, wanted=room.wanted)
            conclusions += checked_conclusions(said)
        except (Unanalysable, ChildFailed, TypeError) as error:
            if isinstance(error, ChildFailed) and error.kind in _NOT_ITS_FAULT:
                raise
            conclusions.append(_silent(summary, str(error)))
    return tuple(conclusions)


def outside(registry: Registry) -> tuple[Summary, ...]:
    """Summaries of others."""
    return tuple(one for one in registry.summaries if type(one) not in _TRUSTED_SUMMARIES)


def is_all_ours(registry: Registry) -> bool:
    """Whether no code of others is loaded."""
    return not outside(registry) and all(type(one) in _TRUSTED for one in registry.plugins)


def ours(registry: Registry) -> tuple[Summary, ...]:
    """Built-in summaries."""
    return tuple(one for one in registry.summaries if type(one) in _TRUSTED_SUMMARIES)


def _summarised(
    summary: Summary, results: Sequence[Result], earlier: Sequence[Earlier], references: References
) -> Sequence[Conclusion]:
    return summary.summarise(results, earlier, references)


def _silent(summary: Summary, why: str) -> Conclusion:
    text = f"This summary failed ({why}); the findings it would have used are all reported."
    return Conclusion(summary.name, f"{summary.name}: not available", text, evaluable=False)


def summarise(
    results: Sequence[Result], earlier: Sequence[Earlier], summaries: Sequence[Summary], references: References
) -> tuple[Conclusion, ...]:
    """The conclusions of all summaries; one that fails is a conclusion that says so. Runs inside a child."""
    conclusions: list[Conclusion] = []
    for summary in summaries:
        try:
            conclusions += summary.summarise(results, earlier, references)
        except Exception as error:  # noqa: BLE001 - foreign code; the exam's own findings must not be lost with it
            conclusions.append(_silent(summary, type(error).__name__))
    return tuple(conclusions)


def _run(
    plugin: Plugin, acquisition: Acquisition, references: References, room: Room
) -> Declined | tuple[Outcome, ...]:
    foreign = type(plugin) not in _TRUSTED
    if not foreign:
        declined = plugin.declines(acquisition)
        if declined is not None:
            return declined
    given = (plugin, acquisition, references)
    try:
        answer = call(
            _in_child, *given, limits=room.limits, scratch=room.scratch, wanted=room.wanted, is_ours=not foreign
        )
    except Unanalysable as error:
        return (NotAssessable(_code_of(error), str(error), error.remedy),)
    except ChildFailed as failure:
        if failure.kind in _NOT_ITS_FAULT:
            raise
        code, remedy = _REASONS.get(failure.kind, (ReasonCode.PLUGIN_FAILED, "report this to the plugin's author"))
        return (NotAssessable(code, f"{plugin.name} {plugin.version}: {failure}", remedy),)
    if isinstance(answer, Declined) and not (foreign and mistyped(answer, Declined)):
        return answer
    return checked(answer, acquisition, foreign=foreign)


def _code_of(error: Unanalysable) -> ReasonCode:
    """A plugin of others may raise it with a code of its own."""
    try:
        return ReasonCode(error.code)
    except ValueError:
        return ReasonCode.PLUGIN_FAILED


def _in_child(plugin: Plugin, acquisition: Acquisition, references: References) -> Declined | Sequence[Outcome]:
    declined = plugin.declines(acquisition)
    return declined if declined is not None else plugin.analyse(acquisition, references)


def _not_for_any(acquisition: Acquisition, declined: Sequence[tuple[Plugin, Declined]]) -> NotAssessable:
    """One reason for an acquisition that nothing took: what is unknown first, then what each plugin said."""
    if acquisition.structure is None:
        return NotAssessable(
            ReasonCode.STRUCTURE_UNKNOWN,
            "neither the image's attributes nor the site's mapping say which muscle or nerve this is",
            "name the structure at the scanner, or add a [[mapping]] for what the scanner writes",
        )
    if not declined:
        return NotAssessable(ReasonCode.NOT_APPLICABLE, "no plugin is enabled", "enable one under [analysis]")
    decisive = [one for one in declined if one[1].code is not ReasonCode.NOT_APPLICABLE] or list(declined)
    text = "; ".join(f"{plugin.name}: {answer.text}" for plugin, answer in decisive)
    return NotAssessable(decisive[0][1].code, text, decisive[0][1].remedy)
