"""A study's page shows at once what was measured, against what, why not, and what it looks like."""

from __future__ import annotations

import json
import re
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from service.ledger import Instance, JobState, Ledger, Outcome, Result, Verdict
from service.report.png import picture
from service.web.pages import application
from service.web.reading import figure, reading
from service.web.server import Place, WebServer
from service.web.visits import Looked

NOW = 1_700_000_000.0
REFERENCE = {"id": "bae", "version": "1", "status": "published", "source": "Bae <2021>", "warnings": ["not local"]}


def record(plugin: str = "nerve_area", structure: str | None = "median_nerve", **changes: object) -> dict[str, object]:
    return {
        "sop_instance_uid": "1.2.3.1",
        "plugin": plugin,
        "version": "1",
        "structure": structure,
        "side": "left",
        "site": "wrist" if plugin == "nerve_area" else None,
        "view": "transverse",
        "scope": "acquisition",
        "region_origin": "drawn: caliper",
        "measurements": [],
        "observations": [],
        "flags": [],
        "confidence": None,
        "declined": None,
        **changes,
    }


def area(value: float, outside: str | None) -> dict[str, object]:
    return {
        "name": "area",
        "value": value,
        "unit": "mm2",
        "z": 3.2,
        "percentile": 99.9,
        "lower_limit": 7.0,
        "upper_limit": 13.0,
        "outside": outside,
        "reference": REFERENCE,
    }


def plain(name: str, unit: str = "mm") -> dict[str, object]:
    return {"name": name, "value": 1.23456, "unit": unit, "uncertainty": 0.5, "definition": f"how {name} is computed"}


REFUSED = {
    "name": "echo_intensity_mean",
    "value": 40.0,
    "unit": "[arb'U]",
    "refused": {"code": "no-reference", "text": "no reference", "remedy": "collect some"},
}
DECLINED = {"code": "needs-region", "text": "no region was drawn", "remedy": "draw one"}
FINDINGS = [
    record(scope="image", measurements=[area(10, None)]),
    record(
        measurements=[*(plain(f"m{n}") for n in range(6)), area(21.5, "above")],
        flags=[{"name": "few", "action": "warn", "sentence": "Few images."}],
    ),
    record("echogenicity", "biceps_brachii", measurements=[REFUSED]),
    record("echogenicity", "tibialis_anterior", scope=None, declined=DECLINED),
    record("echogenicity", "tibialis_anterior", scope=None, declined=DECLINED, sop_instance_uid="1.2.3.2"),
    {"conclusion": "nerve_map", "title": "Nerve map", "text": "All of them.", "source": ""},
    {"conclusion": "coverage", "title": "Not assessed", "text": "…", "source": ""},
]


def capture(key: str, uid: str = "9.1", role: str = "sc") -> Result:
    return Result(uid, SecondaryCaptureImageStorage, "9", role, f"results/{uid}.dcm", "0" * 64, 1, key=key)


def test_what_is_compared_stands_first_and_what_is_outside_says_so() -> None:
    read = reading(json.dumps(FINDINGS))
    nerve, muscle, missing = read.places
    assert (nerve.title, nerve.images) == ("Left median nerve · wrist · transverse", 1)
    assert [row.name for row in nerve.rows] == ["Area", "M0", "M1", "M2"]
    assert [row.name for row in nerve.more] == ["M3", "M4", "M5"]
    assert (nerve.rows[0].value, nerve.rows[0].limits, nerve.rows[0].source) == ("21.5 mm²", "7 to 13", "[1]")
    assert nerve.rows[1].value == "1.23 ± 0.5 mm"
    assert [row.definition for row in nerve.rows[:2]] == ["", "how m0 is computed"]
    assert [(place.title, row.outside) for place, row in read.outside] == [(nerve.title, "above")]
    assert nerve.doubts == ["Few images."]
    assert muscle.not_compared == {"no reference. collect some": "Echo intensity mean"}
    assert (missing.rows, missing.refusals) == ([], {("no region was drawn", "draw one"): 2})
    assert read.measured == 2
    assert read.sources == ("Bae <2021> (bae 1, published); not local",)
    assert [one["title"] for one in read.conclusions] == ["Nerve map"]


