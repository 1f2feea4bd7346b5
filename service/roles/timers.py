"""Timers and pages. No state: every tick asks the ledger what is due."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from apscheduler.schedulers.background import BackgroundScheduler
from starlette.routing import Route

from reference_store.reminders import reminders
from reference_store.store import Store
from service.app import ROLES, App
from service.audit.following import Carrier
from service.certificates import certificates
from service.config import OrthancSource, Settings
from service.config.workflows import ways
from service.logs import event
from service.patient.keys import Keys
from service.patient.reading import identify
from service.patient.versions import corrections
from service.receive.adoption import adopt
from service.receive.folder import FolderFeed
from service.receive.intake import Intake
from service.receive.orthanc import OrthancFeed
from service.receive.settle import settle
from service.receive.stow import StowService, stow_credentials
from service.reconcile import Reconciler
from service.roles.auditing import CARRY_S, FOLLOW_S, carrier, follower, told
from service.roles.common import BEAT_S, Beat, guarded
from service.web.opening import access_of, host_names, pages_tls, place_of
from service.web.pages import application
from service.web.server import WebServer

_LOG = logging.getLogger(__name__)
SWEEP_S = 3600.0
"""How often the spool is cleared of what broken associations left."""
RECONCILE_S = 60.0
"""How often it is looked whether a comparison is due."""
IDENTIFY_S = 2.0
"""How soon a study can be found by its accession number."""
CORRECT_S = 30.0
"""How soon copies under known UIDs are looked at; a corrected patient makes an amended report a little later."""
WATCH_S = 1.0
"""How soon it is noticed that the clock was set back."""
REMIND_S = 86_400.0
"""Phantom images are due by the week; once a day is often enough to say so."""


def run(app: App, stop: threading.Event) -> None:
    """Timers only: a missed or doubled tick changes nothing, for every tick asks the ledger what is due."""
    settings = app.settings
    scheduler = BackgroundScheduler(
        timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
    )
    guarded(lambda: sweep(app), "sweep")

    def every(seconds: float, name: str, step: Callable[[], object]) -> None:
        scheduler.add_job(guarded, "interval", seconds=seconds, args=(step, name), id=name)

    every(
        settings.service.tick_seconds,
        "settle",
        lambda: settle(app.ledger, settings.settle, app.ledger.clock(), settings.workflow),
    )
    every(SWEEP_S, "sweep", lambda: sweep(app))
    keys = Keys(app.secret)
    every(IDENTIFY_S, "identify", lambda: identify(app.ledger, app.objects, keys, app.ledger.unidentified()))
    every(CORRECT_S, "identity corrections", lambda: corrections(app.ledger, app.objects, keys, app.ledger.clock()))
    guarded(lambda: identify(app.ledger, app.objects, keys, app.ledger.unidentified_anywhere()), "identify")
    intake = Intake(app.ledger, app.archive, settings.listener.refuse_free_mb)
    intake.ways = ways(settings.workflow)
    beat = Beat(app, "timers", lambda: {**intake.counters, **app.objects.counters})
    every(BEAT_S, "beat", beat.now)
    every(BEAT_S, "clock", lambda: heed_clock(app))
    feeds = [_Polled(_feed(app, source, intake)) for source in settings.orthanc]
    for source, feed in zip(settings.orthanc, feeds, strict=True):
        every(source.poll_seconds, f"orthanc {source.name}", feed.tick)
    reconciler = Reconciler(app.ledger, settings, [feed.source for feed in feeds])
    every(RECONCILE_S, "reconciliation", reconciler.due)
    if settings.references.folder is not None:
        every(REMIND_S, "reminders", lambda: remind(settings.references.folder, datetime.now(UTC).date()))
        guarded(lambda: remind(settings.references.folder, datetime.now(UTC).date()), "reminders")
    for dropped in settings.folder:
        watched = FolderFeed(dropped, intake, maximum_object_bytes=settings.listener.maximum_object_mb * 1_000_000)
        every(dropped.poll_seconds, f"folder {dropped.name}", watched.tick)
    every(REMIND_S, "certificates", lambda: warn_of_certificates(settings, time.time()))
    guarded(lambda: warn_of_certificates(settings, time.time()), "certificates")
    carried = _audit(app, every)
    web = _web(app, intake) if settings.web.enabled else None
    scheduler.start()
    guarded(beat.now, "beat")
    watch = ClockWatch(scheduler)
    while not stop.wait(WATCH_S):
        watch.look()
    scheduler.shutdown(wait=True)
    for feed in feeds:
        feed.source.close()
    if web:
        web.stop()
    if carried is not None:
        guarded(carried.step, "audit")  # what was written at the end
        carried.close()


def _audit(app: App, every: Callable[[float, str, Callable[[], object]], None]) -> Carrier | None:
    """Follow the ledger and carry messages away, if an audit trail is wanted."""
    if app.trail.is_on:
        every(FOLLOW_S, "audit", follower(app).step)
    carried = carrier(app)
    if carried is not None:
        every(CARRY_S, "audit delivery", carried.step)
    return carried


def sweep(app: App) -> int:
    """Clear the spool of what broken connections left, and record what was archived but never got its row."""
    app.archive.sweep()
    return adopt(app.archive, app.ledger, time.time())


class ClockWatch:
    """Ticks go on when the clock is set back: the scheduler's next ones would come when it reaches the old time again.

    ``wall`` is the clock that people set, ``steady`` the one that only counts.
    """

    def __init__(
        self,
        scheduler: BackgroundScheduler,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._scheduler, self._wall, self._steady = scheduler, wall, steady
        self._between = wall() - steady()

    def look(self) -> bool:
        """Whether the clock was set back since the last look; then every tick is due now."""
        between = self._wall() - self._steady()
        back, self._between = self._between - between, between
        if back <= 1:  # a second's adjustment is no jump
            return False
        for job in self._scheduler.get_jobs():
            job.modify(next_run_time=datetime.now(UTC))
        return True


def heed_clock(app: App) -> float:
    """Move what lies ahead when the clock was set back, and say so."""
    back = app.ledger.heed_clock(app.ledger.clock())
    if back:
        event(_LOG, logging.WARNING, "clock set back", seconds=round(back))
    return back


def remind(folder: Path | None, today: date) -> int:
    """Log what the site's references ask for: a phantom image that is due, a chart that warns; how many there are."""
    due = reminders(Store(folder), today) if folder is not None and folder.is_dir() else ()
    for text in due:
        event(_LOG, logging.WARNING, "references ask for", reason=text)
    return len(due)


