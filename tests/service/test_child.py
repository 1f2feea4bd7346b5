"""A child process may crash, hang, fork, flood or grow: the caller gets a reason and nothing else is harmed."""

from __future__ import annotations

import multiprocessing.forkserver
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from plugins.contract import Declined, ReasonCode
from service.analyse import child, child_handle, child_side, standing, strays
from service.analyse.child import ChildFailed, Limits, call
from service.errors import Unanalysable

QUICK = Limits(time_s=60, memory_mb=8192, output_mb=64)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def _until(condition, seconds=120.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def add(a, b):
    return a + b


def same(value):
    return value


def hang():
    while True:
        pass


def start_many(count, group):
    """Each lives for ten minutes; in the child's group or in sessions of their own."""
    for _ in range(count):
        if os.fork() == 0:
            if group == "of their own":
                os.setsid()
            time.sleep(600)
            os._exit(0)
    time.sleep(600)


def open_many(count):
    return len([Path("/dev/null").open() for _ in range(count)])


def wait_until_there(path):
    while not Path(path).exists():
        time.sleep(0.01)
    return "there"


def kill_self():
    os.kill(os.getpid(), signal.SIGSEGV)


def leave(code):
    os._exit(code)


def swallow_memory():
    return np.ones(10**10, np.float64).sum()


def flood(path):
    with Path(path).open("wb") as file:
        for _ in range(2000):
            file.write(b"x" * 2**20)


def print_much():
    for _ in range(200):
        sys.stdout.write("x" * 2**20)
    return "done"


def fork_and_return(path):
    pid = os.fork()
    if pid == 0:
        time.sleep(600)
        os._exit(0)
    Path(path).write_text(str(pid))
    return "parent done"


def fail_with_patient_name():
    raise ValueError("DOE^JANE could not be measured")


def cannot_be_analysed():
    raise Unanalysable("file abc has no pixels", "unreadable", "send it again")


class Evil:
    def __reduce__(self):
        return (os.system, ("true",))


def knows_reports():
    return "service.report.rehearsal" in sys.modules, signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL, os.getppid()


def return_code():
    return Evil()


def test_a_value_comes_back(tmp_path):
    assert call(add, 2, 3, limits=QUICK, scratch=tmp_path) == 5
    _until(lambda: not list(tmp_path.iterdir()))


def test_contract_values_and_arrays_come_back(tmp_path):
    declined = Declined(ReasonCode.MOTION, "too much motion", "scan again")
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    back, numbers = call(same, (declined, array), limits=QUICK, scratch=tmp_path)
    assert back == declined
    np.testing.assert_array_equal(numbers, array)


def test_after_the_rehearsal_every_child_knows_reports_and_the_server_is_the_same(tmp_path):
    *_, server = call(knows_reports, limits=QUICK, scratch=tmp_path)
    for _ in range(2):
        child.rehearse()
        for _ in range(standing.READY + 1):
            assert call(knows_reports, limits=QUICK, scratch=tmp_path) == (True, True, server)


def test_in_a_pause_children_are_forked_and_practise_and_those_are_taken_first(tmp_path):
    child.make_ready()
    child.rehearse()
    _until(lambda: child._standing.practised == standing.READY)
    before = {one.process.pid for one, _ in child._standing._ready}
    assert call(os.getpid, limits=QUICK, scratch=tmp_path) in before
    _until(lambda: child._standing.practised == standing.READY)
    assert call(add, 2, 3, limits=QUICK, scratch=tmp_path) == 5


def test_nobody_is_forked_for_later_while_there_is_work(tmp_path, monkeypatch):
    monkeypatch.setattr(standing, "PAUSE_S", 0.01)
    child.make_ready()
    _until(lambda: len(child._standing) == standing.READY)
    gate = tmp_path / "gate"
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(call, wait_until_there, str(gate), limits=QUICK, scratch=tmp_path)
        _until(lambda: len(child._standing) == standing.READY - 1)
        time.sleep(0.2)
        assert len(child._standing) == standing.READY - 1
        gate.touch()
        assert working.result() == "there"
    _until(lambda: len(child._standing) == standing.READY)


def test_a_child_that_dies_while_it_practises_is_replaced(tmp_path, monkeypatch):
    child.make_ready()
    child.rehearse()
    _until(lambda: child._standing.practised == standing.READY)
    monkeypatch.setattr(child_handle.Child, "practise", lambda one, _folder: os.kill(one.process.pid, signal.SIGKILL))
    assert call(add, 1, 1, limits=QUICK, scratch=tmp_path) == 2
    _until(lambda: child._standing.practised == standing.READY - 1 == len(child._standing))
    monkeypatch.undo()
    assert call(add, 2, 2, limits=QUICK, scratch=tmp_path) == 4
    _until(lambda: child._standing.practised == standing.READY)


def test_who_is_dismissed_practises_no_more_and_may_be_asked_again(tmp_path):
    child.make_ready()
    child.rehearse()
    child.dismiss()
    _until(lambda: len(child._standing) == 0 and child._standing._out is None)
    child.make_ready()
    assert len(child._standing) == standing.READY
    assert call(add, 2, 3, limits=QUICK, scratch=tmp_path) == 5


def test_a_child_of_ours_is_stopped_at_once_and_taken_apart_in_the_pause(tmp_path, monkeypatch):
    monkeypatch.setattr(standing, "PAUSE_S", 3600)  # no pause comes
    number = call(os.getpid, limits=QUICK, scratch=tmp_path, is_ours=True)
    _until(lambda: any(one.process.pid == number for one in child._standing._spent))
    assert Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0] in "TD"
    _until(lambda: not list(tmp_path.iterdir()))
    numbers = [call(os.getpid, limits=QUICK, scratch=tmp_path, is_ours=True) for _ in range(standing._MOST_SPENT)]
    _until(lambda: not _alive(number))  # there are too many
    _until(lambda: len(child._standing._spent) == standing._MOST_SPENT)
    child.dismiss()
    _until(lambda: not any(_alive(one) for one in numbers))
    child.make_ready()


