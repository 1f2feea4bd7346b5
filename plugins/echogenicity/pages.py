"""Pictures for the reading station: one page an image, one page a muscle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from plugins.contract import (
    Acquisition,
    Box,
    Chart,
    Clip,
    Comparison,
    Finding,
    Flag,
    HeatMap,
    Line,
    LineRole,
    Measurement,
    Outline,
    Page,
    Panel,
    Refusal,
    Series,
)
from plugins.echogenicity.image import ImageValues
from plugins.titles import title_of

SHOWN = (
    ("echo_intensity_mean", "Echo intensity", ""),
    ("muscle_thickness", "Thickness", "mm"),
    ("cross_sectional_area", "Cross-sectional area", "mm²"),
    ("subcutaneous_thickness", "Subcutaneous tissue", "mm"),
    ("echo_variation", "Echo variation", "%"),
    ("echo_intensity_slope", "Slope with depth", "/cm"),
    ("pennation_angle", "Pennation angle", "°"),
)
MARGIN_PX = 24
LEAST_RANGE = 10.0
"""Grey levels on either side of the mean that the chart of repeats shows at least: small differences look small."""


def image_page(image: ImageValues, acquisition: Acquisition) -> Page:
    """One image with its outline and values, and the depth profile of its region."""
    values = [_words_of(image.values[name], None, label, unit) for name, label, unit in SHOWN if name in image.values]
    text = (*values, f"Region {image.chosen.origin}", "Single image: not compared")
    panels = (replace(_picture(image), text=text), *_profile_panel((image,)))
    return Page(title=title_of(acquisition), panels=panels, footer=_sentences(image.flags))


def muscle_page(
    images: Sequence[ImageValues],
    acquisition: Acquisition,
    finding: Finding,
) -> Page:
    """The average of a muscle: the image nearest to it, depth profiles, repeats with the reference's band, words."""
    named = {measurement.name: measurement for measurement in finding.measurements}
    shown = next(image for image in images if image.image == finding.image)
    lines = [_value_line(named[name], label, unit) for name, label, unit in SHOWN if name in named]
    return Page(
        title=f"{title_of(acquisition)}, mean of {len(images)} image{'s' if len(images) > 1 else ''}",
        panels=(
            _nearest(shown, images),
            *_map_panel(shown),
            *_profile_panel(images),
            *_repeats_panel(images, named["echo_intensity_mean"]),
            Panel(title="Values and comparison", text=_words(lines, named["echo_intensity_mean"], finding)),
        ),
        footer=_sentences(finding.flags),
    )


def _repeats_panel(images: Sequence[ImageValues], echo: Measurement) -> tuple[Panel, ...]:
    """Nothing for a single image without a reference: one point is no chart."""
    if len(images) < 2 and not isinstance(echo.comparison, Comparison):
        return ()
    return (Panel(title="Echo intensity", chart=repeats_chart(images, echo)),)


def repeats_chart(images: Sequence[ImageValues], measurement: Measurement) -> Chart:
    """Each image's mean grey level as a point, their average as a line, the reference's limits as a band."""
    count = float(len(images))
    ends = (0.5, count + 0.5)
    series = []
    comparison = measurement.comparison
    if isinstance(comparison, Comparison) and None not in (comparison.lower_limit, comparison.upper_limit):
        low, high = float(comparison.lower_limit or 0), float(comparison.upper_limit or 0)
        series.append(Series("band", ends, (low, low), (high, high), f"{comparison.limits}, {comparison.reference_id}"))
    elif isinstance(comparison, Comparison) and comparison.upper_limit is not None:
        series.append(Series("limit", ends, (comparison.upper_limit,) * 2, label=comparison.limits))
    numbers = tuple(float(number + 1) for number in range(len(images)))
    series.append(Series("points", numbers, tuple(i.values["echo_intensity_mean"] for i in images), label="image"))
    series.append(Series("line", ends, (measurement.value,) * 2, label="mean"))
    low, high = measurement.value - LEAST_RANGE, measurement.value + LEAST_RANGE
    # a band of one point draws nothing and widens the axis
    series.append(Series("band", (1.0,), (max(low, 0.0),), (high,)))
    return Chart("Repeated images", "image", "echo intensity (grey level)", tuple(series))


