"""``collect``: values of healthy volunteers: progress, outliers, exclusions, CSV in and out."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from reference_store import journal, observations_csv
from reference_store.collecting import Collection, Progress, progress
from reference_store.files import read_text
from reference_store.observations import to_json
from service.commands.reference_commands.printing import command, signature, store_of, table, tell


def add_parsers(subparsers: Any) -> None:  # noqa: ANN401
    """Add ``collect`` with its own actions."""
    outer = subparsers.add_parser("collect", help="normal values: progress, outliers, exclusions, CSV in and out")
    inner = outer.add_subparsers(dest="collect_command", metavar="ACTION", required=True)
    command(inner, "progress", "subjects per device, structure, age and sex, against 20, 60 and 120", _progress)
    command(inner, "outliers", "values far from their group, with the picture to look at", _outliers)
    parser = command(inner, "exclude", "take one observation out, with a reason", _exclude)
    parser.add_argument("id", metavar="ID")
    parser.add_argument("--reason", required=True)
    signature(parser)
    parser = command(inner, "restore", "take an exclusion back", _restore)
    parser.add_argument("id", metavar="ID")
    signature(parser)
    parser = command(inner, "import", "take observations from a CSV file: all of them or none", _import)
    parser.add_argument("file", type=Path, metavar="FILE")
    parser = command(inner, "export", "write all observations that count to a CSV file", _export)
    parser.add_argument("--to", type=Path, required=True, metavar="FILE")


def _collection(args: argparse.Namespace) -> Collection:
    return Collection(store_of(args).folder)


def _progress(args: argparse.Namespace) -> int:
    made = progress(_collection(args).current())
    facts = [{**dataclasses.asdict(one), "outliers": len(one.outliers)} for one in made]
    tell(args, facts, [line for one in made for line in _words(one)] or ["no observations yet"])
    return 0


def _words(one: Progress) -> list[str]:
    goal = f"next target {one.next_target}" if one.next_target else "all targets reached"
    rows = [("age", "women", "men", "sex unknown"), *one.by_decade_and_sex]
    return [
        f"{one.group.quantity} of {one.group.place}, {one.group.view} view, on {one.group.scanner}",
        f"  {one.subjects} subjects, {one.observations} observations; {goal}",
        *(f"  {line}" for line in table(rows)),
        *([f"  {len(one.outliers)} to look at: nmus references collect outliers"] if one.outliers else []),
    ]


def _outliers(args: argparse.Namespace) -> int:
    current = _collection(args).current()
    found = {observation.id: observation for observation in current}
    facts = [
        {"id": key, "modified_z": round(z, 2), **to_json(found[key])}
        for one in progress(current)
        for key, z in one.outliers
    ]
    rows = [(f["id"], f["structure"], f["side"], f"{f['value']:g}", f["modified_z"], f["overlay"]) for f in facts]
    head = ("id", "structure", "side", "value", "modified z", "overlay")
    tell(args, facts, table([head, *rows]) if rows else ["nothing to look at"])
    return 0


def _exclude(args: argparse.Namespace) -> int:
    _collection(args).exclude(args.id, args.reason, args.by, args.on)
    tell(args, {"excluded": args.id, "reason": args.reason, "by": args.by, "on": args.on}, [f"{args.id} excluded"])
    return 0


def _restore(args: argparse.Namespace) -> int:
    _collection(args).restore(args.id, args.by, args.on)
    tell(args, {"restored": args.id, "by": args.by, "on": args.on}, [f"{args.id} counts again"])
    return 0


def _import(args: argparse.Namespace) -> int:
    read = observations_csv.read(read_text(args.file), args.file.name)
    added = _collection(args).add(read)
    facts = {"read": len(read), "added": added}
    tell(args, facts, [f"{added} observations added, {len(read) - added} were there already"])
    return 0


def _export(args: argparse.Namespace) -> int:
    current = _collection(args).current()
    journal.replace(args.to, observations_csv.write(current).encode())
    tell(args, {"exported": len(current), "to": str(args.to)}, [f"{len(current)} observations written to {args.to}"])
    return 0
