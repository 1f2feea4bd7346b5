"""From a seed to an outline: the network's probability around it, then the best closed path.

The outline is meant to follow the inner border of the hyperechoic rim. All sizes are in mm from the calibration.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from plugins.images import Grey, Outline, Spacing
from plugins.nerve_area import inference
from plugins.nerve_area.crops import CALIPER_SPAN, FloatImage, Frame, Mode, planes
from plugins.nerve_area.geometry import Ellipse, of_mask
from plugins.nerve_area.polar import Polar, searched
from plugins.outlines import mask_of

CALIPER_VIEWS = ((1.0, 0.0, False), (1.0, 0.0, True), (1.08, 0.10, False), (0.93, -0.10, True))
"""Zoom, turn in radians, mirrored: the views of the seed that are averaged."""
POINT_HALF_MM = (5.0, 9.0, 14.0)
"""Half widths of the crops around a point."""
CALIPER_HALF_PER_LENGTH = (0.9, 1.6, 2.6)
"""Half widths of the crops around a single caliper, per its length: it may be the long or the short axis."""
GRID_MM = 0.125
"""Sample distance of the map in which the crops around a point are averaged."""
FITTING = (1.25, 5.0)
"""Half widths of a crop per half major axis of the nerve in it, that the network was trained on."""
NEAR_MM = 1.0
"""A piece of nerve this near to the point may be the one that is meant."""
SMALLEST_MM2 = 0.5


@dataclass(frozen=True, slots=True)
class Trace:
    """An outline found from a seed, and what the confidence in it rests on."""

    outline: Outline
    """In the picture's points, closed."""
    seed: Ellipse
    """The ellipse that the last search started from."""
    features: dict[str, float]
    vessel: float
    """Mean probability of vessel inside the outline."""
    parts: int
    """Separate pieces of nerve inside the seed, each a quarter or more of the whole."""


def from_ellipse(grey: Grey, spacing: Spacing, seed: Ellipse) -> Trace | None:
    """Outline from an ellipse that someone drew or calipers span; ``None`` when nothing like a nerve is there."""
    frames = tuple(_view(seed, *view) for view in CALIPER_VIEWS)
    inputs = _inputs(grey, spacing, frames, "caliper")
    answers = inference.logits(inputs)
    polar = searched(answers, frames, seed, inputs[0, 0])
    if polar is None:
        return None
    outline = polar.outline(spacing, grey.shape)
    if outline is None:
        return None
    features = _features(polar, seed)
    return Trace(outline, seed, features, polar.mean_inside(inference.VESSEL), _parts(answers[0]))


def from_point(grey: Grey, spacing: Spacing, point_mm: tuple[float, float], half_mm: tuple[float, ...]) -> Trace | None:
    """Outline from a point: crops of several sizes find the nerve's ellipse, which then serves as a caliper."""
    frames = tuple(Frame(*point_mm, half, half) for half in half_mm)
    answers = inference.logits(_inputs(grey, spacing, frames, "point"))
    first = stage(answers, frames)
    if first is None:
        return None
    shares = [frame.half_u_mm / first.ellipse.major_mm for frame in frames]
    fits = [index for index, share in enumerate(shares) if FITTING[0] <= share <= FITTING[1]]
    if 0 < len(fits) < len(frames):
        first = stage(answers[fits], tuple(frames[index] for index in fits)) or first
    trace = from_ellipse(grey, spacing, first.ellipse)
    if trace is None:
        return None
    features = trace.features | {"first_stage": first.certainty, "first_agreement": first.agreement}
    return Trace(trace.outline, trace.seed, features, trace.vessel, trace.parts)


@dataclass(frozen=True, slots=True)
class Stage:
    """The ellipse of the piece of nerve at a point, and what speaks for it."""

    ellipse: Ellipse
    certainty: float
    """Mean probability inside."""
    agreement: float
    """Mean Dice of each crop's own piece with that of all."""


