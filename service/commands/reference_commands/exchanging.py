"""``import`` and ``export``: documents between sites, all or none."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from reference_store import journal
from reference_store.files import read_text
from reference_store.store import load
from service.commands.reference_commands.looking import _file_problems
from service.commands.reference_commands.printing import command, folder_of, store_of, tell


def add_parsers(subparsers: Any) -> None:  # noqa: ANN401
    """Add ``import`` and ``export``."""
    parser = command(subparsers, "import", "take documents into the store: all of them or none", _import)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser = command(subparsers, "export", "write documents of the store into one file", _export)
    parser.add_argument("ids", nargs="*", metavar="ID", help="id or id@version; none: all that are not bundled")
    parser.add_argument("--to", type=Path, required=True, metavar="FILE")


def _import(args: argparse.Namespace) -> int:
    texts = [(path.name, read_text(path)) for path in args.files]
    problems = _file_problems(args.files)
    if problems:
        first = problems[0]
        raise ValueError(f"{first['file']}: {first['place']}: {first['problem']}; nothing was imported")
    added = store_of(args).add(texts)
    releases = [document.release for document in added]
    tell(args, {"imported": releases}, [*releases, f"{len(added)} documents imported; activate what is to be used"])
    return 0


def _export(args: argparse.Namespace) -> int:
    if args.ids:
        references = load(folder_of(args))
        chosen = [(name, references.document(name)) for name in args.ids]
    else:
        chosen = [(document.release, document) for document in store_of(args).documents()]
    for name, document in chosen:
        if document is None:
            raise LookupError(f"there is no reference {name!r}; see 'nmus references list'")
    raw = [json.loads(document.text) for _, document in chosen if document]
    journal.replace(args.to, (json.dumps(raw, indent=1, ensure_ascii=False) + "\n").encode())
    tell(args, {"exported": len(raw), "to": str(args.to)}, [f"{len(raw)} documents written to {args.to}"])
    return 0
