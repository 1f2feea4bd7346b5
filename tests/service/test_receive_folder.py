"""The watched folder: what is taken, when, and where it goes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from service.config import WatchedFolder
from service.errors import Unreachable
from service.ledger import Ledger
from service.receive.archive import Archive, file_header
from service.receive.folder import FolderFeed
from service.receive.intake import Intake

US_IMAGE, EXPLICIT = "1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.1.2.1"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def dropped(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    return folder


@pytest.fixture
def feed(ledger: Ledger, tmp_path: Path, dropped: Path) -> Callable[..., tuple[FolderFeed, Clock]]:
    def make(refuse_free_mb: float = 0, maximum: int = 10**9, **settings: object) -> tuple[FolderFeed, Clock]:
        clock = Clock()
        source = WatchedFolder(name="drop", path=dropped, stable_seconds=3, **settings)
        intake = Intake(ledger, Archive(tmp_path), refuse_free_mb)
        return FolderFeed(source, intake, maximum_object_bytes=maximum, clock=clock), clock

    return make


@pytest.fixture
def drop(dropped: Path, an_image: Callable[..., Dataset]) -> Callable[..., Dataset]:
    def write(name: str) -> Dataset:
        dataset = an_image()
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        (dropped / name).parent.mkdir(parents=True, exist_ok=True)
        dataset.save_as(dropped / name, enforce_file_format=True)
        return dataset

    return write


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_file_is_taken_once_it_has_stood_still(feed, drop, dropped, ledger, tmp_path) -> None:
    watched, clock = feed()
    dataset = drop("ward 3/Canary^Carla.dcm")
    assert watched.tick() == 0
    clock.now = 2.9
    assert watched.tick() == 0
    clock.now = 3.0
    assert watched.tick() == 1
    (row,) = ledger.instance(str(dataset.SOPInstanceUID))
    assert row.source == "drop"
    assert dcmread(tmp_path / row.path) == dataset
    assert names(dropped) == ["done/ward 3/Canary^Carla.dcm"]
    clock.now = 9.0
    assert watched.tick() == 0


def test_a_file_that_still_grows_is_left_alone(feed, drop, dropped, ledger) -> None:
    watched, clock = feed()
    whole = drop("a.dcm")
    raw = (dropped / "a.dcm").read_bytes()
    for length in (100, 400, 1000):
        (dropped / "a.dcm").write_bytes(raw[:length])
        assert watched.tick() == 0
        clock.now += 2.9
    (dropped / "a.dcm").write_bytes(raw)
    assert watched.tick() == 0
    clock.now += 3
    assert watched.tick() == 1
    assert ledger.instance(str(whole.SOPInstanceUID))


def test_what_programs_are_still_writing_and_links_are_not_looked_at(feed, drop, dropped, tmp_path) -> None:
    watched, clock = feed()
    for name in (".hidden.dcm", "a.dcm.part", "b.crdownload", "c.TMP", "DICOMDIR", ".sync/a.dcm"):
        drop(name)
    outside = tmp_path / "elsewhere.dcm"
    outside.write_bytes(b"secret")
    (dropped / "link.dcm").symlink_to(outside)
    watched.tick()
    clock.now = 10
    assert watched.tick() == 0
    assert not (dropped / "done").exists()
    assert not (dropped / "refused").exists()


def test_what_is_refused_lies_beside_its_reason(feed, dropped, caplog) -> None:
    watched, clock = feed()
    (dropped / "Canary^Carla letter.txt").write_text("Dear Mrs Canary", encoding="utf-8")
    (dropped / "short.dcm").write_bytes(file_header(US_IMAGE, "1.2.3", EXPLICIT, "") + b"\x08\x00\x16")
    watched.tick()
    clock.now = 4
    with caplog.at_level(logging.INFO):
        assert watched.tick() == 0
    assert names(dropped) == [
        "refused/Canary^Carla letter.txt",
        "refused/Canary^Carla letter.txt.txt",
        "refused/short.dcm",
        "refused/short.dcm.txt",
    ]
    assert "no DICOM file" in (dropped / "refused" / "Canary^Carla letter.txt.txt").read_text(encoding="utf-8")
    assert "Canary" not in caplog.text
    assert "file refused" in caplog.text


def test_a_file_too_long_is_refused_and_leaves_nothing_in_the_spool(feed, drop, dropped, tmp_path) -> None:
    watched, clock = feed(maximum=1000)
    drop("long.dcm")
    watched.tick()
    clock.now = 4
    watched.tick()
    assert "maximum_object_mb" in (dropped / "refused" / "long.dcm.txt").read_text(encoding="utf-8")
    assert list((tmp_path / "spool").iterdir()) == []


def test_with_a_full_disk_everything_stays_where_it_is(feed, drop, dropped) -> None:
    watched, clock = feed(refuse_free_mb=10**9)
    drop("a.dcm")
    watched.tick()
    clock.now = 4
    with pytest.raises(Unreachable, match="disk"):
        watched.tick()
    assert names(dropped) == ["a.dcm"]


def test_the_same_again_is_no_second_object_and_keeps_both_files(feed, drop, dropped, ledger) -> None:
    watched, clock = feed()
    dataset = drop("a.dcm")
    raw = (dropped / "a.dcm").read_bytes()
    watched.tick()
    clock.now = 4
    watched.tick()
    (dropped / "a.dcm").write_bytes(raw)
    watched.tick()
    clock.now = 8
    assert watched.tick() == 1
    assert names(dropped) == ["done/a-2.dcm", "done/a.dcm"]
    assert len(ledger.instance(str(dataset.SOPInstanceUID))) == 1


def test_with_delete_nothing_is_left(feed, drop, dropped) -> None:
    watched, clock = feed(delete=True)
    drop("a.dcm")
    watched.tick()
    clock.now = 4
    assert watched.tick() == 1
    assert names(dropped) == []


def test_a_folder_that_is_not_there_is_told(feed, dropped) -> None:
    watched, _ = feed()
    dropped.rmdir()
    with pytest.raises(Unreachable, match="drop"):
        watched.tick()
