"""An image with drawings on it: crop, outline, other lines, heat map and scale bar, in a field of a canvas."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from plugins.contract import Box, Grey, HeatMap, Line, LineRole, Point, Spacing
from service.report.canvas import AMBER, CYAN, LIME, MUTED, ROSE, WHITE, XY, Canvas, Colour, Place
from service.report.letters import width_of, wrapped

_LOOK: dict[LineRole, tuple[Colour, float, float]] = {
    LineRole.OUTLINE: (CYAN, 2.5, 0),
    LineRole.ALTERNATIVE: (AMBER, 2, 11),
    LineRole.MEASURE: (LIME, 2, 0),
    LineRole.GUIDE: (MUTED, 1, 5),
    LineRole.MARK: (ROSE, 2, 0),
}
"""Colour, width and length of dashes of each role. The roles differ by dash and place too, not by colour alone."""
_LARGEST_SCALE = 6.0
BAR = 48
"""Height of a heat map's colour bar with its words."""
_BARS_MM = (100, 50, 20, 10, 5, 2, 1)


@dataclass(frozen=True, slots=True)
class Field:
    """A rectangle of the canvas and the part of the image that is shown in it."""

    x: float
    y: float
    width: float
    height: float
    crop: Box

    @property
    def scale(self) -> tuple[float, float]:
        """Canvas pixels per image pixel, across and down, equal unless the pixels of the image are not square."""
        return self.width / (self.crop.column1 - self.crop.column0), self.height / (self.crop.row1 - self.crop.row0)

    def place(self, point: Point) -> XY:
        """Where a point of the image falls on the canvas."""
        across, down = self.scale
        return self.x + (point[0] - self.crop.column0) * across, self.y + (point[1] - self.crop.row0) * down


def fit(crop: Box, spacing: Spacing | None, place: Place) -> Field:
    """The largest field of true proportions in the middle of a rectangle."""
    x, y, width, height = place
    tall = spacing.row_mm / spacing.column_mm if spacing else 1.0
    columns, rows = crop.column1 - crop.column0, (crop.row1 - crop.row0) * tall
    scale = min(width / columns, height / rows, _LARGEST_SCALE)
    wide, high = columns * scale, rows * scale
    return Field(round(x + (width - wide) / 2), round(y + (height - high) / 2), round(wide), round(high), crop)


def draw_image(canvas: Canvas, field: Field, grey: Grey) -> None:
    """Lay the cropped image into its field."""
    box = field.crop
    part = np.ascontiguousarray(grey[box.row0 : box.row1, box.column0 : box.column1])
    size = (int(field.width), int(field.height))
    if size != (part.shape[1], part.shape[0]):
        method = cv2.INTER_CUBIC if field.scale[0] > 1 else cv2.INTER_AREA
        part = np.asarray(cv2.resize(part, size, interpolation=method), np.uint8)
    canvas.paste_grey(part, int(field.x), int(field.y))


def draw_lines(canvas: Canvas, field: Field, lines: Sequence[Line]) -> None:
    """Draw lines in the look of their roles, what is less important first."""
    order = [LineRole.GUIDE, LineRole.ALTERNATIVE, LineRole.OUTLINE, LineRole.MEASURE, LineRole.MARK]
    for line in sorted(lines, key=lambda one: order.index(one.role)):
        colour, width, dash = _LOOK[line.role]
        points = [field.place(point) for point in line.points]
        if line.role is LineRole.MARK and len(points) == 1:
            canvas.dot(points[0], 5, colour, edge=1.5)
        else:
            canvas.line(points, colour, width=width, dash=dash, edge=1)
        if line.role is LineRole.MEASURE and len(points) == 2:
            _ends(canvas, points, colour)
    _label_all(canvas, field, sorted(lines, key=lambda one: -order.index(one.role)))


def _ends(canvas: Canvas, points: Sequence[XY], colour: Colour) -> None:
    """Short bars across both ends of a measured length."""
    (x0, y0), (x1, y1) = points
    length = math.hypot(x1 - x0, y1 - y0) or 1.0
    across = ((y1 - y0) / length * 7, -(x1 - x0) / length * 7)
    for x, y in points:
        canvas.line([(x - across[0], y - across[1]), (x + across[0], y + across[1])], colour, width=2, edge=1)


_LABEL_SIZE, _LABEL_HEIGHT = 18, 22.0


def _label_all(canvas: Canvas, field: Field, lines: Sequence[Line]) -> None:
    """Labels where no other one lies; what is more important comes first and keeps its place."""
    taken: list[Place] = []
    for line in lines:
        if not line.label or not line.points:
            continue
        width = width_of(line.label, _LABEL_SIZE) + 4
        x, y = _beside(field, [field.place(point) for point in line.points], width)
        lowest = field.y + field.height - _LABEL_HEIGHT
        tops = [min(max(y + step * _LABEL_HEIGHT, field.y), lowest) for step in _STEPS]
        tried = [Place(x, top, width, _LABEL_HEIGHT) for top in tops]
        place = next((one for one in tried if not any(_meet(one, other) for other in taken)), tried[0])
        taken.append(place)
        middle = (place.x, place.y + _LABEL_HEIGHT / 2)
        canvas.text(middle, line.label, _LABEL_SIZE, _LOOK[line.role][0], anchor="lm", edge=2)


