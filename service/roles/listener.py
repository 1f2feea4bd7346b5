"""The listener: C-STORE and C-ECHO into archive and ledger."""

from __future__ import annotations

import logging
import threading
import time

from service.app import App
from service.logs import event
from service.receive.commitment import Commitment
from service.receive.intake import Intake
from service.receive.listener import StorageProvider
from service.roles.common import LOOK_S, Beat, guarded

_LOG = logging.getLogger(__name__)


WARN_S = 60.0
"""How often a disk that is getting full is told."""


def warn_of_disk(app: App) -> bool:
    """Log a warning when free space is below ``listener.warn_free_mb``; whether it was."""
    free = app.archive.free_mb()
    if free >= app.settings.listener.warn_free_mb:
        return False
    remedy = "free space, or objects will be refused below listener.refuse_free_mb"
    event(_LOG, logging.WARNING, "disk is getting full", free_mb=round(free), remedy=remedy)
    return True


def run(app: App, stop: threading.Event) -> None:
    """Listen until stopped, then let open associations finish."""
    intake = Intake(app.ledger, app.archive, app.settings.listener.refuse_free_mb)
    titles = tuple(one.ae_title.strip() for one in app.settings.scanner)
    commitment = Commitment(app.ledger, app.data_folder, titles)
    provider = StorageProvider(
        app.settings.listener, intake, app.archive.spool, tls=app.settings.tls, commitment=commitment
    )
    for port in filter(None, (provider.port, provider.tls_port)):
        event(_LOG, logging.INFO, "listening", host=app.settings.listener.host, port=port)
    beat = Beat(app, "listener", lambda: provider.counters)
    told_at = float("-inf")
    while not stop.wait(LOOK_S):
        beat.now_and_then()
        if time.monotonic() - told_at > WARN_S:
            told_at = time.monotonic()
            guarded(lambda: warn_of_disk(app), "disk watch")
    left = provider.drain(app.settings.listener.drain_seconds)
    event(_LOG, logging.INFO, "listener ends", count=left)
