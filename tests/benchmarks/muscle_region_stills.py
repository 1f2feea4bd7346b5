"""The muscle finder on simulated stills whose truth is known: ``python tests/benchmarks/muscle_region_stills.py 60``.

Two kinds of scenes, a pixel being 0.1 mm. In the first the fat ends at the upper fascia. In the second a further
fascia lies 5.6 mm deep wherever the muscle begins: in the fat, on the fascia, or within the muscle's first millimetres.
There is no truth about which of two lines so close together is the fascia; what is asked is that no error be large.
"""

from __future__ import annotations

import sys

import numpy as np

from plugins.echogenicity.region import Located, locate
from plugins.echogenicity.training.calibrate import share_text
from plugins.images import Spacing
from reference_store.values import View
from service.demo.simulator import LongitudinalMuscle, Picture, still

MM = 0.1
FIELD = Picture().box
POINTS = 49
"""Points of each fascia, and so of each half of the outline."""


def scene(seed: int, stray: bool) -> LongitudinalMuscle:
    """One muscle of random depth, thickness, slope, brightness and pennation."""
    random = np.random.default_rng(seed)
    upper = float(random.uniform(5, 9))
    return LongitudinalMuscle(
        upper_mm=upper,
        lower_mm=float(random.uniform(17, 27)),
        slope=float(random.uniform(-0.06, 0.06)),
        echo_db=float(random.uniform(-12, -4)),
        pennation_rad=float(random.uniform(0.15, 0.4)),
        fat_mm=4.4 if stray else upper - 1.6,
    )


def errors(muscle: LongitudinalMuscle, found: Located) -> tuple[float, float, float] | None:
    """Pixels by which the outline is too thick, and the median distance of either fascia's centre; ``None`` unanswered.

    The simulator puts the centres of its fasciae 0.45 mm outside the muscle.
    """
    if found.outline is None:
        return None
    rows = np.array(found.outline)[:, 1]
    # the middle four fifths, as thickness is measured
    cut = POINTS // 10
    thick = float(np.mean((rows[POINTS : 2 * POINTS][::-1] - rows[:POINTS])[cut:-cut])) - muscle.thickness_mm / MM
    upper, lower = np.array(found.superficial), np.array(found.deep)
    off = [float(np.median(np.abs(upper[:, 1] - FIELD.row0 - (muscle.upper_mm - 0.45) / MM)))]
    true = muscle.lower_mm + muscle.slope * (lower[:, 0] - FIELD.column0) * MM + 0.45
    off.append(float(np.median(np.abs(lower[:, 1] - FIELD.row0 - true / MM))))
    return thick, off[0], off[1]


def report(count: int, stray: bool) -> None:
    """Print the numbers of one kind of scene."""
    found = []
    for seed in range(count):
        muscle = scene(seed, stray)
        grey = still(muscle, Picture(), seed)
        answer = locate(
            grey, np.zeros(grey.shape, bool), View.LONGITUDINAL, "tibialis_anterior", Spacing(MM, MM), FIELD
        )
        found.append(errors(muscle, answer))
    answered = np.array([each for each in found if each is not None])
    thick, off = np.abs(answered[:, 0]), answered[:, 1:].max(axis=1)
    # 2 % of the picture's height, as for the published pictures
    right = off < 0.02 * (FIELD.row1 - FIELD.row0)
    print("a further fascia 5.6 mm deep" if stray else "the fat ends at the fascia")
    print("  answered:", share_text(len(answered), count))
    print("  both lines right:", share_text(int(right.sum()), len(answered)))
    print("  outline's thickness within 1 px:", share_text(int((thick <= 1).sum()), len(answered)))
    low, middle, high = np.quantile(answered[:, 0], [0.1, 0.5, 0.9])
    print(f"  thickness error in px: median {middle:.2f}, 10th to 90th percentile {low:.2f} to {high:.2f}")
    print(f"  at worst {thick.max():.1f} px; distance of a fascia's centre, at worst {off.max():.1f} px")


def main() -> None:
    """Both kinds of scenes."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    for stray in (False, True):
        report(count, stray)


if __name__ == "__main__":
    main()
