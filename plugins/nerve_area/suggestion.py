"""What the image alone suggests: where a nerve may lie, drawn dashed, for a person to confirm. No area by default."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from plugins.contract import (
    Acquisition,
    Clip,
    FrameRef,
    Line,
    LineRole,
    NotAssessable,
    ReasonCode,
)
from plugins.images import Box, Grey, Spacing
from plugins.nerve_area import gates, inference, tracing
from plugins.nerve_area.confidence import confidence
from plugins.nerve_area.crops import SIDE, Frame, planes
from plugins.nerve_area.geometry import Array, of_mask
from plugins.nerve_area.image import Found, Limits, NerveImage, Place, measured_place
from plugins.nerve_area.seeds import Seed, SeedKind

HALF_MM = 10.0
"""Half width of the overlapping crops that cover the picture."""
STEP_MM = 14.0
"""Largest distance between the centres of neighbouring crops."""
LEAST_SHOWN = 0.05
"""Below this confidence a place is not worth a look."""
LEAST_LOG_ODDS = -1.0
"""Where a nerve may lie; the search from there finds its border."""
LARGEST_MM2, SMALLEST_MM2 = 120.0, 1.0
CANDIDATES = 2
DEEPEST_MM = 45.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place that may be a nerve, and the share of such places that are."""

    trace: tracing.Trace
    confidence: float


def suggested(clip: Clip, acquisition: Acquisition, limits: Limits, needed: float | None) -> NerveImage | NotAssessable:
    """A reason with the candidates to choose from; a measurement only where ``needed`` is given and reached."""
    image = FrameRef(clip.sop_instance_uid)
    tissue = gates.calibrated(clip, (), 0)
    if isinstance(tissue, NotAssessable):
        return tissue
    found: tuple[Candidate, ...] = ()
    if tissue.spacing is not None and not tissue.colour:
        grey = clip.frames.grey(0)
        found = candidates(grey, gates.lit_box(grey, tissue.box), tissue.spacing)
    if found and needed is not None and found[0].confidence >= needed:
        seed = Seed(SeedKind.FOUND, 0, ())
        place = Place(clip, seed, tissue, gates.spacing_of(tissue), acquisition, limits)
        return measured_place(place, Found((found[0].trace.outline,), found[0].trace, found[0].confidence))
    lines = tuple(
        Line(each.trace.outline, LineRole.ALTERNATIVE, f"suggestion, {each.confidence:.2f}") for each in found
    )
    text = "nobody marked where the nerve is, and the image alone gives no area"
    if found:
        text += f"; {len(found)} place{'s' if len(found) > 1 else ''} drawn dashed may be it"
    return NotAssessable(
        ReasonCode.NEEDS_REGION,
        text,
        "mark the nerve with an outline, an ellipse, calipers or a point",
        image,
        lines,
        confidence=found[0].confidence if found else None,
    )


def candidates(grey: Grey, lit: Box, spacing: Spacing) -> tuple[Candidate, ...]:
    """Nerve-like places, the most certain first; vessels left out."""
    nerve, vessel, step = covered(grey, lit, spacing)
    labels, pieces = ndimage.label((nerve > LEAST_LOG_ODDS) & (vessel < nerve))
    left, top = lit.column0 * spacing.column_mm, lit.row0 * spacing.row_mm
    likely = []
    for piece in range(1, pieces + 1):
        mask = labels == piece
        if SMALLEST_MM2 < mask.sum() * step**2 < LARGEST_MM2:
            sure = float(inference.probability(nerve[mask].astype(np.float32)).mean())
            there = of_mask(mask, Spacing(step, step))
            likely.append((sure, replace(there, x_mm=left + there.x_mm, y_mm=top + there.y_mm)))
    likely.sort(key=lambda each: -each[0])
    found = []
    for sure, ellipse in likely[:CANDIDATES]:
        trace = tracing.from_ellipse(grey, spacing, ellipse)
        if trace is None or trace.vessel > 0.5 or gates.cut_off(trace.outline, lit, FrameRef("")):
            continue
        trace = replace(trace, features=trace.features | {"cover": sure})
        likely_nerve = confidence(trace.features, "found")
        if likely_nerve >= LEAST_SHOWN:
            found.append(Candidate(trace, likely_nerve))
    found.sort(key=lambda each: -each.confidence)
    return tuple(found)


def covered(grey: Grey, lit: Box, spacing: Spacing) -> tuple[Array, Array, float]:
    """Log odds of nerve and of vessel over the lit picture, and the grid's step in mm, from overlapping crops."""
    step = 2 * HALF_MM / SIDE
    left, top = lit.column0 * spacing.column_mm, lit.row0 * spacing.row_mm
    width = (lit.column1 - lit.column0) * spacing.column_mm
    height = min((lit.row1 - lit.row0) * spacing.row_mm, DEEPEST_MM)
    columns, rows = int(width / step), int(height / step)
    x, y = np.meshgrid(left + (np.arange(columns) + 0.5) * step, top + (np.arange(rows) + 0.5) * step)
    frames = [Frame(left + a, top + d, HALF_MM, HALF_MM) for d in _centres(height) for a in _centres(width)]
    total, weight = np.zeros((2, *x.shape)), np.full(x.shape, 1e-6)
    for first in range(0, len(frames), 4):
        batch = frames[first : first + 4]
        answers = inference.logits(np.stack([planes(f.crop(grey, spacing), "unmarked", 0.0) for f in batch]))
        for frame, answer in zip(batch, answers, strict=True):
            holds = frame.holds(x, y)
            weight += holds
            total[0] += frame.sampled(answer[inference.ANY_NERVE], x, y, 0.0) * holds
            total[1] += frame.sampled(answer[inference.VESSEL], x, y, 0.0) * holds
    return total[0] / weight, total[1] / weight, step


def _centres(length_mm: float) -> Array:
    """Centres of the crops along one side: evenly apart, the first and last a little within the border."""
    inset = min(length_mm / 2, HALF_MM - 2)
    count = 1 + max(0, int(np.ceil((length_mm - 2 * inset) / STEP_MM)))
    return np.linspace(inset, length_mm - inset, count) if count > 1 else np.array([length_mm / 2])
