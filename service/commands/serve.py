"""``nmus serve``: the service itself."""

from __future__ import annotations

import argparse
import logging
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from service.app import ROLES, Orders, Role, check, run_role
from service.commands.shared import add_settings, settings_of
from service.commands.supervise import Role as Process
from service.commands.supervise import Supervisor, stopped_by_signals, told
from service.config import Settings, load
from service.config.changes import taken_over
from service.errors import Misconfigured
from service.logs import event, set_up

_LOG = logging.getLogger(__name__)


def add_parser(subparsers: Any) -> None:  # noqa: ANN401
    """Add ``serve``."""
    parser = subparsers.add_parser("serve", help="run the service")
    add_settings(parser)
    parser.add_argument("--role", choices=sorted(ROLES), help="run one process only, as on a second machine")
    parser.add_argument("--supervised", action="store_true", help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT, then drain and end with 0. SIGHUP reads the settings again."""
    if args.role:
        return _run_role(args)
    settings = settings_of(args)
    os.umask(0o077)  # what it writes is of patients: for nobody else on this machine
    set_up(settings.logs.level, settings.logs.file)
    check(settings)
    again = threading.Event()
    with stopped_by_signals(parent_on_stdin=False, again=again) as stop:
        event(_LOG, logging.INFO, "service starts", path=settings.service.data_folder, pid=os.getpid())
        supervisor = Supervisor(
            _processes(settings, args),
            settings.listener.drain_seconds + 10,
            stop,
            pickle.dumps(settings),
            _rereading(settings, args),
            again,
        )
        return supervisor.run()


def _run_role(args: argparse.Namespace) -> int:
    settings = _first_told() if args.supervised else settings_of(args)
    os.umask(0o077)
    set_up(settings.logs.level, settings.logs.file)
    orders = Orders(settings, ROLES[args.role].sections)
    again = None if args.supervised else threading.Event()
    with stopped_by_signals(
        parent_on_stdin=args.supervised, stop=orders, hear=lambda raw: orders.give(_settings(raw)), again=again
    ):
        if again is not None:
            threading.Thread(target=_on_hangup, args=(again, orders, settings, args), daemon=True).start()
        run_role(args.role, settings, orders)
    return 0


def _on_hangup(again: threading.Event, orders: Orders, settings: Settings, args: argparse.Namespace) -> None:
    while again.wait():
        again.clear()
        fresh = reread(args.settings, settings)
        if fresh is not None:
            settings = fresh
            orders.give(fresh)


def _first_told() -> Settings:
    message = told(sys.stdin.fileno())
    if message is None:
        raise SystemExit(0)  # the supervisor ended before it could say anything
    return _settings(message)


def _settings(raw: bytes) -> Settings:
    return cast(Settings, pickle.loads(raw))  # noqa: S301 - from our own parent, over its pipe


def _rereading(settings: Settings, args: argparse.Namespace) -> Callable[[], tuple[bytes, list[Process]] | None]:
    """What the supervisor asks when it got SIGHUP: the settings that hold then, and the processes they want."""
    current = settings

    def again() -> tuple[bytes, list[Process]] | None:
        nonlocal current
        fresh = reread(args.settings, current)
        if fresh is None:
            return None
        current = fresh
        set_up(fresh.logs.level, fresh.logs.file)
        return pickle.dumps(fresh), _processes(fresh, args)

    return again


def reread(path: Path | None, current: Settings) -> Settings | None:
    """The settings file as it is now, checked as ``nmus check`` does; ``None`` if it is wrong, which is logged."""
    if path is None:
        event(_LOG, logging.WARNING, "settings not taken over", reason="the service runs without a settings file")
        return None
    try:
        fresh = load(path)
        _checked(path)
    except Misconfigured as error:
        remedy = "mend the file and reload; until then the earlier settings hold"
        event(_LOG, logging.ERROR, "settings not taken over", path=path, reason=str(error), remedy=remedy)
        return None
    fresh, kept = taken_over(fresh, current)
    for key in kept:
        event(_LOG, logging.WARNING, "setting waits for a restart", setting=key)
    event(_LOG, logging.INFO, "settings read again", path=path)
    return fresh


def _checked(path: Path) -> None:
    """Check plugins and references too, in a process of its own: this one has no use for what that loads."""
    command = [sys.executable, "-P", "-m", "service", "check", "--settings", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own module
    if done.returncode:
        raise Misconfigured(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "nmus check failed")


def _processes(settings: Settings, args: argparse.Namespace) -> list[Process]:
    base = [sys.executable, "-P", "-m", "service", "serve", "--supervised"]
    return [Process(role.name, [*base, "--role", role.name]) for role in _wanted(settings)]


def _wanted(settings: Settings) -> list[Role]:
    return [role for role in ROLES.values() if role.here(settings)]
