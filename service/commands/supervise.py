"""Keep the service's processes running: start them, restart what dies, and end them in order.

Each role is a process of its own, because they must not disturb each other: the listener must answer while analyses
compute, and a slow PACS must not hold up either. A role learns that its supervisor is gone from the end of its
standard input, even when the supervisor was killed without a chance to say so.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from service.logs import event

_LOG = logging.getLogger(__name__)
_RESTART_S = (0.2, 1.0, 5.0, 15.0)
"""Waits before a dead process is started again; the last one repeats. Back to the first after a quiet minute."""
_SETTLED_S = 60.0
_POLL_S = 0.1


@dataclass
class Role:
    """One kind of process and the one that runs now."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    deaths: int = 0
    next_start: float = 0.0
    misconfigured: bool = False


@dataclass
class Supervisor:
    """Runs roles until :attr:`stop` is set."""

    roles: list[Role]
    drain_s: float
    """How long an ending process may take before it is killed."""
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> int:
        """Start everything, keep it running, end it. Returns 0, or 2 when a process says that it is misconfigured."""
        try:
            while not self.stop.is_set():
                for role in self.roles:
                    self._look_after(role)
                if any(role.misconfigured for role in self.roles):
                    return 2
                self.stop.wait(_POLL_S)
            return 0
        finally:
            self._end_all()

    def _look_after(self, role: Role) -> None:
        now = time.monotonic()
        if role.process is None:
            if now >= role.next_start:
                self._start(role, now)
            return
        code = role.process.poll()
        if code is None:
            return
        role.process = None
        role.misconfigured = code == 2
        role.deaths = 1 if now - role.started_at > _SETTLED_S else role.deaths + 1
        role.next_start = now + _RESTART_S[min(role.deaths, len(_RESTART_S)) - 1]
        event(_LOG, logging.ERROR, "process ended", process=role.name, exit_code=code)

    def _start(self, role: Role, now: float) -> None:
        role.process = subprocess.Popen(role.command, stdin=subprocess.PIPE)  # noqa: S603 - our own module
        role.started_at = now
        event(_LOG, logging.INFO, "process started", process=role.name, pid=role.process.pid)

    def _end_all(self) -> None:
        running = [role.process for role in self.roles if role.process is not None]
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        deadline = time.monotonic() + self.drain_s
        for process in running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdin is not None:
                process.stdin.close()


@contextlib.contextmanager
def stopped_by_signals(*, parent_on_stdin: bool) -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set; for a role also the end of its supervisor.

    Parameters
    ----------
    parent_on_stdin:
        Standard input is a pipe from the supervisor; its end means that the supervisor is gone.
    """
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    if parent_on_stdin:
        threading.Thread(target=_wait_for_parent, args=(stop,), name="parent", daemon=True).start()
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait_for_parent(stop: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        continue
    stop.set()