_STEPS = (0, 1, -1, 2, -2, 3, -3)
"""Lines of text by which a label gives way, down and up."""


def _beside(field: Field, points: Sequence[XY], width: float) -> XY:
    """Left top of a label beside the middle of a measured length, else the rightmost point; inside the field."""
    x, y = max(points)
    if len(points) == 2:
        x, y = (points[0][0] + points[1][0]) / 2, (points[0][1] + points[1][1]) / 2
    return max(min(x + 8, field.x + field.width - width), field.x + 4), y - _LABEL_HEIGHT / 2


def _meet(one: Place, other: Place) -> bool:
    across = one.x < other.x + other.width and other.x < one.x + one.width
    return across and one.y < other.y + other.height and other.y < one.y + one.height


def draw_scale_bar(canvas: Canvas, field: Field, spacing: Spacing | None) -> None:
    """A bar of whole millimetres at the middle of the lower edge, where no viewer writes."""
    if spacing is None:
        return
    per_mm = field.scale[0] / spacing.column_mm
    length_mm = next((mm for mm in _BARS_MM if mm * per_mm <= field.width / 4), None)
    if length_mm is None:
        return
    half, y = length_mm * per_mm / 2, field.y + field.height - 18
    middle = field.x + field.width / 2
    for colour, edge in ((WHITE, 1),):
        canvas.line([(middle - half, y), (middle + half, y)], colour, width=2, edge=edge)
        for x in (middle - half, middle + half):
            canvas.line([(x, y - 5), (x, y + 5)], colour, width=2, edge=edge)
    words = f"{length_mm // 10} cm" if length_mm >= 10 else f"{length_mm} mm"
    canvas.text((middle, y - 8), words, 18, WHITE, anchor="ms", edge=2)


def draw_heat_map(canvas: Canvas, field: Field, heat: HeatMap) -> None:
    """Values over their box of the image, more opaque the higher, with a colour bar under the field (``BAR``)."""
    x0, y0 = field.place((heat.box.column0, heat.box.row0))
    x1, y1 = field.place((heat.box.column1, heat.box.row1))
    left, top = max(round(x0), int(field.x)), max(round(y0), int(field.y))
    right, bottom = min(round(x1), int(field.x + field.width)), min(round(y1), int(field.y + field.height))
    span = heat.high - heat.low or 1.0
    share = np.clip((heat.values.astype(np.float32) - heat.low) / span, 0, 1)
    grid_x = (np.arange(left, right, dtype=np.float32) + 0.5 - x0) / (x1 - x0) * share.shape[1] - 0.5
    grid_y = (np.arange(top, bottom, dtype=np.float32) + 0.5 - y0) / (y1 - y0) * share.shape[0] - 0.5
    where = np.meshgrid(grid_x, grid_y)
    there = np.isfinite(share).astype(np.float32)
    border = cv2.BORDER_REPLICATE
    known = cv2.remap(there, where[0], where[1], cv2.INTER_NEAREST, borderMode=border)
    laid = cv2.remap(np.nan_to_num(share), where[0], where[1], cv2.INTER_LINEAR, borderMode=border)
    colours = cv2.cvtColor(cv2.applyColorMap((laid * 255).astype(np.uint8), cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    opacity = known * (0.15 + 0.6 * laid)
    under = canvas.pixels[top:bottom, left:right]
    under[:] = cv2.blendLinear(colours, np.ascontiguousarray(under), opacity, 1 - opacity)
    _colour_bar(canvas, field, heat)


def _colour_bar(canvas: Canvas, field: Field, heat: HeatMap) -> None:
    """Under the picture, where it hides nothing."""
    width, height = round(field.width * 0.5), 12
    x, y = round(field.x + field.width / 2 - width / 2), round(field.y + field.height) + 10
    ramp = np.linspace(0, 255, width).astype(np.uint8)[np.newaxis].repeat(height, axis=0)
    canvas.paste(cv2.cvtColor(cv2.applyColorMap(ramp, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB), x, y)
    canvas.text((x - 8, y + height / 2), f"{heat.low:.3g}", 16, WHITE, anchor="rm")
    canvas.text((x + width + 8, y + height / 2), f"{heat.high:.3g} {heat.unit}".strip(), 16, WHITE, anchor="lm")
    for words in wrapped(heat.label, 16, field.width, lines=1):
        canvas.text((field.x + field.width / 2, y + height + 6), words, 16, MUTED, anchor="ma")
