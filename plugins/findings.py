"""What a plugin gives back: coded measurements with their doubts, events, or the reason why there is no answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from plugins.drawing import FrameRef, Line, OverlayClip, Page
from plugins.images import Outline, Point
from reference_store.comparison import Comparison, Refusal
from reference_store.values import Code


class Action(StrEnum):
    """What a flag does to the result it sits on."""

    WARN = "warn"
    BLOCK_Z = "block z"
    """The value is reported, the comparison is not."""
    BLOCK_NORMAL = "block normal"
    """The comparison is reported, but nothing may call it normal."""


@dataclass(frozen=True, slots=True)
class Flag:
    """A doubt about a result, declared as data: a name, what it does, a sentence for the report."""

    name: str
    action: Action
    sentence: str
    explanation: str = ""
    source: str = ""


class ReasonCode(StrEnum):
    """Why something was not assessed. Closed, so that every report and page can explain each one."""

    STRUCTURE_UNKNOWN = "structure-unknown"
    NOT_APPLICABLE = "not-applicable"
    NO_CALIBRATION = "no-calibration"
    AMBIGUOUS_CALIBRATION = "ambiguous-calibration"
    NEEDS_REGION = "needs-region"
    REGION_INVALID = "region-invalid"
    WRONG_VIEW = "wrong-view"
    CUT_OFF = "cut-off"
    IMAGE_QUALITY = "image-quality"
    COLOUR_DOPPLER = "colour-doppler"
    MOTION = "motion"
    TOO_SHORT = "too-short"
    NO_TIME_BASE = "no-time-base"
    SITE_UNKNOWN = "site-unknown"
    BIFID = "bifid"
    VESSEL = "vessel"
    UNREADABLE = "unreadable"
    NOT_ULTRASOUND = "not-ultrasound"
    PLUGIN_FAILED = "plugin-failed"
    TIME_LIMIT = "time-limit"
    MEMORY_LIMIT = "memory-limit"


@dataclass(frozen=True, slots=True)
class Declined:
    """A plugin's plain statement that an acquisition is not for it, or cannot be judged."""

    code: ReasonCode
    text: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Measurement:
    """One coded number with its unit. Undefined numbers are left out, never NaN."""

    name: str
    """Machine name, stable across versions: ``echo_intensity_mean``."""
    code: Code
    value: float
    unit: str
    """UCUM: ``[arb'U]``, ``mm``, ``mm2``, ``%``, ``1``, ``{counts}``, ``/min``, ``s``, ``deg``."""
    derivation: Code | None = None
    """Mean, median, SD and the like (CID 7464)."""
    method: Code | None = None
    definition: str = ""
    """One line: how it is computed, and by whose rule."""
    uncertainty: float | None = None
    """SD over repeated images, in the unit of the value."""
    comparison: Comparison | Refusal | None = None
    """``None`` where the measure is never compared."""

    def __post_init__(self) -> None:
        """Refuse what no report could hold."""
        if not np.isfinite(self.value):
            raise ValueError(f"measurement {self.name}: {self.value} is not a finite number; leave it out instead")


@dataclass(frozen=True, slots=True)
class Observation:
    """A coded finding without a number: a suggested class, a feature, a reader's grade."""

    name: str
    code: Code
    value: Code
    text: str
    """Supportive wording: 'consistent with', never a diagnosis."""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a clip."""

    name: str
    start_s: float
    duration_s: float
    frame: int
    """Frame of the peak."""
    centre: Point
    properties: Mapping[str, float] = field(default_factory=dict)
    """For example ``peak_displacement_mm``, ``speed_mm_s``, ``depth_mm``, ``area_mm2``."""
    confidence: float | None = None
    accepted: bool = True
    rejected_as: str = ""
    """What it was taken for when not accepted: ``arterial pulsation``, ``probe jerk``."""


class Scope(StrEnum):
    """What a finding speaks of."""

    IMAGE = "image"
    ACQUISITION = "acquisition"
    """All repeated images of one structure together: the value to report."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a plugin measured in one image, or over the repeated images of an acquisition."""

    image: FrameRef
    outline: Outline
    measurements: tuple[Measurement, ...]
    scope: Scope = Scope.IMAGE
    averaged_over: tuple[FrameRef, ...] = ()
    region_origin: str = ""
    """``drawn: presentation state``, ``found in the image``: where the outline came from."""
    observations: tuple[Observation, ...] = ()
    events: tuple[Event, ...] = ()
    confidence: float | None = None
    """0 to 1, calibrated: the share of such outlines that are right."""
    flags: tuple[Flag, ...] = ()
    lines: tuple[Line, ...] = ()
    """More to draw on the plain overlay: alternatives, thickness lines."""
    pages: tuple[Page, ...] = ()
    overlay_clip: OverlayClip | None = None
    tables: Mapping[str, str] = field(default_factory=dict)
    """Files to lie beside the report: name (``events.csv``) to content."""


@dataclass(frozen=True, slots=True)
class NotAssessable:
    """A question that was looked at and could not be answered; it is reported, never swallowed."""

    code: ReasonCode
    text: str
    remedy: str
    image: FrameRef | None = None
    lines: tuple[Line, ...] = ()
    """Candidates that a person may choose from, drawn dashed."""
    confidence: float | None = None
    pages: tuple[Page, ...] = ()


Outcome = Finding | NotAssessable
