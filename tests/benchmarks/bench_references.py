"""How long the reference store takes: 10,000 comparisons, and fits of 500 subjects, as ratios within this run.

Beside each stands work that cannot be left out: for a comparison the bare formula of z in plain Python, without asking
whether it may be asked; for fits one regression of the same 500 subjects by statsmodels. They take turns; medians.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import statsmodels.api as sm

from reference_store.comparison import Comparison, Question
from reference_store.documents import Model
from reference_store.fitting import linear, making, wide
from reference_store.fitting.cohort import of_values
from reference_store.fitting.shapes import SHAPES, matrix, terms_of
from reference_store.observations import Group
from reference_store.reference_set import ReferenceSet
from reference_store.store import SOURCE_ORDER, bundled
from reference_store.synthetic import ATTESTATION, DEVICE, Truth, both_sides, document, subjects
from reference_store.values import Side, Subject, View

COMPARISONS, SUBJECTS, REPEATS = 10_000, 500, 5
GROUP = Group(
    "muscle_echo_intensity", "biceps_brachii", None, "EXAMPLE", "SYNTH-1", None, None, (), None, None, View.TRANSVERSE
)


def _compare(references: ReferenceSet, question: Question) -> None:
    for _ in range(COMPARISONS):
        if not isinstance(references.compare(question), Comparison):
            raise SystemExit("a comparison was refused: the measurement would be of something else")


def _bare(model: Model) -> float:
    """z and percentile of the same woman, 10,000 times, by the formula alone."""
    total, cov, sd = 0.0, model.covariance, model.residual_sd or 1.0
    coefficients = [term.coefficient for term in model.terms]
    for _ in range(COMPARISONS):
        row = (1.0, 60.0 - 50.0, 0.0)
        mean = sum(b * x for b, x in zip(coefficients, row, strict=True))
        extra = sum(row[i] * row[j] * cov[i][j] for i in range(3) for j in range(3))
        z = (70.0 - mean) / math.sqrt(sd**2 + extra)
        total += 50 * (1 + math.erf(z / math.sqrt(2)))
    return total


def _medians(works: dict[str, Callable[[], object]]) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(REPEATS):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(found) for name, found in times.items()}


def main() -> None:
    """Print medians of five runs, in seconds and as ratios, as JSON."""
    own = document()
    references = ReferenceSet((*bundled(), own), (own.release,), attestations=(ATTESTATION,), source_order=SOURCE_ORDER)
    person = Subject(60.0, "F", 165.0, 62.0)
    muscle = Question(
        "muscle_echo_intensity", 70.0, "[arb'U]", "biceps_brachii", None, Side.LEFT, View.TRANSVERSE, person, DEVICE
    )
    nerve = Question("nerve_csa", 9.0, "mm2", "median_nerve", "wrist", Side.LEFT, View.TRANSVERSE, person, DEVICE)
    people = subjects(SUBJECTS, 1)
    cohort = of_values(GROUP, people, both_sides(Truth(), people, 2))
    design = matrix(terms_of(SHAPES[0], cohort), cohort)
    values = np.array([sides[0] for sides in cohort.sides])
    seconds = _medians(
        {
            "bare formula": lambda: _bare(own.model),
            "muscle": lambda: _compare(references, muscle),
            "nerve": lambda: _compare(references, nerve),
            "one regression": lambda: sm.OLS(values, design).fit().cov_params(),
            "linear": lambda: making.document(linear.fit(cohort), "x", "1.0.0"),
            "lms": lambda: making.document(wide.lms(cohort), "x", "1.0.0"),
            "seven quantiles of statsmodels": lambda: [
                sm.QuantReg(values, design).fit(q=percent / 100) for percent in (2.5, 10, 25, 50, 75, 90, 97.5)
            ],
            "quantile": lambda: making.document(wide.quantiles(cohort), "x", "1.0.0"),
        }
    )
    ratios = {
        f"{name} / {basis}": seconds[name] / seconds[basis]
        for name, basis in (
            ("muscle", "bare formula"),
            ("nerve", "bare formula"),
            ("linear", "one regression"),
            ("lms", "one regression"),
            ("quantile", "seven quantiles of statsmodels"),
        )
    }
    found = {"seconds": seconds, "ratios": ratios}
    rounded = {part: {name: float(f"{value:.3g}") for name, value in each.items()} for part, each in found.items()}
    json.dump(rounded, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
