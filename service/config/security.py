"""The sections about who may see and hear what: encryption, pages."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from service.config.fields import Port, Section


class Tls(Section):
    """``[tls]``: our certificate and whom we trust, for DICOM in both directions."""

    certificate_file: Path | None = None
    """PEM, ours first, then the chain. Without it the listener speaks no TLS and we show peers no certificate."""
    key_file: Path | None = None
    """PEM; the certificate's file when left out."""
    key_password_file: Path | None = None
    """Its first line opens the key."""
    ca_file: Path | None = None
    """PEM of the authorities whose certificates are believed. None for destinations: the machine's own list."""
    profile: Literal["bcp195", "bcp195-modified"] = "bcp195"
    """PS3.15 B.12; or B.13, which allows fewer algorithms (among the ones that OpenSSL has)."""
    client_certificates: Literal["required", "optional", "none"] = "required"
    """What a peer must show that connects to us. Encryption alone does not say who sends."""
    warn_days: int = Field(default=30, ge=1)
    """A certificate that ends sooner is warned of: an authority in a hospital takes weeks."""


class Audit(Section):
    """``[audit]``: who did what with whose images, as PS3.15 A.5 messages for the hospital's audit repository."""

    enabled: bool = False
    """Off: a spool that nobody empties would fill the disk with names."""
    host: str | None = None
    """The collector (syslog). None: messages stay in the spool for another program to take."""
    port: int = Field(default=6514, ge=1, le=65535)
    """Registered for syslog over TLS."""
    transport: Literal["tls", "udp"] = "tls"
    """``udp`` (RFC 5426) sends names in clear and loses what the network loses: for a collector on this machine."""
    ca_file: Path | None = None
    """PEM of the authority whose collector is believed; the machine's own list when left out."""
    certificate_file: Path | None = None
    """What we show the collector; many ask for it."""
    key_file: Path | None = None
    key_password_file: Path | None = None
    tls_server_name: str | None = None
    """Name in the collector's certificate where it is not ``host``."""
    source_id: str = ""
    """AuditSourceID; the machine's name when empty."""
    site_id: str = ""
    """AuditEnterpriseSiteID."""


class Web(Section):
    """``[web]``: pages, health and metrics."""

    enabled: bool = True
    host: str = "127.0.0.1"
    """Loopback: without a login the pages are for this machine alone."""
    port: Port = 8180
    socket: Path | None = None
    """A Unix socket instead of ``host`` and ``port``: the file's mode says who may connect."""
    socket_mode: str = Field(default="0660", pattern=r"^0?[0-7]{3}$")
    """Octal: owner and group, for a reverse proxy that is in the group."""
    host_names: tuple[str, ...] = ()
    """Names by which browsers may ask; others are refused. Empty: ``localhost`` on loopback, any name elsewhere."""
    users_file: Path | None = None
    """Who may log in, as ``nmus password`` writes it. Without it there is no login, and no other address is taken."""
    pictures: bool = True
    """Overlays on a study's page. They show the calibrated tissue region, without the scanner's banners; off where the
    pages may show numbers only."""
    session_hours: float = Field(default=8, gt=0, le=168)
    """A working day; then the password is asked for again."""
    metrics_token_file: Path | None = None
    """Its first line lets a collector read ``/metrics`` as ``Authorization: Bearer TOKEN``, without a login."""
    certificate_file: Path | None = None
    """PEM: pages by HTTPS. Without it passwords cross the network in clear unless a reverse proxy encrypts."""
    key_file: Path | None = None
    key_password_file: Path | None = None

    @model_validator(mode="after")
    def _open_to_this_machine_only(self) -> Self:
        local = self.socket is not None or is_loopback(self.host)
        if self.enabled and not local and self.users_file is None:
            raise ValueError(
                f"host {self.host} is open to a network: give users_file (nmus password makes it), or a Unix socket, "
                "or leave the host at 127.0.0.1"
            )
        return self


def is_loopback(host: str) -> bool:
    """Whether an address to listen on reaches this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
