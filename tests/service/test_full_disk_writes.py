"""A full disk at each place where something is written: a true answer, nothing half, and on with it when there is room.

On a real file system of a few megabytes. Spool, archive and ledger of a running listener: tests/acceptance.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from service.analyse.child import ChildFailed, Limits, call
from service.audit import Spool
from service.audit.following import LAG_S, Follower
from service.audit.trail import Trail
from service.errors import Refused
from service.export.study import export
from service.ledger import Instance, JobState, LedgerUnavailable, Outcome, OutgoingState, Result, open_ledger
from service.receive.archive import Archive
from service.receive.intake import Intake
from service.report.keeping import place
from service.worker import Worker

NOW = 1_700_000_000.0
US_IMAGE = "1.2.840.10008.5.1.4.1.1.6.1"


class Disk:
    """A file system of 6 MB that can be filled to the last byte and given room again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self) -> None:
        with (self.folder / "filler").open("ab", buffering=0) as file:
            for size in (1 << 16, 1 << 12, 1):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError as error:
                    assert error.errno == errno.ENOSPC

    def clear(self) -> None:
        (self.folder / "filler").unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount") or "mount"
    command = [mount, "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("this user may not mount a file system")
    yield Disk(folder)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def on_disk(disk: Disk, empty_ledger: Path):
    shutil.copy(empty_ledger, disk.folder / "ledger.sqlite")
    ledger = open_ledger(disk.folder)
    yield ledger
    ledger.close()


def incoming(intake: Intake, raw: bytes):
    one = intake.begin(US_IMAGE, "1.2.3.4", "1.2.840.10008.1.2.1", "US1")
    try:
        one.write(raw)
    except OSError:
        one.discard()
        raise
    return one


def test_spool_and_archive(disk: Disk, ledger, an_image, encode) -> None:
    intake = Intake(ledger, Archive(disk.folder))
    raw = encode(an_image(size=300, SOPInstanceUID="1.2.3.4"))
    disk.fill()
    with pytest.raises((Refused, OSError)) as refused:
        incoming(intake, raw)
    assert getattr(refused.value, "status", 0xA700) == 0xA700
    assert [path for path in intake._archive.spool.iterdir() if path.stat().st_size] == []
    disk.clear()
    intake.take(incoming(intake, raw), "US1")
    assert ledger.status().instances == 1


def test_quarantine(disk: Disk, ledger) -> None:
    """What is no data set is refused as that, although it cannot be kept aside with its reason."""
    intake = Intake(ledger, Archive(disk.folder))
    one = incoming(intake, b"\x08\0\x05\0ZZ\xff\xff\xff\xff\xff\xff")
    disk.fill()
    with pytest.raises(Refused) as refused:
        intake.take(one, "US1")
    assert refused.value.status == 0xC000
    assert list(intake._archive.spool.iterdir()) == []


def test_ledger_of_reception(disk: Disk, on_disk, tmp_path: Path, an_image, encode) -> None:
    intake = Intake(on_disk, Archive(tmp_path / "elsewhere"))
    disk.fill()
    refused = 0
    for number in range(40):  # the write-ahead log has room for the first ones
        raw = encode(an_image(SOPInstanceUID="1.2.3.4", SeriesInstanceUID=f"1.2.3.{number + 10}"))
        try:
            intake.take(incoming(intake, raw), "US1")
        except Refused as refusal:
            assert refusal.status == 0xA700
            refused += 1
    assert refused
    disk.clear()
    intake.take(incoming(intake, raw), "US1")
    assert on_disk.instance("1.2.3.4")


def queued(ledger, number: int = 1) -> int:
    study = f"1.2.{number}"
    ledger.keep(
        Instance(f"{study}.9", US_IMAGE, study, f"{study}.1", "1.2", f"{number:064d}", f"a/{number}", 1, NOW, "US1")
    )
    (one,) = [one for one in ledger.open_studies() if one.study_instance_uid == study]
    return ledger.settle(one, NOW)


def made(number: int) -> Outcome:
    results = tuple(
        Result(
            sop_instance_uid=f"1.2.{number}.7.{part}", sop_class_uid="1.2.840.10008.5.1.4.1.1.7",
            series_instance_uid=f"1.2.{number}.8", role="sc", path=f"results/{'x' * 200}{part}.dcm", sha256="0" * 64,
            size=10, transfer_syntax_uid="1.2.840.10008.1.2.1", destinations=("pacs",), instance_number=part, key="k",
        )
        for part in range(1, 200)
    )  # fmt: skip
    return Outcome(results, (), "x" * 200_000)


def test_ledger_of_outcome_and_outbox(disk: Disk, on_disk) -> None:
    """Outcome, results and outbox are one transaction: all of it or nothing, and the job is done again."""
    number = queued(on_disk)
    job = on_disk.claim(NOW, "me", 30)
    disk.fill()
    with pytest.raises(LedgerUnavailable):
        on_disk.finish(job, replace(made(1), findings="x" * 20_000_000), NOW)  # more than its log has room for
    assert on_disk.outgoing() == ()
    assert on_disk.job(number).state is JobState.RUNNING
    disk.clear()
    on_disk.finish(job, made(1), NOW)
    assert len(on_disk.outgoing("pacs", OutgoingState.WAITING)) == 199


def test_results(disk: Disk, tmp_path: Path) -> None:
    """A result is whole and on the disk, or its name is not there."""
    source = tmp_path / "report.dcm"
    source.write_bytes(os.urandom(1 << 20))
    folder = disk.folder / "results"
    folder.mkdir()
    disk.fill()
    with pytest.raises(OSError, match="No space"):
        place([(source, folder / "a.dcm")])
    assert list(folder.iterdir()) == [], "nothing half is left"
    disk.clear()
    place([(source, folder / "a.dcm")])
    assert (folder / "a.dcm").read_bytes() == source.read_bytes()


def write_much(count: int) -> str:
    Path("much").write_bytes(bytes(count))
    return "written"


def test_scratch_of_a_child_process(disk: Disk) -> None:
    """Told apart from a plugin that fails by itself: then the study is analysed again, with nothing missing."""
    disk.fill()
    with pytest.raises((ChildFailed, OSError)) as failure:
        call(write_much, 1 << 20, limits=Limits(time_s=60), scratch=disk.folder)
    assert getattr(failure.value, "kind", "disk-full") == "disk-full"
    disk.clear()
    (disk.folder / "filler").write_bytes(b"")
    with pytest.raises(ChildFailed) as failure:
        call(write_much, 40 << 20, limits=Limits(time_s=60), scratch=disk.folder)
    assert failure.value.kind == "disk-full", "a disk of 6 MB has less than is ever enough"


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), ChildFailed("disk-full", "no room")],
)
def test_a_study_waits_for_room_however_long_it_takes(ledger, error: Exception) -> None:
    now, full = [NOW], [True]

    def analyse(_job, _wanted) -> Outcome:
        if full[0]:
            raise error
        return made(1)

    number = queued(ledger)
    here = Worker(ledger, analyse, "me", threading.Event(), 30, 0.1, clock=lambda: now[0])
    tries = 0
    for _ in range(3 * 24 * 4):  # three days, looked at every quarter of an hour
        tries += here.step()
        now[0] += 901
    assert ledger.job(number).state is JobState.QUEUED
    assert "free disk space" in ledger.job(number).reason or "no room" in ledger.job(number).reason
    assert tries > 200, "it is never given up"
    with ledger.reading() as connection:
        (due,) = connection.exec_driver_sql("SELECT due FROM job").scalars()
    assert due <= now[0] + 900, "and never waits longer than a quarter of an hour"
    full[0] = False
    now[0] += 900
    assert here.step()
    assert ledger.job(number).state is JobState.DONE


