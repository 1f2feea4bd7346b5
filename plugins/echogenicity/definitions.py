"""Every number the muscle analysis can give: its name, code, unit and the line that defines it.

In the order in which they are shown: what a reader looks for first comes first.
"""

from __future__ import annotations

from dataclasses import dataclass

from plugins import codes
from plugins.contract import Code
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


DEFINITIONS = (
    Measure(
        "echo_intensity_mean",
        codes.ECHOGENICITY,
        GREY,
        "mean of all 8-bit grey levels whose pixel centre lies in the outline, black ones included (ImageJ's rule)",
        codes.MEAN,
    ),
    Measure(
        "muscle_thickness",
        codes.THICKNESS,
        "mm",
        "mean distance between the inner edges of superficial and deep fascia over the central 80 % of the width, "
        "perpendicular to their midline; in cross-section the largest extent along the beam",
    ),
    Measure(
        "cross_sectional_area",
        codes.AREA,
        "mm2",
        "number of pixels in the muscle's outline times the area of one; only where the muscle is wholly seen",
        method=codes.AREA_OF_CLOSED_IRREGULAR_POLYGON,
    ),
    Measure(
        "subcutaneous_thickness",
        muscle.FAT_THICKNESS,
        "mm",
        "median distance from the skin's surface to the superficial fascia, perpendicular to the fascia, skin included",
    ),
    Measure(
        "pennation_angle",
        muscle.PENNATION_ANGLE,
        "deg",
        "acute angle between the fascicles' direction and the deep aponeurosis",
    ),
    Measure(
        "echo_variation",
        muscle.ECHO_VARIATION,
        "%",
        "EV: standard deviation over mean of the grey levels in the outline, times 100 (Martínez-Payá 2017)",
    ),
    Measure(
        "echo_intensity_slope",
        muscle.DEPTH_SLOPE,
        "[arb'U]/cm",
        "least-squares slope of grey levels over depth in the region, outermost 1 mm left out; negative: darker below",
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
    Measure(
        "region_depth",
        muscle.REGION_DEPTH,
        "mm",
        "mean depth of the outline's pixels below the skin's surface, along the beam",
    ),
    Measure(
        "fascia_slant",
        muscle.FASCIA_SLANT,
        "deg",
        "angle of the superficial fascia to the horizontal of the picture, without sign",
    ),
    Measure(
        "echo_intensity_superficial_third",
        muscle.SUPERFICIAL_THIRD,
        GREY,
        "mean grey level of the upper third of every column of the region, outermost 1 mm left out",
        codes.MEAN,
    ),
    Measure(
        "echo_intensity_middle_third",
        muscle.MIDDLE_THIRD,
        GREY,
        "mean grey level of the middle third of every column of the region, outermost 1 mm left out",
        codes.MEAN,
    ),
    Measure(
        "echo_intensity_deep_third",
        muscle.DEEP_THIRD,
        GREY,
        "mean grey level of the lower third of every column of the region, outermost 1 mm left out",
        codes.MEAN,
    ),
    Measure(
        "echo_intensity_thirds_difference",
        muscle.THIRDS_DIFFERENCE,
        GREY,
        "superficial third less deep third",
    ),
    Measure(
        "subcutaneous_echo_intensity",
        muscle.FAT_ECHO,
        GREY,
        "mean grey level from 1.5 mm below the skin's surface to 1 mm above the muscle",
        codes.MEAN,
    ),
    Measure(
        "muscle_to_subcutaneous_ratio",
        muscle.MUSCLE_TO_FAT,
        "1",
        "mean grey level of the muscle over that of the subcutaneous tissue",
    ),
    Measure(
        "deep_border_echo",
        muscle.DEEP_BORDER_ECHO,
        GREY,
        "peak grey level from 1 mm above to 4 mm below the deep border (bone or fascia), averaged along 3 mm; median",
    ),
    Measure(
        "deep_border_contrast",
        muscle.DEEP_BORDER_CONTRAST,
        GREY,
        "echo of the deep border less the mean grey level of the deep third",
    ),
    Measure(
        "anisotropy",
        muscle.ANISOTROPY,
        "1",
        "coherence of the structure tensor over the region, gradients at 0.2 mm: 0 no direction, 1 parallel lines",
    ),
    Measure(
        "fibre_angle",
        muscle.FIBRE_ANGLE,
        "deg",
        "angle at which means along parallel lines differ most, to the horizontal; positive: rising to the right",
    ),
    *(
        Measure(
            f"{family}_{feature}",
            Code(value, "IBSI", meaning),
            "1",
            f"IBSI {value}, 2D averaged over four directions, 0.1 mm pixels by linear interpolation, 32 bins"
            + (", distance 1" if family == "glcm" else ""),
        )
        for family, feature, value, meaning in muscle.TEXTURE
    ),
    Measure(
        "bright_area_share",
        muscle.BRIGHT_AREA_SHARE,
        "%",
        "share of areas (2 mm or wider) whose local mean (0.4 mm) exceeds the median by 2 spreads of the darker half",
    ),
    Measure(
        "dark_island_count",
        muscle.DARK_ISLANDS,
        "{counts}",
        "round areas of 2 to 6 mm (at half depth) with local mean 2 spreads of the brighter half below the median",
    ),
    Measure(
        "shadowing_spot_count",
        muscle.SHADOWING_SPOTS,
        "{counts}",
        "spots of 0.8 to 12 mm above grey level 200 behind which the echo is under half of that beside them",
    ),
    Measure(
        "local_variation",
        muscle.LOCAL_VARIATION,
        "%",
        "standard deviation of local means (0.4 mm) over their mean, times 100",
    ),
    Measure(
        "neighbour_difference",
        muscle.NEIGHBOUR_DIFFERENCE,
        GREY,
        "mean grey level of the muscle less that of the neighbouring muscle drawn in the same image",
    ),
    Measure(
        "calibrated_backscatter",
        muscle.CALIBRATED_BACKSCATTER,
        "dB",
        "gain at which the site's phantom is as bright as the muscle, less the gain of the image (Zaidman 2008)",
    ),
)
