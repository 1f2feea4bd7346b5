"""The sender: the outbox to its destinations."""

from __future__ import annotations

import threading
import time

from service.app import App
from service.deliver.sender import Sender, senders
from service.ledger.changes import Changes
from service.roles.common import LOOK_S, Beat, guarded, has_ended, owner


def run(app: App, stop: threading.Event) -> None:
    """A thread for each destination, so that one that is slow or away holds up no other."""
    guarded(lambda: app.ledger.take_back_outgoing(has_ended, time.time()), "taking over")
    loops = [
        threading.Thread(target=_send_to, args=(app, one, stop), daemon=True)
        for one in senders(app.ledger, app.settings, owner("sender"))
    ]
    for thread in loops:
        thread.start()
    beat = Beat(app, "sender")
    while not stop.wait(LOOK_S):
        beat.now_and_then()
    for thread in loops:
        thread.join(app.settings.listener.drain_seconds)


def _send_to(app: App, sender: Sender, stop: threading.Event) -> None:
    changes = Changes(app.ledger)
    try:
        while not stop.is_set():
            if not guarded(sender.step, "sending"):
                changes.wait(stop, app.settings.service.tick_seconds)
    finally:
        changes.close()
