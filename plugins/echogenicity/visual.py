"""A suggested visual class with its features, and what a reader said.

The class (normal, uncertain, abnormal) is a suggestion from measured features. It is not a Heckmatt grade: grades and
z-scores correlate at 0.60 only, and the median z-score of grade 2 is that of health (Wijntjes 2022), so none is made
from the other. A grade that a reader gave is passed on as given. All limits are proposals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from plugins.contract import Acquisition, Action, Flag, Observation
from plugins.echogenicity import codes, flags, pitfalls
from plugins.echogenicity.limits import Limits
from plugins.echogenicity.muscles import lacks_backstop

RAISED_Z, MARKED_Z = 2.0, 3.5
SOURCE = "nmus rule, limits are proposals; not a Heckmatt grade"


@dataclass(frozen=True, slots=True)
class Features:
    """What the class rests on; a feature is ``None`` where it was not measured."""

    brightness: int | None
    """0 not raised, 1 raised, 2 markedly raised."""
    brightness_text: str
    border: int | None
    """0 distinct, 1 diminished, 2 lost."""
    fascicles_lost: bool | None

    @property
    def text(self) -> str:
        """The features as a phrase."""
        border = {None: "not used", 0: "distinct", 1: "diminished", 2: "lost"}[self.border]
        fascicles = {None: "not assessed", False: "visible", True: "hardly visible"}[self.fascicles_lost]
        return f"{self.brightness_text}; echo of the deep border {border}; fascicles {fascicles}"


def features_of(acquisition: Acquisition, values: Mapping[str, float], z: float | None, limits: Limits) -> Features:
    """Brightness, deep border and fascicles of the averaged values."""
    brightness, text = _brightness(z)
    border = None
    contrast = values.get("deep_border_contrast")
    if contrast is not None and not lacks_backstop(acquisition.structure or ""):
        border = int(contrast < limits.distinct_border) + int(contrast < limits.faint_border)
    return Features(brightness, text, border, pitfalls.low_anisotropy(acquisition.view, values, limits))


def suggested_class(features: Features, raised: Sequence[Flag]) -> Observation | None:
    """The class; ``None`` without a z-score, unless architecture or deep border alone speak for doubt."""
    signs = int((features.border or 0) > 0) + int(features.fascicles_lost is True)
    value, why = codes.CLASS_UNCERTAIN, ""
    if features.brightness is None and signs == 0:
        return None
    if features.brightness == 2 or (features.brightness == 1 and signs > 0):
        value = codes.CLASS_ABNORMAL
        if flags.OLD_TIBIALIS in raised:
            value, why = codes.CLASS_UNCERTAIN, "; not called abnormal over eighty years of age"
    elif features.brightness == 0 and signs == 0:
        block = pitfalls.blocking(raised, Action.BLOCK_NORMAL)
        value = codes.CLASS_NORMAL if block is None else codes.CLASS_UNCERTAIN
        why = "" if block is None else f"; not called normal: {block.name.replace('_', ' ')}"
    return Observation(
        "suggested_class", codes.SUGGESTED_CLASS, value, f"{value.meaning} ({features.text}{why})", SOURCE
    )


def reader_grades(acquisition: Acquisition) -> tuple[Observation, ...]:
    """What readers said, coded where the scale is Heckmatt's, else as they wrote it."""
    observations = []
    for scale, grade in acquisition.reader_grades:
        value = codes.READER_GRADE_TEXT
        if scale.strip().lower() == "heckmatt":
            value = codes.HECKMATT.get(grade.strip(), codes.READER_GRADE_TEXT)
        observations.append(
            Observation("reader_grade", codes.READER_GRADE, value, f"{scale} {grade}, given by a reader", "reader")
        )
    return tuple(observations)


def _brightness(z: float | None) -> tuple[int | None, str]:
    """0 to 2 from the z-score, with the words for it. Nothing else will do.

    Against the subcutaneous tissue healthy muscle is anything from half to twice as bright (0.44 to 2.11 in 52
    published images), so that ratio is reported but decides nothing.
    """
    if z is None:
        return None, "brightness not compared"
    level = int(z > RAISED_Z) + int(z > MARKED_Z)
    return level, f"brightness {('not raised', 'raised', 'markedly raised')[level]} (z {z:.1f})"
