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

import contextlib
import importlib
import logging
import os
import secrets
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

from reference_store.comparison import References
from service import logs
from service.audit import Trail, open_trail
from service.config import Settings
from service.errors import Misconfigured
from service.ledger import Ledger, open_ledger
from service.objects import Objects, StoreAway, objects_of
from service.receive.archive import Archive

if TYPE_CHECKING:
    from service.analyse.registry import Registry


_LOG = logging.getLogger(__name__)


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
        return Archive(self.data_folder, self.objects)

    @property
    def objects(self) -> Objects:
        """Where received objects and results lie."""
        return objects_of(self.settings)

    @cached_property
    def secret(self) -> bytes:
        """The key behind the pseudonyms, the same on all machines."""
        if not self.objects.is_remote:
            return secret_of(self.data_folder)
        with self.ledger.writing() as transaction:
            self.ledger.one_at_a_time(transaction, SECRET)  # two machines that start for the first time make one
            known = self.objects.small(SECRET)
            # one that is here was made before there was a bucket
            return known or self.objects.small(SECRET, secret_of(self.data_folder)) or b""

    @cached_property
    def trail(self) -> Trail:
        """The audit trail; one that writes nothing unless the settings ask for it."""
        return open_trail(self.settings, self.machine)

    @property
    def machine(self) -> str:
        """What this machine is called in leases and heartbeats."""
        return self.settings.service.machine or socket.gethostname()

    def process_name(self, role: str) -> str:
        """What a process is called in the ledger: where machines share one, each has its own."""
        return f"{role}@{self.machine}"[:64] if self.settings.service.database else role

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
    does_without: tuple[str, ...] = ()
    """Libraries that the ones it needs would load if they found them."""
    sections: tuple[str, ...] = ()
    """Sections of the settings that it uses: when one of them changes it begins anew, or adopts them."""
    adopts: bool = False
    """Takes fresh settings over without beginning anew: open associations go on."""

    def here(self, settings: Settings) -> bool:
        """Whether this machine is to run it."""
        return self.wanted(settings) and (not settings.service.roles or self.name in settings.service.roles)


class Orders(threading.Event):
    """What a process is told from outside: to end (this event itself), and which settings hold from now on."""

    def __init__(self, settings: Settings, sections: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.turn = threading.Event()
        """Set when the process is to end, or to begin anew with other settings."""
        self._settings = settings
        self._sections = sections
        self._fresh: Settings | None = None
        self._lock = threading.Lock()

    def set(self) -> None:
        """End."""
        super().set()
        self.turn.set()

    def give(self, settings: Settings) -> None:
        """Other settings; nothing happens unless they concern this process."""
        with self._lock:
            concerned = any(getattr(settings, one) != getattr(self._settings, one) for one in self._sections)
            self._settings = settings
            if concerned:
                self._fresh = settings
                self.turn.set()

    def take(self) -> Settings | None:
        """The settings that came since the last time, if any did."""
        with self._lock:
            fresh, self._fresh = self._fresh, None
            return fresh


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


SECRET = "pseudonyms.key"  # noqa: S105 - a file's name


def secret_of(data_folder: Path) -> bytes:
    """The key behind the pseudonyms of this service, made once."""
    path = data_folder / SECRET
    if not path.exists():
        # linked whole under its name: another machine that starts at this moment must not read half a key
        partial = path.with_name(f".{secrets.token_hex(8)}.key")
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(partial, path)
        partial.unlink()
    return path.read_bytes()


_PICTURE_LIBRARIES = ("numpy", "gdcm", "PIL", "openjpeg", "libjpeg", "pylibjpeg", "jpeg_ls", "requests", "tqdm")
"""What pydicom looks for to decode pictures and to fetch examples: 40 MB and a third of the listener's start, and
decoders written in C have no place in a process that strangers can reach."""
_WAYS_IN = ("listener", "orthanc", "folder", "stow")
_ANALYSIS = ("analysis", "report", "mapping", "identity", "priors", "workflow")
_COMPARED = ("reconcile", "archive", "scanner", "destination")

ROLES = {
    role.name: role
    for role in (
        Role(
            "listener",
            lambda settings: settings.listener.enabled,
            does_without=_PICTURE_LIBRARIES,
            sections=("listener", "scanner", "workflow", "logs"),
            adopts=True,
        ),
        Role(
            "timers",
            sections=(*_WAYS_IN, *_COMPARED, "service", "settle", "workflow", "references", "web", "audit", "logs"),
        ),
        Role(
            "worker",
            niceness=5,
            sections=(*_ANALYSIS, "service", "references", "destination", "archive", "logs"),
        ),
        Role(
            "sender",
            lambda settings: bool(settings.destination or settings.scanner),
            sections=("service", "listener", "destination", "archive", "scanner", "audit", "tls", "logs"),
        ),
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
        assert app.secret  # noqa: S101 - made now, if there is none
    except StoreAway as away:  # it may come back: until then objects are refused as out of resources
        logs.event(_LOG, logging.ERROR, "object store is away", reason=str(away))
    except OSError as error:
        raise Misconfigured(f"service.data_folder = {app.data_folder}: {error.strerror}") from error
    finally:
        app.ledger.close()


def run_role(name: str, settings: Settings, orders: Orders) -> None:
    """Be one process until told to end; with other settings it begins anew.

    Raises
    ------
    Misconfigured
        At the start. Later settings that turn out to be wrong are told in the log, and the earlier ones hold.
    """
    role = ROLES[name]
    if role.niceness:
        os.nice(role.niceness)
    for library in role.does_without:
        sys.modules.setdefault(library, None)  # type: ignore[arg-type]  # Python's way to say that there is none
    run = importlib.import_module(f"service.roles.{name}").run
    good: Settings | None = None
    while not orders.is_set():
        app = App(settings)
        app.trail.started(name)
        try:
            run(app, orders if role.adopts else orders.turn)
            app.trail.stopped(name)
        except Misconfigured as error:
            if good is None:
                raise
            logs.event(_LOG, logging.ERROR, "settings not taken over", reason=str(error), role=name)
            settings = good
            continue
        finally:
            app.ledger.close()
        good = settings
        if not orders.is_set():
            orders.turn.clear()
            settings = orders.take() or settings
            logs.set_up(settings.logs.level, settings.logs.file)
            logs.event(_LOG, logging.INFO, "settings taken over", role=name)
