"""``nmus reject``: take results back, with a rejection note to everyone who got them."""

from __future__ import annotations

import argparse
from typing import Any

from service.commands.shared import add_settings, ledger_of, say, settings_of
from service.report.rejection import REASONS
from service.withdraw import current_results, withdraw


def add_parser(subparsers: Any) -> None:  # noqa: ANN401
    """Add ``reject``."""
    parser = subparsers.add_parser("reject", help="take a report back: a rejection note to everyone who got it")
    add_settings(parser)
    parser.add_argument("report", metavar="SOP_INSTANCE_UID", help="of a report or an overlay of ours")
    parser.add_argument("--reason", required=True, choices=tuple(REASONS), help="title of the note")
    parser.add_argument("--by", required=True, metavar="NAME", help="who decided it; written into the audit trail")
    parser.add_argument("--text", default="", help="why, in words for readers; no patient data")
    parser.add_argument("--only", action="store_true", help="this object alone, not what was made together with it")


def run(args: argparse.Namespace) -> int:
    """Withdraw a report, and the other current results of its study unless ``--only``."""
    settings = settings_of(args)
    ledger = ledger_of(settings)
    result = ledger.result(args.report)
    if result is None or result.role == "ko":
        say(f"{args.report}: is no report or overlay of ours")
        return 1
    if ledger.withdrawn([args.report]):
        say(f"{args.report}: was withdrawn before")
        return 1
    current = current_results(ledger, result.study_instance_uid)
    together = [result] if args.only or result not in current else list(current)
    to = withdraw(settings, ledger, together, ledger.clock(), reason=args.reason, by=args.by, text=args.text)
    say(f"{len(together)} objects withdrawn; the note goes to {', '.join(to) or 'nobody: none was sent yet'}")
    return 0
