"""Where objects lie: a shared folder and a bucket of a real server keep the same promises."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from service.app import App
from service.config import Service, Settings
from service.objects import Objects
from service.objects.folder import SharedFolder
from service.objects.store import ObjectStore
from service.receive.archive import Archive, Incoming

sys.path.insert(0, str(Path(__file__).parent))
from object_server import ObjectServer

US, EXPLICIT = "1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.1.2.1"
NAME = "results/ab/report.dcm"
OBJECTS = 20
MACHINE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from test_objects import OBJECTS, opened
from service.receive.archive import Archive
objects = opened(sys.argv[1], Path(sys.argv[2]), sys.argv[4])
archive = Archive(objects.folder, objects)
sys.stdin.readline()
for turn in range(2):
    for number in range(OBJECTS):
        one = archive.incoming("1.2.840.10008.5.1.4.1.1.6.1", "1.2.3", "1.2.840.10008.1.2.1", sys.argv[5])
        for part in range(8):
            one.write(bytes([number, part]) * 4000)
        print(archive.store(one))
"""


def opened(kind: str, folder: Path, section: str) -> Objects:
    """Where objects lie, as one machine sees it."""
    from service.config import Objects as Section

    folder.mkdir(exist_ok=True)
    return SharedFolder(folder) if kind == "folder" else ObjectStore(folder, Section.model_validate_json(section))


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectServer]:
    running = ObjectServer()
    yield running
    running.remove()


class Place:
    """A folder that machines share, or a bucket and a folder for each machine."""

    def __init__(self, kind: str, tmp_path: Path, server: ObjectServer) -> None:
        self.kind, self._root, self.server = kind, tmp_path, server
        self.prefix = f"{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:12]}/"
        self.section = server.section(prefix=self.prefix).model_dump_json()

    def folder(self, machine: str) -> Path:
        return self._root / ("shared" if self.kind == "folder" else machine)

    def machine(self, name: str) -> Objects:
        return opened(self.kind, self.folder(name), self.section)

    def whole(self) -> list[Path]:
        """All files as they lie where all machines see them."""
        found = self.server.files(self.prefix) if self.kind == "bucket" else (self._root / "shared").rglob("*")
        return sorted(one for one in found if one.suffix == ".dcm")


@pytest.fixture(params=["folder", "bucket"])
def place(request, tmp_path, server) -> Place:
    return Place(request.param, tmp_path, server)


def received(archive: Archive, text: bytes = b"picture", source: str = "US1") -> Incoming:
    one = archive.incoming(US, "1.2.3", EXPLICIT, source)
    one.write(text * 1000)
    return one


def made(objects: Objects, raw: bytes, name: str = NAME) -> None:
    """A result as a worker leaves it."""
    path = objects.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw)


def test_what_one_machine_takes_in_another_reads(place) -> None:
    east, west = place.machine("east"), place.machine("west")
    name = Archive(east.folder, east).store(received(Archive(east.folder, east)))
    assert (west / name).read_bytes() == (east / name).read_bytes()
    assert west.data_digest(name) == Path(name).stem
    assert list((east.folder / "spool").iterdir()) == []
    assert east.names() == west.names() == {name: (east / name).stat().st_size}


def test_the_same_object_twice_is_one_and_another_lies_beside(place) -> None:
    """By the digest of the data set; the file's header, which each transport writes anew, makes no difference."""
    east, west = place.machine("east"), place.machine("west")
    names = [
        Archive(east.folder, east).store(received(Archive(east.folder, east), source="US1")),
        Archive(west.folder, west).store(received(Archive(west.folder, west), source="ANOTHER")),
        Archive(west.folder, west).store(received(Archive(west.folder, west), b"another")),
    ]
    assert names[0] == names[1] != names[2]
    assert len(place.whole()) == 2
    for name in names:
        assert place.machine("north").data_digest(name) == Path(name).stem


