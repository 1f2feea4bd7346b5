"""What a backup is made of: a copy of the ledger, the files it names, and a manifest that proves them.

``manifest.sha256`` is what ``sha256sum --check`` reads; ``backup.json`` is written last and holds the manifest's own
digest, so a backup without it, or with another manifest, is not one. The ledger names files and never the other way
round, and a file is durable before its row: the ledger is copied first and the files after it, so whatever the copy
names is there, while the service runs.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from service.errors import NmusError
from service.objects import Objects

MANIFEST, HEAD = "manifest.sha256", "backup.json"
LEDGER_SQLITE, LEDGER_POSTGRESQL = "ledger.sqlite", "ledger.pgdump"
DATA, REFERENCES = "data", "references"
PARTS = ("archive", "results", "quarantine", "pseudonyms.key")
"""What lies in the data folder and is kept; ``spool`` and ``scratch`` are unfinished by definition."""
OWN_PARTS = ("quarantine",)
"""The same where all else is in a bucket."""
FORMAT = 1
_CHUNK = 1 << 20


class BadBackup(NmusError):
    """A backup that cannot be made or is not whole: the text says what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Head:
    """What ``backup.json`` says."""

    format: int
    nmus: str
    revision: str
    """Of the ledger's tables."""
    made_at: str
    database: str
    """``sqlite`` or ``postgresql``."""
    files: int
    bytes: int
    manifest_sha256: str
    missing: tuple[str, ...] = ()
    """Files that the ledger names and that were gone already when the backup was made."""


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copy(source: Path, target: Path, base: Path | None = None, expected: str = "") -> str:
    """Copy a file and flush it; its SHA-256. Where ``base`` is the same file already, the target is linked to it."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if base is not None and expected and base.is_file() and base.stat().st_size == source.stat().st_size:
        os.link(base, target)
        return expected
    digest = hashlib.sha256()
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with source.open("rb") as file, os.fdopen(descriptor, "wb") as out:
        while part := file.read(_CHUNK):
            digest.update(part)
            out.write(part)
        out.flush()
        os.fsync(out.fileno())
    shutil.copystat(source, target)
    target.chmod(0o600)
    return digest.hexdigest()


def fetched(objects: Objects, to: Path, base: Path | None, known: dict[str, str]) -> dict[str, str]:
    """Copy a bucket into a backup; the digest of each file. What ``base`` has already is linked, not fetched."""
    digests = {}
    for name, size in sorted(objects.names().items()):
        target = f"{DATA}/{name}"
        place, same = to / target, None if base is None else base / target
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        linked = same is not None and target in known and place.suffix in (".dcm", ".png")
        if linked and same is not None and same.is_file() and same.stat().st_size == size:
            os.link(same, place)
            digests[target] = known[target]
        elif objects.save(name, place):
            digests[target] = digest_of(place)
    return digests


def write(path: Path, text: str) -> None:
    """A small file, flushed, complete under its name or not there."""
    partial = path.with_name(path.name + ".part")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    flush_folder(path.parent)


def flush_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def files_under(folder: Path, parts: tuple[str, ...]) -> Iterator[Path]:
    """Whole files of a folder's parts, relative to it, sorted."""
    for part in parts:
        path = folder / part
        found = [path] if path.is_file() else sorted(path.rglob("*")) if path.is_dir() else []
        yield from (one.relative_to(folder) for one in found if one.is_file() and one.suffix != ".part")


def manifest_text(digests: dict[str, str]) -> str:
    """As ``sha256sum`` writes it."""
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))


def manifest_of(folder: Path) -> dict[str, str]:
    """Digest of every file of a backup, by name.

    Raises
    ------
    BadBackup
        A line is none, or names a place outside the backup.
    """
    digests = {}
    for number, line in enumerate((folder / MANIFEST).read_text(encoding="utf-8").splitlines(), start=1):
        digest, gap, name = line.partition("  ")
        if not gap or len(digest) != 64 or Path(name).is_absolute() or ".." in Path(name).parts:
            raise BadBackup(f"{folder / MANIFEST}: line {number} is no digest of a file in it; take another backup")
        digests[name] = digest
    return digests


def head_text(head: Head) -> str:
    """``backup.json``."""
    return json.dumps(asdict(head), indent=1) + "\n"


def opened(folder: Path) -> tuple[Head, dict[str, str]]:
    """Head and manifest of a backup, neither of which has been tampered with or cut off.

    Raises
    ------
    BadBackup
        It is none, it is unfinished, or it is of a later version.
    """
    try:
        raw = json.loads((folder / HEAD).read_text(encoding="utf-8"))
        head = Head(**{**raw, "missing": tuple(raw["missing"])})
    except FileNotFoundError as error:
        raise BadBackup(f"{folder} has no {HEAD}: no backup, or one that was never finished; take another") from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BadBackup(f"{folder / HEAD} cannot be read ({type(error).__name__}); take another backup") from error
    if head.format != FORMAT:
        raise BadBackup(f"{folder} is in format {head.format}, this nmus {FORMAT}: restore with nmus {head.nmus}")
    if not (folder / MANIFEST).is_file() or digest_of(folder / MANIFEST) != head.manifest_sha256:
        raise BadBackup(f"{folder / MANIFEST} is not the one that was written; take another backup")
    return head, manifest_of(folder)


def damage(folder: Path, digests: dict[str, str]) -> list[str]:
    """Files of a backup that are gone or are not what they were."""
    return [
        name
        for name, digest in sorted(digests.items())
        if not (folder / name).is_file() or digest_of(folder / name) != digest
    ]
