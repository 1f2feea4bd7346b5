"""The archive: an object that is already safe is never replaced by bytes that are not on the disk yet."""

from __future__ import annotations

import os
import stat

import pytest

from service.receive import archive as archive_module
from service.receive.archive import Archive

CLASS, UID, SYNTAX = "1.2.840.10008.5.1.4.1.1.6.1", "1.2.3", "1.2.840.10008.1.2.1"


@pytest.fixture
def archive(tmp_path):
    return Archive(tmp_path)


def spooled(archive, content=b"bytes of one object" * 1000):
    incoming = archive.incoming(CLASS, UID, SYNTAX, "SCANNER")
    incoming.write(content)
    return incoming


@pytest.fixture
def names_at_flush(archive, monkeypatch):
    """The archive's inodes by name, whenever a file is flushed."""
    seen = []
    fsync = os.fsync

    def watched(descriptor):
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            seen.append({path.name: path.stat().st_ino for path in archive.folder.glob("*/*.dcm")})
        fsync(descriptor)

    monkeypatch.setattr(archive_module.os, "fsync", watched)
    return seen


def test_a_new_object_is_named_first_so_that_one_flush_carries_both(archive, names_at_flush):
    path = archive.data_folder / archive.store(spooled(archive))
    assert names_at_flush == [{path.name: path.stat().st_ino}]
    assert not list(archive.spool.iterdir())


def test_the_same_object_again_is_flushed_before_it_takes_the_place_of_the_first(archive, names_at_flush):
    path = archive.data_folder / archive.store(spooled(archive))
    first = path.stat().st_ino
    names_at_flush.clear()
    assert archive.data_folder / archive.store(spooled(archive)) == path
    assert names_at_flush == [{path.name: first}]
    assert path.stat().st_ino != first
    assert path.stat().st_nlink == 1
    assert not list(archive.spool.iterdir())


def test_a_file_system_without_links_flushes_first(archive, names_at_flush, monkeypatch):
    def refused(*_paths):
        raise PermissionError

    monkeypatch.setattr(archive_module.os, "link", refused)
    path = archive.data_folder / archive.store(spooled(archive))
    assert names_at_flush == [{}]
    assert path.read_bytes().endswith(b"bytes of one object")
