"""What every process does: say that it lives, and go on when one tick goes wrong."""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from service.app import App
from service.errors import NmusError
from service.ledger import LedgerUnavailable, Process
from service.logs import event
from service.objects import StoreAway

_LOG = logging.getLogger(__name__)
BEAT_S = 5.0
"""How often a process says that it lives; readiness takes it for dead after six missed beats."""
LOOK_S = 0.2
"""How often a process looks whether it is to end."""


@dataclass
class Beat:
    """Says now and then that this process lives, with its counters."""

    app: App
    name: str
    counters: Callable[[], dict[str, float]] = dict
    started_at: float = 0.0
    due: float = 0.0

    def now_and_then(self) -> None:
        """Beat if it is time."""
        if time.monotonic() >= self.due:
            self.due = time.monotonic() + BEAT_S
            guarded(self.now, "beat")

    def now(self) -> None:
        """Beat."""
        now = self.app.ledger.clock()
        self.started_at = self.started_at or now
        self.app.ledger.beat(
            Process(self.app.process_name(self.name), os.getpid(), self.started_at, now, self.counters())
        )


def guarded(step: Callable[[], object], name: str) -> object:
    """One tick; what goes wrong in it is logged, and the next tick tries again."""
    try:
        return step()
    except LedgerUnavailable as error:
        event(_LOG, logging.ERROR, "ledger unavailable", reason=str(error))
    except StoreAway:
        pass  # it has said so itself, once
    except NmusError as error:
        event(_LOG, logging.ERROR, f"{name} failed", reason=str(error))
    except Exception:  # noqa: BLE001 - a loop that must go on; the place is logged, the text is not
        _LOG.exception("%s failed", name)
    return None


def owner(what: str, machine: str = "") -> str:
    """Who holds a lease: this machine, this process, this part of it."""
    return f"{machine or socket.gethostname()}:{os.getpid()}:{what}"


def has_ended(owner: str, machine: str = "") -> bool:
    """Whether a lease's owner was a process of this machine that is no more. Another machine's is not judged."""
    host, _, rest = owner.partition(":")
    number = rest.partition(":")[0]
    if host != (machine or socket.gethostname()) or not number.isdigit():
        return False
    if int(number) == os.getpid():
        return True  # asked before this process claims anything: it was one before us with the same number
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def take_turns_quickly() -> None:
    """Let the threads of this process take turns after half a millisecond; Python's own five cost a study fifteen.

    Of several that have work, one waits for another's turn to end wherever it gives something to a child or a peer.
    """
    sys.setswitchinterval(0.0005)
