"""The table of every event beside the report: the same events, whole files, no name, on the page, in an export."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from pydicom import Dataset, dcmread

from plugins.contract import Acquisition, ArrayFrames, Clip, Finding, FrameRef, Result, Side, View
from plugins.fasciculation.codes import COUNT, OBSERVED_TIME, REJECTED_COUNT
from service.analyse.registry import registry
from service.app import references_of
from service.commands import main
from service.config import load
from service.demo.exam import exam_shots
from service.demo.exam_files import derived_uid, shot_dataset
from service.demo.scanner import send
from service.kept_tables import uid_digest
from service.ledger import open_ledger
from service.receive.archive import Archive
from service.receive.intake import Intake
from service.receive.listener import StorageProvider
from service.receive.settle import settle
from service.report.side_tables import keep_tables
from service.steps import StudyWork
from service.web.pages import application
from service.web.server import Place, WebServer
from service.worker import Worker

SEED = 7
NOW = 1_767_600_000.0


class House:
    """Receive, settle and analyse, moved by hand; the pages over it."""

    def __init__(self, folder: Path) -> None:
        self.settings_file = folder / "nmus.toml"
        self.settings_file.write_text('[service]\ndata_folder = "data"\n[listener]\nport = 0\n', encoding="utf-8")
        self.settings = load(self.settings_file)
        self.data = self.settings.service.data_folder
        self.now = NOW
        self.ledger = open_ledger(self.data)
        archive = Archive(self.data)
        intake = Intake(self.ledger, archive, clock=lambda: self.now)
        self.listener = StorageProvider(self.settings.listener, intake, archive.spool)
        work = StudyWork(
            self.settings, self.ledger, registry(outside=()), references_of(self.settings), b"a secret of the site"
        )
        self.worker = Worker(
            self.ledger, work, "worker", threading.Event(), lease_s=600, tick_s=0.1, clock=lambda: self.now
        )

    def work(self) -> None:
        self.now += 61
        settle(self.ledger, self.settings.settle, self.now)
        assert self.worker.step()

    def tables(self) -> list[Path]:
        return sorted(one for one in (self.data / "results" / "tables").rglob("*") if one.is_file())

    def report(self) -> Dataset:
        found = [dcmread(path) for path in (self.data / "results").rglob("*.dcm")]
        (report,) = [one for one in found if one.Modality == "SR"]
        return report


@pytest.fixture(scope="module")
def clip() -> Dataset:
    """One clip with known twitches, of somebody with a name."""
    shot = next(one for one in exam_shots(SEED) if one.cine)
    dataset = shot_dataset(shot, SEED, 1, derived_uid(SEED, "study"))
    dataset.PatientName, dataset.PatientID = "Canary^Carla", "CAN-4711"
    return dataset


@pytest.fixture(scope="module")
def house(tmp_path_factory, clip: Dataset) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    clip.save_as(folder / "clip.dcm", enforce_file_format=True)
    made = House(folder)
    assert set(send([folder / "clip.dcm"], "127.0.0.1", made.listener.port, "NMUS").values()) == {0}
    made.work()
    yield made
    made.listener.drain(1)
    made.ledger.close()


@pytest.fixture(scope="module")
def browser(house: House) -> Iterator[httpx.Client]:
    pages = application(house.ledger, house.data, refuse_free_mb=1, processes=(), clock=lambda: house.now)
    server = WebServer(pages, Place())
    server.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as client:
        yield client
    server.stop()


def walked(item: Dataset) -> Iterator[Dataset]:
    yield item
    for child in item.get("ContentSequence", ()):
        yield from walked(child)


def named(item: Dataset) -> str:
    sequence = item.get("ConceptNameCodeSequence")
    return str(sequence[0].CodeValue) if sequence else ""


def frames_of(report: Dataset) -> list[int]:
    """Frames of the events, as the report refers to them."""
    several = [
        list(item.ReferencedSOPSequence[0].ReferencedFrameNumber)
        for item in walked(report)
        if item.get("ValueType") == "IMAGE"
        and item.ReferencedSOPSequence[0].get("ReferencedFrameNumber") is not None
        and item.ReferencedSOPSequence[0].data_element("ReferencedFrameNumber").VM > 1
    ]
    (frames,) = several
    return [int(one) for one in frames]


def number_of(report: Dataset, code: str) -> float:
    (number,) = {float(item.MeasuredValueSequence[0].NumericValue) for item in walked(report) if named(item) == code}
    return number


def result_with(tables: dict[str, str]) -> Result:
    clip = Clip("1.2.3", "1.2", ArrayFrames(np.zeros((2, 8, 8), np.uint8)))
    acquisition = Acquisition("biceps_brachii", Side.LEFT, None, View.TRANSVERSE, (clip,))
    outline = ((0.0, 0.0), (8.0, 0.0), (8.0, 8.0), (0.0, 0.0))
    finding = Finding(image=FrameRef("1.2.3"), outline=outline, measurements=(), tables=tables)
    return Result("fasciculation", "1", acquisition, (finding,))


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_tables_hold_the_events_of_the_report(house: House, clip: Dataset) -> None:
    table, whole = house.tables()
    assert (table.suffix, whole.suffix) == (".csv", ".json")
    rows, told = rows_of(table), json.loads(whole.read_text("utf-8"))
    report = house.report()
    counted = [row for row in rows if row["accepted"] == "1"]
    assert len(counted) == number_of(report, COUNT.value) >= 2
    assert sorted({int(row["frame"]) + 1 for row in counted}) == frames_of(report)
    assert len(rows) - len(counted) == number_of(report, REJECTED_COUNT.value)
    assert told["sop_instance_uid"] == clip.SOPInstanceUID
    assert told["observed_s"] == pytest.approx(number_of(report, OBSERVED_TIME.value), abs=0.01)
    for row, event in zip(rows, told["events"], strict=True):
        assert row == {name: str(value) for name, value in event.items()}
    (done,) = house.ledger.jobs()
    record = next(one for one in json.loads(house.ledger.findings(done.id)) if one["events"])
    assert [(row["frame"], float(row["start_s"]), row["rejected_as"]) for row in rows] == [
        (str(event["frame"]), event["start_s"], event["rejected_as"]) for event in record["events"]
    ]


def test_names_and_content_tell_nothing_of_the_patient(house: House, clip: Dataset) -> None:
    for path in house.tables():
        assert path.name.startswith(uid_digest(clip.SOPInstanceUID))
        said = f"{path.relative_to(house.data)} {path.read_text('utf-8')}"
        assert not [word for word in ("Canary", "Carla", "4711", clip.StudyInstanceUID) if word in said]
        assert path.stat().st_mode & 0o077 == 0
        assert path.parent.stat().st_mode & 0o077 == 0


def test_tables_are_flushed_before_they_have_their_names_and_left_alone_by_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is under its name was flushed before; without room nothing new is there and nothing old is hurt."""
    steps: list[tuple[str, str]] = []
    real_flush, real_replace = os.fsync, Path.replace
    monkeypatch.setattr(
        os, "fsync", lambda fd: (steps.append(("flush", str(Path(f"/proc/self/fd/{fd}").readlink()))), real_flush(fd))
    )
    monkeypatch.setattr(
        Path, "replace", lambda self, to: (steps.append(("rename", str(to))), real_replace(self, to))[1]
    )
    folder = tmp_path / "tables" / "study" / "1"
    results = [result_with({"events.csv": "a,b\n", "events.json": "{}\n"})]
    made = keep_tables(results, folder, tmp_path)
    assert sorted(made) == sorted(folder.iterdir())
    for path in made:
        at = steps.index(("rename", str(path)))
        assert any(kind == "flush" and name.endswith(path.name) for kind, name in steps[:at])
        assert ("flush", str(folder)) in steps[at:]
    assert {("flush", str(one)) for one in (folder.parent, folder.parent.parent, tmp_path)} <= set(steps)

    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    before = {path: path.read_text("utf-8") for path in made}
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        keep_tables([result_with({"events.csv": "longer,content\n", "other.csv": "x\n"})], folder, tmp_path)
    assert {path: path.read_text("utf-8") for path in folder.iterdir()} == before


