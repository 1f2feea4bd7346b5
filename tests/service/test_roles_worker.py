"""The worker's process: its children leave the processor to reception, unless the site wants it otherwise."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

WORK = """
import os, sys, threading
from pathlib import Path
from service.analyse.child import Limits, call
from service.app import App
from service.config import Settings
from service.roles import worker

os.nice(5)
folder = Path(sys.argv[1])
settings = Settings.model_validate(
    {"service": {"data_folder": folder}, "analysis": {"yield_to_reception": sys.argv[2] == "True"}}
)
stop = threading.Event()
stop.set()
worker.run(App(settings), stop)
child = call(os.getpriority, os.PRIO_PROCESS, 0, limits=Limits(), scratch=folder)
print(os.getpriority(os.PRIO_PROCESS, 0), child)
"""


@pytest.mark.parametrize(("yielding", "expected"), [(True, "19 19"), (False, "5 5")])
def test_the_worker_and_its_children_come_last_unless_the_site_wants_otherwise(tmp_path, yielding, expected) -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    if before:
        pytest.skip("runs at another niceness than 0 itself")
    command = [sys.executable, "-c", WORK, str(tmp_path), str(yielding)]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert told.stdout.split("\n")[-2] == expected
