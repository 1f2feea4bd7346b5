"""``nmus references``: the device-specific reference store from the command line; every command with ``--json``."""

from __future__ import annotations

import argparse
import json
from typing import Any

from service.commands.reference_commands import (
    bridging,
    collecting,
    deciding,
    exchanging,
    fitting,
    looking,
    naming,
    quality,
    scoring,
)
from service.commands.reference_commands.printing import say
from service.errors import Misconfigured

_GROUPS = (looking, naming, scoring, exchanging, deciding, collecting, fitting, bridging, quality)


def add_parser(subparsers: Any) -> None:  # noqa: ANN401 - argparse has no public type for it
    """Add ``references`` and its own commands."""
    parser = subparsers.add_parser(
        "references",
        help="reference values: list, check, compare, collect, fit, activate, quality control",
        description="Reference values of this site: no z-score without the right one, and a way to get one.",
    )
    inner = parser.add_subparsers(dest="references_command", metavar="COMMAND", required=True)
    for group in _GROUPS:
        group.add_parsers(inner)


def run(args: argparse.Namespace) -> int:
    """Run one of the commands; bad input becomes ``Misconfigured`` with file, row and field in its text."""
    try:
        return int(args.act(args))
    except Misconfigured as error:
        _tell(args, str(error), error)
        raise
    except (LookupError, ValueError, OSError) as error:
        text = str(error.args[0]) if isinstance(error, LookupError) and error.args else str(error)
        if isinstance(error, OSError) and error.filename:
            text = f"{error.filename}: {error.strerror}"
        _tell(args, text, error)
        raise Misconfigured(text) from error


def _tell(args: argparse.Namespace, text: str, error: Exception) -> None:
    """The error for a program too, with file, place and problem where it has them."""
    if args.json:
        place = {name: getattr(error, name) for name in ("file", "place", "problem") if hasattr(error, name)}
        say(json.dumps({"error": text, **place}, ensure_ascii=False))
