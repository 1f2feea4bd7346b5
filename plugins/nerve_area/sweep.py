"""A transverse sweep: the nerve followed from the frame that was marked to both ends, its area in every frame.

Every frame starts from the outline of the frame before. Following stops where the outline is lost: nothing found,
low confidence, a vessel, or a jump that a nerve does not make between neighbouring frames. A free-hand sweep has no
scale along the nerve: the profile is over frames, not over millimetres.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from plugins.contract import (
    Chart,
    Finding,
    FrameRef,
    Line,
    LineRole,
    Measurement,
    OverlayClip,
    Page,
    Panel,
    Series,
)
from plugins.images import Clip, Grey, Outline, Spacing
from plugins.nerve_area import codes, tracing
from plugins.nerve_area.confidence import confidence
from plugins.nerve_area.geometry import Array, Ellipse
from plugins.nerve_area.image import NerveImage
from plugins.nerve_area.pages import crop_around
from plugins.outlines import mask_of

MOST_FRAMES = 100
"""A longer clip is followed in every second, third … frame."""
LEAST_FRAMES = 5
"""Fewer give no profile."""
SAME_OVERLAP = 0.55
"""Dice of neighbouring outlines below which the nerve counts as lost."""
JUMP = 1.6
"""Ratio of neighbouring areas beyond which the nerve counts as lost."""
LOST_CONFIDENCE = 0.15
FADED = 0.4
"""Share of the marked frame's contrast to its surroundings below which the nerve counts as lost."""
SMOOTH_FRAMES = 5
"""Median over this many followed frames, before maximum and minimum are taken."""


@dataclass(frozen=True, slots=True)
class Followed:
    """The nerve in one frame."""

    frame: int
    outline: Outline
    area_mm2: float
    confidence: float
    contrast: float
    """``Polar.contrast``: how far the nerve stands out from its surroundings."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """The nerve along a clip."""

    frames: tuple[Followed, ...]
    """In order."""
    own_ratio: float | None
    """Area that is found in the marked frame, as a share of the one marked there: the other frames are measured so."""


@dataclass(frozen=True, slots=True)
class _Marked:
    """What every frame is held against."""

    spacing: Spacing
    area_mm2: float
    contrast: float


def profile(nerve: NerveImage) -> Finding | None:
    """The area along a clip, from the image that was measured in it; ``None`` when too few frames could be followed."""
    clip, spacing = nerve.clip, nerve.tissue.spacing
    if spacing is None or nerve.tissue.colour or len(nerve.outlines) > 1 or clip.frames.count < LEAST_FRAMES:
        return None
    sweep = follow(clip, nerve.image.frame, nerve.outlines[0], spacing)
    if len(sweep.frames) < LEAST_FRAMES:
        return None
    return _finding(nerve, sweep)


def follow(clip: Clip, frame: int, outline: Outline, spacing: Spacing) -> Sweep:
    """The nerve in every followed frame; the marked frame holds the outline it was marked with."""
    step = max(1, -(-clip.frames.count // MOST_FRAMES))
    shape = clip.frames.shape
    own = _traced(clip.frames.grey(frame), spacing, tracing.ellipse_around(outline, shape, spacing))
    clear = own.features["contrast"] if own is not None else 0.0
    start = Followed(frame, outline, float(mask_of(outline, shape).sum()) * spacing.area_mm2, 1.0, clear)
    marked = _Marked(spacing, start.area_mm2, clear)
    after = _one_way(clip, range(frame + step, clip.frames.count, step), start, marked)
    before = _one_way(clip, range(frame - step, -1, -step), start, marked)
    found = None if own is None else mask_of(own.outline, shape).sum() * spacing.area_mm2 / start.area_mm2
    return Sweep((*reversed(before), start, *after), None if found is None else float(found))


def _one_way(clip: Clip, frames: Iterable[int], start: Followed, marked: _Marked) -> list[Followed]:
    rows: list[Followed] = []
    last = start
    seed = tracing.ellipse_around(start.outline, clip.frames.shape, marked.spacing)
    for frame in frames:
        found = _next(clip.frames.grey(frame), frame, last, seed, marked)
        if found is None:
            break
        rows.append(found)
        last = found
        seed = tracing.ellipse_around(found.outline, clip.frames.shape, marked.spacing)
    return rows


def _traced(grey: Grey, spacing: Spacing, seed: Ellipse) -> tracing.Trace | None:
    """Twice, the second time from what was found: the network leans on its seed, and a neighbour's outline lags."""
    trace = tracing.from_ellipse(grey, spacing, seed)
    if trace is None:
        return None
    return tracing.from_ellipse(grey, spacing, tracing.ellipse_around(trace.outline, grey.shape, spacing))


