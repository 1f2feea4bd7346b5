"""``nmus redrive``: try again what a destination refused for good."""

from __future__ import annotations

import argparse
from typing import Any

from service.commands.shared import add_settings, ledger_of, say, settings_of


def add_parser(subparsers: Any) -> None:  # noqa: ANN401
    """Add ``redrive``."""
    parser = subparsers.add_parser("redrive", help="send again what a destination refused, after its cause is mended")
    add_settings(parser)
    parser.add_argument("--destination", metavar="NAME", help="only this destination; all without")


def run(args: argparse.Namespace) -> int:
    """Move held objects back into the outbox."""
    settings = settings_of(args)
    known = [one.name for one in settings.destination]
    if args.destination and args.destination not in known:
        say(f"there is no destination {args.destination!r} in the settings; known: {', '.join(known) or 'none'}")
        return 2
    ledger = ledger_of(settings)
    number = ledger.redrive(ledger.clock(), args.destination)
    say(f"{number} objects will be sent again")
    return 0
