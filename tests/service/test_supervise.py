"""Processes are started, restarted when they die, and end with their supervisor, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from service.commands.supervise import Role, Supervisor


def _until(condition, seconds=120.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def _run(supervisor):
    codes = []
    thread = threading.Thread(target=lambda: codes.append(supervisor.run()))
    thread.start()
    return thread, codes


def _pids(role, other_than):
    """The process that runs now, once it is another: the supervisor's own thread takes it away in between."""
    found = []

    def looked():
        process = role.process
        if process is not None and process.pid != other_than:
            found.append(process.pid)
        return found

    _until(looked)
    return found[:1]


def test_a_dead_process_is_started_again_and_all_end_together():
    supervisor = Supervisor([Role("sleeper", [sys.executable, "-c", "import time; time.sleep(600)"])], drain_s=5)
    thread, codes = _run(supervisor)
    role = supervisor.roles[0]
    (first,) = _pids(role, other_than=0)
    os.kill(first, signal.SIGKILL)
    (second,) = _pids(role, other_than=first)
    supervisor.stop.set()
    thread.join(120)
    assert codes == [0]
    assert _gone(second)


def test_a_process_that_ignores_sigterm_is_killed():
    code = "import signal, sys, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    supervisor = Supervisor([Role("stubborn", [sys.executable, "-c", code])], drain_s=0.5)
    thread, codes = _run(supervisor)
    _until(lambda: supervisor.roles[0].process is not None)
    pid = supervisor.roles[0].process.pid
    supervisor.stop.set()
    thread.join(120)
    assert codes == [0]
    assert _gone(pid)


def test_a_misconfigured_process_ends_the_service_with_2():
    supervisor = Supervisor([Role("wrong", [sys.executable, "-c", "raise SystemExit(2)"])], drain_s=5)
    assert supervisor.run() == 2


def test_a_role_notices_that_its_supervisor_was_killed(tmp_path):
    role = (
        "import sys\n"
        "from service.commands.supervise import stopped_by_signals\n"
        "with stopped_by_signals(parent_on_stdin=True) as stop:\n"
        "    open(sys.argv[1], 'w').write('up')\n"
        "    stop.wait(120)\n"
        "    open(sys.argv[1], 'w').write('stopped')\n"
    )
    note = tmp_path / "note"
    keeper = (
        "import subprocess, sys, time\n"
        "subprocess.Popen([sys.executable, '-c', sys.argv[1], sys.argv[2]], stdin=subprocess.PIPE)\n"
        "time.sleep(600)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", keeper, role, str(note)], env=environment)
    try:
        _until(lambda: note.exists() and note.read_text() == "up", 60)
    finally:
        process.kill()
        process.wait()
    _until(lambda: note.read_text() == "stopped")
