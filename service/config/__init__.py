"""Settings: frozen, read once from one TOML file, validated whole; every default is justified where it stands.

Without a file the embedded defaults hold: a service on the loopback address that receives, analyses and keeps its
results, and sends nothing anywhere. A wrong file ends in :class:`~service.errors.Misconfigured`, whose text names
each wrong key, its value, and what to write instead; the service does not start on half a configuration.
"""

from __future__ import annotations

from service.config.fields import UID_PATTERN
from service.config.inward import Stow, WatchedFolder
from service.config.looking_back import Priors
from service.config.objects import Objects
from service.config.partners import Destination, OrthancSource
from service.config.peers import Archive, Identity, Reconcile, Scanner
from service.config.reading import load, validated
from service.config.sections import (
    Analysis,
    Listener,
    Logs,
    Mapping,
    References,
    Report,
    Service,
    Settings,
    Settle,
)
from service.config.security import Audit, Tls, Web
from service.config.workflows import Course, Workflow, course

__all__ = [
    "UID_PATTERN",
    "Analysis",
    "Archive",
    "Audit",
    "Course",
    "Destination",
    "Identity",
    "Listener",
    "Logs",
    "Mapping",
    "Objects",
    "OrthancSource",
    "Priors",
    "Reconcile",
    "References",
    "Report",
    "Scanner",
    "Service",
    "Settings",
    "Settle",
    "Stow",
    "Tls",
    "WatchedFolder",
    "Web",
    "Workflow",
    "course",
    "load",
    "validated",
]
