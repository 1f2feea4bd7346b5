"""What the reference commands share: their options, the site's folder, and speaking to a person or a program."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reference_store.applying import Signed
from reference_store.attestation import Attestation
from reference_store.documents import Document
from reference_store.reference_set import ReferenceSet
from reference_store.store import Store
from reference_store.values import Device
from service.config import load
from service.errors import Misconfigured


def command(
    subparsers: Any,  # noqa: ANN401 - argparse has no public type for it
    name: str,
    text: str,
    act: Callable[[argparse.Namespace], int],
) -> argparse.ArgumentParser:
    """One command with the options that all have."""
    parser: argparse.ArgumentParser = subparsers.add_parser(name, help=text, description=text)
    parser.add_argument("--settings", type=Path, metavar="FILE", help="TOML settings file that names the folder")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="the site's reference folder, instead of --settings")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.set_defaults(act=act)
    return parser


def signature(parser: argparse.ArgumentParser) -> None:
    """Options of a decision: who and when."""
    parser.add_argument("--by", required=True, metavar="NAME", help="who decides; recorded")
    parser.add_argument("--on", default=today(), metavar="DATE", help="date of the decision, ISO 8601; today if absent")


def today() -> str:
    """Today's date at this place, ISO 8601."""
    return datetime.now(UTC).astimezone().date().isoformat()


def folder_of(args: argparse.Namespace) -> Path | None:
    """The site's folder, where one is named."""
    if args.folder is not None:
        return Path(args.folder)
    return load(args.settings).references.folder if args.settings else None


def store_of(args: argparse.Namespace) -> Store:
    """The site's store. Raises ``Misconfigured`` when no folder is named."""
    folder = folder_of(args)
    if folder is None:
        raise Misconfigured("no reference folder: give --folder DIR, or set references.folder in the settings file")
    return Store(folder)


def found_in(references: ReferenceSet, name: str) -> Document:
    """The document of that name. Raises ``LookupError``."""
    document = references.document(name)
    if document is None:
        raise LookupError(f"there is no reference {name!r}; see 'nmus references list'")
    return document


def signed_by(references: ReferenceSet, document: Document) -> Signed:
    """The site's attestations of the preset that a document needs, where they hold."""

    def signed(device: Device) -> Attestation | None:
        found = references.attestation(document.lock.preset, device)
        return found if found and found.suspended_by(device) is None else None

    return signed


def say(text: str = "") -> None:
    """One line for a person."""
    print(text, flush=True)  # noqa: T201 - the command line speaks here


def tell(args: argparse.Namespace, value: object, lines: Sequence[str]) -> None:
    """The same answer for a program or for a person."""
    if args.json:
        say(json.dumps(value, ensure_ascii=False, allow_nan=False, default=str))
        return
    for line in lines:
        say(line)


def table(rows: Sequence[Sequence[object]]) -> list[str]:
    """Columns for a person, padded."""
    words = [["" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max(len(row[index]) for row in words) for index in range(len(words[0]))] if words else []
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in words]
