"""What goes into a report, and what comes out: frozen values that a child process takes and gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from plugins.contract import Conclusion, ReasonCode, Result

SR_CLASSES = {
    "comprehensive-3d": "1.2.840.10008.5.1.4.1.1.88.34",
    "comprehensive": "1.2.840.10008.5.1.4.1.1.88.33",
}
"""Setting to SOP Class UID. The content is the same: only plane coordinates are used."""


@dataclass(frozen=True, slots=True)
class Unread:
    """An object that was received and could not be looked at."""

    sop_instance_uid: str
    series_instance_uid: str
    code: ReasonCode
    text: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Content:
    """All that is known of one study."""

    study_instance_uid: str
    results: tuple[Result, ...]
    conclusions: tuple[Conclusion, ...] = ()
    unread: tuple[Unread, ...] = ()
    parameters: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Plugin name to its parameters as ``name=value``, for the algorithm's identification."""
    fingerprint: str = ""
    """Digest of all that is reported; with the inputs it decides the UIDs of the objects."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a site wants its reports."""

    sr_classes: tuple[str, ...] = ("comprehensive-3d",)
    per: str = "study"
    """``study`` or ``series``."""
    content_qualification: str = "RESEARCH"
    secondary_capture: bool = True
    lossless_captures: bool = False
    """Stills as drawn rather than in JPEG baseline: where a destination wants captures in a way of its own."""
    organisation: str = ""
    uid_root: str = ""
    tracking_secret: bytes = field(default=b"", repr=False)
    """Key of the pseudonym behind tracking identifiers, so that they follow a muscle without telling who it is."""
    presentation_states: bool = False
    pdf: bool = False


@dataclass(frozen=True, slots=True)
class Moment:
    """The job's own time and place in the study's history: never the present, so that a rerun gives the same bytes."""

    time: datetime
    generation: int


@dataclass(frozen=True, slots=True)
class Previous:
    """An earlier object about the same thing, which a new one amends."""

    key: str
    path: Path


@dataclass(frozen=True, slots=True)
class Making:
    """How, when and where objects are made."""

    plan: Plan
    moment: Moment
    folder: Path
    """Where the files are written."""
    previous: tuple[Previous, ...] = ()
    corrected_identity: str = ""
    """Digest of whom the images name now, if they named somebody else before: then the same findings are another
    result. Empty for the identity that the study had first."""


@dataclass(frozen=True, slots=True)
class ReportObject:
    """One DICOM object, written to ``file`` in the folder that was given."""

    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    role: str
    """``sr``, ``sc``, ``gsps`` or ``pdf``."""
    key: str
    """What it is about; stays the same when it is amended."""
    instance_number: int
    file: str
    sr_class: str = ""
    """Which of the plan's SR classes this is; empty for others."""
    title: str = ""

    def __post_init__(self) -> None:
        """Plain text only: pydicom's UID is a class of its own, which a child process does not give back."""
        for name in ("sop_instance_uid", "sop_class_uid", "series_instance_uid", "transfer_syntax_uid"):
            object.__setattr__(self, name, str(getattr(self, name)))