def warn_of_certificates(settings: Settings, now: float) -> int:
    """Log each certificate that ends within ``tls.warn_days``, or has; how many there are."""
    soon = [one for one in certificates(settings) if one.days(now) < settings.tls.warn_days]
    remedy = "renew it and replace the file; the listener takes it from the next connection on"
    for one in soon:
        told = {"setting": one.setting, "path": one.path, "count": int(one.days(now)), "remedy": remedy}
        if one.ends_at <= now:
            event(_LOG, logging.ERROR, "certificate has ended", **told)
        else:
            event(_LOG, logging.WARNING, "certificate ends soon", **told)
    return len(soon)


@dataclass
class _Polled:
    """One Orthanc, reconciled before it is first polled: what came while nobody polled must not be missed."""

    source: OrthancFeed
    reconciled: bool = False

    def tick(self) -> None:
        if not self.reconciled:
            self.source.reconcile()
            self.reconciled = True
        self.source.poll()


def _feed(app: App, source: OrthancSource, intake: Intake) -> OrthancFeed:
    return OrthancFeed(
        source, intake, app.ledger, maximum_object_bytes=app.settings.listener.maximum_object_mb * 1_000_000
    )


def _stow(app: App, intake: Intake) -> list[Route]:
    """The routes of STOW-RS, if it is wanted."""
    settings = app.settings
    if not settings.stow.enabled:
        return []
    stow_credentials(settings.stow)  # a file that cannot be read is told at the start
    limit = settings.listener.maximum_object_mb * 1_000_000
    return StowService(settings.stow, intake, lambda: stow_credentials(settings.stow), limit).routes()


def _drawn(capture: Path, width: int | None) -> bytes:
    from service.report.png import picture  # noqa: PLC0415 - decoders that are loaded when somebody looks

    return picture(capture, width)


def _web(app: App, intake: Intake) -> WebServer:
    settings = app.settings
    pages = application(
        app.ledger,
        app.data_folder,
        refuse_free_mb=settings.listener.refuse_free_mb,
        processes=tuple(app.process_name(role.name) for role in ROLES.values() if role.here(settings)),
        clock=app.ledger.clock,
        steady=time.monotonic,
        more=_stow(app, intake),
        watched=lambda: certificates(app.settings),
        hosts=host_names(settings.web),
        access=access_of(settings),
        keys=Keys(app.secret),
        told=told(app),
        audit=app.trail.spool,
        picture=_drawn if settings.web.pictures else None,
        objects=app.objects,
    )
    server = WebServer(pages, place_of(settings.web), pages_tls(settings.web))
    server.start()
    event(_LOG, logging.INFO, "pages", host=settings.web.socket or settings.web.host, port=server.port)
    return server
