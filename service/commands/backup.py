"""``nmus backup``: everything that a service needs to go on elsewhere, while it runs."""

from __future__ import annotations

import argparse
import dataclasses
import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy

from service import __version__
from service.commands import backup_files as files
from service.commands.backup_files import BadBackup, Head
from service.commands.shared import add_json, add_settings, ledger_of, note, say, say_json, settings_of
from service.config import Settings
from service.ledger import REVISION, Ledger
from service.ledger.database import sqlite_url
from service.objects import objects_of

_SHOWN = 5


def add_parser(subparsers: Any) -> None:  # noqa: ANN401 - argparse keeps the type private
    """Add ``backup``."""
    parser = subparsers.add_parser("backup", help="copy ledger, images, results and references; the service may run")
    parser.add_argument("TO", type=Path, help="folder for the backup; it must not exist yet, or be empty")
    parser.add_argument(
        "--base", type=Path, metavar="FOLDER", help="an earlier backup: files that it has are linked, not copied"
    )
    add_settings(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """0 when it is whole; 1 when the ledger names files that are gone."""
    settings = settings_of(args)
    ledger = ledger_of(settings)
    try:
        head = make(settings, ledger, args.TO, args.base)
    finally:
        ledger.close()
    if args.json:
        say_json({"folder": str(args.TO), **dataclasses.asdict(head)})
    else:
        say(f"backup       {args.TO}: {head.files} files, {head.bytes / 1e6:.1f} MB, {head.database} ledger")
        say(f"check it     nmus restore --check {args.TO}")
        say("It holds patient data and the key of the tracking identifiers: keep it as you keep the PACS's backups.")
    for name in head.missing[:_SHOWN]:
        note(f"missing      {name}: the ledger names it, it is not in the data folder; restore it from an older backup")
    return int(bool(head.missing))


def make(settings: Settings, ledger: Ledger, to: Path, base: Path | None = None) -> Head:
    """Make a backup.

    Raises
    ------
    BadBackup
        The folder is in use, the base is none, or the database cannot be copied.
    """
    _begin(to)
    known = files.opened(base)[1] if base is not None else {}
    data = settings.service.data_folder
    name = files.LEDGER_SQLITE if ledger.is_sqlite else files.LEDGER_POSTGRESQL
    if ledger.is_sqlite:
        _copy_sqlite(settings.service.database or sqlite_url(data), to / name)
    else:
        _dump(settings.service.database, to / name)
    digests = {name: files.digest_of(to / name)}
    named = ledger.files()
    objects = objects_of(settings)
    parts = files.PARTS if not objects.is_remote else files.OWN_PARTS
    sources = [(data / one, f"{files.DATA}/{one}") for one in files.files_under(data, parts)]
    folder = settings.references.folder
    if folder is not None:
        sources += [(folder / one, f"{files.REFERENCES}/{one}") for one in files.files_under(folder, _inside(folder))]
    for source, target in sources:
        # only images and results never change under their name; everything else is copied each time
        same = base / target if base is not None and source.suffix in (".dcm", ".png") else None
        digests[target] = files.copy(source, to / target, same, known.get(target, ""))
    if objects.is_remote:
        digests |= files.fetched(objects, to, base, known)
    missing = tuple(sorted(one for one in named if f"{files.DATA}/{one}" not in digests))
    return _finish(to, digests, "sqlite" if ledger.is_sqlite else "postgresql", missing)


def _begin(to: Path) -> None:
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise BadBackup(f"{to} is there already and not empty: nothing is overwritten; name a new folder")
    to.mkdir(parents=True, exist_ok=True, mode=0o700)


def _inside(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(path.name for path in folder.iterdir())) if folder.is_dir() else ()


def _finish(to: Path, digests: dict[str, str], database: str, missing: tuple[str, ...]) -> Head:
    files.write(to / files.MANIFEST, files.manifest_text(digests))
    head = Head(
        format=files.FORMAT,
        nmus=__version__,
        revision=REVISION,
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        database=database,
        files=len(digests),
        bytes=sum((to / name).stat().st_size for name in digests),
        manifest_sha256=files.digest_of(to / files.MANIFEST),
        missing=missing,
    )
    files.write(to / files.HEAD, files.head_text(head))
    return head


def _copy_sqlite(address: str, to: Path) -> None:
    """By SQLite's online backup: one consistent state, whoever writes meanwhile."""
    source = sqlalchemy.make_url(address).database or ""
    to.touch(mode=0o600)
    with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(to)) as copy:
        live.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
    descriptor = os.open(to, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _dump(address: str, to: Path) -> None:
    program = shutil.which("pg_dump")
    if program is None:
        raise BadBackup("pg_dump is not installed: install PostgreSQL's client programs of the server's version")
    url, environment = libpq(address)
    call([program, "--format=custom", "--no-owner", "--no-privileges", f"--file={to}", url], environment)


def libpq(address: str) -> tuple[str, dict[str, str]]:
    """An address as PostgreSQL's own programs take it, and their environment with the password, out of ``ps``."""
    url = sqlalchemy.make_url(address)
    environment = {**os.environ, **({"PGPASSWORD": str(url.password)} if url.password else {})}
    return url._replace(drivername="postgresql", password=None).render_as_string(hide_password=False), environment


def call(command: list[str], environment: dict[str, str]) -> None:
    """Run one of PostgreSQL's programs.

    Raises
    ------
    BadBackup
        With what it said.
    """
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise BadBackup(f"{Path(command[0]).name}: {done.stderr.strip().splitlines()[-1] if done.stderr else 'failed'}")
