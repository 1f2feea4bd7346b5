"""What the reading station is shown: representative frame, heat map, raster of events, motion, overlay clip."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt

from plugins.contract import (
    Box,
    Chart,
    Clip,
    Event,
    FrameRef,
    HeatMap,
    Line,
    LineRole,
    Outline,
    OverlayClip,
    Page,
    Panel,
    Point,
    Series,
)
from plugins.fasciculation.clip import ClipMotion
from plugins.fasciculation.judge import FASCICULATION
from plugins.fasciculation.motion import PROBE_MM_S

LEAD_S = 0.6
"""Shown before and after the largest events in the overlay clip."""
CLIP_S = 4.0
"""Longest overlay clip."""


def heat_of(motion: ClipMotion, events: tuple[Event, ...]) -> HeatMap | None:
    """Largest displacement of every block in any fasciculation; ``None`` where there was none."""
    moved = np.zeros(motion.grid.blocks, np.float32)
    for judged, event in zip(motion.judged, events, strict=True):
        if event.accepted:
            np.maximum(moved, judged.candidate.moved_mm, out=moved)
    if not moved.any():
        return None
    unit = "mm" if motion.grid.spacing else "relative"
    top = max(float(moved.max()), 0.1)
    return HeatMap(moved, motion.grid.box, "largest displacement in a fasciculation", unit, 0.0, top)


def representative(events: tuple[Event, ...], count: int) -> int:
    """The peak frame of the fasciculation that is surest, else the middle of the clip."""
    accepted = [event for event in events if event.accepted]
    if not accepted:
        return count // 2
    return max(
        accepted, key=lambda event: (event.confidence or 0, event.properties.get("peak_displacement_mm", 0))
    ).frame


def page_of(
    clip: Clip, motion: ClipMotion, events: tuple[Event, ...], outline: Outline, *, muscle: str, text: tuple[str, ...]
) -> Page:
    """One page for one clip; ``muscle`` is what it is headed with."""
    frame = representative(events, clip.frames.count)
    image = FrameRef(clip.sop_instance_uid, frame)
    crop = motion.grid.box
    border = Line(outline, LineRole.OUTLINE)
    marks = tuple(_mark(event, motion) for event in events if event.accepted)
    heat = heat_of(motion, events)
    panels = [
        Panel("Frame of the clearest event" if marks else "Frame from the middle", image, crop, (border, *marks)),
        Panel("Where it moved" if heat else "Where it moved: no event", image, crop, (border,), heat),
        Panel("Result", text=text),
        Panel("Events over time", chart=raster(motion, events)),
        Panel("Movement of the whole picture", chart=_unrest(motion)),
    ]
    footer = f"{clip.frames.count} frames, {motion.rate_hz:.1f} different frames per second"
    return Page(f"Fasciculations: {muscle}", tuple(panels), (footer,))


def raster(motion: ClipMotion, events: tuple[Event, ...]) -> Chart:
    """One row for fasciculations, one for each name of what was rejected, bars where nothing was judged; whole clip."""
    names = [FASCICULATION, *sorted(Counter(event.rejected_as for event in events if not event.accepted))]
    series = [
        Series(
            "raster",
            tuple(event.properties["peak_s"] for event in events if (event.rejected_as or FASCICULATION) == name),
            tuple(float(row) for event in events if (event.rejected_as or FASCICULATION) == name),
        )
        for row, name in enumerate(names)
    ]
    high = len(names) - 0.5
    # a band without height: the axis shows the whole clip, also where nothing happened
    series.append(Series("band", (0.0, motion.span_s), (high, high), (high, high)))
    series += [
        Series("band", (each.start_s, each.end_s), (-0.5, -0.5), (high, high), f"not judged: {each.name}")
        for each in motion.stretches
    ]
    return Chart("Events", "time (s)", "", tuple(series), tuple(names))


def _unrest(motion: ClipMotion) -> Chart:
    """Speed of the whole picture, and from where on nothing is judged."""
    speed = [
        Series("line", tuple(time_s for time_s, _ in run), tuple(mm_s for _, mm_s in run), label="measured")
        for run in motion.probe_mm_s
    ]
    limit = Series("limit", (0.0, motion.span_s), (PROBE_MM_S, PROBE_MM_S), label="faster: not judged")
    return Chart("Probe", "time (s)", "speed (mm/s)", (*speed, limit))


def _mark(event: Event, motion: ClipMotion) -> Line:
    """A circle of the event's area around its centre, inside the picture's tissue."""
    spacing = motion.grid.spacing
    area = event.properties.get("area_mm2")
    radius = np.sqrt(area / np.pi) / spacing.column_mm if spacing and area else 12.0
    return Line(_circle(event.centre, float(np.clip(radius, 6, 60)), motion.grid.box), LineRole.MARK)


def _circle(centre: Point, radius: float, box: Box) -> Outline:
    angle = np.linspace(0, 2 * np.pi, 25)
    columns = np.clip(centre[0] + radius * np.cos(angle), box.column0, box.column1)
    rows = np.clip(centre[1] + radius * np.sin(angle), box.row0, box.row1)
    points = [(float(column), float(row)) for column, row in zip(columns, rows, strict=True)]
    return (*points[:-1], points[0])


def overlay_of(
    clip: Clip, motion: ClipMotion, events: tuple[Event, ...], outline: Outline, times_s: npt.NDArray[np.float64]
) -> OverlayClip | None:
    """Frames around the largest fasciculation and those near it, at the clip's own rate."""
    accepted = [event for event in events if event.accepted]
    if not accepted:
        return None
    largest = max(accepted, key=lambda event: event.properties.get("peak_displacement_mm", event.confidence or 0))
    middle = float(times_s[largest.frame])
    near = [event for event in accepted if abs(float(times_s[event.frame]) - middle) < CLIP_S / 2 - LEAD_S]
    start_s = min(float(times_s[event.frame]) for event in near) - LEAD_S
    stop_s = max(float(times_s[event.frame]) for event in near) + LEAD_S
    start, stop = int(np.searchsorted(times_s, start_s)), int(np.searchsorted(times_s, stop_s, side="right"))
    marks = [
        (frame, _mark(event, motion))
        for event in near
        for frame in range(start, stop)
        if event.start_s <= float(times_s[frame]) <= event.start_s + event.duration_s
    ]
    caption = f"{len(near)} of {len(accepted)} events, largest at {middle:.2f} s"
    image = FrameRef(clip.sop_instance_uid, start)
    return OverlayClip(image, start, stop, (Line(outline, LineRole.OUTLINE),), tuple(marks), caption)
