"""When the certificates end that the settings name: watched, so that no morning begins with refused scanners."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from service.config import Settings
from service.errors import Misconfigured

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Certificate:
    """The certificate of a file that ends first."""

    setting: str
    """Where the settings name it, for example ``tls.certificate_file``."""
    path: Path
    ends_at: float
    """Seconds since 1970 UTC."""

    def days(self, now: float) -> float:
        """Days that are left; negative once it has ended."""
        return (self.ends_at - now) / DAY_S


def certificates(settings: Settings) -> tuple[Certificate, ...]:
    """Every certificate file that the settings name and that can be read.

    A file that cannot be read is told where it is used, and kept out here: watching must not stop for it.
    """
    found = []
    for setting, path in _named(settings):
        ends = _ends_at(path, path.stat().st_mtime_ns) if path.is_file() else None
        if ends is not None:
            found.append(Certificate(setting, path, ends))
    return tuple(found)


def check_certificates(settings: Settings, now: float) -> None:
    """Refuse to start with a certificate of our own that has ended.

    Raises
    ------
    Misconfigured
        It names the file.
    """
    for one in certificates(settings):
        if one.ends_at <= now and one.setting.endswith("certificate_file"):
            raise Misconfigured(f"{one.setting} = {one.path}: this certificate has ended; renew it")


def _named(settings: Settings) -> list[tuple[str, Path]]:
    named: list[tuple[str, Path | None]] = [
        ("tls.certificate_file", settings.tls.certificate_file),
        ("tls.ca_file", settings.tls.ca_file),
        ("web.certificate_file", settings.web.certificate_file),
        ("audit.certificate_file", settings.audit.certificate_file),
        ("audit.ca_file", settings.audit.ca_file),
    ]
    for one in settings.destination:
        named.append((f"destination.{one.name}.tls_certificate_file", one.tls_certificate_file))
        named.append((f"destination.{one.name}.tls_ca_file", one.tls_ca_file))
    return [(name, path) for name, path in named if path is not None]


@functools.lru_cache(maxsize=64)
def _ends_at(path: Path, _changed: int) -> float | None:
    from cryptography import x509  # noqa: PLC0415 - slow to import, and only one process watches

    try:
        chain = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):
        return None
    return min(one.not_valid_after_utc.timestamp() for one in chain)