def test_two_machines_that_receive_the_same_at_once_leave_one_whole_object_of_each(place) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    machines = [
        subprocess.Popen(
            [
                sys.executable, "-c", MACHINE, place.kind, str(place.folder(name)), str(Path(__file__).parent),
                place.section, title,
            ],
            stdin=-1, stdout=-1, env=environment, text=True,
        )
        for name, title in (("east", "US1"), ("west", "OTHER"))
    ]  # fmt: skip
    for one in machines:
        one.stdin.write("\n")
        one.stdin.flush()
    told = [one.communicate()[0] for one in machines]
    assert [one.returncode for one in machines] == [0, 0]
    names = {line for text in told for line in text.split()}
    assert len(names) == OBJECTS
    north = place.machine("north")
    assert set(north.names()) == names
    assert [name for name in names if north.data_digest(name) != Path(name).stem] == []


def test_a_result_is_kept_once_and_its_first_bytes_are_the_ones(place) -> None:
    """A worker that lost its lease may come with other bytes: the ledger's row and the store must not differ."""
    east, west = place.machine("east"), place.machine("west")
    made(east, b"first" * 100)
    for _ in range(2):
        east.keep(NAME)
    if not (west.folder / NAME).exists():  # in a shared folder it lies there, and the worker makes none
        made(west, b"late" * 100)
    west.keep(NAME)
    for one in (east, west, place.machine("north")):
        assert (one / NAME).read_bytes() == b"first" * 100


def test_what_changes_is_replaced(place) -> None:
    east, west = place.machine("east"), place.machine("west")
    for text in (b"one", b"two"):
        made(east, text, "results/tables/a/1/events.csv")
        east.replace("results/tables/a/1/events.csv")
    west.gather("results/tables/a/1")
    assert (west.folder / "results/tables/a/1/events.csv").read_bytes() == b"two"
    west.gather("results/tables/b")


def test_what_is_gone_is_a_path_at_which_nothing_lies(place) -> None:
    objects = place.machine("east")
    assert not (objects / "archive/00/none.dcm").exists()
    assert objects.data_digest("archive/00/none.dcm") is None
    assert objects.small("nothing") is None
    assert not objects.save("results/none.dcm", place.folder("east") / "out")
    assert not (place.folder("east") / "out").exists()
    assert (objects / "scratch") == objects.folder / "scratch"


