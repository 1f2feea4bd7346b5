"""The worker: one study after the other, in as many slots as the settings say.

It is ready when it has loaded plugins and references and children wait that have loaded every library; that is when it
claims its first study and says ``worker ready``. The rehearsal of a report follows after that.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING

from service.analyse.child import dismiss, make_ready, rehearse, warm_up
from service.app import App, references_of, registry_of
from service.logs import event
from service.roles.common import LOOK_S, Beat, guarded, has_ended, owner, take_turns_quickly

if TYPE_CHECKING:
    from service.worker import Worker

_LOG = logging.getLogger(__name__)

LAST = 19
"""Niceness: a seventieth of what a process without one gets while both want the processor."""
_ALSO = {"gsps": "service.report.presentation_states", "pdf": "service.report.encapsulated_pdf"}
"""What children load besides, by the kind of object that some destination asks for."""


def run(app: App, stop: threading.Event) -> None:
    """Work until stopped; what is running then is given back to the queue."""
    take_turns_quickly()
    if app.settings.analysis.yield_to_reception:
        yield_to_others()
    asked = {role for one in app.settings.destination for role in one.objects}
    # the fork server loads the libraries while this process does
    also = (module for role, module in _ALSO.items() if role in asked)
    warm_up(*also)
    guarded(lambda: app.ledger.take_back(lambda one: has_ended(one, app.machine), app.ledger.clock()), "taking over")
    workers = _workers(app, stop)
    guarded(make_ready, "starting children")
    threads = [threading.Thread(target=one.run, name=one.owner) for one in workers]
    for thread in threads:
        thread.start()
    event(_LOG, logging.INFO, "worker ready", count=len(workers))
    rehearsal = threading.Thread(target=guarded, args=(rehearse, "rehearsing a report"), name="rehearsal")
    rehearsal.start()
    beat = Beat(app, "worker", lambda: {"jobs_ended": float(sum(one.done for one in workers)), **app.objects.counters})
    while not stop.wait(LOOK_S):
        beat.now_and_then()
    for thread in (*threads, rehearsal):
        thread.join()
    dismiss()


def yield_to_others() -> None:
    """Leave the processor to all others of this service's container, unit or session, and so do all children.

    Not for the children alone, whom their own fork server would then keep waiting, and not by ``SCHED_IDLE``: the
    kernel takes a processor with an idle task for a free one and puts others there while another stands still.
    """
    os.setpriority(os.PRIO_PROCESS, 0, LAST)


def _workers(app: App, stop: threading.Event) -> list[Worker]:
    # these bring every library, and the fork server is to begin first
    from service.routing import check_workflows  # noqa: PLC0415
    from service.steps import StudyWork  # noqa: PLC0415
    from service.worker import Worker  # noqa: PLC0415

    settings, registry = app.settings, registry_of(app.settings)
    check_workflows(settings, registry)
    work = StudyWork(settings, app.ledger, registry, references_of(settings), app.secret)
    return [
        Worker(
            app.ledger,
            work,
            owner(f"worker-{slot}", app.machine),
            stop,
            settings.service.lease_seconds,
            settings.service.tick_seconds,
            settings.analysis.maximum_attempts,
            app.ledger.clock,
        )
        for slot in range(settings.analysis.workers)
    ]
