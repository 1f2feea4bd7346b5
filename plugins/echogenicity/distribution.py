"""Which muscles of an exam are bright and which are not, and whether one root or one nerve would explain it.

The literature names the patterns (Wijntjes 2021): some muscles affected and others spared in dystrophies; muscles of
one root or nerve, the other side normal, in radiculopathy and mononeuropathy. Every number here is a proposal. What
the rules ask for must have been compared, and is named; none of it is a diagnosis.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from plugins.contract import Conclusion, FrameRef, Measurement, Observation, Side
from plugins.echogenicity import codes
from plugins.echogenicity.innervation import SUPPLY
from reference_store import anatomy

RAISED_Z = 2.0
SPARED_Z = 1.0
"""A muscle up to here is called spared; one between the two limits is neither."""
THIN_Z = -2.0
"""Thickness under which a muscle is called thin."""
FEWEST = 4
"""Compared muscles under which nothing is said of a distribution."""
FEWEST_OF_KIND = 2
"""Raised muscles, and spared ones, that make an involvement selective; raised ones that make it one nerve's."""
FIRST_PAIR = (Side.LEFT, Side.RIGHT)
SOURCE = "Wijntjes 2021 for the patterns; limits are proposals of nmus"
SUPPLY_SOURCE = "supply after the Master Muscle List of Loyola University Chicago"


@dataclass(frozen=True, slots=True)
class Compared:
    """One muscle's z-scores and the image that stands for it."""

    structure: str
    side: Side
    z: float
    z_thickness: float | None
    image: FrameRef

    @property
    def name(self) -> str:
        """As it is read in a list, with what was found."""
        side = "" if self.side is Side.UNKNOWN else f" {self.side.value}"
        thin = self.z_thickness is not None and self.z_thickness < THIN_Z
        return f"{anatomy.structure(self.structure).name}{side} (z {self.z:.1f}{', thin' if thin else ''})"


def distribution(muscles: Sequence[Compared]) -> tuple[Conclusion, ...]:
    """The map of z-scores with what it is consistent with; nothing for few muscles, or when none is raised.

    Where a muscle was seen at several sites or in both views its highest score counts.
    """
    found = _highest(muscles)
    raised = [muscle for muscle in found if muscle.z > RAISED_Z]
    if len(found) < FEWEST or not raised:
        return ()
    spared = [muscle for muscle in found if muscle.z <= SPARED_Z]
    observations = (*_selective(raised, spared), *_supplied(found, raised))
    lowest, highest = found[-1], found[0]
    text = f"Raised (z over 2): {_names(raised)}. Not raised (z up to 1): {_names(spared)}."
    return (
        Conclusion(
            name="distribution",
            title="Which muscles are bright",
            text=" ".join((text, *(f"{each.text}." for each in observations))),
            measurements=(
                Measurement(
                    name="largest_z_contrast",
                    code=codes.Z_CONTRAST,
                    value=highest.z - lowest.z,
                    unit="1",
                    definition=f"z-score of {highest.name} less that of {lowest.name}",
                ),
            ),
            observations=observations,
            evidence=tuple(muscle.image for muscle in found),
            source=f"{SOURCE}; {SUPPLY_SOURCE}",
        ),
    )


def _highest(muscles: Sequence[Compared]) -> list[Compared]:
    """One entry for each muscle and side, the brightest first."""
    best: dict[tuple[str, Side], Compared] = {}
    for muscle in muscles:
        key = (muscle.structure, muscle.side)
        if key not in best or muscle.z > best[key].z:
            best[key] = muscle
    return sorted(best.values(), key=lambda muscle: -muscle.z)


def _selective(raised: Sequence[Compared], spared: Sequence[Compared]) -> tuple[Observation, ...]:
    if min(len({each.structure for each in group}) for group in (raised, spared)) < FEWEST_OF_KIND:
        return ()
    if {each.structure for each in raised} & {each.structure for each in spared}:
        # the same muscle bright on one side only is a difference of sides
        return ()
    code = codes.PATTERNS["selective"]
    return (Observation("pattern_selective", codes.PATTERN, code, code.meaning, SOURCE),)


def _supplied(found: Sequence[Compared], raised: Sequence[Compared]) -> tuple[Observation, ...]:
    """Raised muscles of one side that share a root or a nerve, with all else that the pattern asks for."""
    side = raised[0].side
    if side not in FIRST_PAIR or any(each.side is not side for each in raised):
        return ()
    if len({each.structure for each in raised}) < FEWEST_OF_KIND or not _other_side_normal(found, raised):
        return ()
    if any(each.structure not in SUPPLY for each in raised):
        return ()
    observations = []
    kinds: tuple[tuple[str, Callable[[str], Collection[str]]], ...] = (("one_root", _roots), ("one_nerve", _nerves))
    for kind, of in kinds:
        shared = set.intersection(*(set(of(each.structure)) for each in raised))
        supplied = _supplies(found, side, of)
        explaining = [each for each in shared if _explains(each, supplied, raised)]
        if explaining:
            code = codes.PATTERNS[kind]
            named = _order(explaining, raised, kind)
            text = f"{code.meaning} ({named}; the same muscles of the other side are not raised)"
            observations.append(Observation(f"pattern_{kind}", codes.PATTERN, code, text, f"{SOURCE}; {SUPPLY_SOURCE}"))
    return tuple(observations)


def _supplies(
    found: Sequence[Compared], side: Side, of: Callable[[str], Collection[str]]
) -> Mapping[Compared, frozenset[str]]:
    """What supplies each compared muscle of a side, where that is known."""
    return {each: frozenset(of(each.structure)) for each in found if each.side is side and each.structure in SUPPLY}


def _explains(what: str, supplied: Mapping[Compared, frozenset[str]], raised: Sequence[Compared]) -> bool:
    """Whether a root or nerve parts the raised from the others: one without it is not raised, and most with it are."""
    having = [each for each, supply in supplied.items() if what in supply]
    without = [each for each, supply in supplied.items() if what not in supply]
    return any(each.z <= RAISED_Z for each in without) and 2 * len(raised) > len(having)


def _other_side_normal(found: Sequence[Compared], raised: Sequence[Compared]) -> bool:
    """Whether each raised muscle was compared on the other side, and is not raised there."""
    scores = {(each.structure, each.side): each.z for each in found}
    other = FIRST_PAIR[1 - FIRST_PAIR.index(raised[0].side)]
    return all(scores.get((each.structure, other), RAISED_Z + 1) <= RAISED_Z for each in raised)


def _roots(structure: str) -> frozenset[str]:
    return SUPPLY[structure].roots


def _nerves(structure: str) -> tuple[str, ...]:
    return SUPPLY[structure].nerves


def _order(shared: Sequence[str], raised: Sequence[Compared], kind: str) -> str:
    """Roots in their order; of nerves the branch nearest to the muscles, for it explains all that its trunk does."""
    if kind == "one_nerve":
        return max(shared, key=SUPPLY[raised[0].structure].nerves.index)
    return " or ".join(sorted(shared, key=lambda root: ("CTLS".index(root[0]), root)))


def _names(muscles: Sequence[Compared]) -> str:
    return ", ".join(muscle.name for muscle in muscles) or "none"
