"""The listener: C-STORE and C-ECHO into archive and ledger."""

from __future__ import annotations

import logging
import time
from functools import partial

from service.app import App, Orders
from service.config import Settings
from service.config.workflows import ways
from service.logs import event, set_up
from service.receive.archive import Archive
from service.receive.association_log import AssociationLog
from service.receive.commitment import Commitment
from service.receive.intake import Intake
from service.receive.listener import StorageProvider
from service.roles.common import LOOK_S, Beat, guarded

_LOG = logging.getLogger(__name__)


WARN_S = 60.0
"""How often a disk that is getting full is told."""


def warn_of_disk(archive: Archive, warn_free_mb: int) -> bool:
    """Log a warning when free space is below ``listener.warn_free_mb``; whether it was."""
    free = archive.free_mb()
    if free >= warn_free_mb:
        return False
    remedy = "free space, or objects will be refused below listener.refuse_free_mb"
    event(_LOG, logging.WARNING, "disk is getting full", free_mb=round(free), remedy=remedy)
    return True


def run(app: App, orders: Orders) -> None:
    """Listen until stopped, then let open associations finish; other settings are adopted while it goes on."""
    settings = app.settings.listener
    intake = Intake(app.ledger, app.archive, settings.refuse_free_mb)
    intake.ways = ways(app.settings.workflow)
    commitment = Commitment(app.ledger, app.objects, _titles(app.settings))
    log = AssociationLog(app.ledger)
    provider = StorageProvider(
        settings,
        intake,
        app.archive.spool,
        tls=app.settings.tls,
        commitment=commitment,
        log=log,
        alert=app.trail.alert,
    )
    for port in filter(None, (provider.port, provider.tls_port)):
        event(_LOG, logging.INFO, "listening", host=settings.host, port=port)
    beat = Beat(app, "listener", lambda: {**provider.counters, **app.objects.counters})
    told_at = float("-inf")
    while not orders.wait(LOOK_S):
        beat.now_and_then()
        if (fresh := orders.take()) is not None:
            settings = fresh.listener
            set_up(fresh.logs.level, fresh.logs.file)
            provider.adopt(settings)
            commitment.titles = _titles(fresh)
            intake.ways = ways(fresh.workflow)
            event(_LOG, logging.INFO, "settings taken over", role="listener")
        if time.monotonic() - told_at > WARN_S:
            told_at = time.monotonic()
            guarded(partial(warn_of_disk, app.archive, settings.warn_free_mb), "disk watch")
    left = provider.drain(settings.drain_seconds)
    event(_LOG, logging.INFO, "listener ends", count=left)


def _titles(settings: Settings) -> frozenset[str]:
    """Whose storage commitments another process answers."""
    return frozenset(one.ae_title.strip() for one in settings.scanner)
