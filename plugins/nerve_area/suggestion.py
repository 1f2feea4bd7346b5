"""What the image alone suggests: where a nerve may lie, drawn dashed, for a person to confirm. No area by default."""

from __future__ import annotations

from dataclasses import dataclass

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
    TissueRegion,
)
from plugins.images import Box, Grey, Spacing
from plugins.nerve_area import gates, inference, tracing
from plugins.nerve_area.confidence import confidence
from plugins.nerve_area.crops import SIDE, Frame, planes
from plugins.nerve_area.geometry import Array, of_mask
from plugins.nerve_area.image import Found, Limits, NerveImage, Place, measured_place
from plugins.nerve_area.seeds import Seed, SeedKind

HALF_MM = 7.0
"""Half width of the overlapping crops that cover the picture."""
STEP_MM = 7.0
LARGEST_MM2, SMALLEST_MM2 = 120.0, 1.0
CANDIDATES = 2
DEEPEST_MM = 45.0


@dataclass(frozen=True, slots=True)
class _Candidate:
    trace: tracing.Trace
    confidence: float


def suggested(clip: Clip, acquisition: Acquisition, limits: Limits, needed: float | None) -> NerveImage | NotAssessable:
    """A reason with the candidates to choose from; a measurement only where ``needed`` is given and reached."""
    image = FrameRef(clip.sop_instance_uid)
    tissue = gates.calibrated(clip, (), 0)
    if isinstance(tissue, NotAssessable):
        return tissue
    found = () if tissue.colour or tissue.spacing is None else candidates(clip, tissue, tissue.spacing)
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


def candidates(clip: Clip, tissue: TissueRegion, spacing: Spacing) -> tuple[_Candidate, ...]:
    """Nerve-like places, the most certain first; vessels left out."""
    grey = clip.frames.grey(0)
    lit = gates.lit_box(grey, tissue.box)
    nerve, vessel, step = covered(grey, lit, spacing)
    labels, pieces = ndimage.label((nerve > 0) & (vessel < 0))
    found = []
    for piece in range(1, pieces + 1):
        mask = labels == piece
        if not SMALLEST_MM2 < mask.sum() * step**2 < LARGEST_MM2:
            continue
        ellipse = of_mask(mask, Spacing(step, step))
        left, top = lit.column0 * spacing.column_mm, lit.row0 * spacing.row_mm
        trace = tracing.from_point(grey, spacing, (left + ellipse.x_mm, top + ellipse.y_mm), tracing.POINT_HALF_MM)
        if trace is None or trace.vessel > 0.5 or gates.cut_off(trace.outline, lit, FrameRef("")):
            continue
        found.append(_Candidate(trace, confidence(trace.features, "point")))
    found.sort(key=lambda each: -each.confidence)
    return tuple(found[:CANDIDATES])


def covered(grey: Grey, lit: Box, spacing: Spacing) -> tuple[Array, Array, float]:
    """Log odds of nerve and of vessel over the lit picture, and the grid's step in mm, from overlapping crops."""
    step = 2 * HALF_MM / SIDE
    left, top = lit.column0 * spacing.column_mm, lit.row0 * spacing.row_mm
    width = (lit.column1 - lit.column0) * spacing.column_mm
    height = min((lit.row1 - lit.row0) * spacing.row_mm, DEEPEST_MM)
    columns, rows = int(width / step), int(height / step)
    x, y = np.meshgrid(left + (np.arange(columns) + 0.5) * step, top + (np.arange(rows) + 0.5) * step)
    across = np.arange(STEP_MM, max(width, STEP_MM + 0.1), STEP_MM)
    down = np.arange(STEP_MM, max(height, STEP_MM + 0.1), STEP_MM)
    frames = [Frame(left + a, top + d, HALF_MM, HALF_MM) for d in down for a in across]
    total, weight = np.zeros((2, *x.shape)), np.full(x.shape, 1e-6)
    for first in range(0, len(frames), 8):
        batch = frames[first : first + 8]
        answers = inference.logits(np.stack([planes(f.crop(grey, spacing), False, 0.0) for f in batch]))
        for frame, answer in zip(batch, answers, strict=True):
            holds = frame.holds(x, y)
            weight += holds
            total[0] += frame.sampled(answer[inference.ANY_NERVE], x, y, 0.0) * holds
            total[1] += frame.sampled(answer[inference.VESSEL], x, y, 0.0) * holds
    return total[0] / weight, total[1] / weight, step