def comparison_text(measurement: Measurement) -> tuple[str, ...]:
    """What the reference store said, with its source, or why there is no comparison."""
    comparison = measurement.comparison
    if isinstance(comparison, Refusal):
        return ("not compared", comparison.text, f"Remedy: {comparison.remedy}")
    if comparison is None:
        return ("not compared",)
    parts = []
    if comparison.z is not None:
        spread = f" ± {comparison.z_sd:.1f}" if comparison.z_sd is not None else ""
        parts.append(f"z {comparison.z:+.1f}{spread}")
    if comparison.percentile is not None:
        parts.append(f"percentile {comparison.percentile:.0f}")
    return (", ".join(parts) or "compared", f"Source: {comparison.source}", *comparison.warnings)


def _picture(image: ImageValues) -> Panel:
    """The frame cropped around the tissue, with outline and lines."""
    outline = Line(image.chosen.outline, LineRole.OUTLINE, f"{image.values['echo_intensity_mean']:.1f}")
    return Panel(
        title=image.clip.name,
        image=image.image,
        crop=crop_of(image.clip, image.chosen.outline),
        lines=(outline, *image.lines),
        scale_bar=True,
    )


def _nearest(shown: ImageValues, images: Sequence[ImageValues]) -> Panel:
    """The picture that stands for the average, by the number that it has in the charts beside it."""
    if len(images) < 2:
        return replace(_picture(shown), title="Image")
    number = next(number for number, image in enumerate(images, start=1) if image is shown)
    return replace(_picture(shown), title=f"Image {number}, nearest to the mean")


def _map_panel(image: ImageValues) -> tuple[Panel, ...]:
    """Local mean grey levels over the picture, from black to the region's 99th percentile."""
    if image.local is None:
        return ()
    values = np.where(image.local.inside, image.local.means, np.nan).astype(np.float32)
    high = float(np.ceil(np.nanpercentile(values, 99) / 10) * 10)
    heat = HeatMap(values, image.local.box, "local mean", "", 0.0, max(high, 10.0))
    crop = crop_of(image.clip, image.chosen.outline)
    return (Panel(title="Local echo intensity", image=image.image, crop=crop, heat_map=heat, scale_bar=False),)


def _profile_panel(images: Sequence[ImageValues]) -> tuple[Panel, ...]:
    """Mean grey level over depth below the region's upper border, a line for each image.

    The axis starts at black, so that small differences look small: a band of one point draws nothing else.
    """
    series = tuple(
        Series("line", image.depth.profile_mm, image.depth.profile, label=f"image {number}")
        for number, image in enumerate(images, start=1)
        if image.depth is not None and len(image.depth.profile) > 1
    )
    if not series:
        return ()
    black = Series("band", (0.0,), (0.0,), (0.0,))
    chart = Chart("Depth profile", "depth in the region (mm)", "mean grey level", (*series, black))
    return (Panel(title="Depth profile", chart=chart),)


def _words(values: Sequence[str], echo: Measurement, finding: Finding) -> tuple[str, ...]:
    """Values, comparison and features as lines of one panel, parted by empty ones."""
    features = [observation.text for observation in finding.observations]
    return (*values, "", *comparison_text(echo), *(("", *features) if features else ()))


def _value_line(measurement: Measurement, label: str, unit: str) -> str:
    return _words_of(measurement.value, measurement.uncertainty, label, unit)


def _words_of(value: float, uncertainty: float | None, label: str, unit: str) -> str:
    """``Thickness: 12.7 ± 0.4 mm``, with a true minus sign and degrees at the number."""
    spread = f" ± {uncertainty:.1f}" if uncertainty is not None else ""
    number = f"{value:.1f}".replace("-", "−")
    return f"{label}: {number}{spread}{unit if unit == '°' else f' {unit}'}".rstrip()


def _sentences(raised: Sequence[Flag]) -> tuple[str, ...]:
    return tuple(flag.sentence for flag in raised)


def crop_of(clip: Clip, outline: Outline) -> Box:
    """The tissue region that holds the outline, or else the outline with a margin."""
    rows, columns = clip.frames.shape
    tissue = clip.region_of(outline)
    if tissue is None:
        return around(outline, (rows, columns))
    box = tissue.box
    return Box(max(box.column0, 0), max(box.row0, 0), min(box.column1, columns), min(box.row1, rows))


def around(outline: Outline, shape: tuple[int, int]) -> Box:
    """The box around an outline with a margin, inside the picture."""
    at_column, at_row = zip(*outline, strict=True)
    return Box(
        max(0, int(min(at_column)) - MARGIN_PX),
        max(0, int(min(at_row)) - MARGIN_PX),
        min(shape[1], int(max(at_column)) + MARGIN_PX + 1),
        min(shape[0], int(max(at_row)) + MARGIN_PX + 1),
    )
