"""When a study is complete: times in, verdict out; and the step that queues what has settled.

DICOM has no "end of study" that scanners reliably send, so a study is taken to be complete when nothing new has come
for a quiet time. The time of the last reception lies in the ledger: a restart neither shortens nor lengthens the
wait. Whatever comes later opens the study again and makes a new generation that amends the first.
"""

from __future__ import annotations

import logging
from enum import Enum

from service import logs
from service.config import Settle, Workflow, course
from service.ledger import Ledger, OpenStudy

_LOGGER = logging.getLogger(__name__)


class Verdict(Enum):
    """What to do with an open study now."""

    WAIT = "wait"
    SETTLE = "settle"
    RESTART = "restart"
    """The clock was set back behind the last reception: count the quiet time anew, or it would last for ever."""


def quiet_seconds(settings: Settle, sources: tuple[str, ...]) -> float:
    """The longest quiet time among those who sent, so that a slow scanner is not cut off by a quick one."""
    return max(
        (settings.sources.get(source, settings.quiet_seconds) for source in sources), default=settings.quiet_seconds
    )


def verdict(study: OpenStudy, settings: Settle, now: float, workflows: tuple[Workflow, ...] = ()) -> Verdict:
    """Whether a study has been quiet long enough."""
    silence = now - study.last_received_at
    if silence < -1:  # a second's adjustment is no jump
        return Verdict.RESTART
    wanted = course(workflows, study.called).quiet_seconds(quiet_seconds(settings, study.sources))
    return Verdict.SETTLE if silence >= wanted else Verdict.WAIT


def settle(ledger: Ledger, settings: Settle, now: float, workflows: tuple[Workflow, ...] = ()) -> tuple[int, ...]:
    """Queue a job for each study that has settled; the numbers of the jobs."""
    jobs = []
    for study in ledger.open_studies():
        match verdict(study, settings, now, workflows):
            case Verdict.SETTLE:
                job = ledger.settle(study, now)
                if job is not None:
                    logs.event(
                        _LOGGER, logging.INFO, "study settled", study_instance_uid=study.study_instance_uid, job=job
                    )
                    jobs.append(job)
            case Verdict.RESTART:
                logs.event(_LOGGER, logging.WARNING, "clock set back", study_instance_uid=study.study_instance_uid)
                ledger.restart_quiet(study, now)
            case Verdict.WAIT:
                pass
    return tuple(jobs)
