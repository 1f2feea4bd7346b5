from __future__ import annotations

import json
import logging
import os
import socket
from pathlib import Path

import pytest

from service.receive.archive import Archive
from service.roles.common import has_ended, owner
from service.roles.listener import warn_of_disk


def test_a_disk_below_its_mark_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert not warn_of_disk(Archive(tmp_path), 0)
        assert not caplog.records
        assert warn_of_disk(Archive(tmp_path), 10**12)
    assert [record.getMessage() for record in caplog.records] == ["disk is getting full"]
    assert json.dumps(caplog.records[0].nmus["free_mb"])


def test_only_a_process_of_this_machine_that_is_no_more_has_ended() -> None:
    host = socket.gethostname()
    assert has_ended(owner("worker-0")), "asked before this process claims: an earlier one with its number"
    assert not has_ended(f"{host}:{os.getppid()}:worker-0")
    assert has_ended(f"{host}:{2**22 + 17}:worker-0")
    assert not has_ended("elsewhere:4194321:worker-0")
    assert not has_ended("")
