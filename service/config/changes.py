"""Settings that are read again while the service runs."""

from __future__ import annotations

from service.config.objects import Objects
from service.config.sections import Settings
from service.config.security import Tls

UNTIL_RESTART = (
    ("service", "data_folder"),
    ("service", "database"),
    *(("objects", name) for name in Objects.model_fields),
    ("listener", "host"),
    ("listener", "port"),
    ("listener", "plain"),
    ("listener", "tls_port"),
    *(("tls", name) for name in Tls.model_fields),
)
"""Where the state lies and where and how peers find us: changing these under open associations would lose both."""


def taken_over(fresh: Settings, current: Settings) -> tuple[Settings, tuple[str, ...]]:
    """The fresh settings with what holds until a restart as it was, and the keys of which that is true."""
    kept = []
    for section, key in UNTIL_RESTART:
        before = getattr(getattr(current, section), key)
        if getattr(getattr(fresh, section), key) != before:
            part = getattr(fresh, section).model_copy(update={key: before})
            fresh = fresh.model_copy(update={section: part})
            kept.append(f"{section}.{key}")
    return fresh, tuple(kept)
