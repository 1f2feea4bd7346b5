"""Is the service alive, and is it ready to take objects? The answers that load balancers and systemd ask for."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from service.errors import Unreachable
from service.ledger import Ledger, LedgerUnavailable
from service.objects import Objects

SILENT_SECONDS = 30.0
"""A process that has not beaten this long is taken for dead; beats come every few seconds."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold."""

    name: str
    good: bool
    text: str


def readiness(
    ledger: Ledger,
    data_folder: Path,
    refuse_free_mb: int,
    processes: tuple[str, ...],
    now: float,
    *,
    objects: Objects | None = None,
) -> tuple[Check, ...]:
    """Every check by itself; the service is ready when all are good.

    Parameters
    ----------
    processes:
        Names of the processes that must have beaten lately.
    now:
        Seconds since 1970 UTC.
    """
    free_mb = shutil.disk_usage(data_folder).free // 10**6
    enough = free_mb >= refuse_free_mb
    checks = [Check("disk", enough, f"{free_mb} MB free, {refuse_free_mb} MB needed to take objects")]
    if objects is not None and objects.is_remote:
        checks.append(_store(objects))
    try:
        beats = {process.name: process.beat_at for process in ledger.status().processes}
    except LedgerUnavailable as error:
        return (*checks, Check("ledger", False, str(error)))
    checks.append(Check("ledger", True, "answers"))
    for name in processes:
        silent = now - beats[name] if name in beats else None
        text = "has not started" if silent is None else f"last heard {silent:.0f} s ago"
        checks.append(Check(name, silent is not None and silent < SILENT_SECONDS, text))
    return tuple(checks)


def _store(objects: Objects) -> Check:
    try:
        objects.ask()
    except Unreachable as away:
        return Check("object store", False, str(away))
    return Check("object store", True, "answers")
