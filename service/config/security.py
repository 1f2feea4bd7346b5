"""The sections about who may see and hear what: encryption, pages."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

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


class Web(Section):
    """``[web]``: pages, health and metrics."""

    enabled: bool = True
    host: str = "127.0.0.1"
    """Loopback: the pages show study data and have no login of their own."""
    port: Port = 8180
