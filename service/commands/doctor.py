"""``nmus doctor``: the first day's questions answered: who can be reached, who takes what, and what to tell whom."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from service.commands.shared import add_json, add_settings, say, say_json, settings_of


def add_parser(subparsers: Any) -> None:  # noqa: ANN401
    """Add ``doctor``."""
    parser = subparsers.add_parser(
        "doctor", help="echo and negotiate with every peer, try a simulated exam, print what to enter where"
    )
    add_settings(parser)
    add_json(parser)
    parser.add_argument("--peer", metavar="NAME", help="look at this destination, archive, scanner or Orthanc only")
    parser.add_argument(
        "--send", action="store_true", help="send a simulated exam (patient NMUS-DEMO) and wait for its report"
    )
    parser.add_argument("--wait", type=float, default=300.0, metavar="SECONDS", help="how long to wait for it (300)")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write the sheets into this folder")


def run(args: argparse.Namespace) -> int:
    """1 when something is bad."""
    from service.commands.first_day import exam, machine, peers, sheets  # noqa: PLC0415 - loads DICOM libraries
    from service.commands.first_day.rows import State, table, worst  # noqa: PLC0415

    settings = settings_of(args)
    rows = [] if args.peer else list(machine.examine(settings))
    seen = peers.examine(settings, args.peer)
    rows += seen.rows
    if args.send:
        rows += exam.examine(settings, args.wait)
    # what is good needs no remedy
    rows = [row if row.state in (State.WARN, State.BAD) else dataclasses.replace(row, remedy="") for row in rows]
    made = {} if args.peer else sheets.all_of(settings, seen.accepted)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        for name, text in made.items():
            (args.out / name).write_text(text, encoding="utf-8")
    if args.json:
        facts = {"rows": [dataclasses.asdict(row) for row in rows], "accepted": seen.accepted, "sheets": made}
        say_json({"good": not worst(rows), **facts})
        return worst(rows)
    for line in table(rows):
        say(line)
    for name, text in made.items():
        say(
            f"\n───── {name} {'─' * (60 - len(name))}\n{text.rstrip()}"
            if not args.out
            else f"written      {args.out / name}"
        )
    return worst(rows)