def test_the_bar_holds_value_and_limits_wherever_the_value_lies() -> None:
    for value, outside in ((1.0, "below"), (10.0, None), (60.0, "above")):
        (place,) = reading(json.dumps([record(measurements=[area(value, outside)])])).places
        scale = place.rows[0].scale
        assert scale is not None
        assert 0 < min(scale.low, scale.at) < max(scale.high, scale.at) < 100
        assert (scale.at < scale.low, scale.at > scale.high) == (outside == "below", outside == "above")


def test_pictures_come_to_their_structure_and_strangers_to_none() -> None:
    kept = [
        capture("sc|nerve_area|median_nerve|left|wrist|transverse|still|overlay|1", "9.1"),
        capture("sc|nerve_area|median_nerve|left|wrist|transverse|still|page|1", "9.2"),
        capture("sc|nerve_area|ulnar_nerve|left||transverse|still|overlay|1", "9.3"),
        capture("sc|conclusion|nerve_map|1", "9.4"),
    ]
    read = reading(json.dumps(FINDINGS), kept)
    assert [(one.sop_instance_uid, one.kind) for one in read.places[0].pictures] == [
        ("9.1", "overlay"),
        ("9.2", "page"),
    ]
    assert [one.sop_instance_uid for one in read.pages] == ["9.4"]
    assert [figure(number) for number in (3.0, 0.12345, 12345.6)] == ["3", "0.123", "12346"]


class House:
    def __init__(self, ledger: Ledger, folder: Path) -> None:
        self.ledger, self.folder, self.looks = ledger, folder, []
        (folder / "results").mkdir()
        pages = application(
            ledger, folder, refuse_free_mb=1, processes=(), clock=lambda: NOW, told=self.looks.append, picture=picture
        )
        self.server = WebServer(pages, Place())
        self.server.start()
        self.browser = httpx.Client(base_url=f"http://127.0.0.1:{self.server.port}")

    def analysed(self, findings: object, *results: Result, verdicts: tuple[Verdict, ...] = ()) -> None:
        self.ledger.keep(Instance("1.2.3.1", "1.2", "1.2.3", "1.2.3.0", "1.2", "a" * 64, "x", 1, NOW - 5, "US"))
        study = next(iter(self.ledger.open_studies()), None)
        _ = self.ledger.settle(study, NOW - 4) if study else self.ledger.rerun("1.2.3", NOW - 4)
        job = self.ledger.claim(NOW - 3, "worker", 10)
        self.ledger.finish(job, Outcome(results, verdicts, json.dumps(findings)), NOW - 2)


@pytest.fixture
def house(ledger: Ledger, tmp_path: Path):
    made = House(ledger, tmp_path)
    yield made
    made.browser.close()
    made.server.stop()


def draw(path: Path, uid: str) -> None:
    """An overlay as the report writes it: 1280 × 1024, red on the left."""
    pixels = np.zeros((1024, 1280, 3), np.uint8)
    pixels[:, :640, 0] = 250
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.PatientName = SecondaryCaptureImageStorage, uid, "Canary^Carla"
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel, dataset.PlanarConfiguration = 1024, 1280, 3, 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    dataset.PhotometricInterpretation, dataset.PixelData = "RGB", pixels.tobytes()
    dataset.save_as(path, enforce_file_format=True)


