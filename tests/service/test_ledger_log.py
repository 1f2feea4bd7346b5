"""SQLite's log with room from the start: every row counts as before, also those of others who write beside."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from service.ledger import Instance, Kept, open_ledger, write_ahead
from service.ledger.write_ahead import _FULL, CHECKPOINT_PAGES


def row(number: int) -> Instance:
    digest = f"{number:064x}"
    return Instance(
        f"1.{number}",
        "1.2.840.10008.5.1.4.1.1.6.1",
        "1.2.3",
        "1.2.3.4",
        "1.2.840.10008.1.2.1",
        digest,
        "x",
        1,
        1.0,
        "A",
    )


def rows_of(folder: Path) -> int:
    connection = sqlite3.connect(folder / "ledger.sqlite")
    (count,) = connection.execute("SELECT count(*) FROM instance").fetchone()
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    return int(count)


def test_the_log_is_long_from_the_first_row_and_a_copy_of_the_moment_holds_every_row(tmp_path, ledger) -> None:
    for number in range(3):
        assert ledger.keep(row(number)) is Kept.NEW
    log = tmp_path / "ledger.sqlite-wal"
    assert log.stat().st_size == _FULL
    (tmp_path / "copy").mkdir()
    for name in ("ledger.sqlite", "ledger.sqlite-wal"):  # as after the power went: nobody closed anything
        shutil.copy(tmp_path / name, tmp_path / "copy")
    assert rows_of(tmp_path / "copy") == 3


def test_the_log_is_written_over_and_grows_no_further(tmp_path, ledger) -> None:
    ledger.keep(row(0))
    for number in range(1, CHECKPOINT_PAGES):  # several pages each: more than the log holds
        ledger.keep(row(number))
    assert (tmp_path / "ledger.sqlite-wal").stat().st_size == _FULL
    assert ledger.status().instances == CHECKPOINT_PAGES


WRITE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_ledger_log import row
from service.ledger import open_ledger
ledger = open_ledger(Path(sys.argv[1]))
for number in range(int(sys.argv[3]), int(sys.argv[3]) + 100):
    ledger.keep(row(number))
ledger.close()
"""


def test_whoever_writes_while_another_gives_room_loses_nothing(tmp_path, ledger) -> None:
    here = str(Path(__file__).parent)
    others = [
        subprocess.Popen([sys.executable, "-c", WRITE, str(tmp_path), here, str(first)]) for first in (1000, 2000, 3000)
    ]
    for number in range(100):
        ledger.keep(row(number))
    assert [other.wait(120) for other in others] == [0, 0, 0]
    ledger.close()
    assert rows_of(tmp_path) == 400


@pytest.mark.parametrize("wrong", [OSError(28, "No space left on device"), sqlite3.OperationalError("locked")])
def test_without_room_rows_are_kept_all_the_same(tmp_path, ledger, monkeypatch, wrong) -> None:
    def refuse(_log: Path) -> None:
        raise wrong

    monkeypatch.setattr(write_ahead, "_lengthen", refuse)
    assert ledger.keep(row(1)) is Kept.NEW
    ledger.close()
    again = open_ledger(tmp_path)
    assert again.keep(row(1)) is Kept.DUPLICATE
    again.close()


def test_on_a_disk_that_is_nearly_full_the_log_takes_nothing_ahead(tmp_path, ledger, monkeypatch) -> None:
    monkeypatch.setattr(write_ahead, "_AMPLE", 1 << 62)
    assert ledger.keep(row(1)) is Kept.NEW
    assert (tmp_path / "ledger.sqlite-wal").stat().st_size < _FULL / 10
