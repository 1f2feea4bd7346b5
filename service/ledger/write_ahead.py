"""SQLite's write-ahead log at its full length from the start.

A commit that makes a file longer has the file system write its own journal as well: one flush becomes two or three.
SQLite lets its log grow commit by commit until the first checkpoint and from then on writes over it, so that only the
first thousands of images would be slow, after every start anew. Zeros behind the end are no part of the log: a frame
counts only with the log's salt and a right checksum (https://www.sqlite.org/fileformat2.html#the_write_ahead_log).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

CHECKPOINT_PAGES = 2000
"""Pages in the log at which SQLite writes them into the database and begins the log anew."""
_PAGE_AND_HEADER = 4096 + 24
_FULL = (CHECKPOINT_PAGES + 100) * _PAGE_AND_HEADER
_CHUNK = 1 << 20
_AMPLE = 64 * _FULL
"""Free space below which the log takes none ahead: on a disk that is nearly full rows need it more."""


def give_room(connection: sqlite3.Connection, database: Path) -> None:
    """Lengthen the log of this database to what it grows to anyhow; without disk space it stays as it is.

    Under SQLite's own write lock, as nobody else may then write to the log or shorten it.
    """
    log = database.with_name(database.name + "-wal")
    with contextlib.suppress(OSError, sqlite3.Error):  # as slow as before; what is really wrong shows at the next row
        connection.execute("BEGIN IMMEDIATE")
        try:
            _lengthen(log)
        finally:
            connection.execute("ROLLBACK")


def _lengthen(log: Path) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CLOEXEC)
    try:
        disk = os.fstatvfs(descriptor)
        if disk.f_bavail * disk.f_frsize < _AMPLE:
            return
        size = os.fstat(descriptor).st_size
        while size < _FULL:
            size += os.pwrite(descriptor, bytes(min(_CHUNK, _FULL - size)), size)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
