"""The rows of the ledger as frozen values. Times are seconds since 1970 UTC; UIDs and paths are plain text."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from service.ledger.proof_values import ConfirmStatus, Reconciliation


class Kept(StrEnum):
    """What became of an object that was offered to :meth:`Ledger.keep`."""

    NEW = "new"
    DUPLICATE = "duplicate"
    """Same UID, same bytes: nothing to do."""
    CONFLICT = "conflict"
    """Same UID, other bytes: kept beside the first, alarmed, never analysed."""
    OWN = "own"
    """One of our own results on its way round: kept by its archive already, never analysed."""


class JobState(StrEnum):
    """Where a job stands. It only goes forward, except that a failed attempt returns to ``queued``."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    """Nothing will help but a change: the reason is shown."""
    DEAD = "dead"
    """Claimed again and again without any outcome: it kills its worker."""
    SUPERSEDED = "superseded"
    """A later generation was queued before this one ran; that one covers it."""
    QUARANTINED = "quarantined"
    """The objects contradict each other, or the hospital's own record, about whom they show: nothing was analysed."""


class OutgoingState(StrEnum):
    """Where one object stands on its way to one destination."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    HELD = "held"
    """The destination refused it for good: a dead letter until somebody re-drives it."""
    WITHDRAWN = "withdrawn"
    """Taken back before it was sent."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One stored DICOM object."""

    sop_instance_uid: str
    sop_class_uid: str
    study_instance_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    sha256: str
    """Of the data set's bytes as they came, without the file's header, which each transport writes anew."""
    path: str
    """Of the file, relative to the data folder."""
    size: int
    received_at: float
    source: str
    """Calling AE title, or name of the Orthanc."""
    peer: str = ""
    """Network address it came from."""
    modality: str = ""


@dataclass(frozen=True, slots=True)
class OpenStudy:
    """A study in which something is new since its last job."""

    study_instance_uid: str
    generation: int
    """Of the last job; 0 before the first."""
    last_received_at: float
    sources: tuple[str, ...]
    """Who sent what is new."""
    called: tuple[str, ...] = ()
    """As :meth:`Ledger.called` gives them."""


@dataclass(frozen=True, slots=True)
class Job:
    """The analysis of one generation of a study: all instances that had come when it settled."""

    id: int
    study_instance_uid: str
    generation: int
    state: JobState
    attempt: int
    """Fence: only the holder of the latest attempt may finish."""
    owner: str
    lease_until: float
    created_at: float
    """When the study settled: the time stamp of all results, so that a second run gives the same bytes."""
    cause: str
    """``first``, ``late images``, ``rerun``, ``released`` or ``rejected``."""
    reason: str = ""
    """Why it failed or died."""
    started_at: float | None = None
    finished_at: float | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """One finished DICOM object, its file byte-exact and already durable when it is given to the ledger."""

    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    role: str
    """``sr``, ``sc``, or ``ko`` for a rejection note."""
    path: str
    """Relative to the data folder."""
    sha256: str
    """Of the whole file."""
    size: int
    transfer_syntax_uid: str = "1.2.840.10008.1.2.1"
    destinations: tuple[str, ...] = ()
    """Names of those who get it; an outbox row each."""
    instance_number: int = 1
    generation: int = 0
    """Filled in by the ledger."""
    study_instance_uid: str = ""
    """Filled in by the ledger."""
    key: str = ""
    """What the object is about (for example ``sr|study``): an object of a later generation with the same key
    amends the earlier one."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why one instance was analysed or not, for ``explain``."""

    sop_instance_uid: str
    code: str
    """``analysed`` or a ``ReasonCode`` value."""
    text: str
    """No patient data."""
    remedy: str = ""
    plugin: str = ""
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a finished job leaves: written in one transaction with the job's end."""

    results: tuple[Result, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    findings: str = ""
    """JSON of the findings, for pages and for exam summaries that look back. Holds no patient data."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One object that one destination is to get."""

    id: int
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    study_instance_uid: str
    path: str
    size: int
    destination: str
    state: OutgoingState
    attempt: int
    """Fence, and how often it was tried."""
    due: float
    created_at: float
    last_error: str = ""
    sent_at: float | None = None


@dataclass(frozen=True, slots=True)
class Circuit:
    """Whether a destination is worth trying just now."""

    destination: str
    failures: int
    retry_at: float
    """Nothing is claimed for it before; 0 when it is well."""
    reason: str
    paused: bool


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the audit trail."""

    at: float
    kind: str
    study_instance_uid: str = ""
    sop_instance_uid: str = ""
    job: int | None = None
    destination: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Process:
    """One of the service's processes as it last said of itself."""

    name: str
    pid: int
    started_at: float
    beat_at: float
    counters: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OutboxStatus:
    """What waits for one destination."""

    destination: str
    waiting: int
    held: int
    sent: int
    oldest_waiting_at: float | None


@dataclass(frozen=True, slots=True)
class Status:
    """The ledger at a glance, for ``nmus status``, the pages and the metrics."""

    instances: int
    conflicts: int
    open_studies: int
    jobs: dict[str, int]
    """Number per :class:`JobState` value; states without a job are 0."""
    oldest_queued_at: float | None
    outbox: tuple[OutboxStatus, ...]
    circuits: tuple[Circuit, ...]
    processes: tuple[Process, ...]
    confirmations: tuple[ConfirmStatus, ...] = ()
    quarantined: int = 0
    """Studies that are held back."""
    unanswered_requests: int = 0
    """Commitment requests of scanners that nobody answered."""
    reconciliations: tuple[Reconciliation, ...] = ()
    """The latest comparison of each kind with each peer."""