def stage(answers: FloatImage, frames: tuple[Frame, ...]) -> Stage | None:
    """The piece of nerve at the first frame's centre; ``None`` when there is none.

    The answers of the crops are averaged as log odds on one grid in mm; a crop counts only where it reaches.
    """
    widest = max(frames, key=lambda frame: frame.half_u_mm)
    middle = frames[0]
    count = 2 * round(widest.half_u_mm / GRID_MM)
    axis = (np.arange(count) + 0.5) * GRID_MM - count * GRID_MM / 2
    x, y = np.meshgrid(middle.x_mm + axis, middle.y_mm + axis)
    each, holds = np.zeros((len(frames), *x.shape)), np.zeros((len(frames), *x.shape), bool)
    for index, (frame, answer) in enumerate(zip(frames, answers, strict=True)):
        each[index] = frame.sampled(answer[inference.SEEDED], x, y, 0.0)
        holds[index] = frame.holds(x, y)
    mean = each.sum(axis=0) / np.maximum(holds.sum(axis=0), 1)
    labels, pieces = ndimage.label(mean > 0)
    if not pieces:
        return None
    distance = np.hypot(x - middle.x_mm, y - middle.y_mm)
    nearest = ndimage.minimum(distance, labels, np.arange(1, pieces + 1))
    piece = labels == int(np.argmin(nearest)) + 1
    if nearest.min() > NEAR_MM or piece.sum() * GRID_MM**2 < SMALLEST_MM2:
        return None
    grid = of_mask(piece, Spacing(GRID_MM, GRID_MM))
    left, top = middle.x_mm - count * GRID_MM / 2, middle.y_mm - count * GRID_MM / 2
    ellipse = Ellipse(left + grid.x_mm, top + grid.y_mm, grid.major_mm, grid.minor_mm, grid.angle)
    certainty = float(inference.probability(mean[piece].astype(np.float32)).mean())
    own, shared = (each > 0).sum(axis=(1, 2)), ((each > 0) & piece).sum(axis=(1, 2))
    agreement = float((2 * shared / (own + (piece & holds).sum(axis=(1, 2)) + 1e-9)).mean())
    return Stage(ellipse, certainty, agreement)


def _view(seed: Ellipse, zoom: float, turn: float, mirrored: bool) -> Frame:
    """The crop of a caliper in one of its views."""
    reach = CALIPER_SPAN * zoom
    return Frame(
        seed.x_mm, seed.y_mm, reach * seed.major_mm, reach * seed.minor_mm, seed.angle + turn, mirrored=mirrored
    )


def _inputs(grey: Grey, spacing: Spacing, frames: tuple[Frame, ...], mode: Mode) -> FloatImage:
    """The network's input planes for every frame, shape (frames, 4, SIDE, SIDE)."""
    each = [planes(f.crop(grey, spacing), mode, float(np.log(f.half_u_mm / f.half_v_mm))) for f in frames]
    return np.stack(each)


def _features(polar: Polar, seed: Ellipse) -> dict[str, float]:
    """What tells good outlines from bad: agreement of the views, certainty, likeness to the seed, neighbours."""
    return {
        "agreement": polar.agreement(inference.SEEDED),
        "certainty": polar.certainty(inference.SEEDED),
        "seed_overlap": polar.overlap_with(seed),
        "log_area_ratio": abs(float(np.log(polar.area_mm2 / seed.area_mm2))),
        "any_nerve": polar.mean_inside(inference.ANY_NERVE),
        "vessel": polar.mean_inside(inference.VESSEL),
        "inside": polar.mean_inside(inference.SEEDED),
        "rim": polar.rim_slope(inference.SEEDED),
        "step": polar.step(),
        "contrast": polar.contrast(),
    }


def _parts(answer: FloatImage) -> int:
    """Pieces of nerve inside the seed of an unturned view that each hold a quarter or more of the nerve there."""
    axis = (np.arange(answer.shape[-1]) + 0.5) / answer.shape[-1] * 2 - 1
    inside = np.hypot(axis[None], axis[:, None]) * CALIPER_SPAN < 1.3
    nerve = (answer[inference.ANY_NERVE] > 0) & inside
    labels, pieces = ndimage.label(nerve)
    if not pieces:
        return 0
    sizes = ndimage.sum(nerve, labels, np.arange(1, pieces + 1))
    return int((sizes >= 0.25 * sizes.sum()).sum())


def overlap(first: Outline, second: Outline, shape: tuple[int, int]) -> float:
    """Dice overlap of two outlines in one picture."""
    a, b = mask_of(first, shape), mask_of(second, shape)
    return 2 * int((a & b).sum()) / max(1, int(a.sum()) + int(b.sum()))


def ellipse_around(outline: Outline, shape: tuple[int, int], spacing: Spacing) -> Ellipse:
    """The ellipse with the moments of what an outline encloses."""
    return of_mask(mask_of(outline, shape), spacing)
