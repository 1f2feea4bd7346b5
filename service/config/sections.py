"""The sections of the settings file, one frozen class each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from reference_store.values import Side, View
from service.config.fields import AETitle, Network, Pattern, Port, SrClass, Uid
from service.config.fields import Section as _Section
from service.config.inward import Stow, WatchedFolder
from service.config.looking_back import Priors
from service.config.objects import Objects
from service.config.partners import Destination, OrthancSource, with_password
from service.config.peers import Archive, Identity, Reconcile, Scanner, names_once
from service.config.secrets import first_line
from service.config.security import Audit, Tls, Web
from service.config.workflows import Workflow
from service.config.workflows import check as check_workflows


class Service(_Section):
    """``[service]``: where the state lies and how the steps are timed."""

    data_folder: Path = Path("nmus-data")
    """Archive, spool and ledger; must be a local disk. Relative to the folder of the settings file."""
    database: str = ""
    """SQLAlchemy address of the ledger. Empty: SQLite in the data folder, which needs no server and no upkeep."""
    database_file: Path | None = None
    """Its first line is that address, which may hold a password. Instead of ``database``."""
    local_folder: Path | None = None
    """Scratch space of this machine; in the data folder when left out. For a data folder that machines share."""
    machine: str = Field(default="", pattern=r"^[A-Za-z0-9._-]{0,40}$")
    """What this machine is called in the ledger; its host name when empty. Containers give theirs anew each time."""
    roles: tuple[Literal["listener", "timers", "worker", "sender"], ...] = ()
    """Which processes run here; empty: all. Several machines share the rest between them."""
    tick_seconds: float = Field(default=0.5, gt=0, le=60)
    """How often settle, claim and send look for work; half a second is not felt and costs under 1 % of a core."""
    lease_seconds: float = Field(default=30, ge=2, le=3600)
    """A job whose worker has been silent this long is given to another; three missed renewals of ten seconds."""

    def placed(self, root: Path) -> Self:
        """The same with absolute paths and the database's address read. Raises ``Misconfigured``."""
        here = super().placed(root)
        if here.database_file is None:
            return here
        address = first_line(here.database_file, "service.database_file", "address")
        return here.model_copy(update={"database": address})

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if self.database and self.database_file is not None:
            raise ValueError("[service] has database and database_file: give one of them")
        return self


class Listener(_Section):
    """``[listener]``: the C-STORE and C-ECHO SCP, a process of its own."""

    enabled: bool = True
    ae_title: AETitle = "NMUS"
    host: str = "127.0.0.1"
    """Loopback, so that nothing is open to a network before somebody decided it should be."""
    port: Port = 11112
    """Registered for DICOM and free of root rights; 0 takes a free port and logs it."""
    plain: bool = True
    """Without encryption, as most scanners still send. Off once all that send speak TLS: then ``tls_port`` only."""
    tls_port: Port | None = None
    """With encryption, by section ``[tls]``. 2762 is registered for it; 0 takes a free port."""
    require_called_ae_title: bool = False
    """Off: scanners are often set up with an old title. On: a wrong called title is refused at association."""
    calling_ae_titles: tuple[AETitle, ...] = ()
    """Who may send; empty lets every title in. A title alone is no authentication: set ``networks`` too."""
    networks: tuple[Network, ...] = ()
    """Addresses (CIDR) that may connect; empty lets every address in that can reach ``host``."""
    maximum_associations: int = Field(default=50, ge=1, le=1000)
    """pynetdicom's own 10 is met by one ward at work; beyond the limit the answer is "transient", so scanners retry."""
    maximum_unestablished_per_address: int = Field(default=8, ge=1, le=1000)
    """Connections of one address that have not said who they are: a port scan must not eat the threads."""
    maximum_pdu_bytes: int = Field(default=131072, ge=4096, le=1048576)
    """Measured best size for pynetdicom: fewer PDUs than its 16 kB, while unlimited is slower."""
    maximum_object_mb: int = Field(default=8192, ge=1)
    """No ultrasound loop comes near; a peer that streams for ever is cut off."""
    network_timeout_seconds: float = Field(default=60, ge=5)
    """Silence on an open association; must be longer than the slowest durable write."""
    acse_timeout_seconds: float = Field(default=15, ge=1)
    """For the association request to arrive whole; a silent TCP client is dropped after it."""
    drain_seconds: float = Field(default=20, ge=0, le=600)
    """How long SIGTERM waits for associations that are still sending; below systemd's 90 s."""
    private_sop_classes: tuple[Uid, ...] = ()
    """Private storage classes to take besides all standard and the retired ultrasound ones."""
    warn_free_mb: int = Field(default=10_000, ge=0)
    """Below this the metrics and the log warn: a day's work of a busy laboratory still fits."""
    refuse_free_mb: int = Field(default=2_000, ge=0)
    """Below this objects are answered 0xA700 and associations refused as transient: room for ledger and results.
    A floor in megabytes, not a share: 10 % of a large disk would waste a terabyte."""