def test_a_child_that_runs_code_of_others_is_ended_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(standing, "PAUSE_S", 3600)
    number = call(os.getpid, limits=QUICK, scratch=tmp_path)
    _until(lambda: not _alive(number))
    assert child._standing._spent == []
    child.dismiss()
    child.make_ready()


REHEARSING = """
import os, selectors, signal, threading
from service.analyse import child_side, preload

begun = []
class Rehearsal:
    rehearse = practise = staticmethod(lambda folder, made: begun.append(made) or (*made, len(begun)))
preload.importlib = type("Imports", (), {"import_module": staticmethod(lambda name: Rehearsal)})
for _ in range(3):
    os.kill(os.getpid(), preload.REHEARSE)  # taken here, as it would be between a fork's hooks
assert begun == []
assert not child_side._is_ignored(preload.REHEARSE, os.getpid())
with selectors.DefaultSelector() as selector:
    threading.Timer(0.2, os.kill, (os.getpid(), preload.REHEARSE)).start()
    selector.select(2.0)
assert begun[:4] == [(), (1,), (), (3,)], begun  # each is given what the one before it made
assert child_side._is_ignored(preload.REHEARSE, os.getpid())
"""


def test_a_rehearsal_begins_only_while_the_server_waits():
    """In the midst of a fork it would take locks that the fork holds, and wait for itself for ever."""
    subprocess.run([sys.executable, "-c", REHEARSING], check=True, timeout=120)


def test_a_hang_ends_at_the_limit(tmp_path):
    assert call(same, 1, limits=QUICK, scratch=tmp_path) == 1  # the fork server is up: its start is no part of a limit
    begin = time.monotonic()
    with pytest.raises(ChildFailed, match=r"limit of 0\.5 s") as failure:
        call(hang, limits=Limits(time_s=0.5), scratch=tmp_path)
    assert failure.value.kind == "time-limit"
    assert time.monotonic() - begin < 20


def test_time_without_a_processor_does_not_count(tmp_path, monkeypatch):
    waited = iter([3.0] + [4.5] * 100)
    monkeypatch.setattr(child_handle, "waited_for_a_core", lambda _pid: next(waited))
    begun = time.monotonic()
    with pytest.raises(ChildFailed) as caught:
        call(hang, limits=Limits(time_s=0.5), scratch=tmp_path)
    assert caught.value.kind == "time-limit"
    assert time.monotonic() - begun >= 2.0


def test_how_long_a_process_waited_for_a_core_is_known_and_nobody_waited_for_none():
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        _until(lambda: all(child_handle.waited_for_a_core(one.pid) > 0.05 for one in burners))
    finally:
        for one in burners:
            one.kill()
            one.wait()
    assert child_handle.waited_for_a_core(None) == child_handle.waited_for_a_core(2**30) == 0


def wait_for_file(path, then):
    Path(path, "begun").touch()
    _until(Path(path, "go").exists)
    if then == "is unwanted":
        hang()
    return then if then == "answers" else os._exit(3)


@pytest.mark.parametrize("then", ["answers", "ends", "is unwanted"])
def test_a_child_outlives_the_fork_server_and_is_taken_at_its_word(tmp_path, then):
    """The server's death closes the pipe that tells of a child's end; the child works on and answers by its own."""
    signs, scratch = tmp_path / "signs", tmp_path / "scratch"
    signs.mkdir()
    scratch.mkdir()
    call(same, 1, limits=QUICK, scratch=scratch)
    server = multiprocessing.forkserver._forkserver._forkserver_pid
    with ThreadPoolExecutor(1) as beside:
        answer = beside.submit(
            call, wait_for_file, str(signs), then, limits=QUICK, scratch=scratch,
            wanted=lambda: then != "is unwanted" or not (signs / "go").exists(),
        )  # fmt: skip
        _until((signs / "begun").exists)
        os.kill(server, signal.SIGKILL)
        _until(lambda: not _alive(server))
        time.sleep(3 * child_handle._POLL_S)
        assert not answer.done()
        (signs / "go").touch()
        if then == "answers":
            assert answer.result(60) == then
        else:
            with pytest.raises(ChildFailed) as failure:
                answer.result(60)
            assert failure.value.kind == ("crashed" if then == "ends" else "cancelled")
    assert call(same, 2, limits=QUICK, scratch=scratch) == 2  # another server serves the next


