"""``nmus rerun``: analyse studies again, for instance after a new reference or mapping."""

from __future__ import annotations

import argparse
from typing import Any

from service.commands.shared import add_settings, ledger_of, say, settings_of


def add_parser(subparsers: Any) -> None:  # noqa: ANN401
    """Add ``rerun``."""
    parser = subparsers.add_parser("rerun", help="analyse studies again; changed results amend the earlier reports")
    add_settings(parser)
    parser.add_argument("study", nargs="+", metavar="STUDY_INSTANCE_UID")


def run(args: argparse.Namespace) -> int:
    """Queue a new generation of each study."""
    ledger = ledger_of(settings_of(args))
    missing = 0
    for uid in args.study:
        job = ledger.rerun(uid, ledger.clock())
        if job is None:
            say(f"{uid}: no object of this study has been received")
            missing += 1
        else:
            say(f"{uid}: queued as job {job}")
    return int(missing > 0)
