"""The muscles of an exam together: left against right, neighbours, and how much of it chance would explain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from plugins.contract import (
    Acquisition,
    Box,
    Comparison,
    Conclusion,
    Earlier,
    Finding,
    FrameRef,
    Measurement,
    References,
    Result,
    Scope,
    Side,
)
from plugins.echogenicity import codes, flags
from plugins.echogenicity.contact_sheet import contact_sheet
from plugins.echogenicity.distribution import Compared, distribution
from plugins.echogenicity.pages import crop_of
from plugins.titles import title_of
from reference_store import anatomy

CHANCE_ABOVE_Z2 = 0.02275
"""Share of healthy people above z 2 in one muscle, one-sided."""
SIDE_CODES = {
    "echo_intensity_mean": codes.SIDE_DIFFERENCE_ECHO,
    "muscle_thickness": codes.SIDE_DIFFERENCE_THICKNESS,
    "cross_sectional_area": codes.SIDE_DIFFERENCE_AREA,
}
WORDS = {
    "echo_intensity_mean": ("echo intensity", "grey levels"),
    "muscle_thickness": ("thickness", "mm"),
    "cross_sectional_area": ("cross-sectional area", "mm²"),
}
BESIDE = (
    ("rectus_femoris", "vastus_intermedius"),
    ("biceps_brachii", "brachialis"),
    ("gastrocnemius_medialis", "soleus"),
    ("gastrocnemius_lateralis", "soleus"),
    ("flexor_carpi_ulnaris", "flexor_digitorum_profundus"),
    ("tibialis_anterior", "extensor_digitorum_longus"),
)
"""Pairs seen in one picture, where the eye takes one muscle against the other."""


@dataclass(frozen=True, slots=True)
class Muscle:
    """One muscle's average, with where it came from."""

    acquisition: Acquisition
    finding: Finding
    images: tuple[Finding, ...]

    def measurement(self, name: str) -> Measurement | None:
        """The averaged measurement of that name."""
        return next((each for each in self.finding.measurements if each.name == name), None)

    @property
    def shown(self) -> tuple[tuple[Finding, Box | None], ...]:
        """The averaged images, each with the part of its picture to show."""
        clips = {clip.sop_instance_uid: clip for clip in self.acquisition.clips}
        return tuple(
            (finding, crop_of(clips[finding.image.sop_instance_uid], finding.outline))
            for finding in self.images or (self.finding,)
        )

    @property
    def z(self) -> float | None:
        """The z-score of echo intensity, where it was compared."""
        return self.z_of("echo_intensity_mean")

    def z_of(self, name: str) -> float | None:
        """The z-score of a measurement, where it was compared."""
        found = self.measurement(name)
        return found.comparison.z if found and isinstance(found.comparison, Comparison) else None


@dataclass(frozen=True, slots=True)
class MuscleExam:
    """Conclusions over all muscles of an exam; every statement rests on the averages alone."""

    name: str = "muscle_exam"
    version: str = "0.1.0"

    def summarise(
        self, results: Sequence[Result], earlier: Sequence[Earlier], references: References
    ) -> Sequence[Conclusion]:
        """Left against right for each muscle seen on both sides, neighbours, raised z-scores and where they lie."""
        del earlier, references
        muscles = tuple(_muscles(results))
        conclusions = [_left_and_right(left, right) for left, right in _pairs(muscles)]
        conclusions += _neighbours(muscles)
        conclusions += _count(muscles)
        conclusions += distribution(tuple(_compared(muscles)))
        return conclusions


def _muscles(results: Sequence[Result]) -> Iterator[Muscle]:
    for result in results:
        if result.plugin != "echogenicity":
            continue
        findings = [outcome for outcome in result.outcomes if isinstance(outcome, Finding)]
        for average in (finding for finding in findings if finding.scope is Scope.ACQUISITION):
            images = tuple(f for f in findings if f.scope is Scope.IMAGE and f.image in average.averaged_over)
            yield Muscle(result.acquisition, average, images)


def _pairs(muscles: Sequence[Muscle]) -> Iterator[tuple[Muscle, Muscle]]:
    """Left and right of the same muscle, site and view; the first of each where there are several."""
    found: dict[tuple[object, ...], dict[Side, Muscle]] = {}
    for muscle in muscles:
        key = (muscle.acquisition.structure, muscle.acquisition.site, muscle.acquisition.view)
        found.setdefault(key, {}).setdefault(muscle.acquisition.side, muscle)
    for sides in found.values():
        if Side.LEFT in sides and Side.RIGHT in sides:
            yield sides[Side.LEFT], sides[Side.RIGHT]


