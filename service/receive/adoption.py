"""Files in the archive that the ledger does not know: a process died between rename and row.

The sender was never answered and sends the object again, or gave up. Either way it is here, so it gets its row: a row
is never wrong, as the same object again is a duplicate, while removing a file could meet the moment in which it is
being received anew. A file that is not what its name says was torn when the power went, and is set aside.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from service import logs
from service.errors import Refused
from service.ledger import Instance, Kept, Ledger
from service.receive.archive import HEAD_BYTES, Archive, flush_folder
from service.receive.file_header import header_values
from service.receive.identity import CANNOT_UNDERSTAND, Identity, identity

_LOGGER = logging.getLogger(__name__)
_CURSOR = "archive"
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class _Found:
    identity: Identity
    transfer_syntax_uid: str
    source: str
    start: int
    """Where the data set begins."""


def adopt(archive: Archive, ledger: Ledger, now: float, older_than_seconds: float = 3600) -> int:
    """Give every whole file without a row its row, and set torn ones aside; how many got a row.

    Files written since the last time are looked at, once they are so old that nobody can be about to write their row.

    Raises
    ------
    LedgerUnavailable
        Nothing is lost; the next time looks at the same files.
    """
    until = now - older_than_seconds
    since = min(float(ledger.cursor(_CURSOR)), until)
    adopted = 0
    for path in _written(archive.folder, since, until):
        try:
            adopted += _looked_after(archive, ledger, path, now)
        except FileNotFoundError:
            continue  # received anew, or set aside by somebody
        except OSError as error:
            logs.event(_LOGGER, logging.ERROR, "archived file cannot be read", path=path.name, reason=error.strerror)
    ledger.advance(_CURSOR, max(0, int(until)))
    return adopted


def _written(folder: Path, since: float, until: float) -> Iterator[Path]:
    for inner in sorted(folder.iterdir()):
        if inner.stat().st_mtime < since:  # nothing was renamed into it since
            continue
        with os.scandir(inner) as entries:
            for entry in entries:
                if entry.name.endswith(".dcm") and since <= entry.stat().st_mtime < until:
                    yield Path(entry.path)


def _looked_after(archive: Archive, ledger: Ledger, path: Path, now: float) -> bool:
    with path.open("rb") as file:
        try:
            found = _read(file.read(HEAD_BYTES))
            if any(row.sha256 == path.stem for row in ledger.instance(found.identity.sop_instance_uid)):
                return False
            file.seek(found.start)
            whole = hashlib.sha256()
            while part := file.read(_CHUNK):
                whole.update(part)
            if whole.hexdigest() != path.stem:
                raise Refused("file is not what its name says: it was not whole when the power went", CANNOT_UNDERSTAND)
        except Refused as refusal:
            archive.set_aside_archived(path, os.fstat(file.fileno()).st_ino, str(refusal))
            logs.event(_LOGGER, logging.ERROR, "archived file set aside", sha256=path.stem, reason=str(refusal))
            return False
        os.fsync(file.fileno())
        flush_folder(path.parent)
    archive.objects.take_in(path, str(path.relative_to(archive.data_folder)))
    return _recorded(ledger, found, path, archive.data_folder, now)


def _read(head: bytes) -> _Found:
    start = 144 + int.from_bytes(head[140:144], "little")
    if head[128:132] != b"DICM" or start > len(head):
        raise Refused("file has no DICOM header", CANNOT_UNDERSTAND)
    values = header_values(head[144:start])
    syntax = values.get(0x10, "")
    return _Found(identity(head[start:], syntax), syntax, values.get(0x16, "").strip(), start)


def _recorded(ledger: Ledger, found: _Found, path: Path, data_folder: Path, now: float) -> bool:
    one = found.identity
    kept = ledger.keep(
        Instance(
            one.sop_instance_uid,
            one.sop_class_uid,
            one.study_instance_uid,
            one.series_instance_uid,
            found.transfer_syntax_uid,
            path.stem,
            str(path.relative_to(data_folder)),
            path.stat().st_size,
            now,
            found.source,
            "",
            one.modality,
        )
    )
    if kept not in {Kept.NEW, Kept.CONFLICT}:
        return False
    logs.event(
        _LOGGER,
        logging.WARNING,
        "archived file adopted",
        sop_instance_uid=one.sop_instance_uid,
        sha256=path.stem,
        reason="it was received whole, but the service was ended before it could answer",
    )
    return True
