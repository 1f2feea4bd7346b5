"""How long the reference store takes: 10,000 comparisons, and a fit of 500 subjects. Run it as a program."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable

from reference_store.comparison import Comparison, Question
from reference_store.fitting import linear, making, wide
from reference_store.fitting.cohort import of_values
from reference_store.observations import Group
from reference_store.reference_set import ReferenceSet
from reference_store.store import SOURCE_ORDER, bundled
from reference_store.synthetic import ATTESTATION, DEVICE, Truth, both_sides, document, subjects
from reference_store.values import Side, Subject, View

COMPARISONS, SUBJECTS, REPEATS = 10_000, 500, 5
GROUP = Group(
    "muscle_echo_intensity", "biceps_brachii", None, "EXAMPLE", "SYNTH-1", None, None, (), None, None, View.TRANSVERSE
)


def _seconds(work: Callable[[], object]) -> float:
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _compare(references: ReferenceSet, question: Question) -> None:
    for _ in range(COMPARISONS):
        if not isinstance(references.compare(question), Comparison):
            raise SystemExit("a comparison was refused: the measurement would be of something else")


def main() -> None:
    """Print medians of five runs as JSON."""
    own = document()
    references = ReferenceSet((*bundled(), own), (own.release,), attestations=(ATTESTATION,), source_order=SOURCE_ORDER)
    person = Subject(60.0, "F", 165.0, 62.0)
    muscle = Question(
        "muscle_echo_intensity", 70.0, "[arb'U]", "biceps_brachii", None, Side.LEFT, View.TRANSVERSE, person, DEVICE
    )
    nerve = Question("nerve_csa", 9.0, "mm2", "median_nerve", "wrist", Side.LEFT, View.TRANSVERSE, person, DEVICE)
    people = subjects(SUBJECTS, 1)
    cohort = of_values(GROUP, people, both_sides(Truth(), people, 2))
    found = {
        "comparisons_muscle_s": _seconds(lambda: _compare(references, muscle)),
        "comparisons_nerve_s": _seconds(lambda: _compare(references, nerve)),
        "fit_linear_500_s": _seconds(lambda: making.document(linear.fit(cohort), "x", "1.0.0")),
        "fit_lms_500_s": _seconds(lambda: making.document(wide.lms(cohort), "x", "1.0.0")),
        "fit_quantile_500_s": _seconds(lambda: making.document(wide.quantiles(cohort), "x", "1.0.0")),
    }
    json.dump({name: round(value, 3) for name, value in found.items()}, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
