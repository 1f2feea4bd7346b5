"""Every number the muscle analysis can give: its name, code, unit and the line that defines it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from plugins import codes
from plugins.contract import Code, Comparison, Measurement, Refusal
from plugins.echogenicity import codes as muscle

GREY = "[arb'U]"


@dataclass(frozen=True, slots=True)
class Measure:
    """What a number means, apart from its value."""

    name: str
    code: Code
    unit: str
    definition: str
    derivation: Code | None = None
    method: Code | None = None


_ALL = (
    Measure(
        "echo_intensity_mean",
        codes.ECHOGENICITY,
        GREY,
        "mean of all 8-bit grey levels whose pixel centre lies in the outline, black ones included (ImageJ's rule)",
        codes.MEAN,
    ),
    Measure(
        "echo_intensity_sd",
        codes.ECHOGENICITY,
        GREY,
        "sample standard deviation of the grey levels in the outline (divisor n − 1, as ImageJ)",
        codes.STANDARD_DEVIATION,
    ),
    Measure(
        "echo_intensity_median",
        codes.ECHOGENICITY,
        GREY,
        "lowest grey level that half of the pixels in the outline do not exceed",
        codes.MEDIAN,
    ),
    Measure(
        "echo_intensity_p5",
        muscle.PERCENTILE_5,
        GREY,
        "lowest grey level that 5 % of the pixels in the outline do not exceed",
    ),
    Measure(
        "echo_intensity_p95",
        muscle.PERCENTILE_95,
        GREY,
        "lowest grey level that 95 % of the pixels in the outline do not exceed",
    ),
    Measure(
        "echo_intensity_skewness",
        codes.ECHOGENICITY,
        "1",
        "third standardised moment of the grey levels in the outline",
        muscle.SKEWNESS,
    ),
    Measure(
        "echo_intensity_kurtosis",
        codes.ECHOGENICITY,
        "1",
        "fourth standardised moment of the grey levels in the outline, less 3",
        muscle.KURTOSIS,
    ),
    Measure(
        "fraction_at_0",
        muscle.SHARE_AT_0,
        "%",
        "pixels in the outline at grey level 0, of all measured pixels",
    ),
    Measure(
        "fraction_at_255",
        muscle.SHARE_AT_255,
        "%",
        "pixels in the outline at grey level 255, of all measured pixels",
    ),
    Measure(
        "fraction_coloured",
        muscle.SHARE_COLOURED,
        "%",
        "pixels in the outline that are coloured (marks, text, Doppler); left out of every figure",
    ),
    Measure(
        "echo_variation",
        muscle.ECHO_VARIATION,
        "%",
        "EV: standard deviation over mean of the grey levels in the outline, times 100 (Martínez-Payá 2017)",
    ),
    Measure(
        "image_count",
        muscle.IMAGES_AVERAGED,
        "{counts}",
        "images whose values were averaged",
    ),
    Measure(
        "echo_intensity_spread",
        muscle.SPREAD_OVER_IMAGES,
        "%",
        "standard deviation of the images' mean grey levels over their mean, times 100",
    ),
    Measure(
        "region_area",
        muscle.REGION_AREA,
        "mm2",
        "number of pixels in the outline times the area of one",
    ),
)

MEASURES: Mapping[str, Measure] = {measure.name: measure for measure in _ALL}


def measured(
    name: str,
    value: float,
    uncertainty: float | None = None,
    comparison: Comparison | Refusal | None = None,
) -> Measurement:
    """The measurement of that name.

    Raises
    ------
    KeyError
        For a name that is not declared here.
    """
    measure = MEASURES[name]
    return Measurement(
        name=measure.name,
        code=measure.code,
        value=float(value),
        unit=measure.unit,
        derivation=measure.derivation,
        method=measure.method,
        definition=measure.definition,
        uncertainty=uncertainty,
        comparison=comparison,
    )


def compared(measurement: Measurement, comparison: Comparison | Refusal) -> Measurement:
    """The same measurement with what the reference store said of it."""
    return replace(measurement, comparison=comparison)
