"""``structures``: what the anatomy catalogue knows, and what it makes of a text that somebody typed at a scanner."""

from __future__ import annotations

import argparse
from typing import Any

from reference_store import anatomy
from service.commands.reference_commands.printing import command, table, tell


def add_parsers(subparsers: Any) -> None:  # noqa: ANN401 - argparse has no public type for it
    """Add ``structures``."""
    parser = command(subparsers, "structures", "muscles, nerves and sites with their keys, codes and synonyms", _list)
    parser.add_argument("--kind", choices=anatomy.KINDS, help="only this kind")
    parser.add_argument("--read", metavar="TEXT", help="what this text, as typed at a scanner, is taken for")


def _list(args: argparse.Namespace) -> int:
    if args.read is not None:
        return _read(args)
    found = anatomy.structures(args.kind)
    facts = [
        {
            "key": each.key,
            "kind": each.kind,
            "name": each.name,
            "code": [each.code.value, each.code.scheme],
            "sites": [site.key for site in anatomy.sites(each.key)],
            "synonyms": [*each.synonyms, *each.abbreviations],
        }
        for each in found
    ]
    rows = [[fact["key"], fact["kind"], fact["name"], " ".join(fact["sites"])] for fact in facts]
    tell(args, facts, [*table([["key", "kind", "name", "sites"], *rows]), f"{len(facts)} structures"])
    return 0


def _read(args: argparse.Namespace) -> int:
    read = anatomy.recognise(args.read)
    facts = {"structure": read.structure, "side": read.side.value, "site": read.site, "view": read.view.value}
    known = [f"{name} {value}" for name, value in facts.items() if value not in (None, "unknown")]
    tell(args, facts, [", ".join(known) or "nothing known; a [[mapping]] can say what it means"])
    return int(read.structure is None)
