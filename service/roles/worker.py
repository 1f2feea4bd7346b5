"""The worker: one study after the other, in as many slots as the settings say."""

from __future__ import annotations

import threading
import time

from service.analyse.child import make_ready, warm_up
from service.app import App, references_of, registry_of, secret_of
from service.roles.common import LOOK_S, Beat, guarded, has_ended, owner
from service.routing import check_workflows
from service.steps import StudyWork
from service.worker import Worker

_ALSO = {"gsps": "service.report.presentation_states", "pdf": "service.report.encapsulated_pdf"}
"""What children load besides, by the kind of object that some destination asks for."""


def run(app: App, stop: threading.Event) -> None:
    """Work until stopped; what is running then is given back to the queue."""
    settings = app.settings
    asked = {role for one in settings.destination for role in one.objects}
    warm_up(*(module for role, module in _ALSO.items() if role in asked))
    guarded(lambda: app.ledger.take_back(lambda one: has_ended(one, app.machine), time.time()), "taking over")
    registry = registry_of(settings)
    check_workflows(settings, registry)
    work = StudyWork(settings, app.ledger, registry, references_of(settings), secret_of(app.data_folder))
    workers = [
        Worker(
            app.ledger,
            work,
            owner(f"worker-{slot}", app.machine),
            stop,
            settings.service.lease_seconds,
            settings.service.tick_seconds,
            settings.analysis.maximum_attempts,
        )
        for slot in range(settings.analysis.workers)
    ]
    guarded(make_ready, "starting children")
    threads = [threading.Thread(target=one.run, name=one.owner) for one in workers]
    for thread in threads:
        thread.start()
    beat = Beat(app, "worker", lambda: {"jobs_ended": float(sum(one.done for one in workers))})
    while not stop.wait(LOOK_S):
        beat.now_and_then()
    for thread in threads:
        thread.join()
