"""The contract: what a plugin is, what it is given and what it gives back.

A plugin is a frozen dataclass whose fields are its parameters. Values in, values out: no network, database,
DICOM file, clock or logger, so that it runs the same in a notebook, a test, a child process, and next year.

This module is the public face: everything a plugin author needs is imported from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from plugins.drawing import (
    Chart,
    FrameRef,
    HeatMap,
    Line,
    LineRole,
    OverlayClip,
    Page,
    Panel,
    Series,
)
from plugins.earlier import Change, Earlier, PriorReport
from plugins.findings import (
    Action,
    Declined,
    Event,
    Finding,
    Flag,
    Measurement,
    NotAssessable,
    Observation,
    Outcome,
    ReasonCode,
    Scope,
)
from plugins.images import (
    Acquisition,
    ArrayFrames,
    Box,
    Clip,
    Frames,
    Grey,
    Mask,
    Outline,
    Point,
    ReducedFrames,
    Region,
    RegionOrigin,
    RegionShape,
    Spacing,
    TissueRegion,
)
from reference_store.comparison import Comparison, NoReferences, Question, References, Refusal, RefusalCode
from reference_store.values import Code, Device, Side, Subject, View

__all__ = [
    "Acquisition",
    "Action",
    "ArrayFrames",
    "Box",
    "Change",
    "Chart",
    "Clip",
    "Code",
    "Comparison",
    "Conclusion",
    "Declined",
    "Device",
    "Earlier",
    "Event",
    "Finding",
    "Flag",
    "FrameRef",
    "Frames",
    "Grey",
    "HeatMap",
    "Line",
    "LineRole",
    "Mask",
    "Measurement",
    "NoReferences",
    "NotAssessable",
    "Observation",
    "Outcome",
    "Outline",
    "OverlayClip",
    "Page",
    "Panel",
    "Plugin",
    "Point",
    "PriorReport",
    "Question",
    "ReasonCode",
    "ReducedFrames",
    "References",
    "Refusal",
    "RefusalCode",
    "Region",
    "RegionOrigin",
    "RegionShape",
    "Result",
    "Scope",
    "Series",
    "Side",
    "Spacing",
    "Subject",
    "Summary",
    "TissueRegion",
    "View",
    "parameters",
]


@runtime_checkable
class Plugin(Protocol):
    """An analysis. Implementations are frozen dataclasses whose fields are parameters."""

    @property
    def name(self) -> str:
        """Short, stable, snake_case."""
        ...

    @property
    def version(self) -> str:
        """Semantic; any change that can change a number changes it."""
        ...

    def declines(self, acquisition: Acquisition) -> Declined | None:
        """Why this acquisition is not for this plugin, decided without decoding pixels; ``None`` to take it."""
        ...

    def analyse(self, acquisition: Acquisition, references: References) -> Sequence[Outcome]:
        """Measure. Deterministic; never writes to the frames."""
        ...


@dataclass(frozen=True, slots=True)
class Result:
    """All that one plugin said of one acquisition."""

    plugin: str
    version: str
    acquisition: Acquisition
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class Conclusion:
    """A statement about the whole exam, with its evidence and source."""

    name: str
    title: str
    text: str
    measurements: tuple[Measurement, ...] = ()
    observations: tuple[Observation, ...] = ()
    evidence: tuple[FrameRef, ...] = ()
    source: str = ""
    evaluable: bool = True
    pages: tuple[Page, ...] = ()
    changes: tuple[Change, ...] = ()
    """Values held against those of an earlier exam; reported as coded comparisons."""


@runtime_checkable
class Summary(Protocol):
    """The second, smaller contract: all findings of an exam in, conclusions out."""

    @property
    def name(self) -> str:
        """Short, stable, snake_case."""
        ...

    @property
    def version(self) -> str:
        """Semantic."""
        ...

    def summarise(
        self, results: Sequence[Result], earlier: Sequence[Earlier], references: References
    ) -> Sequence[Conclusion]:
        """Conclude from the findings alone; deterministic."""
        ...


def parameters(plugin: Plugin | Summary) -> dict[str, Any]:
    """The plugin's own parameters by name, for the record of how a number was made."""
    return {name: getattr(plugin, name) for name in getattr(plugin, "__dataclass_fields__", {})}
