"""Two machines on one folder, each by a path of its own: the same objects at once are one file each, always whole."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.receive.archive import Archive
from service.receive.part10 import _FIXED

OBJECTS = 60
MACHINE = """
import sys
from pathlib import Path
from service.receive.archive import Archive
archive = Archive(Path(sys.argv[1]))
sys.stdin.readline()
for turn in range(3):
    for number in range(int(sys.argv[2])):
        one = archive.incoming("1.2.840.10008.5.1.4.1.1.6.1", "1.2.3", "1.2.840.10008.1.2.1", "US1")
        for part in range(8):
            one.write(bytes([number, part]) * 4000)
        print(archive.store(one))
"""


@pytest.fixture
def roots(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """The folder, and the same folder mounted elsewhere; by a link where this user may not mount."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    mount = shutil.which("mount") or "mount"
    mounted = subprocess.run([mount, "--bind", str(here), str(there)], capture_output=True, check=False)
    if mounted.returncode:
        there.rmdir()
        there.symlink_to(here, target_is_directory=True)
    yield here, there
    if not mounted.returncode:
        subprocess.run(["umount", "--lazy", str(there)], check=True)


def unlike_its_name(folder: Path) -> list[str]:
    """Files whose data set is not what their name says."""
    found = []
    for path in folder.rglob("*.dcm"):
        raw = path.read_bytes()
        start = _FIXED + int.from_bytes(raw[140:144], "little")
        if hashlib.sha256(raw[start:]).hexdigest() != path.stem:
            found.append(path.name)
    return found


def test_two_machines_that_receive_the_same_at_once_write_one_file_of_each(roots: tuple[Path, Path]) -> None:
    here, there = roots
    Archive(here)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    machines = [
        subprocess.Popen(
            [sys.executable, "-c", MACHINE, str(root), str(OBJECTS)], stdin=-1, stdout=-1, env=environment, text=True
        )
        for root in (here, there)
    ]
    for one in machines:
        one.stdin.write("\n")
        one.stdin.flush()
    looks = 0
    while any(one.poll() is None for one in machines):  # what they print fits into their pipes
        assert unlike_its_name(there / "archive") == [], "whoever reads sees whole files, whatever is renamed over them"
        looks += 1
    assert looks
    told = [one.communicate()[0] for one in machines]
    assert [one.returncode for one in machines] == [0, 0]
    names = {line for text in told for line in text.split()}
    assert {str(path.relative_to(here)) for path in (here / "archive").rglob("*.dcm")} == names
    assert len(names) == OBJECTS
    assert unlike_its_name(here / "archive") == []
    assert list((here / "spool").iterdir()) == []


def test_a_result_made_on_another_disk_comes_whole_into_the_shared_folder(roots: tuple[Path, Path]) -> None:
    """Scratch is each machine's own: what is made there is copied beside its place, flushed and renamed."""
    from service.report.keeping import place

    here, there = roots
    shm = Path("/dev/shm")  # noqa: S108 - a file system of its own is what is wanted
    memory = shm if shm.is_dir() else here.parent
    source = memory / f"nmus-test-{os.getpid()}.dcm"
    raw = os.urandom(1 << 18)
    source.write_bytes(raw)
    try:
        place([(source, there / "results" / "a.dcm")])
        assert [path.name for path in (here / "results").iterdir()] == ["a.dcm"]
        assert (here / "results" / "a.dcm").read_bytes() == raw
    finally:
        source.unlink(missing_ok=True)
