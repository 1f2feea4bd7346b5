"""What a child process started and left behind, to outlive it in a session of its own: found and ended.

The fork server adopts whoever loses his parent (``service.analyse.preload``), so what it has besides our own children
was left by one of them.
"""

from __future__ import annotations

import contextlib
import multiprocessing.forkserver
import os
import signal
import threading
import time
from multiprocessing.context import ForkServerProcess
from pathlib import Path

_BIRTH = threading.Lock()
_born: set[int] = set()
_ROUNDS = 50
"""Of ending strays: each may have left children of its own."""


def start(process: ForkServerProcess) -> None:
    """Start a child of ours."""
    with _BIRTH:
        process.start()
        _born.add(process.pid or 0)


def end(process: ForkServerProcess) -> None:
    """A child of ours is gone: end what it left."""
    server = multiprocessing.forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    with _BIRTH:
        _born.discard(process.pid or 0)
        for _ in range(_ROUNDS if server else 0):
            strays = [pid for pid in _children_of(server) if pid not in _born]
            if not strays:
                return
            for pid in strays:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.002)  # the fork server buries them


def _children_of(pid: int) -> list[int]:
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]
    except (OSError, ValueError):
        return []  # it is gone, or this kernel does not tell