def _left_and_right(left: Muscle, right: Muscle) -> Conclusion:
    """The difference of each measure that both sides have, with its spread, and both sides in one page."""
    same = left.acquisition.device == right.acquisition.device
    measurements, sentences = [], []
    for name in SIDE_CODES:
        if name == "echo_intensity_mean" and not same:
            sentences.append("Echo intensity is not compared: the two sides were taken with different settings.")
            continue
        compared = _difference(name, left.measurement(name), right.measurement(name))
        if compared is not None:
            measurements.append(compared[0])
            sentences.append(compared[1])
    title = f"{_name(left)}, left against right"
    return Conclusion(
        name="left_right",
        title=title,
        text=" ".join(sentences),
        measurements=tuple(measurements),
        evidence=(*left.finding.averaged_over, *right.finding.averaged_over),
        source="averages of the repeated images; no limits of normal side differences are applied",
        evaluable=bool(measurements),
        pages=(contact_sheet(title, left.shown, right.shown, sentences),),
    )


def _difference(name: str, left: Measurement | None, right: Measurement | None) -> tuple[Measurement, str] | None:
    """Left less right, and what the repeated images allow to be said of it."""
    if left is None or right is None:
        return None
    words, unit = WORDS[name]
    value = left.value - right.value
    spread = None
    if left.uncertainty is not None and right.uncertainty is not None:
        spread = (left.uncertainty**2 + right.uncertainty**2) ** 0.5
    measurement = Measurement(
        name=f"{name}_side_difference",
        code=SIDE_CODES[name],
        value=value,
        unit=left.unit,
        definition="average of the left side less average of the right",
        uncertainty=spread,
    )
    if abs(value) < 0.05:
        return measurement, f"{words.capitalize()}: the same on both sides to one decimal."
    more, less = ("left", "right") if value > 0 else ("right", "left")
    said = f"{words.capitalize()}: {more} exceeds {less} by {abs(value):.1f} {unit}"
    if spread is None:
        return measurement, f"{said}; how much repeats vary is not known from single images."
    beyond = abs(value) > 2 * spread
    limit = "more than" if beyond else "no more than"
    return measurement, f"{said} (SD {spread:.1f}), {limit} repeated images vary by."


def _neighbours(muscles: Sequence[Muscle]) -> Iterator[Conclusion]:
    """Where a muscle and the one beside it differ by more than two z-scores."""
    for first, second in BESIDE:
        for one in (muscle for muscle in muscles if muscle.acquisition.structure == first):
            for other in (muscle for muscle in muscles if muscle.acquisition.structure == second):
                if one.acquisition.side is not other.acquisition.side or one.z is None or other.z is None:
                    continue
                if abs(one.z - other.z) > 2:
                    yield Conclusion(
                        name=flags.BACKGROUND_EFFECT.name,
                        title=f"{title_of(one.acquisition)} beside {_name(other)}",
                        text=f"z {one.z:.1f} against {other.z:.1f}. {flags.BACKGROUND_EFFECT.sentence}",
                        evidence=(one.finding.image, other.finding.image),
                        source=flags.BACKGROUND_EFFECT.source,
                    )


def _count(muscles: Sequence[Muscle]) -> Iterator[Conclusion]:
    """How many muscles exceed z 2, beside how often chance alone would show one."""
    scores = [muscle.z for muscle in muscles if muscle.z is not None]
    if len(scores) < 2:
        return
    above = sum(score > 2 for score in scores)
    chance = 1 - (1 - CHANCE_ABOVE_Z2) ** len(scores)
    yield Conclusion(
        name=flags.MANY_COMPARISONS.name,
        title="Muscles above z 2",
        text=(
            f"{above} of {len(scores)} compared muscles exceed z 2. In health at least one of {len(scores)} would in "
            f"{chance:.0%} of exams, if muscles were independent."
        ),
        evidence=tuple(_shown(muscles)),
        source="binomial chance at one-sided 2.275 % a muscle",
    )


def _compared(muscles: Sequence[Muscle]) -> Iterator[Compared]:
    """The muscles that have a z-score, as the distribution needs them."""
    for muscle in muscles:
        if muscle.z is not None and muscle.acquisition.structure is not None:
            yield Compared(
                muscle.acquisition.structure,
                muscle.acquisition.side,
                muscle.z,
                muscle.z_of("muscle_thickness"),
                muscle.finding.image,
            )


def _shown(muscles: Sequence[Muscle]) -> Iterator[FrameRef]:
    return (muscle.finding.image for muscle in muscles if muscle.z is not None)


def _name(muscle: Muscle) -> str:
    return anatomy.structure(muscle.acquisition.structure).name if muscle.acquisition.structure else "Unknown"