def test_audit_spool(disk: Disk, ledger, tmp_path: Path) -> None:
    """A transfer that could not be put on record waits in the ledger and is put there when there is room."""
    trail = Trail(Spool(disk.folder / "audit"), "nmus")
    clock = [NOW - 100]
    follower = Follower(ledger, trail, tmp_path, {}, lambda: clock[0])
    follower.step()
    queued(ledger)
    clock[0] = NOW + LAG_S + 5
    disk.fill()
    with pytest.raises(Exception, match="audit spool cannot be written"):
        follower.step()
    assert list((disk.folder / "audit").iterdir()) == [], "nothing half is left"
    disk.clear()
    assert follower.step() == 1
    assert len(trail.spool.names()) == 1


def test_log(disk: Disk) -> None:
    """Lines are lost while there is no room; whoever logs goes on, and so does the log afterwards."""
    program = (
        "import sys, logging; from pathlib import Path; from service import logs\n"
        "logs.set_up('info', Path(sys.argv[1]))\n"
        "log = logging.getLogger('service.x')\n"
        "for number in range(3):\n"
        "    logs.event(log, logging.INFO, f'line {number}')\n"
        "    logging.getLogger('foreign').warning('CANARY')\n"
        "    sys.stdout.write('.'); sys.stdout.flush(); sys.stdin.readline()\n"
    )
    command = [sys.executable, "-c", program, str(disk.folder / "log")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdin=-1, stdout=-1, stderr=-1, text=True, env=environment) as running:
        assert running.stdout.read(1) == "."
        disk.fill()
        running.stdin.write("\n")
        running.stdin.flush()
        assert running.stdout.read(1) == "."
        disk.clear()
        out, told = running.communicate("\n\n", timeout=60)
    assert (running.returncode, out, told) == (0, ".", "")
    lines = (disk.folder / "log").read_text(encoding="utf-8")
    assert "line 0" in lines
    assert "line 2" in lines
    assert "CANARY" not in lines


def test_export(disk: Disk, tmp_path: Path, an_image) -> None:
    images = []
    for number in range(2):
        path = tmp_path / f"{number}.dcm"
        an_image(size=1400, SOPInstanceUID=f"1.2.3.{number + 1}").save_as(path, enforce_file_format=True)
        images.append(path)
    disk.fill()
    disk.clear()
    (disk.folder / "filler").write_bytes(bytes(4 << 20))
    write: Callable[[], object] = lambda: export(  # noqa: E731
        "1.2.3", images, (), (), disk.folder / "out", secret=b"s" * 32, project="p", accept_unmarked=True
    )
    with pytest.raises(OSError, match="No space"):
        write()
    assert sorted(path.name for path in disk.folder.iterdir()) == ["filler"], "all of it or nothing"
    disk.clear()
    write()
    assert len(list((disk.folder / "out").glob("*.dcm"))) == 2
