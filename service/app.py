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

import importlib
import os
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

from reference_store.comparison import References
from service.config import Settings
from service.errors import Misconfigured
from service.ledger import Ledger, open_ledger
from service.receive.archive import Archive

if TYPE_CHECKING:
    from service.analyse.registry import Registry


@dataclass(frozen=True)
class App:
    """The parts that a process of the service needs, each made when it is first asked for."""

    settings: Settings

    @cached_property
    def ledger(self) -> Ledger:
        """The state."""
        return open_ledger(self.data_folder, self.settings.service.database)

    @cached_property
    def archive(self) -> Archive:
        """The bytes."""
        return Archive(self.data_folder)

    @property
    def data_folder(self) -> Path:
        """Where everything lies."""
        return self.settings.service.data_folder


@dataclass(frozen=True, slots=True)
class Role:
    """One process of the service; what it does is ``service.roles.NAME.run``."""

    name: str
    wanted: Callable[[Settings], bool] = lambda _settings: True
    niceness: int = 0


def registry_of(settings: Settings) -> Registry:
    """The plugins that the settings ask for. Imports them, which takes a second or two."""
    from service.analyse.registry import registry  # noqa: PLC0415 - the listener must not load what it never runs

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
    from reference_store.store import load as load_references  # noqa: PLC0415 - only workers compare

    try:
        return cast(References, load_references(settings.references.folder))
    except (ValueError, OSError) as error:
        raise Misconfigured(f"references.folder = {settings.references.folder}: {error}") from error


def secret_of(data_folder: Path) -> bytes:
    """The key behind the pseudonyms of this service, made once."""
    path = data_folder / "pseudonyms.key"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes()
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(32))
        file.flush()
        os.fsync(file.fileno())
    return path.read_bytes()


ROLES = {
    role.name: role
    for role in (
        Role("listener", lambda settings: settings.listener.enabled),
        Role("timers"),
        Role("worker", niceness=5),
        Role("sender", lambda settings: bool(settings.destination or settings.scanner)),
    )
}


RESTORING = "restoring"
"""Lies in a data folder while a backup is put into it; what is there then is not whole."""


def check(settings: Settings) -> None:
    """Let what would keep the whole service from running be wrong now, before a process starts.

    Plugins and references are the worker's, which ends with 2 when they are wrong.

    Raises
    ------
    Misconfigured
        Names the setting and the remedy.
    """
    app = App(settings)
    if (app.data_folder / RESTORING).exists():
        raise Misconfigured(
            f"service.data_folder = {app.data_folder}: a restore into it was not finished; run 'nmus restore' again"
        )
    try:
        app.archive.sweep()
        app.ledger.status()
        app.ledger.close()
        secret_of(app.data_folder)
    except OSError as error:
        raise Misconfigured(f"service.data_folder = {app.data_folder}: {error.strerror}") from error


def run_role(name: str, settings: Settings, stop: threading.Event) -> None:
    """Be one process until ``stop`` is set."""
    role, app = ROLES[name], App(settings)
    if role.niceness:
        os.nice(role.niceness)
    try:
        importlib.import_module(f"service.roles.{name}").run(app, stop)
    finally:
        app.ledger.close()
