"""How far the fasciae move when nothing about the muscle does: ``python tests/benchmarks/muscle_region_invariance.py``.

Published pictures (``NMUS_DATA``), most of which the shipped networks were trained on, so that only their stability is
meant; and simulated stills for the crop. Printed: median and largest movement as a share of the thickness, and what
the mean grey level inside the outline does.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from plugins.echogenicity.region import Located, locate
from plugins.echogenicity.training import truth
from plugins.echogenicity.training.truth import mean_inside
from reference_store.values import View
from service.demo.simulator import LongitudinalMuscle, Picture, still

Image = npt.NDArray[np.uint8]
CROP = 5
CUT = (Picture().box.column0 + CROP, Picture().box.row0 + CROP)
"""Columns and rows that are cut off."""
Points = npt.NDArray[np.float64]
Change = Callable[[Image], Image]
Back = Callable[[Points, int], Points]
"""From a place in the changed picture to the one before, given the width."""


def find(grey: Image) -> Located:
    return locate(grey, np.zeros(grey.shape, bool), View.LONGITUDINAL, None, None, None)


def gained(factor: float) -> Change:
    return lambda grey: np.clip(grey.astype(np.float32) * factor, 0, 255).round().astype(np.uint8)


def jpeg(grey: Image) -> Image:
    raw = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
    return np.asarray(cv2.imdecode(raw, cv2.IMREAD_GRAYSCALE), np.uint8)


def mirrored(grey: Image) -> Image:
    return np.ascontiguousarray(grey[:, ::-1])


def cropped(grey: Image) -> Image:
    """Without the first rows and columns of the field."""
    return np.ascontiguousarray(grey[CUT[1] :, CUT[0] :])


def moved(before: Located, after: Located, back: Back, width: int) -> float:
    """Largest median distance of a line from where it was, in % of the thickness."""
    pairs = ((before.superficial, after.superficial), (before.deep, after.deep))
    lines = [(np.array(old), back(np.array(new), width)) for old, new in pairs]
    thickness = float(np.median(lines[1][0][:, 1]) - np.median(lines[0][0][:, 1]))
    off = [np.median(np.abs(old[:, 1] - np.interp(old[:, 0], new[:, 0], new[:, 1]))) for old, new in lines]
    return 100 * float(max(off)) / thickness


def report(name: str, pictures: list[Image], change: Change, back: Back) -> None:
    distances, greys, lost = [], [], 0
    for grey in pictures:
        before, changed = find(grey), change(grey)
        after = find(changed)
        if before.outline is None or after.outline is None:
            lost += (before.outline is None) != (after.outline is None)
            continue
        distances.append(moved(before, after, back, grey.shape[1]))
        ratio = mean_inside(changed, np.array(after.outline)) / mean_inside(grey, np.array(before.outline))
        greys.append(100 * (ratio - 1))
    print(
        f"{name}: {len(distances)} pictures, lines move by {np.median(distances):.2f} % of the thickness, at most "
        f"{max(distances):.2f} %; mean grey {np.median(greys):+.2f} %; {lost} answered only before or only after"
    )


def main() -> None:
    real = [case.grey for case in truth.cases()][5::15]
    for name, change in (("gain +10 %", gained(1.1)), ("gain -10 %", gained(0.9)), ("JPEG 90", jpeg)):
        report(name, real, change, lambda points, _: points)
    report("mirrored", real, mirrored, lambda points, width: np.stack((width - points[:, 0], points[:, 1]), 1)[::-1])
    muscles = [LongitudinalMuscle(upper_mm=5.5 + 0.2 * k, lower_mm=20 + 0.4 * k) for k in range(12)]
    stills = [still(muscle, Picture(), seed) for seed, muscle in enumerate(muscles)]
    report(f"{CROP} px cropped", stills, cropped, lambda points, _: points + CUT)


if __name__ == "__main__":
    main()