class Settle(_Section):
    """``[settle]``: when a study is taken to be complete."""

    quiet_seconds: float = Field(default=60, ge=0)
    """Nothing new for a minute. A scanner that sends at the end of the exam needs seconds; one that sends image by
    image pauses between muscles, and what comes later makes a rerun that amends, so nothing is lost by a short one."""
    sources: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    """Quiet seconds per calling AE title or Orthanc source name; the largest among a study's sources counts."""


class Analysis(_Section):
    """``[analysis]``: plugins and their limits."""

    workers: int = Field(default=1, ge=1, le=64)
    """Studies analysed at once; one leaves the other core of a small machine to reception."""
    time_limit_seconds: float = Field(default=300, gt=0)
    """Per plugin and acquisition. A minute of cine takes two to four seconds: a hundredfold margin."""
    memory_limit_mb: int = Field(default=4096, ge=256)
    """Address space of one plugin run; a bomb ends here and not in the machine's swap."""
    maximum_attempts: int = Field(default=5, ge=1, le=100)
    """A job claimed this often without outcome killed its worker each time; it is set aside as dead and shown."""
    yield_to_reception: bool = True
    """Analyses leave the processor to the rest of the service: a sender waits for its answer, a study can."""
    enabled: tuple[str, ...] = ()
    """Names of plugins to run; empty runs all that are installed."""
    disabled: tuple[str, ...] = ()
    parameters: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """``[analysis.parameters.NAME]``: fields of that plugin's dataclass."""


class Report(_Section):
    """``[report]``: what is made of the findings."""

    sr_class: SrClass = "comprehensive-3d"
    """What highdicom and dcmqi write for TID 1500; a destination may ask for Comprehensive SR instead."""
    per: Literal["study", "series"] = "study"
    """One report for an exam: scanners put each image into a series of its own, or all into one."""
    content_qualification: Literal["RESEARCH", "PRODUCT", "SERVICE"] = "RESEARCH"
    """PS3.3 C.8.13.2.1.1. Not a cleared medical device, and the object says so until the site decides otherwise."""
    secondary_capture: bool = True
    """Most viewers show no SR outlines; the picture with the outline is what a reader sees."""
    languages: tuple[str, ...] = ("en",)
    organisation: str = ""
    """Institution that runs the service, written as the device observer's organisation when given."""
    uid_root: str = Field(default="", pattern=r"^([0-9.]{3,30})?$")
    """Organisation's own UID root for results; empty derives 2.25 UIDs (PS3.5 B.2), which need no registration."""


class Mapping(_Section):
    """``[[mapping]]``: what a site's own descriptions mean. The first mapping whose every pattern is found is taken."""

    match: dict[str, Pattern] = Field(min_length=1)
    """Attribute keyword (``SeriesDescription``, ``ProtocolName``, ``ViewName``, ``StageName``, ``ImageComments`` …) to
    a regular expression, searched without regard to case."""
    structure: str | None = None
    """Name or synonym in the reference store's catalogue."""
    side: Side | None = None
    site: str | None = None
    view: View | None = None


