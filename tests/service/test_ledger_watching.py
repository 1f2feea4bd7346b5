"""The embedded ledger's waiting threads are woken by a commit, whether or not the system tells of writing."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

import pytest

from service.ledger import open_ledger, watching
from service.ledger.changes import Changes
from service.ledger.inotify import Writes

FAR = 60.0


def commit(database: str) -> None:
    other = sqlite3.connect(database)
    other.execute("CREATE TABLE IF NOT EXISTS elsewhere (number INTEGER)")
    other.execute("INSERT INTO elsewhere VALUES (1)")
    other.commit()
    other.close()


def test_who_waits_is_told_of_what_was_written_and_of_it_once(tmp_path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"before")
    writes = Writes(path)
    assert writes.are_told
    assert not writes.wait(0.0)
    threading.Timer(0.1, path.write_bytes, [b"more"]).start()
    begun = time.monotonic()
    assert writes.wait(FAR)
    assert time.monotonic() - begun < FAR / 2
    while writes.wait(0.1):
        pass
    assert not writes.wait(0.0)
    writes.close()
    writes.close()


def test_of_a_file_that_is_not_there_nothing_is_told(tmp_path) -> None:
    writes = Writes(tmp_path / "none")
    assert not writes.are_told
    assert not writes.wait(0.01)


@pytest.mark.parametrize("is_told", [True, False])
def test_a_commit_wakes_who_waits(tmp_path, monkeypatch, is_told: bool) -> None:
    """Looks are a minute apart where the system tells, so that it must have; else they come close after a change."""
    if is_told:
        monkeypatch.setattr(watching, "_LOOK_S", FAR)
    else:
        monkeypatch.setattr("service.ledger.inotify._watching", lambda _path: None)
    ledger = open_ledger(tmp_path)
    database = str(ledger.engine.url.database)
    changes = Changes(ledger)
    for _ in range(3):
        threading.Timer(0.05, commit, [database]).start()
        begun = time.monotonic()
        changes.wait(threading.Event(), FAR)
        assert time.monotonic() - begun < FAR / 2
    # let the watch see that it is to end
    threading.Timer(0.05, commit, [database]).start()
    changes.close()
    ledger.close()


def test_a_write_that_was_undone_wakes_nobody(tmp_path) -> None:
    ledger = open_ledger(tmp_path)
    database = str(ledger.engine.url.database)
    commit(database)
    changes = Changes(ledger)
    with Path(f"{database}-wal").open("r+b") as log:
        log.seek(0, 2)
        log.write(b"")
        log.flush()
    other = sqlite3.connect(database)
    other.execute("INSERT INTO elsewhere VALUES (2)")
    other.rollback()
    begun = time.monotonic()
    changes.wait(threading.Event(), 0.3)
    assert time.monotonic() - begun >= 0.3
    other.close()
    changes.close()
    ledger.close()
