"""Where the nerve is, by what a person drew: outlines first, then ellipses, boxes, calipers, and a point last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from plugins.images import Clip, Outline, Point, Region, RegionShape, Spacing
from plugins.nerve_area.geometry import Ellipse, from_axis_ends
from plugins.outlines import outline_of

MARKED = "drawn: "
"""How the origin of what a person drew or marked begins."""


class SeedKind(StrEnum):
    """How much the drawing says; a report names it."""

    OUTLINE = "outline"
    """Measured as drawn."""
    ELLIPSE = "ellipse"
    """Measured as drawn: a scanner's ellipse is a person's statement of the border."""
    BOX = "box"
    """The network searches from the ellipse inside the box."""
    CALIPERS = "calipers"
    """Two crossing distances: the network searches from the ellipse they span."""
    CALIPER = "caliper"
    """One distance: the network searches around its middle, at sizes that fit its length."""
    POINT = "point"
    FOUND = "found in the image alone"
    """Nobody marked it: a suggestion that the site's settings allow to be measured."""


@dataclass(frozen=True, slots=True)
class Seed:
    """What a person drew, ready for a search or for measuring."""

    kind: SeedKind
    frame: int
    regions: tuple[Region, ...]
    """The drawings it rests on, in their given order."""
    statements: tuple[Region, ...] = ()
    """Measurements of this image that a report states without a place."""

    @property
    def origin(self) -> str:
        """For the report: ``drawn: presentation state, ellipse``."""
        if not self.regions:
            return str(self.kind)
        return f"{MARKED}{self.regions[0].origin}, {self.kind}"

    @property
    def points(self) -> tuple[Point, ...]:
        """All points drawn."""
        return tuple(point for region in self.regions for point in region.points)

    @property
    def label(self) -> str:
        """All labels, in lower case."""
        return " ".join(region.label.lower() for region in self.regions)

    @property
    def stated_area_mm2(self) -> float | None:
        """The area that the drawing's own source states; the sum when several parts were drawn.

        Without one, what a report states of the image: when it states one area, and one thing alone was drawn.
        """
        areas = [region.area_mm2 for region in self.regions if region.area_mm2 is not None]
        if areas:
            return sum(areas) if len(areas) == len(self.regions) else None
        said = {region.area_mm2 for region in self.statements}
        in_parts = self.kind in _ENCLOSING.values() and len(self.regions) > 1
        return said.pop() if len(said) == 1 and not in_parts else None

    def outlines(self, shape: tuple[int, int]) -> tuple[Outline, ...]:
        """Closed outlines of what encloses an area.

        Raises
        ------
        RegionInvalid
            When a drawing leaves the picture, crosses itself, or encloses nothing.
        """
        found = (outline_of(region, shape) for region in self.regions)
        return tuple(outline for outline in found if outline is not None)

    def ellipse(self, spacing: Spacing) -> Ellipse | None:
        """The ellipse to search from, in mm; ``None`` for a single caliper or a point."""
        region = self.regions[0]
        if self.kind is SeedKind.ELLIPSE:
            return from_axis_ends(region.points, spacing)
        if self.kind is SeedKind.BOX:
            (left, top), (right, bottom) = np.min(region.points, axis=0), np.max(region.points, axis=0)
            middle_row, middle_column = (top + bottom) / 2, (left + right) / 2
            ends = ((left, middle_row), (right, middle_row), (middle_column, top), (middle_column, bottom))
            return from_axis_ends(ends, spacing)
        if self.kind is SeedKind.CALIPERS:
            return from_axis_ends(_axes(*self.regions), spacing)
        return None

    def point_mm(self, spacing: Spacing) -> tuple[float, float]:
        """Middle of what was drawn, in mm."""
        column, row = np.mean(self.points, axis=0)
        return float(column * spacing.column_mm), float(row * spacing.row_mm)

    def length_mm(self, spacing: Spacing) -> float | None:
        """Length of a single caliper."""
        if self.kind is not SeedKind.CALIPER:
            return None
        return _length(self.regions[0], spacing)


_ENCLOSING = {
    RegionShape.POLYGON: SeedKind.OUTLINE,
    RegionShape.ELLIPSE: SeedKind.ELLIPSE,
    RegionShape.BOX: SeedKind.BOX,
}


