"""``list``, ``show`` and ``check``: what references there are, one of them whole, and whether files are sound."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from reference_store import anatomy
from reference_store.documents import Document
from reference_store.files import FileError, read_text
from reference_store.reading import DocumentError, parse
from reference_store.reference_set import ReferenceSet
from reference_store.store import Store, load
from service.commands.reference_commands.printing import command, folder_of, found_in, table, tell


def add_parsers(subparsers: Any) -> None:  # noqa: ANN401
    """Add the commands that only look."""
    parser = command(subparsers, "list", "list all references and whether they are in use", _list)
    parser.add_argument("--quantity", metavar="NAME", help="only this quantity, for example nerve_csa")
    parser.add_argument("--structure", metavar="KEY", help="only this structure")
    parser = command(subparsers, "show", "show one reference whole, with every decision about it", _show)
    parser.add_argument("id", metavar="ID", help="id, id@version or content hash")
    parser = command(subparsers, "check", "check documents, or the whole store; status 1 when one is bad", _check)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="documents; none: the store")


def _use(references: ReferenceSet, document: Document) -> str:
    """In one word, whether a document answers questions now."""
    if references.is_retired(document):
        return "retired"
    if document.release in references.activated:
        newest = [r for r in references.activated if r.rsplit("@", 1)[0] == document.id][-1]
        return "active" if newest == document.release else "replaced"
    if references.needs_activation(document):
        return "not approved"
    chosen = references.source_of(document.structure, document.quantity)
    return "in use" if chosen == document.provenance.source else "not chosen"


def _list(args: argparse.Namespace) -> int:
    references = load(folder_of(args))
    found = [
        document
        for document in references.documents
        if args.quantity in (None, document.quantity) and args.structure in (None, document.structure)
    ]
    facts = [
        {
            "id": document.id,
            "version": document.version,
            "hash": document.content_hash,
            "status": references.standing(document).value,
            "use": _use(references, document),
            "quantity": document.quantity,
            "unit": document.unit,
            "structure": document.structure,
            "sites": list(document.sites),
            "side": document.side_rule.value,
            "n": document.population.n,
            "device": document.lock.model if document.lock.device_bound else None,
            "source": document.provenance.source,
        }
        for document in found
    ]
    head = ("id", "version", "status", "use", "n", "device")
    rows = [[fact[name] for name in head] for fact in facts]
    tell(args, facts, [*table([head, *rows]), f"{len(facts)} references"])
    return 0


def _show(args: argparse.Namespace) -> int:
    folder = folder_of(args)
    references = load(folder)
    document = found_in(references, args.id)
    events = Store(folder).events() if folder else []
    about = [row for row in events if row.get("release") == document.release]
    raw = json.loads(document.text)
    standing, use = references.standing(document).value, _use(references, document)
    facts = {"document": raw, "hash": document.content_hash, "status": standing, "use": use, "events": about}
    lines = [
        f"{document.release}  {standing}  {use}",
        f"hash {document.content_hash}",
        f"source {document.source_line}",
        *(f"{row['on']} {row['event']} by {row['by']} {row.get('reason', '')}".rstrip() for row in about),
        *json.dumps(raw, indent=1, ensure_ascii=False).splitlines(),
    ]
    tell(args, facts, lines)
    return 0


def _check(args: argparse.Namespace) -> int:
    problems = _file_problems(args.files) if args.files else _store_problems(folder_of(args))
    lines = [f"{problem['file']}: {problem['place']}: {problem['problem']}" for problem in problems]
    tell(args, {"ok": not problems, "problems": problems}, lines or ["sound"])
    return int(bool(problems))


def _file_problems(paths: list[Path]) -> list[dict[str, str]]:
    problems: list[dict[str, str]] = []
    seen: dict[str, str] = {}
    for path in paths:
        try:
            read = parse(read_text(path), path.name)
        except FileError as error:
            problems.append({"file": error.file, "place": error.place, "problem": error.problem})
            continue
        for document in read:
            problems.extend(_unknown_keys(document, path.name))
            if document.release in seen:
                twin = f"{document.release} stands in {seen[document.release]} too; ids are unique"
                problems.append({"file": path.name, "place": "field model_id", "problem": twin})
            seen[document.release] = path.name
    return problems


def _unknown_keys(document: Document, file: str) -> list[dict[str, str]]:
    """A key that the catalogue does not have would never be asked for."""
    problems = []
    for field, look_up, keys in (
        ("structure.key", anatomy.structure, (document.structure,)),
        ("structure.site_key", anatomy.site, document.sites),
    ):
        for key in keys:
            try:
                look_up(key)
            except KeyError:
                text = f"{key!r} is not in the anatomy catalogue, so no image can ever match it"
                problems.append({"file": file, "place": f"{document.release}, field {field}", "problem": text})
    return problems


def _store_problems(folder: Path | None) -> list[dict[str, str]]:
    try:
        references = load(folder)
    except DocumentError as error:
        return [{"file": error.file, "place": error.place, "problem": error.problem}]
    except ValueError as error:
        return [{"file": "events.jsonl", "place": "", "problem": str(error)}]
    known = {document.release for document in references.documents}
    problems = [problem for document in references.documents for problem in _unknown_keys(document, document.id)]
    for release in (*references.activated, *sorted(references.retired)):
        if release not in known:
            text = "an event speaks of it, and its document is not in the folder"
            problems.append({"file": "events.jsonl", "place": release, "problem": text})
    return problems
