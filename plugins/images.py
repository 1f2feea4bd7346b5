"""What a plugin is given: images and clips with their calibration, what was drawn in them, and the acquisition.

Coordinates: arrays are indexed ``[row, column]``. Points are ``(column, row)`` as in a DICOM spatial coordinate:
0.0 is the left or top *edge* of the first pixel, so the centre of pixel ``[r, c]`` is the point
``(c + 0.5, r + 0.5)`` (PS3.3 C.18.6). Frames count from 0. Lengths are in millimetres, times in seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from reference_store.values import Device, Side, Subject, View

Grey = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Point = tuple[float, float]
"""``(column, row)``."""
Outline = tuple[Point, ...]
"""A closed polygon, last point equal to the first."""


@dataclass(frozen=True, slots=True)
class Spacing:
    """Millimetres per pixel, both positive."""

    row_mm: float
    column_mm: float

    @property
    def area_mm2(self) -> float:
        """Area of one pixel."""
        return self.row_mm * self.column_mm


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of whole pixels, ends exclusive as in a Python slice."""

    column0: int
    row0: int
    column1: int
    row1: int

    def holds(self, points: Sequence[Point]) -> bool:
        """Whether every point lies inside or on the border."""
        return all(self.column0 <= column <= self.column1 and self.row0 <= row <= self.row1 for column, row in points)


@dataclass(frozen=True, slots=True)
class TissueRegion:
    """One calibrated two-dimensional tissue region of the picture (US Region Calibration, PS3.3 C.8.5.5)."""

    box: Box
    spacing: Spacing | None
    colour: bool = False
    """True for a colour-flow region: tissue lies under colour."""


class Frames(Protocol):
    """The pixels of one still or clip, decoded when asked for. Picklable; holds no open file."""

    @property
    def count(self) -> int:
        """Number of frames."""
        ...

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        ...

    def grey(self, index: int) -> Grey:
        """One frame as grey levels 0 to 255, shape (rows, columns); coloured pixels by their luminance."""
        ...

    def coloured(self, index: int) -> Mask:
        """Where red, green and blue differ: marks, text, Doppler. All false for a grey image."""
        ...

    def stream(self, start: int = 0, stop: int | None = None) -> Iterator[Grey]:
        """Frames one after the other without holding more than one; the fast way through a clip."""
        ...


@runtime_checkable
class ReducedFrames(Protocol):
    """What frames may offer besides: smaller pictures straight from the decoder, quicker than whole ones."""

    def reduced(self, by: int, start: int = 0, stop: int | None = None) -> Iterator[Grey]:
        """Frames in order with sides divided by 2 or 4: means of the pixels, to a grey level; never for measuring grey.

        A last row or column that is not whole is made of what there is.
        """
        ...


@dataclass(frozen=True, slots=True)
class ArrayFrames:
    """Frames that lie in memory: for notebooks, tests, and pictures read from PNG or TIFF."""

    pixels: Grey = field(compare=False, repr=False)
    """Shape (frames, rows, columns)."""
    colour_mask: Mask | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Take one still as a clip of one frame."""
        if self.pixels.dtype != np.uint8 or self.pixels.ndim not in (2, 3):
            raise ValueError(f"frames must be uint8 of 2 or 3 dimensions, not {self.pixels.dtype} {self.pixels.shape}")
        if self.pixels.ndim == 2:
            object.__setattr__(self, "pixels", self.pixels[np.newaxis])

    @property
    def count(self) -> int:
        """Number of frames."""
        return int(self.pixels.shape[0])

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return int(self.pixels.shape[1]), int(self.pixels.shape[2])

    def grey(self, index: int) -> Grey:
        """One frame; a view that must not be written to."""
        frame: Grey = self.pixels[index]
        return frame

    def coloured(self, index: int) -> Mask:
        """The mask given at construction, or nothing coloured."""
        return np.zeros(self.shape, bool) if self.colour_mask is None else self.colour_mask

    def stream(self, start: int = 0, stop: int | None = None) -> Iterator[Grey]:
        """The frames in order."""
        yield from self.pixels[start:stop]


class RegionShape(StrEnum):
    """How a person marked a place in the picture."""

    POLYGON = "polygon"
    ELLIPSE = "ellipse"
    BOX = "box"
    CALIPER = "caliper"
    """Two points: a distance that someone measured."""
    POINT = "point"
    STATEMENT = "statement"
    """No place at all: a report's measurement of this image, without the coordinates that it was taken at."""


class RegionOrigin(StrEnum):
    """Where a drawn region came from; it is written to every result that rests on it."""

    SCANNER = "scanner"
    PRESENTATION_STATE = "presentation state"
    STRUCTURED_REPORT = "structured report"
    SEGMENTATION = "segmentation"
    REGIONS_FILE = "regions file"
    REVIEW = "review page"


@dataclass(frozen=True, slots=True)
class Region:
    """A region that someone drew. An ellipse is kept as its four axis ends, as DICOM has it: major, then minor."""

    shape: RegionShape
    points: tuple[Point, ...]
    origin: RegionOrigin
    frame: int = 0
    structure: str | None = None
    """Key in the anatomy catalogue, if the drawing says what it surrounds."""
    label: str = ""
    area_mm2: float | None = None
    """The area that the drawing's own source states, carried as that source's statement."""
    source_uid: str | None = None
    """SOP Instance UID of the object that holds the drawing."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One image or cine, with what is needed to measure in it."""

    sop_instance_uid: str
    series_instance_uid: str
    frames: Frames = field(compare=False, repr=False)
    regions: tuple[TissueRegion, ...] = ()
    """Calibrated tissue regions, clipped to the picture; empty when the file has no calibration."""
    frame_times_s: tuple[float, ...] | None = None
    """Start of every frame from the first, when the file gives a time base."""
    duration_s: float | None = None
    """What the file itself says the clip lasted (Effective Duration), to check the time base against."""
    drawn: tuple[Region, ...] = ()
    device: Device = Device()
    acquired: str | None = None
    """Acquisition time within the study, for order only; no date."""
    name: str = ""
    """What messages call it: a file name or a shortened UID, never a patient's name."""
    cine_rate_hz: float | None = None
    """At which rate the file wants to be shown (Cine Rate), to check the time base against; no time base itself."""

    @property
    def tissue(self) -> TissueRegion | None:
        """The one tissue region, or ``None`` where there is none, or more than one and no way to tell."""
        return self.regions[0] if len(self.regions) == 1 else None

    def region_of(self, points: Sequence[Point]) -> TissueRegion | None:
        """The region that wholly holds these points; ``None`` when none or several do."""
        holding = [region for region in self.regions if region.box.holds(points)]
        return holding[0] if len(holding) == 1 else None


@dataclass(frozen=True, slots=True)
class Acquisition:
    """The unit of analysis: all stills or clips of one structure, side, site and view in one study."""

    structure: str | None
    """Key in ``reference_store.anatomy``, or ``None``: not known is a value."""
    side: Side
    site: str | None
    view: View
    clips: tuple[Clip, ...]
    subject: Subject = Subject()
    named_by: str = ""
    """What told the structure: a coded attribute, a mapping rule, the command line."""
    reader_grades: tuple[tuple[str, str], ...] = ()
    """Grades that a reader gave, as (scale, grade)."""
    question: str = field(default="", repr=False)
    """Why the exam was asked for (Reason for Study and the like), to raise warnings from; never written out."""

    @property
    def device(self) -> Device:
        """The device of the first clip."""
        return self.clips[0].device
