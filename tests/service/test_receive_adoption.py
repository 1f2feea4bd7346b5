from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from service.ledger import Instance
from service.receive.adoption import adopt
from service.receive.archive import Archive
from service.receive.file_header import file_header

EXPLICIT = "1.2.840.10008.1.2.1"
US_IMAGE = "1.2.840.10008.5.1.4.1.1.6.1"
NOW = time.time()
"""Folders bear the real time at which something was renamed into them."""


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


def archived(archive: Archive, raw: bytes, name: str = "", written: float = NOW - 7200) -> Path:
    """A file in the archive as a listener leaves it that dies before it writes the row."""
    digest = name or hashlib.sha256(raw).hexdigest()
    path = archive.folder / digest[:2] / f"{digest}.dcm"
    path.write_bytes(file_header(US_IMAGE, "1.2.3", EXPLICIT, "US1") + raw)
    os.utime(path, (written, written))
    return path


def test_a_whole_file_without_a_row_gets_one_and_its_study_is_open(archive, ledger, an_image, encode) -> None:
    dataset = an_image(study="1.2.77")
    path = archived(archive, encode(dataset))
    assert adopt(archive, ledger, NOW) == 1
    (row,) = ledger.instance(dataset.SOPInstanceUID)
    assert archive.data_folder / row.path == path
    assert (row.sha256, row.size, row.source) == (path.stem, path.stat().st_size, "US1")
    assert (row.transfer_syntax_uid, row.study_instance_uid) == (EXPLICIT, "1.2.77")
    assert [study.study_instance_uid for study in ledger.open_studies()] == ["1.2.77"]
    assert adopt(archive, ledger, NOW + 10_000) == 0


def test_a_file_that_may_be_about_to_get_its_row_is_left_until_next_time(archive, ledger, an_image, encode) -> None:
    archived(archive, encode(an_image()), written=NOW - 10)
    assert adopt(archive, ledger, NOW) == 0
    assert adopt(archive, ledger, NOW + 3600) == 1


def test_a_file_with_a_row_is_left_alone(archive, ledger, an_image, encode) -> None:
    dataset = an_image()
    path = archived(archive, encode(dataset))
    name = str(path.relative_to(archive.data_folder))
    ledger.keep(
        Instance(dataset.SOPInstanceUID, US_IMAGE, "1.2.3", "1.2.3.1", EXPLICIT, path.stem, name, 1, NOW, "US1")
    )
    assert adopt(archive, ledger, NOW) == 0
    assert path.exists()
    assert len(ledger.instance(dataset.SOPInstanceUID)) == 1


@pytest.mark.parametrize("damage", ["cut", "zeros", "empty"])
def test_a_torn_file_is_set_aside_and_gets_no_row(archive, ledger, an_image, encode, damage: str) -> None:
    dataset = an_image()
    raw = encode(dataset)
    path = archived(archive, raw)
    whole = path.read_bytes()
    path.write_bytes({"cut": whole[:-50], "zeros": bytes(len(whole)), "empty": b""}[damage])
    os.utime(path, (NOW - 7200, NOW - 7200))
    assert adopt(archive, ledger, NOW) == 0
    assert ledger.instance(dataset.SOPInstanceUID) == ()
    assert not path.exists()
    assert sorted(one.suffix for one in archive.quarantine.iterdir()) == [".dcm", ".txt"]


def test_a_torn_file_that_was_received_anew_meanwhile_stays(archive, an_image, encode) -> None:
    path = archived(archive, encode(an_image()))
    archive.set_aside_archived(path, path.stat().st_ino + 1, "torn")
    assert path.exists()
    assert list(archive.quarantine.iterdir()) == []


def test_a_clock_that_was_ahead_hides_nothing(archive, ledger, an_image, encode) -> None:
    adopt(archive, ledger, NOW + 1e6)
    archived(archive, encode(an_image()), written=NOW)
    assert adopt(archive, ledger, NOW) == 0, "too young; and the mark goes back to the clock"
    assert adopt(archive, ledger, NOW + 7200) == 1
