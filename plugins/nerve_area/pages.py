"""What a reader sees of one nerve: the outline enlarged with a scale bar, its axes, the area beside its limit."""

from __future__ import annotations

import numpy as np

from plugins.contract import (
    Acquisition,
    Box,
    Comparison,
    Line,
    LineRole,
    Page,
    Panel,
    Refusal,
)
from plugins.images import Outline, Spacing
from plugins.nerve_area.geometry import Ellipse, of_mask
from plugins.nerve_area.image import NerveImage
from plugins.outlines import mask_of
from reference_store import anatomy

MARGIN = 0.8
"""Room around the nerve in the enlarged view, in its own width or height."""
CONVENTION = "Area: inner border of the hyperechoic rim; pixel count times calibrated pixel size."


def place_of(acquisition: Acquisition) -> str:
    """Nerve, side and site in words."""
    name = anatomy.structure(acquisition.structure).name if acquisition.structure else "nerve"
    parts = [name, str(acquisition.side)]
    if acquisition.site:
        try:
            parts.append(anatomy.site(acquisition.site).name)
        except KeyError:
            parts.append(acquisition.site)
    return ", ".join(parts)


def limit_text(comparison: Comparison | Refusal | None) -> tuple[str, ...]:
    """Limits, z and source of a comparison, or why there is none."""
    if comparison is None:
        return ()
    if isinstance(comparison, Refusal):
        return (f"not compared: {comparison.text}",)
    lines = []
    if comparison.upper_limit is not None:
        outside = f", {comparison.outside}" if comparison.outside else ", within"
        lines.append(f"upper limit {comparison.upper_limit:.1f} mm² ({comparison.limits}){outside}")
    if comparison.z is not None:
        lines.append(f"z = {comparison.z:+.1f}")
    lines.append(f"source: {comparison.source}")
    return tuple(lines)


def outline_page(
    nerve: NerveImage, acquisition: Acquisition, area: float, comparison: Comparison | Refusal | None
) -> Page:
    """The enlarged outline and the whole picture, with the numbers."""
    text = [f"area {area:.1f} mm²", *limit_text(comparison), nerve.whose_outline]
    if nerve.confidence is not None:
        text.append(f"confidence {nerve.confidence:.2f}")
    # a flag may have been the reason why nothing was compared
    text.extend(flag.sentence for flag in nerve.flags if not any(flag.sentence in line for line in text))
    enlarged = enlarged_panel(nerve, f"{place_of(acquisition)}: {area:.1f} mm²", tuple(text))
    whole = Panel("whole picture", nerve.image, lines=tuple(Line(outline) for outline in nerve.outlines))
    return Page(f"Nerve area: {place_of(acquisition)}", (enlarged, whole), (CONVENTION,))


def enlarged_panel(nerve: NerveImage, title: str, text: tuple[str, ...]) -> Panel:
    """The nerve enlarged with its outline and axes."""
    lines = [Line(outline) for outline in nerve.outlines]
    lines.extend(line for line in nerve.lines if line.role is LineRole.ALTERNATIVE)
    if nerve.tissue.spacing is not None and len(nerve.outlines) == 1:
        lines.extend(axis_lines(nerve.outlines[0], nerve.clip.frames.shape, nerve.tissue.spacing))
    return Panel(title, nerve.image, crop_around(nerve.outlines, nerve.clip.frames.shape), tuple(lines), text=text)


def axis_lines(outline: Outline, shape: tuple[int, int], spacing: Spacing) -> tuple[Line, ...]:
    """Long and short axis, with their lengths."""
    ellipse: Ellipse = of_mask(mask_of(outline, shape), spacing)
    result = []
    for half, turn in ((ellipse.major_mm, 0.0), (ellipse.minor_mm, np.pi / 2)):
        u, v = half * np.cos(turn) * np.array([-1, 1]), half * np.sin(turn) * np.array([-1, 1])
        x, y = ellipse.to_plane(u, v)
        points = tuple((float(a / spacing.column_mm), float(b / spacing.row_mm)) for a, b in zip(x, y, strict=True))
        result.append(Line(points, LineRole.MEASURE))
        # the label hangs on the axis's end: in the middle the two would cover each other
        result.append(Line((max(points),) * 3, LineRole.MEASURE, f"{2 * half:.1f} mm"))
    return tuple(result)


def crop_around(outlines: tuple[Outline, ...], shape: tuple[int, int]) -> Box:
    """Box around the outlines with room, inside the picture."""
    array = np.concatenate([np.asarray(outline, float) for outline in outlines])
    low, high = array.min(axis=0), array.max(axis=0)
    room = MARGIN * max(high - low)
    rows, columns = shape
    left, top = np.floor(np.clip(low - room, 0, None)).astype(int)
    right, bottom = np.ceil(np.minimum(high + room, (columns, rows))).astype(int)
    return Box(int(left), int(top), int(right), int(bottom))
