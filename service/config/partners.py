"""What has a password: the sections of Orthancs that are pulled from, and of destinations that results go to."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self, TypeVar

from pydantic import Field, SecretStr, model_validator

from service.config.fields import AETitle, PeerPort, SrClass
from service.config.fields import Section as _Section
from service.config.peers import confirmable
from service.config.secrets import first_line


class OrthancSource(_Section):
    """``[[orthanc]]``: an Orthanc whose stored series are pulled through ``/changes``."""

    name: str = Field(min_length=1, max_length=64)
    url: str = Field(pattern=r"^https?://")
    username: str = ""
    password: SecretStr = SecretStr("")
    password_file: Path | None = None
    """Its first line is the password: a systemd credential, a container's secret. Instead of ``password``."""
    poll_seconds: float = Field(default=5, ge=0.1)
    """One short request; the quiet time is longer anyhow."""
    history: bool = False
    """At the first contact take what comes from now on. On: everything it holds, which may be years of a department."""
    timeout_seconds: float = Field(default=60, gt=0)
    """pyorthanc's own 5 s cuts off a long cine."""


class Destination(_Section):
    """``[[destination]]``: where results go, by C-STORE, into an Orthanc by REST, or by STOW-RS."""

    name: str = Field(min_length=1, max_length=64)
    ae_title: AETitle | None = None
    host: str | None = None
    port: PeerPort | None = None
    calling_ae_title: AETitle | None = None
    """Our title towards this peer; the listener's when absent, so that a PACS knows one partner."""
    orthanc: str | None = Field(default=None, pattern=r"^https?://")
    """Address of an Orthanc's REST interface instead of ``ae_title``, ``host`` and ``port``."""
    orthanc_modality: str | None = Field(default=None, min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.-]+$")
    """A modality of that Orthanc to which it is to send on what it got, by a job of its own."""
    dicomweb: str | None = Field(default=None, pattern=r"^https?://")
    """Address of a DICOMweb service instead: results are posted to its ``/studies``."""
    username: str = ""
    password: SecretStr = SecretStr("")
    password_file: Path | None = None
    """Its first line is the password: a systemd credential, a container's secret. Instead of ``password``."""
    token_file: Path | None = None
    """Its first line is a bearer token, read anew for every request, since tokens are renewed. Instead of the two."""
    ca_file: Path | None = None
    """PEM of the authorities that an ``https`` address is believed by; the machine's own list when absent."""
    sr_class: SrClass | None = None
    """Instead of ``report.sr_class``, for a PACS that does not know Comprehensive 3D SR."""
    objects: tuple[Literal["sr", "sc", "gsps", "pdf"], ...] = ("sr", "sc")
    """Reports, overlays; presentation states (outlines that a viewer draws), a PDF document."""
    captures: Literal["as made", "uncompressed", "rle", "jpeg-ls"] = "as made"
    """Transfer syntax of captures. As made is JPEG baseline, which every viewer shows, in a tenth of the bytes; where
    one destination wants another, stills are made without loss."""
    timeout_seconds: float = Field(default=60, gt=0)
    """For the answer to one object; a PACS that archives while we wait takes seconds."""
    keep_open_seconds: float = Field(default=1, ge=0, le=60)
    """How long an association stays open for what comes next: a study's last page goes after its report. No longer,
    because some peers (a plain storescp) take one association at a time, and others would have to wait."""
    confirm: Literal["none", "commitment", "find", "qido"] = "none"
    """How it is made sure that the destination has what it took: storage commitment, C-FIND (an Orthanc's own search
    where it is reached by REST), or QIDO-RS. None by default: most PACS must be told of us first."""
    qido: str | None = Field(default=None, pattern=r"^https?://")
    """DICOMweb address to ask when ``confirm`` is ``qido`` and results do not go there by ``dicomweb``."""
    tls: bool = False
    """C-STORE with encryption. An Orthanc's REST interface has it by an ``https`` address."""
    tls_ca_file: Path | None = None
    """Whom to believe for this one; ``tls.ca_file`` when left out, then the machine's own list."""
    tls_certificate_file: Path | None = None
    """What to show this one; ``tls.certificate_file`` when left out."""
    tls_key_file: Path | None = None
    tls_key_password_file: Path | None = None
    tls_server_name: str | None = None
    """Name in the peer's certificate where it is not ``host``."""
    tls_check_name: bool = True
    """Off for peers whose certificate names something else; then whoever our authority certified may pass for it."""

    @model_validator(mode="after")
    def _can_be_confirmed(self) -> Self:
        dicomweb = (self.qido or self.dicomweb) is not None
        ways = {"dicom": self.ae_title is not None, "orthanc": self.orthanc is not None, "dicomweb": dicomweb}
        confirmable(self.confirm, ways)
        return self

    @model_validator(mode="after")
    def _one_way_there(self) -> Self:
        dicom = (self.ae_title, self.host, self.port)
        ways = [self.orthanc is not None, self.dicomweb is not None, dicom != (None, None, None)]
        if sum(ways) != 1 or (ways[2] and None in dicom):
            raise ValueError("give either ae_title, host and port (C-STORE), or orthanc, or dicomweb, not both")
        if self.orthanc_modality is not None and self.orthanc is None:
            raise ValueError("orthanc_modality needs orthanc: the Orthanc that is to send on")
        if self.captures != "as made" and self.orthanc is not None and self.confirm == "find":
            raise ValueError("confirm = 'find' compares an Orthanc's files byte for byte: leave captures as made")
        if self.token_file is not None and self.username:
            raise ValueError("give either username and password, or token_file, not both")
        return self


Peer = TypeVar("Peer", OrthancSource, Destination)


def with_password(entry: Peer, key: str, root: Path) -> Peer:
    """The same with absolute paths and its password read. Raises ``Misconfigured``."""
    files = {
        name: root / path for name in ("token_file", "ca_file") if (path := getattr(entry, name, None)) is not None
    }
    if files:
        entry = entry.model_copy(update=files)
    if entry.password_file is None:
        return entry
    path = root / entry.password_file
    password = first_line(path, f"{key}.password_file")
    return entry.model_copy(update={"password": SecretStr(password), "password_file": path})
