"""Invented references and cohorts of known truth: for tests, the demonstration, and trying the commands out.

Everything made here has status ``synthetic-test`` and names the manufacturer EXAMPLE.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reference_store.attestation import Attestation
from reference_store.documents import Document
from reference_store.reading import parse
from reference_store.values import Device, Subject

DEVICE = Device(
    manufacturer="EXAMPLE",
    model="SYNTH-1",
    serial_number="0001",
    software_versions=("1.0",),
    transducer="L12-4",
    preset="NMUS-muscle-v1",
    depth_mm=40.0,
    lossy=False,
    spacing_mm=(0.1, 0.1),
)
"""The invented scanner that the invented references are locked to."""

ATTESTATION = Attestation("A. Example", "2026-01-05", "NMUS-muscle-v1", DEVICE, (("gain_dB", "50"), ("gray_map", "2")))

_TERMS: list[dict[str, Any]] = [
    {"name": "intercept", "coef": 60.0},
    {"name": "age_y", "center": 50, "coef": 0.25},
    {"name": "sex_male", "coef": -4.0},
]
_COVARIANCE = [[1.2, -0.004, -1.1], [-0.004, 0.002, 0.001], [-1.1, 0.001, 2.2]]


def raw_document(**changes: object) -> dict[str, Any]:
    """A valid document as JSON; a change names a path with double underscores: ``model__residual_sd=9.0``.

    A change to ``None`` removes the field.
    """
    raw: dict[str, Any] = {
        "schema_version": "1.0",
        "model_id": "synthetic.biceps_brachii",
        "version": "0.1.0",
        "status": "synthetic-test",
        "quantity": "muscle_echo_intensity",
        "unit": "[arb'U]",
        "structure": {
            "name": "Biceps brachii",
            "key": "biceps_brachii",
            "site": "",
            "site_key": None,
            "view": "transverse",
            "side_rule": "either",
        },
        "acquisition": {
            "device_bound": True,
            "manufacturer": "EXAMPLE",
            "model_name": "SYNTH-1",
            "transducer": "L12-4",
            "software_versions": ["1.0"],
            "preset_id": "NMUS-muscle-v1",
            "settings": {"depth_mm": 40, "gain_dB": 50, "gray_map": "2"},
            "pixel_chain": {"lossy_allowed": False},
        },
        "population": {"n": 120, "ethnicity_region": "nobody: invented", "repeated_measures": "one_side"},
        "model": {
            "family": "normal_linear",
            "terms": json.loads(json.dumps(_TERMS)),
            "cov": json.loads(json.dumps(_COVARIANCE)),
            "residual_sd": 8.0,
            "residual_df": 117,
            "z_definition": "(y-mu)/sqrt(residual_var + x'Cov x)",
            "flag_limit": {"z": 2.0},
        },
        "validity": {"age_y": [18, 80], "max_leverage": 0.2, "on_violation": "refuse"},
        "provenance": {"citation": "invented numbers", "confidence": "synthetic", "source": "synthetic"},
    }
    for path, value in changes.items():
        *parents, name = path.split("__")
        place = raw
        for parent in parents:
            place = place.setdefault(parent, {})
        if value is None and name != "site_key":
            place.pop(name, None)
        else:
            place[name] = value
    return raw


def document(**changes: object) -> Document:
    """The same as a document. Raises ``DocumentError`` when the changes break it."""
    return parse(json.dumps(raw_document(**changes)), "synthetic")[0]


@dataclass(frozen=True, slots=True)
class Truth:
    """How a cohort's values really come about: ``median by age and sex, spread, and side``."""

    intercept: float = 60.0
    per_year: float = 0.25
    """At age 50 and elsewhere alike: a straight line."""
    male: float = -4.0
    sd: float = 8.0
    sd_growth: float = 0.0
    """Relative growth of the SD per year from age 50: 0.01 makes it 35 % larger at 80."""
    skew: float = 0.0
    """0: normal. Else the SD of the logarithm of log-normal values around the same median, instead of ``sd``."""
    side_correlation: float = 0.8
    """Between the two sides of one subject."""

    def expected(self, subject: Subject) -> float:
        """The median of the population at these covariates."""
        age = subject.age_years or 0.0
        return self.intercept + self.per_year * (age - 50) + (self.male if subject.sex == "M" else 0.0)

    def spread(self, subject: Subject) -> float:
        """The SD at these covariates."""
        return self.sd * math.exp(self.sd_growth * ((subject.age_years or 50.0) - 50))

    def at(self, subject: Subject, deviate: float) -> float:
        """The value of a subject who deviates so much; monotone in the deviate."""
        if self.skew:
            return self.expected(subject) * math.exp(self.skew * deviate)
        return self.expected(subject) + self.spread(subject) * deviate


def subjects(n: int, seed: int, ages: tuple[float, float] = (20.0, 80.0)) -> tuple[Subject, ...]:
    """Adults spread evenly over age and sex, with plausible build."""
    rng = np.random.default_rng(seed)
    people = []
    for number in range(n):
        male = number % 2 == 0
        height = rng.normal(178 if male else 165, 7)
        weight = rng.normal(24.5, 3) * (height / 100) ** 2
        sex = "M" if male else "F"
        people.append(Subject(float(rng.uniform(*ages)), sex, float(height), float(max(weight, 40.0))))
    return tuple(people)


def values(truth: Truth, people: Sequence[Subject], seed: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """One value a subject, as array of shape (n,)."""
    rng = np.random.default_rng(seed)
    return np.array(
        [truth.at(person, deviate) for person, deviate in zip(people, rng.normal(size=len(people)), strict=True)]
    )


def both_sides(truth: Truth, people: Sequence[Subject], seed: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Left and right of each subject, correlated, as array of shape (n, 2)."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(len(people), 1)) * math.sqrt(truth.side_correlation)
    own = rng.normal(size=(len(people), 2)) * math.sqrt(1 - truth.side_correlation)
    deviates = shared + own
    return np.array([[truth.at(person, side) for side in row] for person, row in zip(people, deviates, strict=True)])
