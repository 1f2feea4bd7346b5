"""Is a reference right for this place? A check on local controls, and one reference against another."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from scipy import stats

from reference_store import validity
from reference_store.applying import Signed, in_its_unit, of_its_device, of_its_place, unsigned
from reference_store.documents import Document
from reference_store.observations import Observation
from reference_store.predicting import score
from reference_store.scores import Score
from reference_store.terms import COVARIATE_WORDS, covariates
from reference_store.units import factor
from reference_store.values import Side, Subject

ENOUGH, _ALLOWED = 20, 0.10
"""CLSI EP28-A3c: 20 local controls, accepted when no more than two lie outside."""
_SHIFTED = 2.58
"""Standard errors of the mean z: chance goes beyond in one right reference of a hundred."""


@dataclass(frozen=True, slots=True)
class Validation:
    """How local controls lie against a reference."""

    release: str
    n: int
    """Controls that could be compared, one side of each."""
    outside: int
    refused: tuple[tuple[str, str], ...]
    """Controls that the reference may not speak of, with the reason."""
    mean_z: float | None
    sd_z: float | None
    accepted: bool
    text: str
    power: str
    """What this test can and cannot see, in numbers."""


def validate(document: Document, controls: Sequence[Observation], signed: Signed = unsigned) -> Validation:
    """Compare controls, one side each, and judge. Too few controls are never accepted.

    Controls of another device or setting, or whom the reference may not speak of, are named and not compared.
    """
    refused: list[tuple[str, str]] = []
    outside, deviates = 0, []
    mine = [found for found in controls if of_its_place(document, found)]
    people = {found.subject_key: found for found in sorted(mine, key=_second_choice, reverse=True)}
    n = 0
    for key, found in sorted(people.items()):
        stopped = _stopped(document, found, signed)
        if stopped:
            refused.append((key, stopped))
            continue
        value = in_its_unit(document, found)
        result = score(document, value, covariates(found.subject))
        n += 1
        outside += result.outside(value) is not None
        if result.z is not None:
            deviates.append(result.z)
    allowed = int(_ALLOWED * n)
    accepted = n >= ENOUGH and outside <= allowed
    verdict = f"{outside} of {n} controls outside the limits, {allowed} allowed{_shifted(deviates)}"
    if n < ENOUGH:
        verdict = f"{n} controls are too few: {ENOUGH} are needed"
    return Validation(
        release=document.release,
        n=n,
        outside=outside,
        refused=tuple(refused),
        mean_z=statistics.fmean(deviates) if deviates else None,
        sd_z=statistics.stdev(deviates) if len(deviates) > 1 else None,
        accepted=accepted,
        text=verdict,
        power=_power(n, allowed),
    )


def _shifted(deviates: Sequence[float]) -> str:
    """Counting outsiders sees little; a mean z that chance does not explain is said beside it."""
    if len(deviates) < 2:
        return ""
    mean = statistics.fmean(deviates)
    if abs(mean) * math.sqrt(len(deviates)) <= _SHIFTED * max(statistics.stdev(deviates), 1.0):
        return ""
    return f"; but they lie {abs(mean):.1f} SD {'above' if mean > 0 else 'below'} what the reference expects: look why"


def _stopped(document: Document, found: Observation, signed: Signed) -> str | None:
    """Why a control may not be compared, or ``None``."""
    other = of_its_device(document, found, signed)
    if other:
        return f"not from the reference's device and settings: {other}"
    stopped = validity.violation(document, found.subject)
    return stopped.text if stopped else None


def _second_choice(found: Observation) -> tuple[bool, str]:
    """Right sides sort after left ones, so that the left one is the one that is kept."""
    return found.side is not Side.LEFT, found.side.value


def _power(n: int, allowed: int) -> str:
    if not n:
        return "nothing was compared"
    right, wrong = (float(stats.binom.cdf(allowed, n, rate)) for rate in (0.05, 0.15))
    return f"a right reference passes in {right:.0%}, one that leaves 15 % outside still in {wrong:.0%} of such checks"


@dataclass(frozen=True, slots=True)
class Contrast:
    """Two references at one age and sex; differences in SD of the first."""

    age: float
    sex: str
    expected: tuple[float, float] | None
    shift: float | None
    """Second expected value minus the first, in SD of the first."""
    spread: float | None
    """SD of the second over SD of the first."""
    upper_shift: float | None
    """Second upper limit minus the first, in SD of the first."""


def contrasts(first: Document, second: Document, height_cm: float = 170.0, weight_kg: float = 70.0) -> list[Contrast]:
    """The two side by side at every tenth year of their common range.

    Raises
    ------
    ValueError
        When they measure different things, or no age is common to both.
    """
    into = factor(second.unit, first.unit)
    if (first.quantity, first.structure) != (second.quantity, second.structure) or into is None:
        raise ValueError(
            f"{first.release} measures {first.quantity} of {first.structure} in {first.unit}, {second.release} "
            f"{second.quantity} of {second.structure} in {second.unit}: nothing to compare"
        )
    if not (set(first.sites) & set(second.sites) or first.sites == second.sites):
        places = [" or ".join(document.sites) or "the standard site" for document in (first, second)]
        raise ValueError(
            f"{first.release} is of {places[0]}, {second.release} of {places[1]}: other places, nothing to compare"
        )
    ranges = [document.validity.age_years or (0.0, 120.0) for document in (first, second)]
    low, high = max(pair[0] for pair in ranges), min(pair[1] for pair in ranges)
    ages = [float(age) for age in range(0, 121, 10) if low <= age <= high] or ([low] if low <= high else [])
    if not ages:
        raise ValueError(f"{first.release} and {second.release} have no age in common")
    people = [Subject(age, sex, height_cm, weight_kg) for age in ages for sex in ("F", "M")]
    return [_contrast(first, second, person, into) for person in people]


def _at(document: Document, known: dict[str, float | None]) -> Score:
    try:
        return score(document, 1.0, known)
    except KeyError as error:
        raise ValueError(f"{document.release} needs {COVARIATE_WORDS[error.args[0]]}, which nobody stated") from error


def _contrast(first: Document, second: Document, subject: Subject, into: float) -> Contrast:
    known = covariates(subject)
    one, two = _at(first, known), _at(second, known)
    two = replace(
        two,
        expected=None if two.expected is None else two.expected * into,
        sd=None if two.sd is None else two.sd * into,
        upper=None if two.upper is None else two.upper * into,
    )
    expected = (one.expected, two.expected) if one.expected is not None and two.expected is not None else None
    upper = None
    if one.sd and one.upper is not None and two.upper is not None:
        upper = (two.upper - one.upper) / one.sd
    return Contrast(
        age=subject.age_years or 0.0,
        sex=subject.sex or "",
        expected=expected,
        shift=(expected[1] - expected[0]) / one.sd if expected and one.sd else None,
        spread=two.sd / one.sd if one.sd and two.sd else None,
        upper_shift=upper,
    )
