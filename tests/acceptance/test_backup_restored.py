"""Killed with -9 in mid-work, backed up, restored elsewhere: what was waiting arrives, each object once."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from service.demo.returned import returned
from service.ledger import JobState, OutgoingState

pytestmark = pytest.mark.acceptance


def command(*words: object) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "service", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_service_killed_in_mid_sending_goes_on_elsewhere(nmus, analysed, pacs, destination, until) -> None:
    old = nmus(destinations=destination(pacs))
    shutil.copytree(analysed, old.data)
    old.start(role="sender", crash_at="after_send_before_row")
    until(lambda: pacs.received, 60)  # the first object is there, and its row does not know
    old.kill()
    ledger = old.ledger()
    waiting = {one.sop_instance_uid for one in ledger.outgoing() if one.state is not OutgoingState.SENT}
    assert waiting and set(pacs.received) & waiting
    ledger.close()
    copy = old.folder / "backup"
    command("backup", copy, "--settings", old.settings)
    shutil.rmtree(old.data)  # the machine is gone
    new = nmus(destinations=destination(pacs))
    command("restore", copy, "--settings", new.settings)
    new.start(role="sender")
    there = new.ledger()
    until(lambda: all(one.state is OutgoingState.SENT for one in there.outgoing()), 90)
    assert there.jobs(JobState.DONE)
    there.close()
    files = pacs.files()
    assert {path.stem for path in files} == waiting, "all of them, and none under another name"
    assert len(returned(files)) == 1, "one report"
    assert all((new.data / Path("results")).rglob("*.dcm"))
