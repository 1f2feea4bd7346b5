"""Signature version 4 of requests to storage that speaks S3.

Source: Amazon Simple Storage Service API Reference, "Authenticating Requests: Using the Authorization Header (AWS
Signature Version 4)", whose examples are tests. The digest of the body is part of what is signed, so the store itself
refuses a body that is not the one that was digested here.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

EMPTY = hashlib.sha256().hexdigest()
"""Digest of no body."""
_SAFE = "-_.~"


@dataclass(frozen=True, slots=True)
class Keys:
    """An access key and its secret, which is never shown."""

    access: str
    secret: str = field(repr=False)


def quoted(path: str) -> str:
    """A path as it is signed and sent."""
    return quote(path, safe=f"/{_SAFE}")


def query_of(values: Mapping[str, str]) -> str:
    """A query as it is signed and sent."""
    pairs = sorted((quote(name, safe=_SAFE), quote(value, safe=_SAFE)) for name, value in values.items())
    return "&".join(f"{name}={value}" for name, value in pairs)


def authorisation(
    method: str, path: str, query: str, headers: Mapping[str, str], *, keys: Keys, region: str, at: datetime
) -> str:
    """The value of the header ``Authorization``.

    Parameters
    ----------
    path, query:
        As :func:`quoted` and :func:`query_of` give them.
    headers:
        Names in lower case; all of them are signed. ``host``, ``x-amz-date`` and ``x-amz-content-sha256`` are among
        them.
    at:
        In UTC; the time that ``x-amz-date`` says.
    """
    names = ";".join(sorted(headers))
    told = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in sorted(headers))
    request = "\n".join((method, path, query, told, names, headers["x-amz-content-sha256"]))
    scope = f"{at:%Y%m%d}/{region}/s3/aws4_request"
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = "\n".join(("AWS4-HMAC-SHA256", f"{at:%Y%m%dT%H%M%SZ}", scope, digest))
    key = f"AWS4{keys.secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    return f"AWS4-HMAC-SHA256 Credential={keys.access}/{scope},SignedHeaders={names},Signature={signature}"