def test_the_same_work_gives_the_same_bytes_and_a_later_analysis_a_folder_of_its_own(house: House) -> None:
    before = {path: path.read_bytes() for path in house.tables()}
    house.ledger.rerun(house.ledger.jobs()[0].study_instance_uid, house.now)
    assert house.worker.step()
    after = {path: path.read_bytes() for path in house.tables()}
    new = {path: content for path, content in after.items() if path not in before}
    assert {path: after[path] for path in before} == before
    assert sorted(new.values()) == sorted(before.values())
    assert {path.parent for path in new}.isdisjoint({path.parent for path in before})


def test_the_page_of_the_study_gives_the_tables_of_what_it_shows(house: House, browser: httpx.Client) -> None:
    study = house.ledger.jobs()[0].study_instance_uid
    newest = max(one.id for one in house.ledger.jobs())
    page = browser.get(f"/study/{study}").text
    links = re.findall(r'href="(/study/[^"]*/table/[^"]*)"', page)
    assert [Path(link).suffix for link in links] == [".csv", ".json"]
    for link in links:
        answer = browser.get(link)
        kept = house.data / "results" / "tables" / uid_digest(study) / str(newest) / Path(link).name
        assert (answer.status_code, answer.content) == (200, kept.read_bytes())
        assert "attachment" in answer.headers["Content-Disposition"]
        assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Type"] == "application/json"
    for other in ("events.csv", "..%2f..%2fnmus.toml", "%2e%2e%2fledger.sqlite", f"x{Path(links[0]).name}"):
        assert browser.get(f"/study/{study}/table/{other}").status_code == 404
    assert browser.get(f"/study/1.2.3/table/{Path(links[0]).name}").status_code == 404


def test_an_export_has_the_tables_without_whose_they_are(
    house: House, clip: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study, out = house.ledger.jobs()[0].study_instance_uid, tmp_path / "out"
    status = main(["export", study, "--settings", str(house.settings_file), "--out", str(out), "--project", "p"])
    assert status == 0, capsys.readouterr().err
    assert "2 tables" in capsys.readouterr().out
    manifest = json.loads((out / "manifest.json").read_text("utf-8"))
    assert {Path(one["file"]).suffix for one in manifest["tables"]} == {".csv", ".json"}
    image = next(one["sop_instance_uid"] for one in manifest["exported"] if one["kept_share"] is not None)
    for one in manifest["tables"]:
        content = (out / one["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == one["sha256"]
        assert one["sop_instance_uid"] == image
        assert one["file"].startswith(image)
        assert clip.SOPInstanceUID.encode() not in content
    table, whole = sorted(out.glob("*-fasciculation-events.*"))
    assert json.loads(whole.read_text("utf-8"))["sop_instance_uid"] == image
    assert rows_of(table) == rows_of(house.tables()[0])
