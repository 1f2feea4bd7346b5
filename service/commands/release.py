"""``nmus release``: answer for a study that is held back."""

from __future__ import annotations

import argparse
from typing import Any

from service.commands.shared import add_settings, ledger_of, say, settings_of


def add_parser(subparsers: Any) -> None:  # noqa: ANN401
    """Add ``release``."""
    parser = subparsers.add_parser("release", help="answer for a study that is held back; or list them")
    add_settings(parser)
    parser.add_argument("study", nargs="?", metavar="STUDY_INSTANCE_UID")
    parser.add_argument("--by", metavar="NAME", help="who answers for it; written into the audit trail")


def run(args: argparse.Namespace) -> int:
    """Release one study, or list what is held back."""
    ledger = ledger_of(settings_of(args))
    if args.study is None:
        held = ledger.quarantines()
        for one in held:
            say(f"{one.study_instance_uid}: {one.reason}")
        say(f"{len(held)} studies are held back")
        return int(bool(held))
    if not args.by:
        say("say who answers for the study: --by NAME")
        return 2
    job = ledger.release_study(args.study, args.by, ledger.clock())
    if job is None:
        say(f"{args.study}: is not held back")
        return 1
    say(f"{args.study}: released by {args.by}; it is analysed, and what waits of it is sent")
    return 0
