"""A bucket instead of a shared folder, with a real store: killed at each step, the store away, machines with no folder
in common; nothing is lost and nothing doubled."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydicom import dcmread

from service.demo.scanner import send
from service.errors import Unreachable
from service.ledger import JobState, Ledger, OutgoingState, open_ledger

sys.path.insert(0, str(Path(__file__).parents[1] / "service"))
sys.path.insert(0, str(Path(__file__).parent))
from object_server import ObjectServer
from postgresql_server import PostgreSql
from test_many_machines import STUDIES, Machine, free_ports, stills_of_studies

pytestmark = pytest.mark.acceptance
OUT_OF_RESOURCES = 0xA700


@pytest.fixture
def store() -> Iterator[ObjectServer]:
    running = ObjectServer()
    yield running
    running.remove()


def settings(store: ObjectServer, **changes: object) -> str:
    """The bucket; and nothing yields to anything, as these tests wait for workers on machines that do other things."""
    return f"{store.toml(**changes)}[analysis]\nyield_to_reception = false\n"


def offered(files: list[Path], port: int) -> dict[Path, int]:
    """Send as a scanner does; what each was answered with."""
    told: dict[Path, int] = {}
    with contextlib.suppress(Unreachable, RuntimeError):
        send(files, "127.0.0.1", port, "NMUS", sent=told.__setitem__)
    return told


def uid(path: Path) -> str:
    return str(dcmread(path, stop_before_pixels=True).SOPInstanceUID)


def command(*words: object, status: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "service", *map(str, words)],
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def settled(here, exam) -> Ledger:
    """A study that is received and queued; the ledger."""
    here.start_listening(role="listener")
    assert set(offered(exam, here.port).values()) == {0}
    here.kill()
    ledger = here.ledger()
    (study,) = ledger.open_studies()
    assert ledger.settle(study, study.last_received_at + 1) is not None
    return ledger


@pytest.mark.parametrize("point", ["after_put", "after_rename", "before_row"])
def test_a_listener_that_dies_before_it_answers_gets_the_object_again(nmus, store, exam, until, point) -> None:
    here = nmus(more=settings(store))
    here.start_listening(crash_at=point, role="listener")
    process = here._process
    assert 0 not in offered(exam[:1], here.port).values(), "it died before the answer"
    until(lambda: process.poll() is not None)
    assert len(store.files("archive")) == 1, "the store has it, and no row says so"
    ledger = here.ledger()
    assert ledger.status().instances == 0
    here.start_listening(role="listener")
    assert offered(exam[:1], here.port) == {exam[0]: 0}
    (row,) = ledger.instance(uid(exam[0]))
    (whole,) = store.files("archive")
    assert (whole.name, whole.stat().st_size) == (Path(row.path).name, row.size)
    ledger.close()


@pytest.mark.parametrize("point", ["before_put", "after_put"])
def test_a_worker_that_dies_while_it_keeps_results_does_it_again_and_once(nmus, store, exam, until, point) -> None:
    here = nmus(more=settings(store))
    ledger = settled(here, exam[:1])
    shutil.rmtree(here.data / "archive")  # as on a machine that has none of it
    process = here.start(role="worker", crash_at=point)
    until(lambda: process.poll() is not None)
    kept = len([one for one in store.files("results") if one.suffix == ".dcm"])
    assert kept in ({1, 2} if point == "after_put" else {0}), "reports and pictures are kept at once"
    here.start(role="worker")
    until(lambda: ledger.jobs(JobState.DONE))
    (job,) = ledger.jobs()
    assert job.attempt == 2
    results = ledger.results(job.id)
    there = {str(path.relative_to(store.bucket)): path.stat().st_size for path in store.files("results")}
    assert {one.path: one.size for one in results}.items() <= there.items()
    assert [one for one in there if one.endswith(".dcm") and one not in {two.path for two in results}] == []
    ledger.close()


def test_a_store_that_goes_away_in_mid_reception_loses_nothing(nmus, store, exam, until) -> None:
    here = nmus(more=settings(store, timeout_seconds=2))
    here.start()
    until(here.listening)
    ready = f"http://127.0.0.1:{here.web_port}/health/ready"

    def checks() -> dict[str, bool]:
        try:
            return {one["name"]: one["good"] for one in json.loads(httpx.get(ready, timeout=30).text)["checks"]}
        except httpx.HTTPError:
            return {}

    until(lambda: checks().get("object store"))
    told: list[tuple[Path, int]] = []

    def answered(path: Path, status: int) -> None:
        told.append((path, status))
        if len(told) == 2:
            store.stop()
        if len(told) == 4:
            store.start()

    send(exam, "127.0.0.1", here.port, "NMUS", sent=answered)
    assert [status for _, status in told] == [0, 0, OUT_OF_RESOURCES, OUT_OF_RESOURCES, 0, 0]
    ledger = here.ledger()
    assert ledger.status().instances == 4
    assert list((here.data / "spool").iterdir()) == []
    assert here.log().count("object store is away") == 1
    assert here.log().count("object store is back") == 1
    store.freeze()
    assert offered(exam[2:3], here.port) == {exam[2]: OUT_OF_RESOURCES}, "silence is no Success"
    until(lambda: checks().get("object store") is False)
    store.freeze(False)
    assert set(offered(exam, here.port).values()) == {0}
    assert {row.sha256 for path in exam for row in ledger.instance(uid(path))} == {
        path.stem for path in store.files("archive")
    }
    assert "CANARY" not in here.log()
    ledger.close()


def test_two_listeners_that_get_the_same_and_another_under_its_uid(nmus, store, exam, until, tmp_path) -> None:
    """The same object twice is one object; other bytes under its UID are kept beside it."""
    other = dcmread(exam[0])
    other.PixelData = bytes(255 - one for one in other.PixelData)
    other.save_as(tmp_path / "other.dcm", enforce_file_format=True)
    here, there = nmus(more=settings(store)), nmus(more=settings(store))
    for one in (here, there):
        one.start_listening(role="listener")
    threads = [threading.Thread(target=offered, args=(exam[:2], one.port)) for one in (here, there)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(store.files("archive")) == 2
    assert offered([tmp_path / "other.dcm"], here.port) == {tmp_path / "other.dcm": 0}
    assert len(store.files("archive")) == 3
    ledger = here.ledger()
    assert ledger.status().conflicts == 1
    ledger.close()


def test_backed_up_and_restored_into_another_bucket(nmus, store, exam, until, tmp_path) -> None:
    old = nmus(more=settings(store))
    ledger = settled(old, exam[:1])
    old.start(role="worker")
    until(lambda: ledger.jobs(JobState.DONE))
    old.kill()
    named = ledger.files()
    ledger.close()
    told = command("doctor", "--settings", old.settings, status=1)
    assert "versions: never set" in told and "images go there in clear" in told
    command("backup", tmp_path / "first", "--settings", old.settings)
    command("backup", tmp_path / "second", "--base", tmp_path / "first", "--settings", old.settings)
    kept = [one for one in (tmp_path / "second" / "data").rglob("*.dcm") if one.stat().st_nlink == 2]
    assert len(kept) == len(named), "what the base has is linked, not fetched again"
    new = nmus(more=settings(store, prefix="another/"))
    refused = command("restore", tmp_path / "second", "--settings", nmus(more=settings(store)).settings, status=1)
    assert "bucket of [objects] is not empty" in refused
    command("restore", tmp_path / "second", "--settings", new.settings)
    there = {str(one.relative_to(store.bucket / "another")): one.read_bytes() for one in store.files("another")}
    assert named <= there.keys()
    assert there["pseudonyms.key"] == (store.bucket / "pseudonyms.key").read_bytes()
    assert all(raw == (store.bucket / name).read_bytes() for name, raw in there.items())
    assert not (new.data / "archive").exists() or not list((new.data / "archive").rglob("*.dcm"))
    command("export", "--settings", new.settings, "--out", tmp_path / "out", there_study(new))


def there_study(here) -> str:
    ledger = here.ledger()
    try:
        return ledger.jobs()[0].study_instance_uid
    finally:
        ledger.close()


@pytest.fixture
def studies(tmp_path) -> list[Path]:
    return stills_of_studies(tmp_path / "studies")


def test_machines_with_no_folder_in_common(*, tmp_path, store, studies, pacs, destination, until) -> None:
    """One receives, another analyses, a third sends; the one that analyses is killed in mid-work, and the store too."""
    server = PostgreSql(durable=True)
    machines: list[Machine] = []
    try:
        shared = f'database = "{server.database()}"'
        roles = {"east": ("listener", "timers"), "west": ("worker",), "north": ("sender",)}
        for name, mine in roles.items():
            one = Machine(tmp_path / name, name, free_ports(), f"{shared}\nroles = {json.dumps(mine)}")
            shared_folder = 'data_folder = "../shared"\nlocal_folder = "local"'
            text = one.settings.read_text().replace(shared_folder, 'data_folder = "data"')
            one.settings.write_text(f"{text}{store.toml(timeout_seconds=2)}", encoding="utf-8")
            one.start(destination(pacs))
            machines.append(one)
        east, west, north = machines
        missing = set(studies)

        def received() -> bool:
            answers = offered(sorted(missing), east.port)
            missing.difference_update(path for path, status in answers.items() if status == 0)
            return not missing

        until(received, 240)
        ledger = open_ledger(tmp_path / "looking", server.address("test_0"))
        until(lambda: ledger.jobs(JobState.RUNNING) or ledger.jobs(JobState.DONE), 120)
        west.kill()
        store.stop()
        west.start(destination(pacs))
        store.start()

        def all_sent() -> bool:
            status = ledger.status()
            return (
                status.jobs["done"] == STUDIES
                and bool(status.outbox)
                and all(box.waiting == 0 for box in status.outbox)
                and {row.state for row in ledger.outgoing()} == {OutgoingState.SENT}
            )

        until(all_sent, 400)
        status = ledger.status()
        assert status.instances == STUDIES
        assert status.jobs["failed"] == status.jobs["dead"] == status.conflicts == 0
        rows = ledger.outgoing()
        assert sorted(path.stem for path in pacs.files()) == sorted(row.sop_instance_uid for row in rows)
        named = ledger.files()
        there = {str(path.relative_to(store.bucket)) for path in store.files()}
        assert named <= there
        assert {one for one in there if one.endswith(".dcm")} == named, "nothing that no row names"
        for row in rows:
            assert (store.bucket / row.path).stat().st_size == row.size
        assert len({one.folder for one in machines}) == len(roles)
        assert [one for one in (north.folder / "data").rglob("*.dcm") if "archive" in one.parts] == []
        for one in machines:
            assert "CANARY" not in one.log
            left = list((one.folder / "data" / "spool").glob("*"))
            # who was killed may have been fetching: what lies there is unfinished by definition, and swept later
            assert left == [] or (one is west and all(path.suffix == ".part" for path in left))
        ledger.close()
    finally:
        for one in machines:
            one.kill()
        server.remove()
