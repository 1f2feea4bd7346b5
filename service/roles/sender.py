"""The sender: the outbox to its destinations, what they say of it afterwards, and answers to scanners."""

from __future__ import annotations

import threading
from collections.abc import Callable

from service.app import App
from service.deliver.answering import answerer
from service.deliver.confirm import confirmers
from service.deliver.sender import senders
from service.ledger.changes import Changes
from service.roles.auditing import begins
from service.roles.common import LOOK_S, Beat, guarded, has_ended, owner, take_turns_quickly


def run(app: App, stop: threading.Event) -> None:
    """A thread for each destination, so that one that is slow or away holds up no other; likewise for asking it."""
    take_turns_quickly()
    ledger = app.ledger
    guarded(lambda: ledger.take_back_outgoing(lambda one: has_ended(one, app.machine), ledger.clock()), "taking over")
    everyone = senders(app.ledger, app.settings, owner("sender", app.machine), begins(app))
    steps: list[tuple[Callable[[], object], str]] = [(one.step, "sending") for one in everyone]
    steps += [(one.step, "confirming") for one in confirmers(app.ledger, app.settings)]
    to_scanners = answerer(app.ledger, app.settings)
    if to_scanners is not None:
        steps.append((to_scanners.step, "answering"))
    loops = [threading.Thread(target=_repeat, args=(app, *step, stop), daemon=True) for step in steps]
    for thread in loops:
        thread.start()
    beat = Beat(app, "sender", lambda: app.objects.counters)
    while not stop.wait(LOOK_S):
        beat.now_and_then()
    for thread in loops:
        thread.join(app.settings.listener.drain_seconds)
    for one in everyone:
        guarded(one.close, "closing")


def _repeat(app: App, step: Callable[[], object], name: str, stop: threading.Event) -> None:
    changes = Changes(app.ledger)
    try:
        while not stop.is_set():
            if not guarded(step, name):
                changes.wait(stop, app.settings.service.tick_seconds)
    finally:
        changes.close()