@pytest.mark.parametrize("group", ["of the child", "of their own"])
def test_a_child_that_starts_too_many_processes_is_ended_with_all_of_them(tmp_path, group):
    with pytest.raises(ChildFailed, match="started more than 256 processes"):
        call(start_many, 300, group, limits=QUICK, scratch=tmp_path)
    server = multiprocessing.forkserver._forkserver._forkserver_pid
    _until(lambda: len(strays._children_of(server)) <= standing.READY, 60)
    assert call(add, 1, 2, limits=QUICK, scratch=tmp_path) == 3


def test_a_child_has_a_limit_of_open_files(tmp_path):
    assert call(open_many, 1000, limits=QUICK, scratch=tmp_path) == 1000
    with pytest.raises(ChildFailed, match="OSError"):
        call(open_many, child_side._MOST_FILES, limits=QUICK, scratch=tmp_path)


@pytest.mark.parametrize(
    ("function", "arguments", "text"),
    [(kill_self, (), "SIGSEGV"), (leave, (0,), "without a result"), (leave, (3,), "code 3")],
)
def test_a_crash_is_a_reason(tmp_path, function, arguments, text):
    with pytest.raises(ChildFailed, match=text):
        call(function, *arguments, limits=QUICK, scratch=tmp_path)


def test_memory_has_a_limit(tmp_path):
    with pytest.raises(ChildFailed) as failure:
        call(swallow_memory, limits=QUICK, scratch=tmp_path)
    assert failure.value.kind == "memory-limit"


def test_output_has_a_limit(tmp_path):
    with pytest.raises(ChildFailed, match=r"wrote more|OSError"):
        call(flood, str(tmp_path / "flood"), limits=QUICK, scratch=tmp_path)
    assert (tmp_path / "flood").stat().st_size <= 64 * 2**20


def test_what_is_printed_goes_nowhere(tmp_path):
    assert call(print_much, limits=QUICK, scratch=tmp_path) == "done"


def test_what_was_forked_dies_with_the_child(tmp_path):
    note = tmp_path / "pid"
    assert call(fork_and_return, str(note), limits=QUICK, scratch=tmp_path) == "parent done"
    _until(lambda: not _alive(int(note.read_text())))


def test_the_text_of_a_foreign_error_stays_inside(tmp_path):
    with pytest.raises(ChildFailed) as failure:
        call(fail_with_patient_name, limits=QUICK, scratch=tmp_path)
    assert "ValueError" in str(failure.value)
    assert "DOE" not in str(failure.value)


def test_unanalysable_comes_through_whole(tmp_path):
    with pytest.raises(Unanalysable, match="no pixels") as failure:
        call(cannot_be_analysed, limits=QUICK, scratch=tmp_path)
    assert (failure.value.code, failure.value.remedy) == ("unreadable", "send it again")


def test_a_result_is_data_and_never_code(tmp_path):
    with pytest.raises(ChildFailed, match="not a value of the contract"):
        call(return_code, limits=QUICK, scratch=tmp_path)


def test_unwanted_work_is_stopped(tmp_path):
    with pytest.raises(ChildFailed) as failure:
        call(hang, limits=QUICK, scratch=tmp_path, wanted=lambda: False)
    assert failure.value.kind == "cancelled"


def test_the_child_dies_when_its_parent_is_killed(tmp_path):
    script = (
        "import sys; from pathlib import Path\n"
        "import child_victim as v; from service.analyse.child import call, Limits\n"
        "call(v.note_and_hang, sys.argv[1], limits=Limits(time_s=300), scratch=Path(sys.argv[2]))\n"
    )
    (tmp_path / "child_victim.py").write_text(
        "import os, pathlib\n"
        "def note_and_hang(path):\n"
        "    p = pathlib.Path(path); p.with_suffix('.t').write_text(str(os.getpid())); p.with_suffix('.t').rename(p)\n"
        "    while True: pass\n"
    )
    note = tmp_path / "pid"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    parent = subprocess.Popen([sys.executable, "-c", script, str(note), str(tmp_path)], env=environment)
    try:
        _until(note.exists, 60)
    finally:
        parent.kill()
        parent.wait()
    _until(lambda: not _alive(int(note.read_text())))


def test_a_long_temporary_folder_is_no_obstacle(tmp_path):
    """A fresh process, since the fork server keeps the folder it started with."""
    long = tmp_path / ("x" * 120)
    long.mkdir()
    script = (
        "import operator, sys, tempfile; from pathlib import Path\n"
        "from service.analyse.child import Limits, call\n"
        "if __name__ == '__main__':\n"
        "    tempfile.tempdir = sys.argv[1]\n"
        "    five = call(operator.add, 2, 3, limits=Limits(), scratch=Path(sys.argv[1]))\n"
        "    print(five, tempfile.tempdir == sys.argv[1])\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    said = subprocess.run(
        [sys.executable, "-c", script, str(long)], env=environment, capture_output=True, text=True, check=False
    )
    assert said.stdout.split() == ["5", "True"], said.stderr