def test_the_page_shows_values_pictures_and_reasons_and_nothing_from_elsewhere(house) -> None:
    overlay = capture("sc|nerve_area|median_nerve|left|wrist|transverse|still|overlay|1", "9.1")
    draw(house.folder / overlay.path, "9.1")
    house.analysed(FINDINGS, overlay, verdicts=(Verdict("1.2.3.1", "drawings", "its marks were laid onto the images"),))
    page = house.browser.get("/study/1.2.3")
    assert page.status_code == 200
    for told in (
        "21.5 mm²",
        "above 7 to 13",
        "Bae &lt;2021&gt;",
        "not compared",
        "no region was drawn",
        "draw one",
        "Few images.",
        "2 of 3 structures measured",
        "its marks were laid onto",
        "not verified by a person",
    ):
        assert told in page.text, told
    links = re.findall(r'(?:href|src|action)="([^"]*)"', page.text)
    assert all(one.startswith(("/", "#")) and not one.startswith("//") for one in links), "no resource from elsewhere"
    assert "<script" not in page.text and "Canary" not in page.text
    small = house.browser.get("/study/1.2.3/picture/9.1?size=small")
    assert small.headers["content-type"] == "image/jpeg" and small.headers["cache-control"] == "no-store"
    assert Image.open(BytesIO(small.content)).size == (720, 576)
    whole = np.asarray(Image.open(BytesIO(house.browser.get("/study/1.2.3/picture/9.1").content)))
    assert (
        whole.shape == (1024, 1280, 3) and whole[0, 0].tolist() == [250, 0, 0] and whole[0, 900].tolist() == [0, 0, 0]
    )
    assert len([one for one in house.looks if isinstance(one, Looked)]) == 1, "a page and its pictures are one look"


def test_only_pictures_of_this_study_that_still_hold_are_given(house) -> None:
    overlay = capture("sc|nerve_area|median_nerve|left|wrist|transverse|still|overlay|1", "9.1")
    draw(house.folder / overlay.path, "9.1")
    report = capture("sr|study", "9.2", "sr")
    house.analysed(FINDINGS, overlay, report)
    get = house.browser.get
    assert get("/study/1.2.3/picture/9.1").status_code == 200
    for wrong in ("/study/1.2.4/picture/9.1", "/study/1.2.3/picture/9.2", "/study/1.2.3/picture/..%2f9.1"):
        assert get(wrong).status_code == 404, wrong
    (house.folder / overlay.path).unlink()
    assert get("/study/1.2.3/picture/9.1").status_code == 404
    stored = [one for one in house.ledger.previous_reports("1.2.3") if one.role == "sc"]
    house.ledger.withdraw(stored, capture("ko|1", "9.3", "ko"), NOW, code="113001", reason="wrong", by="somebody")
    page = get("/study/1.2.3").text
    assert "9.1?size" not in page and "Withdrawn." not in page, "the report holds without that picture"
    stored = [one for one in house.ledger.previous_reports("1.2.3") if one.role == "sr"]
    note = capture("ko|2", "9.4", "ko")
    house.ledger.withdraw(stored, note, NOW, code="113001", reason="wrong patient", by="somebody")
    assert "Withdrawn.</b> wrong patient. The values below do not hold" in get("/study/1.2.3").text


def test_a_later_failure_stands_above_what_an_earlier_analysis_found(house) -> None:
    house.analysed(FINDINGS)
    house.ledger.rerun("1.2.3", NOW)
    job = house.ledger.claim(NOW, "worker", 10)
    house.ledger.fail(job, "the disk is full", NOW)
    page = house.browser.get("/study/1.2.3").text
    assert "The analysis failed" in page and "the disk is full" in page
    assert "of an earlier analysis; a later one is failed" in page and "21.5" in page
    assert house.ledger.jobs(JobState.FAILED)


def test_a_study_without_any_analysis_says_so(house) -> None:
    house.ledger.keep(Instance("1.2.3.1", "1.2", "1.2.3", "1.2.3.0", "1.2", "a" * 64, "x", 1, NOW, "US"), "TRIAL")
    page = house.browser.get("/study/1.2.3").text
    assert "Still settling" in page and "sent to TRIAL" in page
