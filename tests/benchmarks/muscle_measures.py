"""How right the muscle's measures are where the truth is known: simulated stills, and observers on published frames.

Run: ``python tests/benchmarks/muscle_measures.py [STILLS]``. The true contour is given as a drawing, so that this
measures the measures and not the search for the muscle (for that see plugins/echogenicity/region). Prints medians,
90th percentiles and bootstrap 95 % intervals; the numbers stand in plugins/echogenicity/README.md.
"""

from __future__ import annotations

import resource
import sys
import time

import cv2
import numpy as np

from plugins.contract import (
    Acquisition,
    ArrayFrames,
    Clip,
    Finding,
    NoReferences,
    Region,
    RegionOrigin,
    RegionShape,
    Side,
    Spacing,
    TissueRegion,
    View,
)
from plugins.echogenicity import Echogenicity
from service.demo.simulator import LongitudinalMuscle, Picture, TransverseMuscle, still

PICTURE = Picture()


def measured(tissue: object, grey: np.ndarray, view: View) -> dict[str, float]:
    """All values of one still whose true contour is drawn."""
    points = tuple(PICTURE.point(x, z) for x, z in tissue.outline_mm)
    drawn = Region(RegionShape.POLYGON, points, RegionOrigin.REGIONS_FILE, structure="tibialis_anterior")
    regions = (TissueRegion(PICTURE.box, Spacing(PICTURE.spacing_mm, PICTURE.spacing_mm)),)
    clip = Clip("1.1", "1", ArrayFrames(grey), regions, drawn=(drawn,))
    found = Echogenicity().analyse(Acquisition("tibialis_anterior", Side.LEFT, None, view, (clip,)), NoReferences())[0]
    assert isinstance(found, Finding), found
    return {measurement.name: measurement.value for measurement in found.measurements}


def line(name: str, errors: list[float], unit: str) -> None:
    """Median and 90th percentile of absolute errors with bootstrap intervals, and the bias."""
    size, rng = np.abs(errors), np.random.default_rng(0)
    draws = rng.choice(size, (2000, len(size)))
    low, high = np.percentile(np.median(draws, axis=1), [2.5, 97.5])
    print(
        f"{name:34s} n {len(size):3d}  median {np.median(size):.3f} ({low:.3f}-{high:.3f})  "
        f"p90 {np.percentile(size, 90):.3f}  largest {size.max():.3f}  bias {np.mean(errors):+.3f} {unit}"
    )


def longitudinal(count: int) -> None:
    """Thickness, fat and angles of pennate muscles of random build."""
    rng = np.random.default_rng(11)
    thick, fat, fibre, pennation, answered = [], [], [], [], 0
    for seed in range(count):
        slope = float(rng.uniform(-0.08, 0.08))
        upper = float(rng.uniform(5, 9))
        tissue = LongitudinalMuscle(
            upper_mm=upper,
            lower_mm=upper + float(rng.uniform(10, 20)),
            slope=slope,
            pennation_rad=float(rng.uniform(0.1, 0.45)),
            fat_mm=upper - 1.6,
            echo_db=float(rng.uniform(-12, -2)),
            texture=float(rng.uniform(0.6, 1.4)),
        )
        values = measured(tissue, still(tissue, PICTURE, seed), View.LONGITUDINAL)
        thick.append(values["muscle_thickness"] - tissue.thickness_mm * np.cos(np.arctan(slope / 2)))
        fat.append(values["subcutaneous_thickness"] - upper)
        if "fibre_angle" in values:
            answered += 1
            fibre.append(values["fibre_angle"] - np.degrees(tissue.pennation_rad))
            truth = abs(np.degrees(tissue.pennation_rad) + np.degrees(np.arctan(slope)))
            pennation.append(values["pennation_angle"] - truth)
    line("thickness, contour given", thick, "mm")
    line("subcutaneous thickness", fat, "mm")
    line("fibre angle", fibre, "deg")
    line("pennation angle", pennation, "deg")
    print(f"angle answered in {answered} of {count}; within 3 deg in {np.mean(np.abs(fibre) <= 3):.3f} of those")


def transverse(count: int) -> None:
    """Area, order of echo intensity, sign of attenuation, and what gain and JPEG do to the mean."""
    rng = np.random.default_rng(12)
    area, order, sign, jpeg, seconds = [], [], [], [], []
    for seed in range(count):
        size = (float(rng.uniform(18, 32)), float(rng.uniform(9, 18)))
        levels = np.sort(rng.uniform(-12, 0, 2))
        if levels[1] - levels[0] < 1:
            levels[1] = levels[0] + 1
        pair = [TransverseMuscle(size_mm=size, echo_db=float(level)) for level in levels]
        stills = [still(tissue, PICTURE, seed) for tissue in pair]
        dark, bright = (measured(t, g, View.TRANSVERSE) for t, g in zip(pair, stills, strict=True))
        order.append(bright["echo_intensity_mean"] > dark["echo_intensity_mean"])
        area.append(100 * (dark["cross_sectional_area"] / shoelace(pair[0].outline_mm) - 1))
        loss = float(rng.uniform(2.5, 6) * rng.choice([-1, 1]))
        steep = TransverseMuscle(size_mm=size, echo_db=-3, attenuation_db_cm=loss)
        slope = measured(steep, still(steep, PICTURE, seed), View.TRANSVERSE)["echo_intensity_slope"]
        sign.append(np.sign(slope) == -np.sign(loss))
        coded = cv2.imdecode(cv2.imencode(".jpg", stills[0], [cv2.IMWRITE_JPEG_QUALITY, 90])[1], cv2.IMREAD_GRAYSCALE)
        jpeg.append(measured(pair[0], coded, View.TRANSVERSE)["echo_intensity_mean"] - dark["echo_intensity_mean"])
        start = time.process_time()
        measured(pair[0], stills[0], View.TRANSVERSE)
        seconds.append(1000 * (time.process_time() - start))
    line("cross-sectional area, contour given", area, "%")
    line("mean after JPEG 90", jpeg, "grey levels")
    print(f"order of echo intensity right in {np.mean(order):.3f} of {count} pairs at least 1 dB apart")
    print(f"sign of attenuation right in {np.mean(sign):.3f} of {count} (2.5 to 6 dB/cm either way)")
    print(f"processor time for a still and its average, contour given: median {np.median(seconds):.0f} ms")
    print(f"peak resident memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def shoelace(points: tuple[tuple[float, float], ...]) -> float:
    """Area of a closed polygon."""
    column, row = np.array(points).T
    return float(abs(np.dot(column[:-1], row[1:]) - np.dot(row[:-1], column[1:])) / 2)


if __name__ == "__main__":
    stills = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    longitudinal(stills)
    transverse(stills)
