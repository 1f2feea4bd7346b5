"""The worker: claims jobs, keeps its lease on them, and ends each with an outcome, whatever happens in between."""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from service.analyse.child import ChildFailed
from service.errors import NmusError, Unanalysable, Unreachable
from service.ledger import Job, LeaseLost, Ledger, LedgerUnavailable, Outcome
from service.ledger.changes import Changes
from service.logs import bound, event
from service.patient.guard import HeldBack

_LOG = logging.getLogger(__name__)
_RETRY_S = (5.0, 60.0, 600.0)
"""Waits after an attempt that failed in an unforeseen way: the first may be chance, the third is not."""
_AWAY_S = (60.0, 900.0)
"""First and longest wait for an archive that must be asked whose study it is, or for room on the disk."""
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})

Clock = Callable[[], float]
Analyse = Callable[[Job, Callable[[], bool]], Outcome]
"""A job and a question whether it is still wanted, to its outcome."""


@dataclass
class Worker:
    """One slot: takes one job after the other until ``stop`` is set."""

    ledger: Ledger
    analyse: Analyse
    owner: str
    stop: threading.Event
    lease_s: float
    tick_s: float
    maximum_attempts: int = 5
    clock: Clock = time.time
    done: int = field(default=0, init=False)

    def run(self) -> None:
        """Work until stopped."""
        changes = Changes(self.ledger)
        try:
            while not self.stop.is_set():
                try:
                    if not self.step():
                        changes.wait(self.stop, self.tick_s)
                except LedgerUnavailable as error:
                    event(_LOG, logging.ERROR, "ledger unavailable", reason=str(error))
                    self.stop.wait(self.tick_s)
        finally:
            changes.close()

    def step(self) -> bool:
        """Do one job if there is one; whether there was."""
        job = self.ledger.claim(self.clock(), self.owner, self.lease_s, self.maximum_attempts)
        if job is None:
            return False
        with (
            bound(job=job.id, study_instance_uid=job.study_instance_uid, generation=job.generation),
            _Lease(self, job) as lease,
        ):
            self._do(job, lease)
        self.done += 1
        return True

    def _do(self, job: Job, lease: _Lease) -> None:
        begun = time.monotonic()
        event(_LOG, logging.INFO, "analysis begins", attempt=job.attempt)
        try:
            self._finish(job, self.analyse(job, lease.wanted))
            event(_LOG, logging.INFO, "analysis done", seconds=round(time.monotonic() - begun, 3))
        except HeldBack as error:
            self._hold_back(job, error)
        except LedgerUnavailable as error:
            # The lease runs out by itself; nothing can be written just now.
            event(_LOG, logging.ERROR, "ledger unavailable", reason=str(error))
        except Unreachable as error:
            # somebody must be asked first who is away: that is no fault of the study
            self._fail(job, str(error), self.clock() + min(_AWAY_S[0] * job.attempt, _AWAY_S[1]))
        except (Unanalysable, ChildFailed) as error:
            if isinstance(error, ChildFailed) and error.kind == "cancelled":
                self._give_back()
            elif isinstance(error, ChildFailed) and error.kind == "disk-full":
                self._wait_for_room(job, str(error))
            else:
                self._fail(job, str(error), None)
        except LeaseLost:
            event(_LOG, logging.WARNING, "analysis taken over by another worker")
        except Exception as error:  # noqa: BLE001
            if isinstance(error, OSError) and error.errno in _NO_ROOM:
                self._wait_for_room(job, f"results cannot be written: {error.strerror}; free disk space")
                return
            # The one broad handler of the loop: an unforeseen failure of one job must not hold up all others.
            _LOG.exception("analysis failed")
            self._fail(job, _unforeseen(error), self._retry_at(job))

    def _finish(self, job: Job, outcome: Outcome) -> None:
        self.ledger.finish(job, outcome, self.clock())

    def _hold_back(self, job: Job, error: HeldBack) -> None:
        event(_LOG, logging.WARNING, "study held back", reason=str(error), remedy=error.quarantine.remedy)
        try:
            self.ledger.hold_back(job, replace(error.quarantine, since=self.clock()), self.clock())
        except (LeaseLost, LedgerUnavailable) as lost:
            event(_LOG, logging.WARNING, "quarantine not recorded", reason=str(lost))

    def _fail(self, job: Job, reason: str, retry_at: float | None) -> None:
        event(_LOG, logging.ERROR, "analysis failed", reason=reason, state="queued" if retry_at else "failed")
        try:
            self.ledger.fail(job, reason, self.clock(), retry_at)
        except (LeaseLost, LedgerUnavailable) as error:
            event(_LOG, logging.WARNING, "failure not recorded", reason=str(error))

    def _wait_for_room(self, job: Job, reason: str) -> None:
        """As for an archive that is away: a full disk is no fault of the study, and nobody should have to rerun it."""
        self._fail(job, reason, self.clock() + min(_AWAY_S[0] * job.attempt, _AWAY_S[1]))

    def _retry_at(self, job: Job) -> float | None:
        if job.attempt > len(_RETRY_S):
            return None
        return self.clock() + _RETRY_S[job.attempt - 1]

    def _give_back(self) -> None:
        self.ledger.release(self.owner, self.clock())


class _Lease:
    """Renews a job's lease in the background; :meth:`wanted` turns false when it is lost or the worker must stop."""

    def __init__(self, worker: Worker, job: Job) -> None:
        self._worker, self._job = worker, job
        self._over, self._lost = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._renew, name=f"lease-{job.id}", daemon=True)

    def __enter__(self) -> _Lease:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def wanted(self) -> bool:
        return not (self._lost.is_set() or self._worker.stop.is_set())

    def _renew(self) -> None:
        worker = self._worker
        while not self._over.wait(worker.lease_s / 3):
            try:
                if not worker.ledger.renew(self._job, worker.clock(), worker.lease_s):
                    self._lost.set()
                    return
            except LedgerUnavailable as error:
                # Keep trying: whether the lease is lost is for the fence to say, at the end.
                event(_LOG, logging.WARNING, "lease not renewed", reason=str(error))


def _unforeseen(error: Exception) -> str:
    """What may be shown of an unforeseen error: our own texts whole, of others only the kind."""
    if isinstance(error, NmusError):
        return str(error)
    return f"unforeseen {type(error).__name__}; the log has the place. Report it, then 'nmus rerun' the study"
