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
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

from apscheduler.schedulers.background import BackgroundScheduler

from reference_store.comparison import References
from reference_store.store import load as load_references
from service.analyse.registry import Registry, registry
from service.config import Settings
from service.deliver.sender import Sender, senders
from service.errors import Misconfigured, NmusError
from service.ledger import Ledger, LedgerUnavailable, Process, open_ledger
from service.ledger.changes import Changes
from service.logs import event
from service.receive.archive import Archive
from service.receive.intake import Intake
from service.receive.listener import StorageProvider
from service.receive.settle import settle
from service.steps import StudyWork
from service.web.pages import application
from service.web.server import WebServer
from service.worker import Worker

_LOG = logging.getLogger(__name__)
BEAT_S = 5.0
"""How often a process says that it lives; readiness takes it for dead after six missed beats."""
SWEEP_S = 3600.0


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

    @cached_property
    def intake(self) -> Intake:
        """The way into both."""
        return Intake(self.ledger, self.archive, self.settings.listener.refuse_free_mb)

    @cached_property
    def work(self) -> StudyWork:
        """What a worker does with a job."""
        settings = self.settings
        return StudyWork(
            settings, self.ledger, registry_of(settings), references_of(settings), secret_of(self.data_folder)
        )

    @property
    def data_folder(self) -> Path:
        """Where everything lies."""
        return self.settings.service.data_folder


@dataclass(frozen=True, slots=True)
class Role:
    """One process of the service."""

    name: str
    run: Callable[[App, threading.Event], None]
    wanted: Callable[[Settings], bool] = lambda _settings: True
    niceness: int = 0


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


def check_all(settings: Settings) -> None:
    """Make everything that can be wrong be wrong now, before a process starts.

    Raises
    ------
    Misconfigured
        Names the setting and the remedy.
    """
    app = App(settings)
    try:
        app.ledger.status()
        secret_of(app.data_folder)
    except OSError as error:
        raise Misconfigured(f"service.data_folder = {app.data_folder}: {error.strerror}") from error
    references_of(settings)
    for refused in registry_of(settings).refused:
        event(_LOG, logging.WARNING, "plugin not loaded", plugin=refused.name, reason=refused.reason)
    app.ledger.close()


def run_role(name: str, settings: Settings, stop: threading.Event) -> None:
    """Be one process until ``stop`` is set."""
    role, app = ROLES[name], App(settings)
    if role.niceness:
        os.nice(role.niceness)
    try:
        role.run(app, stop)
    finally:
        app.ledger.close()


def _listen(app: App, stop: threading.Event) -> None:
    provider = StorageProvider(app.settings.listener, app.intake, app.archive.spool)
    event(_LOG, logging.INFO, "listening", host=app.settings.listener.host, port=provider.port)
    beat = _Beat(app, "listener", lambda: app.intake.counters)
    while not stop.wait(0.2):
        beat.now_and_then()
    left = provider.drain(app.settings.listener.drain_seconds)
    event(_LOG, logging.INFO, "listener ends", count=left)


def _analyse(app: App, stop: threading.Event) -> None:
    settings = app.settings
    workers = [
        Worker(
            app.ledger,
            app.work,
            _owner(f"worker-{slot}"),
            stop,
            settings.service.lease_seconds,
            settings.service.tick_seconds,
            settings.analysis.maximum_attempts,
        )
        for slot in range(settings.analysis.workers)
    ]
    threads = [threading.Thread(target=one.run, name=one.owner) for one in workers]
    for thread in threads:
        thread.start()
    beat = _Beat(app, "worker", lambda: {"jobs_ended": float(sum(one.done for one in workers))})
    while not stop.wait(0.2):
        beat.now_and_then()
    for thread in threads:
        thread.join()


def _send(app: App, stop: threading.Event) -> None:
    """A thread for each destination, so that one that is slow or away holds up no other."""
    loops = [
        threading.Thread(target=_send_to, args=(app, one, stop), daemon=True)
        for one in senders(app.ledger, app.settings, _owner("sender"))
    ]
    for thread in loops:
        thread.start()
    beat = _Beat(app, "sender")
    while not stop.wait(0.2):
        beat.now_and_then()
    for thread in loops:
        thread.join(app.settings.listener.drain_seconds)


def _send_to(app: App, sender: Sender, stop: threading.Event) -> None:
    changes = Changes(app.ledger)
    try:
        while not stop.is_set():
            if not _guarded(sender.step, "sending"):
                changes.wait(stop, app.settings.service.tick_seconds)
    finally:
        changes.close()


def _keep_time(app: App, stop: threading.Event) -> None:
    """Timers only: a missed or doubled tick changes nothing, for every tick asks the ledger what is due."""
    settings = app.settings
    scheduler = BackgroundScheduler(
        timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
    )
    app.archive.sweep()

    def every(seconds: float, name: str, step: Callable[[], object]) -> None:
        scheduler.add_job(_guarded, "interval", seconds=seconds, args=(step, name), id=name)

    every(settings.service.tick_seconds, "settle", lambda: settle(app.ledger, settings.settle, time.time()))
    every(SWEEP_S, "sweep", app.archive.sweep)
    every(BEAT_S, "beat", _Beat(app, "timers").now)
    web = _web(app) if settings.web.enabled else None
    scheduler.start()
    _guarded(_Beat(app, "timers").now, "beat")
    stop.wait()
    scheduler.shutdown(wait=True)
    if web:
        web.stop()


def _web(app: App) -> WebServer:
    settings = app.settings
    pages = application(
        app.ledger,
        app.data_folder,
        refuse_free_mb=settings.listener.refuse_free_mb,
        processes=tuple(role.name for role in ROLES.values() if role.wanted(settings)),
        clock=time.time,
    )
    server = WebServer(pages, settings.web.host, settings.web.port)
    server.start()
    event(_LOG, logging.INFO, "pages", host=settings.web.host, port=server.port)
    return server


@dataclass
class _Beat:
    """Says now and then that this process lives, with its counters."""

    app: App
    name: str
    counters: Callable[[], dict[str, float]] = dict
    started_at: float = 0.0
    due: float = 0.0

    def now_and_then(self) -> None:
        if time.monotonic() >= self.due:
            self.due = time.monotonic() + BEAT_S
            _guarded(self.now, "beat")

    def now(self) -> None:
        self.started_at = self.started_at or time.time()
        self.app.ledger.beat(Process(self.name, os.getpid(), self.started_at, time.time(), self.counters()))


def _guarded(step: Callable[[], object], name: str) -> object:
    """One tick; what goes wrong in it is logged, and the next tick tries again."""
    try:
        return step()
    except LedgerUnavailable as error:
        event(_LOG, logging.ERROR, "ledger unavailable", reason=str(error))
    except NmusError as error:
        event(_LOG, logging.ERROR, f"{name} failed", reason=str(error))
    except Exception:  # noqa: BLE001 - a loop that must go on; the place is logged, the text is not
        _LOG.exception("%s failed", name)
    return None


def _owner(what: str) -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{what}"


ROLES = {
    role.name: role
    for role in (
        Role("listener", _listen, lambda settings: settings.listener.enabled),
        Role("timers", _keep_time),
        Role("worker", _analyse, niceness=5),
        Role("sender", _send, lambda settings: bool(settings.destination)),
    )
}
