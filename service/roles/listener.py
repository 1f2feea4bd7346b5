"""The listener: C-STORE and C-ECHO into archive and ledger."""

from __future__ import annotations

import logging
import threading

from service.app import App
from service.logs import event
from service.receive.intake import Intake
from service.receive.listener import StorageProvider
from service.roles.common import LOOK_S, Beat

_LOG = logging.getLogger(__name__)


def run(app: App, stop: threading.Event) -> None:
    """Listen until stopped, then let open associations finish."""
    intake = Intake(app.ledger, app.archive, app.settings.listener.refuse_free_mb)
    provider = StorageProvider(app.settings.listener, intake, app.archive.spool)
    event(_LOG, logging.INFO, "listening", host=app.settings.listener.host, port=provider.port)
    beat = Beat(app, "listener", lambda: intake.counters)
    while not stop.wait(LOOK_S):
        beat.now_and_then()
    left = provider.drain(app.settings.listener.drain_seconds)
    event(_LOG, logging.INFO, "listener ends", count=left)
