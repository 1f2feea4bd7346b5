"""``[objects]``: a bucket in which received objects and results lie, for machines without a folder in common."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from service.config.fields import Section


class Objects(Section):
    """``[objects]``: storage that speaks S3. Without ``endpoint`` the data folder is where everything lies."""

    endpoint: str | None = Field(default=None, pattern=r"^https?://[^/?#]+/?$")
    """Without a path; the bucket comes behind it."""
    bucket: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
    """It must be there: nmus makes none, as rights, versions and retention are for those to decide who run it."""
    prefix: str = Field(default="", pattern=r"^([A-Za-z0-9_-]+/)*$")
    """Before every name, for a bucket that others use too."""
    region: str = Field(default="us-east-1", pattern=r"^[a-z0-9-]+$")
    """Part of every signature; what MinIO and Ceph take unless they were set up with another."""
    path_style: bool = True
    """The bucket in the path and not in the host's name: MinIO and Ceph have no wildcard in DNS by default."""
    access_key_file: Path | None = None
    """Its first line is the access key."""
    secret_key_file: Path | None = None
    """Its first line is the secret key. Both are read anew when the store refuses them: keys are exchanged in place."""
    ca_file: Path | None = None
    """Authorities that the store's certificate may be of; the system's when left out."""
    timeout_seconds: float = Field(default=30, ge=1, le=600)
    """Of silence. Shorter than ``listener.network_timeout_seconds``, as the sender waits for the store."""
    cache_mb: int = Field(default=20_000, ge=100)
    """Of objects on this machine's own disk, what was not used longest goes first; what is in use always stays."""

    @property
    def in_use(self) -> bool:
        """Whether there is a bucket."""
        return self.endpoint is not None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        parts = (self.endpoint, self.bucket, self.access_key_file, self.secret_key_file)
        if any(parts) and not all(parts):
            raise ValueError("[objects] needs endpoint, bucket, access_key_file and secret_key_file, or none of them")
        return self