class References(_Section):
    """``[references]``: the site's own reference models."""

    folder: Path | None = None
    """Own tables and models beside the built-in ones; none by default. Relative to the folder of the settings file."""
    volunteer_study_description: Pattern | None = None
    """An exam that matches this, or one of the next three, adds its values to the site's normal values. None by
    default: a patient taken for a volunteer would spoil a reference."""
    volunteer_protocol_name: Pattern | None = None
    volunteer_ae_title: Pattern | None = None
    volunteer_patient_id: Pattern | None = None
    phantom_study_description: Pattern | None = None
    """An exam that matches this, or one of the next two, shows the phantom and goes to the scanner's control chart."""
    phantom_protocol_name: Pattern | None = None
    phantom_patient_id: Pattern | None = None


class Logs(_Section):
    """``[logs]``: JSON lines on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    file: Path | None = None
    """Standard error by default, which systemd and containers collect and rotate."""


class Settings(_Section):
    """The whole configuration. ``Settings()`` are the embedded defaults."""

    service: Service = Service()
    objects: Objects = Objects()
    listener: Listener = Listener()
    orthanc: tuple[OrthancSource, ...] = ()
    folder: tuple[WatchedFolder, ...] = ()
    stow: Stow = Stow()
    settle: Settle = Settle()
    analysis: Analysis = Analysis()
    report: Report = Report()
    destination: tuple[Destination, ...] = ()
    archive: tuple[Archive, ...] = ()
    scanner: tuple[Scanner, ...] = ()
    identity: Identity = Identity()
    reconcile: Reconcile = Reconcile()
    priors: Priors = Priors()
    mapping: tuple[Mapping, ...] = ()
    workflow: tuple[Workflow, ...] = ()
    tls: Tls = Tls()
    audit: Audit = Audit()
    web: Web = Web()
    references: References = References()
    logs: Logs = Logs()

    @model_validator(mode="after")
    def _encrypted_or_plain(self) -> Self:
        if not self.listener.plain and self.listener.tls_port is None:
            raise ValueError("listener.plain = false needs listener.tls_port: else nobody could send")
        if self.listener.tls_port is not None and self.tls.certificate_file is None:
            raise ValueError("listener.tls_port needs tls.certificate_file: a certificate to show")
        return self

    @model_validator(mode="after")
    def _names_once(self) -> Self:
        names_once(self.archive, self.scanner)
        peers: dict[str, tuple[OrthancSource | Destination, ...]] = {
            "orthanc": self.orthanc,
            "destination": self.destination,
        }
        for section, entries in peers.items():
            if any(entry.password_file is not None and entry.password.get_secret_value() for entry in entries):
                raise ValueError(f"[[{section}]] has password and password_file: give one of them")
        for section, named in (*peers.items(), ("folder", self.folder)):
            names = [entry.name for entry in named]
            twice = {name for name in names if names.count(name) > 1}
            if twice:
                raise ValueError(f"[[{section}]] has the name {sorted(twice)[0]!r} more than once: names must differ")
        self.stow.check(self.web.host)
        sources = {one.name for one in self.archive} | {one.name for one in self.orthanc}
        self.priors.check(sources | {one.name for one in self.destination})
        check_workflows(self.workflow, {one.name for one in self.destination})
        return self

    def placed(self, folder: Path) -> Settings:
        """The same settings with every relative path taken from ``folder``, which is made absolute, and passwords read.

        Raises
        ------
        Misconfigured
            A password file cannot be read or is empty.
        """
        root = folder.resolve()
        orthanc = tuple(with_password(entry, f"orthanc[{n}]", root) for n, entry in enumerate(self.orthanc))
        outward = tuple(with_password(entry, f"destination[{n}]", root) for n, entry in enumerate(self.destination))
        sections = {
            name: section.placed(root)
            for name in type(self).model_fields
            if isinstance(section := getattr(self, name), _Section)
        }
        placed = {
            "orthanc": orthanc,
            "folder": tuple(entry.placed(root) for entry in self.folder),
            "destination": tuple(entry.placed(root) for entry in outward),
        }
        return self.model_copy(update={**sections, **placed})
