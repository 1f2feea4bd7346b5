"""Is what came back right? The simulation knows the truth; each check says what was expected."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from service.demo.exam import FileTruth, Truth
from service.demo.returned import Returned, Value

GREY_LEVELS_PER_DB = 255 / 60
"""The simulator shows 60 dB on 255 grey levels."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must be right."""

    what: str
    good: bool
    found: str
    expected: str


def checks(truth: Truth, exam: Returned | None, clip: Returned | None, overlays: int) -> list[Check]:
    """Everything that the demo promises."""
    if exam is None:
        return [Check("report of the simulated exam", False, "none came back", "one")]
    made = list(_exam_checks(truth, exam))
    said = bool(clip and (clip.values or clip.reasons))
    told = (clip.reasons or ("measured",))[0] if clip else "no report"
    made.append(Check("real clip comes back, measured or with a reason", said, told[:100], "a value or a reason"))
    made.append(Check("overlays at the PACS", overlays >= 5, f"{overlays}", "at least 5"))
    return made


def truth_of(value: Value, truth: Truth) -> str:
    """What the simulation put there, as the table shows it."""
    known = _known(value, truth)
    if known is None:
        return ""
    if value.measure == "area" and known.area_mm2:
        return f"{known.area_mm2:.1f} mm²"
    if value.measure == "thickness" and known.thickness_mm:
        return f"{known.thickness_mm:.1f} mm"
    if value.measure == "fasciculations":
        return f"{len(known.twitches)}"
    if value.measure == "echo intensity" and known.echo_db is not None:
        return f"tissue at {known.echo_db:+.0f} dB"
    return ""


def _known(value: Value, truth: Truth) -> FileTruth | None:
    """The file that a value speaks of: by side and structure, cine or still, lengthwise or across."""
    text = value.structure.lower()
    for one in truth.files:
        named = one.structure.replace("_", " ") in text and one.side in text
        cine = bool(one.twitches) == (value.measure == "fasciculations")
        lengthwise = value.measure != "thickness" or one.view == "longitudinal" or "biceps" in one.structure
        if named and cine and lengthwise:
            return one
    return None


def _exam_checks(truth: Truth, exam: Returned) -> Iterable[Check]:
    def whole(structure: str, measure: str) -> float | None:
        """The value over all images; of one image where there is no other."""
        mine = [one for one in exam.values if one.measure == measure and structure in one.structure.lower()]
        mine.sort(key=lambda one: "all images" not in one.tracking)
        return mine[0].value if mine else None

    left, right = whole("left biceps", "echo intensity"), whole("right biceps", "echo intensity")
    levels = {one.side: one.echo_db for one in truth.files if one.structure == "biceps_brachii" and not one.twitches}
    expected = ((levels["right"] or 0) - (levels["left"] or 0)) * GREY_LEVELS_PER_DB
    found = None if left is None or right is None else right - left
    yield _near("right less left biceps, grey levels", found, expected, 3.0)
    lengthwise = next(one for one in truth.files if one.view == "longitudinal")
    yield _near("thickness of tibialis anterior, mm", whole("tibialis", "thickness"), lengthwise.thickness_mm or 0, 0.8)
    nerve = next(one for one in truth.files if one.area_mm2)
    yield _near("area of the median nerve, mm²", whole("median", "area"), nerve.area_mm2 or 0, 2.0)
    cine = next(one for one in truth.files if one.twitches)
    yield _near("fasciculations in ten seconds", whole("biceps", "fasciculations"), len(cine.twitches), 1.0)
    refused = [one for one in exam.reasons if "Tibialis anterior" in one and "needs-region" in one]
    yield Check(
        "muscle across without a trace", bool(refused), "refused" if refused else "no word", "refused, with why"
    )


def _near(what: str, found: float | None, expected: float, within: float) -> Check:
    good = found is not None and abs(found - expected) <= within
    told = "nothing came back" if found is None else f"{found:.1f}"
    return Check(what, good, told, f"{expected:.1f} ± {within:g}")


def worst(made: Sequence[Check]) -> int:
    """Exit status: 0 when all is right."""
    return int(not all(one.good for one in made))
