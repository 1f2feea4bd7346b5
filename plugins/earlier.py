"""What earlier exams told, read back from their reports, and what has changed since."""

from __future__ import annotations

from dataclasses import dataclass

from plugins.drawing import FrameRef
from reference_store.values import Code, Device, Side, View


@dataclass(frozen=True, slots=True)
class PriorReport:
    """Where an earlier report is found: what a reference to it holds."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str


@dataclass(frozen=True, slots=True)
class Earlier:
    """One value of an earlier exam, parsed back from a report."""

    structure: str
    side: Side
    site: str | None
    measurement: str
    value: float
    unit: str
    days_ago: float
    device: Device = Device()
    report_uid: str | None = None
    plugin_version: str = ""
    plugin: str = ""
    """Name of the algorithm that measured it; empty where the report names none."""
    maker: str = ""
    """Manufacturer of the report: ``nmus``, or a vendor."""
    view: View = View.UNKNOWN
    code: Code | None = None
    """Concept of the measurement; with ``derivation`` it decides what may be compared with what."""
    derivation: Code | None = None
    report: PriorReport | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One value and the same value of an earlier exam."""

    code: Code
    unit: str
    value: float
    before: float
    days: float
    structure: str
    side: Side
    site: str | None
    image: FrameRef
    report: PriorReport | None = None
    detectable: float | None = None
    """Smallest detectable change in the unit of the value; ``None`` where no source gives one."""
    source: str = ""
    """Of the smallest detectable change."""

    @property
    def difference(self) -> float:
        """Now less then."""
        return self.value - self.before
