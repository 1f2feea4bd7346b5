"""What the clips of a whole exam say together: regions with fasciculations, and named protocols where selected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from plugins.codes import ABSENT, PRESENT
from plugins.contract import (
    Code,
    Comparison,
    Conclusion,
    Earlier,
    Finding,
    FrameRef,
    Measurement,
    NotAssessable,
    Observation,
    References,
    Result,
    Scope,
    Side,
)
from plugins.fasciculation import codes
from plugins.fasciculation.measures import ENOUGH
from plugins.fasciculation.protocols import Protocol, Slot, protocols, slots_of
from reference_store import anatomy


@dataclass(frozen=True, slots=True)
class Muscle:
    """One muscle of one side in this exam."""

    structure: str
    side: Side
    count: int | None = None
    """Fasciculations; ``None`` where no clip could be judged."""
    image: FrameRef | None = None
    echo_z: float | None = None


@dataclass(frozen=True, slots=True)
class FasciculationExam:
    """Muscles with fasciculations by body region, and the protocols that a site has chosen."""

    name: str = "fasciculation_exam"
    version: str = "0.1.0"
    protocols: tuple[str, ...] = ()
    """Keys of ``protocols.csv``; none is chosen for the site."""
    muscles: tuple[tuple[str, str], ...] = ()
    """(protocol, "structure:side; …") for protocols whose publication does not list its muscles."""
    enough: int = ENOUGH
    """Fasciculations that a muscle needs to be called fasciculating."""

    def summarise(
        self, results: Sequence[Result], earlier: Sequence[Earlier], references: References
    ) -> Sequence[Conclusion]:
        """One conclusion on regions, one for every chosen protocol; nothing when no clip was looked at."""
        seen = muscles_of(results)
        if not any(muscle.image or muscle.count is not None for muscle in seen):
            return ()
        lists = dict(self.muscles)
        chosen = [_known(key) for key in self.protocols]
        listed = [replace(each, slots=slots_of(lists[each.key])) if each.key in lists else each for each in chosen]
        return (_regions(seen, self.enough), *(_judged(each, seen, self.enough) for each in listed))


def muscles_of(results: Sequence[Result]) -> tuple[Muscle, ...]:
    """Every muscle and side that a clip was judged of, with its count and, where there is one, its echo intensity z."""
    found: dict[tuple[str, Side], Muscle] = {}
    for result in results:
        structure, side = result.acquisition.structure, result.acquisition.side
        if structure is None:
            continue
        known = found.get((structure, side), Muscle(structure, side))
        if result.plugin == "fasciculation":
            found[structure, side] = _counted(known, result)
        elif result.plugin == "echogenicity":
            scores = list(_echo_z(result))
            found[structure, side] = replace(known, echo_z=scores[-1] if scores else known.echo_z)
    return tuple(found.values())


def _counted(known: Muscle, result: Result) -> Muscle:
    """The finding over all clips where there is one, else that of the one clip."""
    findings = [outcome for outcome in result.outcomes if isinstance(outcome, Finding)]
    if not findings:
        refused = next((each.image for each in result.outcomes if isinstance(each, NotAssessable)), None)
        return replace(known, image=known.image or refused)
    whole = next((finding for finding in findings if finding.scope is Scope.ACQUISITION), findings[0])
    count = next(int(each.value) for each in whole.measurements if each.name == "fasciculation_count")
    return replace(known, count=(known.count or 0) + count, image=whole.image)


def _echo_z(result: Result) -> Iterator[float]:
    """z-scores of echo intensity, the averaged one last."""
    findings = [outcome for outcome in result.outcomes if isinstance(outcome, Finding)]
    for finding in sorted(findings, key=lambda each: each.scope is Scope.ACQUISITION):
        for each in finding.measurements:
            if isinstance(each.comparison, Comparison) and each.comparison.z is not None and "echo" in each.name:
                yield each.comparison.z


def _known(key: str) -> Protocol:
    found = protocols().get(key)
    if found is None:
        raise ValueError(f"no fasciculation protocol {key!r}; there are {', '.join(protocols())}")
    return found


def _regions(seen: Sequence[Muscle], enough: int) -> Conclusion:
    """Counts by region of the body; foot muscles are listed, not counted."""
    judged = [muscle for muscle in seen if muscle.count is not None]
    counted = [muscle for muscle in judged if "foot_intrinsic" not in _traits(muscle.structure)]
    positive = [muscle for muscle in counted if (muscle.count or 0) >= enough]
    parts = []
    for region in dict.fromkeys(_region(muscle.structure) for muscle in counted):
        here = [muscle for muscle in counted if _region(muscle.structure) == region]
        with_them = sum(1 for muscle in here if (muscle.count or 0) >= enough)
        parts.append(f"{region.replace('_', ' ')} {with_them} of {len(here)}")
    text = "Muscles with fasciculations by region: " + ("; ".join(parts) or "none judged") + "."
    left_out = [str(Slot(muscle.structure, muscle.side)) for muscle in judged if muscle not in counted]
    if left_out:
        text += f" Not counted, because the healthy have them there too: {', '.join(left_out)}."
    blind = [str(Slot(muscle.structure, muscle.side)) for muscle in seen if muscle.count is None and muscle.image]
    if blind:
        text += f" Not assessable: {', '.join(blind)}."
    return Conclusion(
        "fasciculations_by_region",
        "Fasciculations by body region",
        text,
        _totals(counted, positive),
        evidence=tuple(muscle.image for muscle in positive if muscle.image),
        source=f"a muscle counts with at least {enough} fasciculations in the observed time (Noto 2017)",
        evaluable=bool(counted),
    )


def _totals(counted: Sequence[Muscle], positive: Sequence[Muscle]) -> tuple[Measurement, ...]:
    total = sum(muscle.count or 0 for muscle in counted)
    return (
        _counted_as("muscles_with_fasciculations", codes.MUSCLES_WITH, len(positive), "that reached the criterion"),
        _counted_as("muscles_examined", codes.MUSCLES_EXAMINED, len(counted), "with a clip that could be judged"),
        _counted_as("fasciculations_total", codes.TOTAL_COUNT, total, "in all judged muscles together"),
    )


def _counted_as(name: str, code: Code, value: int, definition: str) -> Measurement:
    return Measurement(name, code, float(value), "{counts}", definition=definition)


def _judged(protocol: Protocol, seen: Sequence[Muscle], enough: int) -> Conclusion:
    """Met, not met, or not evaluable with what is missing."""
    if not protocol.slots:
        why = f"not evaluable: the publication read does not list its {protocol.of} muscles; list them in the settings"
        return _concluded(protocol, why, None)
    filled = {slot: _filling(slot, seen) for slot in protocol.slots}
    missing = [slot for slot, muscle in filled.items() if muscle is None]
    muscles = [muscle for muscle in filled.values() if muscle is not None]
    verdict, detail = _verdict(protocol, muscles, len(missing), enough)
    lacking = f"missing: {', '.join(map(str, missing))}" if missing else ""
    if verdict is None:
        return _concluded(protocol, f"not evaluable, {lacking or detail}", None)
    text = f"{'criterion met' if verdict else 'criterion not met'}: {detail}"
    positive = [muscle for muscle in muscles if (muscle.count or 0) >= enough]
    made = _concluded(protocol, f"{text} ({lacking})" if lacking else text, verdict)
    evidence = tuple(muscle.image for muscle in positive if muscle.image)
    return replace(made, measurements=_totals(muscles, positive), evidence=evidence)


def _verdict(protocol: Protocol, muscles: Sequence[Muscle], missing: int, enough: int) -> tuple[bool | None, str]:
    """Decided only when the missing muscles could not change it."""
    positive = sum(1 for muscle in muscles if (muscle.count or 0) >= enough)
    if protocol.rule == "total":
        total = sum(muscle.count or 0 for muscle in muscles)
        detail = f"{total} fasciculations, {protocol.count:g} needed"
        return (True if total >= protocol.count else None if missing else False), detail
    bright = [muscle.echo_z for muscle in muscles]
    known = [z for z in bright if z is not None]
    if protocol.rule == "ratio":
        if missing or len(known) < len(bright):
            return None, "echo intensity z-scores of all muscles are needed"
        hyperechoic = sum(1 for z in known if z > 1.5)
        detail = f"{positive} fasciculating and {hyperechoic} hyperechoic muscles, ratio {protocol.count:g} needed"
        return positive > 0 and positive >= protocol.count * hyperechoic, detail
    detail = f"{positive} of {protocol.of} muscles with fasciculations, {protocol.count:g} needed"
    met = True if positive >= protocol.count else None if positive + missing >= protocol.count else False
    if protocol.rule == "muscles and echogenicity":
        raised = sum(1 for z in known if z >= 1.5)
        could = raised + len(bright) - len(known) + missing
        detail += f"; {raised} with echo intensity z of 1.5 or more, 2 needed"
        also = True if raised >= 2 else None if could >= 2 else False
        met = False if met is False or also is False else None if met is None or also is None else True
        if met is None:
            detail = f"echo intensity z-scores or muscles are missing ({detail})"
    return met, detail


def _filling(slot: Slot, seen: Sequence[Muscle]) -> Muscle | None:
    """The judged muscle that stands for a slot; of two sides the one with more fasciculations."""
    fits = [
        muscle
        for muscle in seen
        if muscle.structure == slot.structure and muscle.count is not None and slot.side in (None, muscle.side)
    ]
    return max(fits, key=lambda muscle: muscle.count or 0, default=None)


def _concluded(protocol: Protocol, text: str, verdict: bool | None) -> Conclusion:
    seen: tuple[Observation, ...] = ()
    if verdict is not None:
        value = PRESENT if verdict else ABSENT
        wording = f"{'consistent' if verdict else 'not consistent'} with the criterion '{protocol.title.lower()}'"
        seen = (Observation(f"protocol_{protocol.key}", codes.PROTOCOL_MET, value, wording, protocol.source),)
    return Conclusion(
        f"fasciculation_protocol_{protocol.key}",
        f"Protocol: {protocol.title}",
        text,
        observations=seen,
        source=protocol.source,
        evaluable=verdict is not None,
    )


def _region(structure: str) -> str:
    try:
        return anatomy.structure(structure).region or "other"
    except KeyError:
        return "other"


def _traits(structure: str) -> frozenset[str]:
    try:
        return anatomy.structure(structure).traits
    except KeyError:
        return frozenset()