def test_copies_out_and_in_are_what_was_there(place, tmp_path) -> None:
    east = place.machine("east")
    raw = os.urandom(3 << 20)
    made(east, raw)
    east.keep(NAME)
    assert east.save(NAME, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == raw
    east.load("results/cd/other.dcm", tmp_path / "out")
    assert (place.machine("north") / "results/cd/other.dcm").read_bytes() == raw
    assert east.small("key", b"word") == b"word"
    assert east.small("key") == b"word"


def test_a_probe_leaves_nothing(place) -> None:
    objects = place.machine("east")
    objects.ask()
    assert objects.probe()
    assert objects.names() == {}
    assert [one for one in objects.folder.rglob("*") if one.is_file()] == []


def test_a_machine_that_has_no_folder_yet_reads_too(store, tmp_path) -> None:
    east = store()
    made(east, b"report")
    east.keep(NAME)
    assert (ObjectStore(tmp_path / "new" / "data", east.bucket._section) / NAME).read_bytes() == b"report"


def test_held_files_are_at_hand(place) -> None:
    east, west = place.machine("east"), place.machine("west")
    names = [f"results/ab/{number}.dcm" for number in range(20)]
    for name in names:
        made(east, name.encode(), name)
        east.keep(name)
    with west.held([*names, "results/ab/gone.dcm", "scratch/x"]), west.held(names[:1]):
        assert [(west.folder / name).read_bytes() for name in names] == [name.encode() for name in names]


def test_all_machines_have_the_same_key_behind_the_pseudonyms(tmp_path, server) -> None:
    """Also when they start for the first time at the same moment."""
    section = server.section(prefix=f"{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:12]}/")
    address = f"sqlite:///{tmp_path / 'ledger.sqlite'}"

    def app(name: str) -> App:
        service = Service(data_folder=tmp_path / name, database=address)
        return App(Settings(service=service, objects=section))

    apps = [app(name) for name in ("east", "west", "north")]
    _ = apps[0].ledger
    with ThreadPoolExecutor(3) as pool:
        keys = set(pool.map(lambda one: one.secret, apps))
    assert len(keys) == 1
    assert len(keys.pop()) == 32
    assert app("south").secret == apps[0].secret
    for one in apps:
        one.ledger.close()


@pytest.fixture
def store(tmp_path, server) -> Callable[..., ObjectStore]:
    def make(machine: str = "east", **changes: object) -> ObjectStore:
        (tmp_path / machine).mkdir(exist_ok=True)
        prefix = f"{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:12]}/"
        return ObjectStore(tmp_path / machine, server.section(prefix=prefix, **changes))

    return make


def test_copies_are_bounded_and_what_was_used_lately_stays(store, caplog) -> None:
    objects = store(cache_mb=100)
    raw = os.urandom(29_000_000)
    names = [f"results/ab/{number}.dcm" for number in range(5)]
    for name in names:
        made(objects, raw, name)
        objects.keep(name)
    assert [name for name in names if not (objects.folder / name).exists()] == [], "all are used now"
    long_ago = time.time() - 7200
    for number, name in enumerate(names[:4]):
        os.utime(objects.folder / name, (long_ago + number, long_ago + number))
    made(objects, b"never put" * 1000, "results/ab/mine.dcm")
    os.utime(objects.folder / "results/ab/mine.dcm", (long_ago - 60, long_ago - 60))
    objects / names[0]  # used again
    assert objects._cache.trim() == 2
    here = {path.name for path in (objects.folder / "results").rglob("*.dcm")}
    assert here == {"0.dcm", "3.dcm", "4.dcm", "mine.dcm"}, "the two that were not used longest went"
    assert "file is in no bucket" in caplog.text, "what the bucket lacks is never removed"
    assert (objects / names[1]).read_bytes() == raw, "and are fetched again"


def test_a_file_that_is_asked_for_while_it_is_about_to_go_stays(store) -> None:
    """The store is asked before a copy goes, which takes a while: long enough for another process to want it."""
    objects = store(cache_mb=100)
    raw = os.urandom(60_000_000)
    names = ["results/ab/1.dcm", "results/ab/2.dcm"]
    long_ago = time.time() - 7200
    for name in names:
        made(objects, raw, name)
        objects.keep(name)
    for number, name in enumerate(names):
        os.utime(objects.folder / name, (long_ago + number, long_ago + number))
    is_safe = objects._cache._is_safe

    def asked_meanwhile(name: str, size: int) -> bool:
        answer = is_safe(name, size)
        if name == names[0]:
            assert (objects / name).is_file()
        return answer

    objects._cache._is_safe = asked_meanwhile
    assert objects._cache.trim() == 1
    assert [(objects.folder / name).exists() for name in names] == [True, False]


def test_what_was_damaged_in_the_bucket_is_not_taken(store, server, caplog) -> None:
    east, west = store("east"), store("west")
    archive = Archive(east.folder, east)
    name = archive.store(received(archive))
    made(east, b"report" * 100)
    east.keep(NAME)
    for path in server.files(east.bucket._section.prefix):
        raw = bytearray(path.read_bytes())
        raw[-1] ^= 1
        path.write_bytes(raw)
    assert not (west / name).exists()
    assert not (west / NAME).exists()
    assert caplog.text.count("object in the bucket is damaged") == 2
    assert west.data_digest(name) not in {None, Path(name).stem}, "so that nobody vouches for it"
    assert (east / name).is_file(), "a good copy is not thrown away for it"


def test_a_file_that_the_disk_gives_back_otherwise_is_not_put(store, server) -> None:
    objects = store()
    archive = Archive(objects.folder, objects)
    one = received(archive)
    one.flush()
    raw = bytearray(one.path.read_bytes())
    raw[-1] ^= 1
    one.path.write_bytes(raw)
    with pytest.raises(OSError, match="other bytes"):
        objects.take_in(one.path, f"archive/00/{one.sha256}.dcm")
    assert objects.names() == {}
