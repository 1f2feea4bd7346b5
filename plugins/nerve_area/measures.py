"""What is measured in one nerve outline, each number with its code, unit and definition.

Area is the count of pixels whose centre lies inside the outline, times the calibrated size of a pixel. (A polygon
through pixel centres would lose half a pixel all round: about 3 % of a round 10 mm² nerve at 0.06 mm.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from skimage.filters import threshold_otsu

from plugins import codes as standard
from plugins.contract import Code, Comparison, Measurement, Refusal
from plugins.images import Grey, Mask, Outline, Spacing
from plugins.nerve_area import codes
from plugins.nerve_area.geometry import of_mask
from plugins.outlines import mask_of


@dataclass(frozen=True, slots=True)
class Measure:
    """A number that may be reported of an outline."""

    code: Code
    unit: str
    definition: str
    derivation: Code | None = None


MEASURES: Mapping[str, Measure] = {
    "area": Measure(
        standard.AREA,
        "mm2",
        "pixels whose centre lies inside the outline, times the calibrated pixel area; "
        "inner border of the hyperechoic rim",
    ),
    "perimeter": Measure(standard.PERIMETER, "mm", "length of the outline"),
    "long_axis": Measure(standard.LONG_AXIS, "mm", "long axis of the ellipse with the region's area and moments"),
    "short_axis": Measure(standard.SHORT_AXIS, "mm", "short axis of the ellipse with the region's area and moments"),
    "circularity": Measure(codes.CIRCULARITY, "1", "4π area / perimeter²; 1 for a circle"),
    "flattening": Measure(codes.FLATTENING, "1", "long axis / short axis"),
    "echo_intensity_mean": Measure(
        standard.ECHOGENICITY, "[arb'U]", "mean grey level of all pixels inside, coloured ones left out", standard.MEAN
    ),
    "hypoechoic_fraction": Measure(
        codes.HYPOECHOIC_FRACTION, "%", "share of pixels inside at or below Otsu's threshold of the pixels inside"
    ),
    "distance_to_skin": Measure(
        codes.DISTANCE_TO_SKIN, "mm", "from the top of the picture's tissue to the nearest point of the outline"
    ),
    "area_stated": Measure(codes.STATED_AREA, "mm2", "as the source of the drawing states it; not measured here"),
    "area_found_difference": Measure(
        codes.DRAWN_AND_FOUND_DIFFERENCE, "%", "area found by the network from the drawing, less the area drawn"
    ),
    "parts": Measure(codes.PARTS, "{counts}", "separate parts of the nerve, their areas summed"),
    "area_spread": Measure(
        codes.SPREAD_OVER_IMAGES, "%", "sample SD of the area over the repeated images, per cent of their mean"
    ),
    "image_count": Measure(codes.IMAGES_AVERAGED, "{counts}", "images in the average"),
}


def measured(
    name: str,
    value: float,
    uncertainty: float | None = None,
    comparison: Comparison | Refusal | None = None,
    method: Code | None = None,
) -> Measurement:
    """One number with what ``MEASURES`` says of it."""
    measure = MEASURES[name]
    return Measurement(
        name,
        measure.code,
        float(value),
        measure.unit,
        derivation=measure.derivation,
        method=method,
        definition=measure.definition,
        uncertainty=uncertainty,
        comparison=comparison,
    )


def values_of(outlines: Sequence[Outline], grey: Grey | None, coloured: Mask, spacing: Spacing) -> dict[str, float]:
    """Numbers of one outline, or of the parts of one nerve: areas summed, shape only where there is one part.

    ``grey`` is ``None`` where grey levels mean nothing (tissue under colour).
    """
    masks = [mask_of(outline, coloured.shape) for outline in outlines]
    mask = np.any(masks, axis=0)
    values = {"area": float(mask.sum()) * spacing.area_mm2}
    if not mask.any():
        return values
    if len(outlines) == 1:
        ellipse = of_mask(mask, spacing)
        perimeter = perimeter_mm(outlines[0], spacing)
        values["perimeter"] = perimeter
        values["long_axis"], values["short_axis"] = 2 * ellipse.major_mm, 2 * ellipse.minor_mm
        values["circularity"] = min(1.0, 4 * np.pi * values["area"] / perimeter**2)
        values["flattening"] = ellipse.major_mm / ellipse.minor_mm
    else:
        values["parts"] = float(len(outlines))
    if grey is not None:
        values |= _levels(grey[mask & ~coloured])
    return values


def perimeter_mm(outline: Outline, spacing: Spacing) -> float:
    """Length of a closed outline."""
    steps = np.diff(np.asarray(outline, float), axis=0) * (spacing.column_mm, spacing.row_mm)
    return float(np.hypot(*steps.T).sum())


def _levels(levels: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> dict[str, float]:
    """Mean grey level, and the dark share by Otsu's threshold where there is more than one level."""
    if not len(levels):
        return {}
    values = {"echo_intensity_mean": float(levels.mean())}
    if levels.min() < levels.max():
        values["hypoechoic_fraction"] = 100 * float((levels <= threshold_otsu(levels)).mean())
    return values