def _next(grey: Grey, frame: int, last: Followed, seed: Ellipse, marked: _Marked) -> Followed | None:
    """The nerve in the next frame, or ``None`` where it is lost."""
    trace = _traced(grey, marked.spacing, seed)
    if trace is None or trace.vessel > 0.5:
        return None
    area = float(mask_of(trace.outline, grey.shape).sum()) * marked.spacing.area_mm2
    sure = confidence(trace.features, "caliper")
    jumped = not 1 / JUMP < area / last.area_mm2 < JUMP or not 0.25 < area / marked.area_mm2 < 4
    lost = tracing.overlap(trace.outline, last.outline, grey.shape) < SAME_OVERLAP
    faded = trace.features["contrast"] < FADED * marked.contrast
    if sure < LOST_CONFIDENCE or jumped or lost or faded:
        return None
    return Followed(frame, trace.outline, area, sure, trace.features["contrast"])


def _finding(nerve: NerveImage, sweep: Sweep) -> Finding:
    """Largest and smallest area, the frame of the largest, the chart, and the table."""
    rows = sweep.frames
    smooth = ndimage.median_filter(np.array([row.area_mm2 for row in rows]), SMOOTH_FRAMES, mode="nearest")
    largest, smallest = int(smooth.argmax()), int(smooth.argmin())
    image = FrameRef(nerve.image.sop_instance_uid, rows[largest].frame)
    ratio = smooth[largest] / smooth[smallest]
    numbers = (
        ("area_maximum", codes.AREA_MAXIMUM, smooth[largest], "mm2", "largest area, median of 5 frames"),
        ("area_minimum", codes.AREA_MINIMUM, smooth[smallest], "mm2", "smallest area, median of 5 frames"),
        ("area_variability", codes.AREA_VARIABILITY, ratio, "1", "largest / smallest area"),
        ("frames_tracked", codes.FRAMES_TRACKED, len(rows), "{counts}", "frames in which it was followed"),
    )
    measurements = tuple(Measurement(n, c, float(v), unit, definition=text) for n, c, v, unit, text in numbers)
    table = "frame,area_mm2,confidence\n" + "".join(f"{r.frame},{r.area_mm2:.3f},{r.confidence:.3f}\n" for r in rows)
    first, last = rows[0].frame, rows[-1].frame
    return Finding(
        image,
        rows[largest].outline,
        measurements,
        region_origin=f"followed from frame {nerve.image.frame}, {nerve.origin}",
        confidence=min(row.confidence for row in rows),
        flags=nerve.flags,
        pages=(_page(nerve, sweep, smooth, image),),
        overlay_clip=OverlayClip(
            FrameRef(image.sop_instance_uid, first),
            first,
            last + 1,
            marks=tuple((row.frame, Line(row.outline)) for row in rows),
            caption=f"nerve followed over {len(rows)} frames",
        ),
        tables={"nerve_sweep.csv": table},
    )


def _page(nerve: NerveImage, sweep: Sweep, smooth: Array, image: FrameRef) -> Page:
    """The frame of the largest area, and the profile with the marked frame."""
    rows = sweep.frames
    frames = tuple(float(row.frame) for row in rows)
    marked = next(row for row in rows if row.frame == nerve.image.frame)
    series = (
        Series("points", frames, tuple(row.area_mm2 for row in rows), label="area"),
        Series("line", frames, tuple(float(v) for v in smooth), label="median of 5 frames"),
        Series("points", (float(marked.frame),), (marked.area_mm2,), label="marked frame"),
    )
    largest = rows[int(smooth.argmax())]
    count = nerve.clip.frames.count
    ends = f"followed from frame {rows[0].frame} to {rows[-1].frame} of 0 to {count - 1}"
    lines = (Line(largest.outline, LineRole.OUTLINE),)
    panel = Panel(
        f"largest area, frame {largest.frame}: {largest.area_mm2:.1f} mm²",
        image,
        crop_around((largest.outline,), nerve.clip.frames.shape),
        lines,
        text=(ends, *_how_found(sweep.own_ratio)),
    )
    chart = Chart("Area along the sweep", "frame", "area, mm²", series)
    return Page("Nerve area along a sweep", (panel, Panel(chart=chart)), ())


def _how_found(ratio: float | None) -> tuple[str, ...]:
    """How an area that is found compares with the one that was marked, so that nobody takes the step for a swelling."""
    if ratio is None:
        return ()
    return (f"found in the marked frame: {100 * ratio:.0f} % of the area marked there",)
