"""What a plugin wants shown, as data: lines over images, heat maps, charts, pages. The service renders them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from plugins.images import Box, Point


@dataclass(frozen=True, slots=True)
class FrameRef:
    """One frame of one image."""

    sop_instance_uid: str
    frame: int = 0


class LineRole(StrEnum):
    """What a drawn line means; the renderer gives each role one look."""

    OUTLINE = "outline"
    ALTERNATIVE = "alternative"
    MEASURE = "measure"
    GUIDE = "guide"
    MARK = "mark"


@dataclass(frozen=True, slots=True)
class Line:
    """A polyline over an image, in that image's points."""

    points: tuple[Point, ...]
    role: LineRole = LineRole.OUTLINE
    label: str = ""


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Values laid over a box of the image."""

    values: npt.NDArray[np.float32] = field(compare=False, repr=False)
    box: Box
    label: str
    unit: str
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Series:
    """One row of a chart. ``kind`` is ``line``, ``points``, ``bars``, ``raster``, ``band`` or ``limit``."""

    kind: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    y2: tuple[float, ...] = ()
    """Upper edge of a band."""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A small plot: axes with units in their labels, and series."""

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    y_names: tuple[str, ...] = ()
    """Names of rows 0, 1, 2 … where the y axis is a list of things."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One field of a page: an image with drawings, or a chart, or lines of text."""

    title: str = ""
    image: FrameRef | None = None
    crop: Box | None = None
    lines: tuple[Line, ...] = ()
    heat_map: HeatMap | None = None
    scale_bar: bool = True
    chart: Chart | None = None
    text: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """A picture for the reading station: up to six panels, laid out by the renderer."""

    title: str
    panels: tuple[Panel, ...]
    footer: tuple[str, ...] = ()
    columns: int | None = None
    """Panels beside each other in every row; ``None`` leaves it to the renderer."""


@dataclass(frozen=True, slots=True)
class OverlayClip:
    """A short cine to be sent as a multi-frame overlay: frames ``start`` to ``stop`` of a clip with drawings."""

    image: FrameRef
    start: int
    stop: int
    lines: tuple[Line, ...] = ()
    marks: tuple[tuple[int, Line], ...] = ()
    """Drawings that show on one frame only: (frame, line)."""
    caption: str = ""
