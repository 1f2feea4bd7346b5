"""The command line, one file a command: each has ``add_parser(subparsers)`` and ``run(args) -> exit status``.

Exit status: 0 done, 1 the answer is no (a refusal, a failed check), 2 the operator must act (``Misconfigured``).
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from service import __version__
from service.errors import Misconfigured, NmusError

COMMANDS = (
    "serve",
    "demo",
    "check",
    "doctor",
    "analyse",
    "explain",
    "status",
    "redrive",
    "rerun",
    "backup",
    "restore",
    "why",
    "reject",
    "release",
    "references",
    "fasciculation",
    "password",
    "export",
)
"""Modules of this package. Imported only when named, since some pull in libraries that take a second to load."""
OK, NO, OPERATOR = 0, 1, 2


def main(arguments: Sequence[str]) -> int:
    """Parse, run one command and return its exit status; every error on purpose becomes one line on stderr."""
    named = next((word for word in arguments if not word.startswith("-")), None)
    parser = argparse.ArgumentParser(
        prog="nmus",
        description="Quantitative neuromuscular ultrasound: DICOM images in, measurements and overlays back.",
    )
    parser.add_argument("--version", action="version", version=f"nmus {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in [named] if named in COMMANDS else COMMANDS:
        importlib.import_module(f"service.commands.{name}").add_parser(subparsers)
    parsed = parser.parse_args(arguments)
    try:
        return int(importlib.import_module(f"service.commands.{parsed.command}").run(parsed))
    except Misconfigured as error:
        print(f"nmus {parsed.command}: {error}", file=sys.stderr)  # noqa: T201 - the command line speaks here
        return OPERATOR
    except NmusError as error:
        print(f"nmus {parsed.command}: {error}", file=sys.stderr)  # noqa: T201
        return NO
    except BrokenPipeError:
        return OK  # whoever read our output has seen enough
