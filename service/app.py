"""What the service is built of, and its processes, on one page.

::

    listener   C-STORE, C-ECHO → archive, ledger          decodes no pixels, runs no foreign code
    timers     settle · Orthanc changes · sweeps · pages   short idempotent ticks, no state of their own
    worker     claim → read → plugins → report → finish    everything foreign in child processes
    sender     outbox → destinations                       one destination down does not hold another

The ledger joins them: each process only ever moves rows that it has claimed, so any of them may be killed at any
line and started again.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from reference_store.comparison import References
from reference_store.store import load as load_references
from service.analyse.registry import Registry, registry
from service.config import Settings
from service.errors import Misconfigured
from service.ledger import Ledger, open_ledger

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class App:
    """The parts that a process of the service needs, each made when it is first asked for."""

    settings: Settings

    @cached_property
    def ledger(self) -> Ledger:
        """The state."""
        return open_ledger(self.settings.service.data_folder, self.settings.service.database)

    @cached_property
    def registry(self) -> Registry:
        """The plugins that the settings ask for."""
        return registry_of(self.settings)

    @cached_property
    def references(self) -> References:
        """The reference values, read once."""
        return references_of(self.settings)

    @property
    def scratch(self) -> Path:
        """Where child processes have their folders."""
        folder = self.settings.service.data_folder / "scratch"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder


def registry_of(settings: Settings) -> Registry:
    """The plugins that the settings ask for."""
    return registry(
        enabled=settings.analysis.enabled or None,
        disabled=settings.analysis.disabled,
        parameters=settings.analysis.parameters,
    )


def references_of(settings: Settings) -> References:
    """The reference values of the site, or the published ones alone.

    Raises
    ------
    Misconfigured
        A document in the folder is not what it should be.
    """
    try:
        return load_references(settings.references.folder)
    except (ValueError, OSError) as error:
        raise Misconfigured(f"references.folder = {settings.references.folder}: {error}") from error
