"""``nmus restore``: a backup into an empty place, the ledger last: half a restore is never taken for a whole one."""

from __future__ import annotations

import argparse
import dataclasses
import shutil
from pathlib import Path
from typing import Any

import sqlalchemy

from service.app import RESTORING
from service.commands import backup_files as files
from service.commands.backup import call, libpq
from service.commands.backup_files import BadBackup, Head
from service.commands.shared import add_json, add_settings, say, say_json, settings_of
from service.config import Settings
from service.ledger import open_ledger
from service.ledger.database import Database, sqlite_url
from service.ledger.migrate import known_revisions
from service.objects import objects_of

_SHOWN = 5


def add_parser(subparsers: Any) -> None:  # noqa: ANN401
    """Add ``restore``."""
    parser = subparsers.add_parser("restore", help="put a backup into an empty data folder and database")
    parser.add_argument("FROM", type=Path, help="a folder that 'nmus backup' has made")
    parser.add_argument("--check", action="store_true", help="only see whether every file is what it was")
    add_settings(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """0 when everything is back and proven."""
    head, digests = files.opened(args.FROM)
    damaged = files.damage(args.FROM, digests)
    if damaged:
        words = ", ".join(damaged[:_SHOWN])
        raise BadBackup(f"{args.FROM}: {len(damaged)} files are gone or changed ({words}); nothing was restored")
    place = None if args.check else restore(settings_of(args), args.FROM, head, digests)
    if args.json:
        say_json({"restored_to": str(place) if place else None, **dataclasses.asdict(head)})
        return 0
    say(f"backup       {args.FROM} of {head.made_at}, nmus {head.nmus}: {head.files} files, all as they were")
    if place:
        say(f"restored to  {place}")
        say("Give it to the service's user and start the service. What was waiting is sent again, as the same objects.")
    return 0


def restore(settings: Settings, source: Path, head: Head, digests: dict[str, str]) -> Path:
    """Put a proven backup into place; the data folder.

    Raises
    ------
    BadBackup
        Something is there already, the ledger is of a later nmus, or the databases differ in kind.
    """
    data, address = settings.service.data_folder, settings.service.database
    kind = "sqlite" if not address else sqlalchemy.make_url(address).get_backend_name()
    if kind != head.database:
        raise BadBackup(f"the backup is of a {head.database} ledger, service.database is {kind}: they must be alike")
    if head.revision not in known_revisions():
        raise BadBackup(f"the ledger is of a later version ({head.revision}): install nmus {head.nmus} or later")
    _refuse_what_is_there(settings, digests)
    objects = objects_of(settings)
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    (data / RESTORING).touch(mode=0o600)
    places = {files.DATA: data, files.REFERENCES: settings.references.folder}
    for name, digest in digests.items():
        part, _, rest = name.partition("/")
        if part not in places:
            continue
        place = places[part]
        if place is None:
            raise BadBackup("the backup has references: say in references.folder where they go")
        if part == files.DATA and objects.is_remote and rest.split("/")[0] not in files.OWN_PARTS:
            objects.load(rest, source / name)  # the store compares what arrives with what was digested
        else:
            _put(source / name, place / rest, digest)
    if head.database == "sqlite":
        target = Path(sqlalchemy.make_url(address or sqlite_url(data)).database or "")
        _put(source / files.LEDGER_SQLITE, target.with_name(target.name + ".part"), digests[files.LEDGER_SQLITE])
        target.with_name(target.name + ".part").replace(target)
        files.flush_folder(target.parent)
    else:
        _load(address, source / files.LEDGER_POSTGRESQL)
    _prove(settings)
    (data / RESTORING).unlink()
    files.flush_folder(data)
    return data


def _refuse_what_is_there(settings: Settings, digests: dict[str, str]) -> None:
    data, folder, address = settings.service.data_folder, settings.references.folder, settings.service.database
    unfinished = (data / RESTORING).exists()  # our own, from a restore that was killed: it had not come to the ledger
    # a file system's own folder, where the data folder is a volume
    if data.exists() and any(one.name != "lost+found" for one in data.iterdir()) and not unfinished:
        raise BadBackup(f"service.data_folder = {data} is not empty: nothing is overwritten; name another, or move it")
    objects = objects_of(settings)
    if objects.is_remote and not unfinished and objects.names():
        raise BadBackup("the bucket of [objects] is not empty: nothing is overwritten; name another bucket or prefix")
    wanted = any(name.startswith(f"{files.REFERENCES}/") for name in digests)
    if wanted and folder is not None and folder.exists() and any(folder.iterdir()) and not unfinished:
        raise BadBackup(f"references.folder = {folder} is not empty: nothing is overwritten; name another, or move it")
    if address:
        database = Database(address)
        try:
            there = database.revision() is not None
        finally:
            database.close()
        target = sqlalchemy.make_url(address)
        if there or (target.get_backend_name() == "sqlite" and Path(target.database or "").exists()):
            raise BadBackup("service.database holds a ledger already: nothing is overwritten; name an empty one")


def _put(source: Path, target: Path, expected: str) -> None:
    """Copy a file and see that what arrived is what was kept; one left by a killed restore is written anew."""
    target.unlink(missing_ok=True)
    if files.copy(source, target) != expected:
        raise BadBackup(f"{target}: what was written is not what the backup holds; look at the disk")
    files.flush_folder(target.parent)


def _load(address: str, dump: Path) -> None:
    program = shutil.which("pg_restore")
    if program is None:
        raise BadBackup("pg_restore is not installed: install PostgreSQL's client programs of the server's version")
    url, environment = libpq(address)
    options = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges"]
    call([program, *options, f"--dbname={url}", str(dump)], environment)


def _prove(settings: Settings) -> None:
    """Open the ledger, bring it to this version, and see that every file it names is there."""
    data = settings.service.data_folder
    ledger = open_ledger(data, settings.service.database)
    try:
        objects = objects_of(settings)
        there = objects.names() if objects.is_remote else {}
        gone = [one for one in ledger.files() if one not in there and (there or not (data / one).is_file())]
    finally:
        ledger.close()
    if gone:
        # the backup said so when it was made; the service shows these as gone, and the rest works
        say(f"missing      {len(gone)} files that were gone when the backup was made: {', '.join(gone[:_SHOWN])}")
