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
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from service.logs import event

_LOG = logging.getLogger(__name__)
_RESTART_S = (0.2, 1.0, 5.0, 15.0)
"""Waits before a dead process is started again; the last one repeats. Back to the first after a quiet minute."""
_SETTLED_S = 60.0
_POLL_S = 0.1
_LENGTH = struct.Struct(">I")


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
    message: bytes = b""
    """What every process is told first, on its standard input."""
    reread: Callable[[], tuple[bytes, list[Role]] | None] = lambda: None
    """What to tell from now on, and which processes are wanted; ``None`` leaves everything as it is."""
    again: threading.Event = field(default_factory=threading.Event)
    """Somebody asks for the settings to be read again."""
    leaving: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def run(self) -> int:
        """Start everything, keep it running, end it. Returns 0, or 2 when a process says that it is misconfigured."""
        try:
            while not self.stop.is_set():
                if self.again.is_set():
                    self.again.clear()
                    self._reload()
                for role in self.roles:
                    self._look_after(role)
                self.leaving = [process for process in self.leaving if process.poll() is None]
                if any(role.misconfigured for role in self.roles):
                    return 2
                self.stop.wait(_POLL_S)
            return 0
        finally:
            self._end_all()

    def _reload(self) -> None:
        plan = self.reread()
        if plan is None:
            return
        self.message, wanted = plan
        names = {role.name for role in wanted}
        for role in self.roles:
            if role.process is None:
                continue
            if role.name in names:
                _tell(role.process, self.message)
            else:
                role.process.terminate()
                self.leaving.append(role.process)
        kept = [role for role in self.roles if role.name in names]
        there = {role.name for role in kept}
        self.roles = [*kept, *(role for role in wanted if role.name not in there)]

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
        _tell(role.process, self.message)
        role.started_at = now
        event(_LOG, logging.INFO, "process started", process=role.name, pid=role.process.pid)

    def _end_all(self) -> None:
        running = [*self.leaving, *(role.process for role in self.roles if role.process is not None)]
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


def _tell(process: subprocess.Popen[bytes], message: bytes) -> None:
    if message and process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):  # it has ended; whoever follows is told the same
            process.stdin.write(_LENGTH.pack(len(message)) + message)
            process.stdin.flush()


def told(descriptor: int) -> bytes | None:
    """The next message of the supervisor; ``None`` when there will be no more."""
    head = _exactly(descriptor, _LENGTH.size)
    return None if head is None else _exactly(descriptor, int(_LENGTH.unpack(head)[0]))


def _exactly(descriptor: int, count: int) -> bytes | None:
    whole = b""
    while len(whole) < count:
        part = os.read(descriptor, count - len(whole))
        if not part:
            return None
        whole += part
    return whole


@contextlib.contextmanager
def stopped_by_signals(
    *,
    parent_on_stdin: bool,
    stop: threading.Event | None = None,
    hear: Callable[[bytes], None] = lambda _message: None,
    again: threading.Event | None = None,
) -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set; for a role also the end of its supervisor.

    Parameters
    ----------
    parent_on_stdin:
        Standard input is a pipe from the supervisor; its end means that the supervisor is gone.
    hear:
        Called with each message of the supervisor.
    again:
        Set by SIGHUP, unless that comes from a terminal that is closed, which ends us. A supervised process ignores
        the signal: its supervisor tells it.
    """
    stop = stop or threading.Event()
    numbers = [signal.SIGTERM, signal.SIGINT]
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in numbers}
    if again is None:
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    elif not os.isatty(0):
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, lambda *_: again.set())
    else:
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, lambda *_: stop.set())
    if parent_on_stdin:
        threading.Thread(target=_wait_for_parent, args=(stop, hear), name="parent", daemon=True).start()
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait_for_parent(stop: threading.Event, hear: Callable[[bytes], None]) -> None:
    while (message := told(sys.stdin.fileno())) is not None:
        hear(message)
    stop.set()
