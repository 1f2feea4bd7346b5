"""``activate``, ``retire`` and ``attest``: decisions of a person, recorded with name and date."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reference_store.attestation import Attestation
from reference_store.files import FileError, read_object
from service.commands.reference_commands.devices import add_scanner, scanner_of
from service.commands.reference_commands.printing import command, signature, store_of, tell


def add_parsers(subparsers: Any) -> None:  # noqa: ANN401
    """Add the commands that decide."""
    parser = command(subparsers, "activate", "put a reference, or one source for a whole nerve, into use", _activate)
    parser.add_argument("id", nargs="?", metavar="ID", help="id or id@version")
    parser.add_argument("--source", metavar="KEY", help="with --structure: the one source of that nerve")
    parser.add_argument("--structure", metavar="KEY")
    signature(parser)
    parser = command(subparsers, "retire", "take a reference out of use, for good", _retire)
    parser.add_argument("id", metavar="ID")
    parser.add_argument("--reason", required=True)
    signature(parser)
    parser = command(subparsers, "attest", "sign that a preset of a scanner is locked, with what DICOM omits", _attest)
    add_scanner(parser)
    parser.add_argument("--preset", required=True)
    parser.add_argument("--setting", action="append", default=[], metavar="NAME=VALUE", help="gain_dB=50; repeat")
    signature(parser)


def _activate(args: argparse.Namespace) -> int:
    store = store_of(args)
    if args.id and not args.source and not args.structure:
        document = store.activate(args.id, args.by, args.on)
        facts = {"activated": document.release, "hash": document.content_hash, "by": args.by, "on": args.on}
        tell(args, facts, [f"{document.release} activated by {args.by} on {args.on}"])
        return 0
    if args.id or not (args.source and args.structure):
        raise ValueError("give either an ID, or --source with --structure")
    store.select(args.structure, args.source, args.by, args.on)
    facts = {"structure": args.structure, "source": args.source, "by": args.by, "on": args.on}
    tell(args, facts, [f"{args.structure} is compared with {args.source} only, by {args.by} on {args.on}"])
    return 0


def _retire(args: argparse.Namespace) -> int:
    document = store_of(args).retire(args.id, args.by, args.on, args.reason)
    facts = {"retired": document.release, "by": args.by, "on": args.on, "reason": args.reason}
    tell(args, facts, [f"{document.release} retired by {args.by} on {args.on}: {args.reason}"])
    return 0


def _attest(args: argparse.Namespace) -> int:
    settings = {}
    for pair in args.setting:
        name, equals, value = pair.partition("=")
        if not equals or not name or not value:
            raise ValueError(f"--setting {pair!r}: write NAME=VALUE, for example gain_dB=50")
        settings[name] = value
    if not settings:
        raise ValueError("nothing attested: read gain, TGC and grey map from the scanner and give each as --setting")
    device = scanner_of(args)
    if args.device:
        _named(args.device, ("software_versions", "spacing_mm"))
    store_of(args).attest(Attestation(args.by, args.on, args.preset, device, tuple(sorted(settings.items()))))
    facts = {"preset": args.preset, "model": device.model, "settings": settings, "by": args.by, "on": args.on}
    tell(args, facts, [f"preset {args.preset} of {device.model} attested by {args.by} on {args.on}"])
    return 0


def _named(path: Path, fields: Sequence[str]) -> None:
    """A change of these ends the signature, so they have to be there; null says that the images carry none."""
    raw = read_object(path, "a scanner's description")
    for field in fields:
        if field not in raw:
            problem = "is missing: a change of it suspends the signature; copy it from an image, or give --image"
            raise FileError(path.name, f"field {field}", problem)