def stated(clip: Clip, structure: str | None) -> tuple[Region, ...]:
    """Areas that reports state of this image without a place, those that name another structure left alone."""
    return tuple(
        region
        for region in clip.drawn
        if region.shape is RegionShape.STATEMENT and region.structure in (None, structure) and region.area_mm2
    )


def seed_of(clip: Clip, structure: str | None) -> Seed | None:
    """The mark to start from, with what reports state of its frame beside it; ``None`` when nothing was drawn."""
    seed = _drawn(clip, structure)
    if seed is None:
        return None
    return replace(seed, statements=tuple(r for r in stated(clip, structure) if r.frame == seed.frame))


def _drawn(clip: Clip, structure: str | None) -> Seed | None:
    """The drawing that says most about where this nerve is; ``None`` when nothing was drawn for it.

    Drawings that name another structure are left alone; among the others those that name this one come first. Two
    separate outlines or ellipses on one frame are kept together: a nerve in two parts.
    """
    marks = (region for region in clip.drawn if region.shape is not RegionShape.STATEMENT)
    fitting = [region for region in marks if region.structure in (None, structure)]
    named = [region for region in fitting if region.structure is not None] or fitting
    for shape, kind in _ENCLOSING.items():
        chosen = [region for region in named if region.shape is shape]
        if chosen:
            return Seed(kind, chosen[0].frame, _parts(chosen) if kind is not SeedKind.BOX else (chosen[0],))
    calipers = [region for region in named if region.shape is RegionShape.CALIPER]
    for index, first in enumerate(calipers):
        for second in calipers[index + 1 :]:
            if first.frame == second.frame and _crossing(first, second):
                return Seed(SeedKind.CALIPERS, first.frame, (first, second))
    if calipers:
        return Seed(SeedKind.CALIPER, calipers[0].frame, (calipers[0],))
    points = [region for region in named if region.shape is RegionShape.POINT]
    return Seed(SeedKind.POINT, points[0].frame, (points[0],)) if points else None


def _parts(regions: Sequence[Region]) -> tuple[Region, ...]:
    """The first region and those on its frame whose boxes lie apart from all kept before."""
    kept = [regions[0]]
    for region in regions[1:]:
        if region.frame == regions[0].frame and not any(_boxes_meet(region, other) for other in kept):
            kept.append(region)
    return tuple(kept)


def _boxes_meet(first: Region, second: Region) -> bool:
    """Whether half of the smaller region's box lies in the other's: then it is the same thing drawn twice."""
    a, b = np.asarray(first.points, float), np.asarray(second.points, float)
    low, high = np.maximum(a.min(0), b.min(0)), np.minimum(a.max(0), b.max(0))
    shared = float(np.prod(np.clip(high - low, 0, None)))
    return shared > 0.5 * min(float(np.prod(np.ptp(a, axis=0))), float(np.prod(np.ptp(b, axis=0))))


def _axes(first: Region, second: Region) -> tuple[Point, ...]:
    """Two calipers as the axis ends of an ellipse, centred where their middles' middle lies."""
    a, b = np.asarray(first.points, float), np.asarray(second.points, float)
    centre = (a.mean(0) + b.mean(0)) / 2
    ends = [centre + (a[0] - a[1]) / 2, centre - (a[0] - a[1]) / 2, centre + (b[0] - b[1]) / 2]
    ends.append(centre - (b[0] - b[1]) / 2)
    return tuple((float(column), float(row)) for column, row in ends)


def _crossing(first: Region, second: Region) -> bool:
    """Whether two distances are the two axes of one thing: middles near, directions more than 45° apart."""
    if len(first.points) != 2 or len(second.points) != 2:
        return False
    a, b = np.asarray(first.points, float), np.asarray(second.points, float)
    u, v = a[1] - a[0], b[1] - b[0]
    long = max(float(np.hypot(*u)), float(np.hypot(*v)))
    if min(float(np.hypot(*u)), float(np.hypot(*v))) < 1.0:
        return False
    cosine = abs(float(u @ v)) / (float(np.hypot(*u)) * float(np.hypot(*v)))
    return cosine < np.sqrt(0.5) and float(np.hypot(*(a.mean(0) - b.mean(0)))) < 0.35 * long


def _length(region: Region, spacing: Spacing) -> float:
    (c0, r0), (c1, r1) = region.points[0], region.points[-1]
    return float(np.hypot((c1 - c0) * spacing.column_mm, (r1 - r0) * spacing.row_mm))
