"""``nmus serve``: the service itself."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from typing import Any

from service.app import ROLES, Role, check, run_role
from service.commands.shared import add_settings, settings_of
from service.commands.supervise import Role as Process
from service.commands.supervise import Supervisor, stopped_by_signals
from service.config import Settings
from service.logs import event, set_up

_LOG = logging.getLogger(__name__)


def add_parser(subparsers: Any) -> None:  # noqa: ANN401
    """Add ``serve``."""
    parser = subparsers.add_parser("serve", help="run the service")
    add_settings(parser)
    parser.add_argument("--role", choices=sorted(ROLES), help="run one process only, as on a second machine")
    parser.add_argument("--supervised", action="store_true", help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT, then drain and end with 0."""
    settings = settings_of(args)
    os.umask(0o077)  # what it writes is of patients: for nobody else on this machine
    set_up(settings.logs.level, settings.logs.file)
    if args.role:
        with stopped_by_signals(parent_on_stdin=args.supervised) as stop:
            run_role(args.role, settings, stop)
        return 0
    check(settings)
    with stopped_by_signals(parent_on_stdin=False) as stop:
        event(_LOG, logging.INFO, "service starts", path=settings.service.data_folder, pid=os.getpid())
        supervisor = Supervisor(_processes(settings, args), settings.listener.drain_seconds + 10, stop)
        return supervisor.run()


def _processes(settings: Settings, args: argparse.Namespace) -> list[Process]:
    base = [sys.executable, "-P", "-m", "service", "serve", "--supervised"]
    if args.settings:
        base += ["--settings", str(args.settings.resolve())]
    return [Process(role.name, [*base, "--role", role.name]) for role in _wanted(settings)]


def _wanted(settings: Settings) -> list[Role]:
    return [role for role in ROLES.values() if role.wanted(settings)]
