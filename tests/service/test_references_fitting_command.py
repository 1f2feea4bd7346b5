"""``nmus references`` from collected values to a reference in use: fit, validate, compare, bridge, qc."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from reference_store import observations_csv
from reference_store.attestation import device_to_json
from reference_store.comparison import Comparison, Question, Refusal
from reference_store.observations import Observation
from reference_store.phantom import PhantomValues
from reference_store.quality import QualityLog
from reference_store.store import load
from reference_store.synthetic import ATTESTATION, DEVICE, Truth, both_sides, raw_document, subjects
from reference_store.values import Device, Side, Subject, View
from service.commands import references
from service.errors import Misconfigured

pytest.importorskip("statsmodels")


def nmus(capsys, *words: object) -> tuple[int, object]:
    """Run one command with --json: its status and what it printed."""
    parser = argparse.ArgumentParser()
    references.add_parser(parser.add_subparsers(dest="command"))
    status = references.run(parser.parse_args(["references", *map(str, words), "--json"]))
    return status, json.loads(capsys.readouterr().out)


def _observations(n: int, seed: int, name: str, device: Device = DEVICE, shift: float = 0.0) -> list[Observation]:
    people = subjects(n, seed)
    return [
        Observation(
            f"{name}{number}",
            "muscle_echo_intensity",
            float(value + shift),
            "[arb'U]",
            "biceps_brachii",
            None,
            side,
            View.TRANSVERSE,
            person,
            device,
            "2026-01-05",
        )
        for number, (person, row) in enumerate(zip(people, both_sides(Truth(), people, seed + 1), strict=True))
        for side, value in zip((Side.LEFT, Side.RIGHT), row, strict=True)
    ]


def _csv(path: Path, observations: list[Observation]) -> Path:
    path.write_text(observations_csv.write(observations))
    return path


@pytest.fixture
def folder(tmp_path: Path, capsys) -> Path:
    """A site with 90 collected volunteers and an attested preset."""
    folder = tmp_path / "store"
    nmus(capsys, "collect", "import", _csv(tmp_path / "normals.csv", _observations(90, 1, "n")), "--folder", folder)
    device = tmp_path / "device.json"
    device.write_text(json.dumps(device_to_json(DEVICE)))
    settings = [word for name, value in ATTESTATION.settings for word in ("--setting", f"{name}={value}")]
    nmus(capsys, "attest", "--device", device, "--preset", DEVICE.preset, "--by", "A", "--folder", folder, *settings)
    return folder


FIT = ("fit", "--quantity", "muscle_echo_intensity", "--structure", "biceps_brachii", "--id", "site.biceps")
ASK = Question(
    "muscle_echo_intensity", 95.0, "[arb'U]", "biceps_brachii", None, Side.LEFT, View.TRANSVERSE,
    Subject(50.0, "F", 165.0, 65.0), DEVICE,
)  # fmt: skip


def test_from_volunteers_to_a_validated_reference_in_use(capsys, tmp_path, folder):
    report = tmp_path / "report.html"
    status, made = nmus(capsys, *FIT, "--folder", folder, "--report", report)
    assert status == 0 and made["document"] == "site.biceps@1.0.0" and made["subjects"] == 90 and made["stored"]
    assert any("make 120" in gap for gap in made["lacking"]) and "<svg" in report.read_text()
    assert isinstance(load(folder).compare(ASK), Refusal)
    nmus(capsys, "activate", "site.biceps", "--by", "A. Example", "--folder", folder)
    answer = load(folder).compare(ASK)
    assert isinstance(answer, Comparison) and answer.z > 3 and answer.outside == "above"
    assert answer.status == "site-provisional" and any("not validated" in warning for warning in answer.warnings)

    controls = _csv(tmp_path / "controls.csv", _observations(25, 77, "c"))
    status, judged = nmus(capsys, "validate", "site.biceps", "--controls", controls, "--by", "A", "--folder", folder)
    assert status == 0 and judged["accepted"] and judged["n"] == 25
    assert "a right reference passes in" in judged["power"]
    answer = load(folder).compare(ASK)
    assert isinstance(answer, Comparison) and answer.status == "site-validated"
    [row] = [row for row in nmus(capsys, "list", "--folder", folder)[1] if row["id"] == "site.biceps"]
    assert row["status"] == "site-validated" == nmus(capsys, "show", "site.biceps", "--folder", folder)[1]["status"]
    assert not any("not validated" in warning for warning in answer.warnings)


def test_the_fitted_document_locks_the_attested_gain(capsys, folder):
    nmus(capsys, *FIT, "--folder", folder)
    _, shown = nmus(capsys, "show", "site.biceps", "--folder", folder)
    assert shown["document"]["acquisition"]["settings"] == {"depth_mm": 40.0, "gain_dB": "50", "gray_map": "2"}
    assert shown["document"]["population"]["repeated_measures"] == "both_sides_random_effect"


def test_a_wrong_reference_fails_validation_and_stays_provisional(capsys, tmp_path, folder):
    nmus(capsys, *FIT, "--folder", folder)
    nmus(capsys, "activate", "site.biceps", "--by", "A", "--folder", folder)
    controls = _csv(tmp_path / "controls.csv", _observations(25, 78, "c", shift=16.0))
    status, judged = nmus(capsys, "validate", "site.biceps", "--controls", controls, "--by", "A", "--folder", folder)
    assert status == 1 and not judged["accepted"] and judged["mean_z"] > 1
    answer = load(folder).compare(ASK)
    assert isinstance(answer, Comparison) and answer.status == "site-provisional"


def test_controls_who_were_fitted_are_no_controls_and_few_are_never_enough(capsys, tmp_path, folder):
    nmus(capsys, *FIT, "--folder", folder)
    common = ("validate", "site.biceps", "--by", "A", "--folder", folder, "--controls")
    with pytest.raises(Misconfigured, match="among the collected"):
        nmus(capsys, *common, _csv(tmp_path / "same.csv", _observations(90, 1, "n")))
    capsys.readouterr()
    status, judged = nmus(capsys, *common, _csv(tmp_path / "few.csv", _observations(12, 79, "c")))
    assert status == 1 and "too few" in judged["text"]


def test_controls_of_another_device_view_or_setting_are_not_compared(capsys, tmp_path, folder):
    nmus(capsys, *FIT, "--folder", folder)
    common = ("validate", "site.biceps", "--by", "A", "--folder", folder, "--controls")
    rows = _observations(25, 77, "c")
    deeper = [dataclasses.replace(f, device=dataclasses.replace(DEVICE, depth_mm=60.0)) for f in rows]
    status, judged = nmus(capsys, *common, _csv(tmp_path / "deep.csv", deeper))
    assert status == 1 and judged["n"] == 0 and len(judged["refused"]) == 25 and "depth" in judged["refused"][0][1]
    along = [dataclasses.replace(found, view=View.LONGITUDINAL) for found in rows]
    status, judged = nmus(capsys, *common, _csv(tmp_path / "along.csv", along))
    assert status == 1 and judged["n"] == 0


def test_controls_are_compared_in_the_documents_unit_and_on_its_side(capsys, tmp_path):
    document = tmp_path / "model.json"
    raw = raw_document(
        quantity="muscle_thickness", unit="cm", structure__side_rule="right", acquisition__device_bound=False,
        model__terms=[{"name": "intercept", "coef": 3.0}], model__cov=[[0.001]], model__residual_sd=0.3,
    )  # fmt: skip
    document.write_text(json.dumps(raw))
    folder = tmp_path / "store"
    nmus(capsys, "import", document, "--folder", folder)
    people = [
        dataclasses.replace(f, quantity="muscle_thickness", unit="mm", value=30.0 if f.side is Side.RIGHT else 90.0)
        for f in _observations(25, 77, "c")
    ]
    controls = _csv(tmp_path / "c.csv", people)
    name = "synthetic.biceps_brachii"
    status, judged = nmus(capsys, "validate", name, "--controls", controls, "--by", "A", "--folder", folder)
    assert status == 0 and judged["n"] == 25 and judged["mean_z"] == pytest.approx(0)


def test_controls_that_are_all_a_little_brighter_are_told_even_where_few_lie_outside(capsys, tmp_path, folder):
    nmus(capsys, *FIT, "--folder", folder)
    common = ("validate", "site.biceps", "--by", "A", "--folder", folder, "--controls")
    _, judged = nmus(capsys, *common, _csv(tmp_path / "c.csv", _observations(25, 79, "c", shift=6.0)))
    assert judged["mean_z"] > 0.5 and "above what the reference expects" in judged["text"]
    _, judged = nmus(capsys, *common, _csv(tmp_path / "c.csv", _observations(25, 79, "d")))
    assert "what the reference expects" not in judged["text"]


def test_one_sex_alone_makes_no_reference(capsys, tmp_path):
    """A model of men could not tell that it has nothing to say of women."""
    rows = _observations(80, 2, "n")
    for women, words in ((0, "both sexes are needed"), (8, "8 women are too few")):
        folder = tmp_path / str(women)
        few = {f"n{2 * number + 1}" for number in range(women)}
        mostly = [
            dataclasses.replace(f, subject=dataclasses.replace(f.subject, sex="F" if f.subject_key in few else "M"))
            for f in rows
        ]
        nmus(capsys, "collect", "import", _csv(tmp_path / "n.csv", mostly), "--folder", folder)
        if not women:
            with pytest.raises(Misconfigured, match=words):
                nmus(capsys, *FIT, "--folder", folder)
            capsys.readouterr()
            continue
        report = tmp_path / "few.html"
        status, made = nmus(capsys, *FIT, "--folder", folder, "--report", report)
        assert status == 1 and words in made["reason"] and not made["stored"] and words in report.read_text()


def test_an_unknown_view_makes_no_reference_and_a_fitted_one_keeps_its_view(capsys, tmp_path):
    for view in (View.UNKNOWN, View.LONGITUDINAL):
        folder = tmp_path / view.value
        rows = [dataclasses.replace(found, view=view) for found in _observations(80, 2, "n")]
        nmus(capsys, "collect", "import", _csv(tmp_path / "n.csv", rows), "--folder", folder)
        status, made = nmus(capsys, *FIT, "--folder", folder)
        if view is View.UNKNOWN:
            assert status == 1 and "view of these values is not known" in made["reason"]
            continue
        _, shown = nmus(capsys, "show", "site.biceps", "--folder", folder)
        assert status == 0 and shown["document"]["structure"]["view"] == "longitudinal"


def test_values_without_any_spread_or_ages_are_refused_in_words(capsys, tmp_path):
    same = [dataclasses.replace(found, value=60.0) for found in _observations(80, 2, "n")]
    old = [dataclasses.replace(f, subject=dataclasses.replace(f.subject, age_years=50.0)) for f in same]
    for name, rows, words in (("same", same, "all the same"), ("old", old, "age")):
        folder = tmp_path / name
        nmus(capsys, "collect", "import", _csv(tmp_path / "n.csv", rows), "--folder", folder)
        with pytest.raises(Misconfigured, match=words):
            nmus(capsys, *FIT, "--folder", folder)
        capsys.readouterr()


def test_fitting_too_few_reports_what_is_lacking_and_stores_nothing(capsys, tmp_path):
    folder, report = tmp_path / "small", tmp_path / "report.html"
    nmus(capsys, "collect", "import", _csv(tmp_path / "n.csv", _observations(40, 2, "n")), "--folder", folder)
    status, made = nmus(capsys, *FIT, "--folder", folder, "--report", report)
    assert status == 1 and made["document"] is None and "at least 60" in made["reason"]
    assert "40 subjects are too few" in report.read_text() and not (folder / "documents").exists()


def test_an_excluded_value_is_not_fitted_and_stands_in_the_report(capsys, tmp_path, folder):
    out = tmp_path / "out.csv"
    nmus(capsys, "collect", "export", "--to", out, "--folder", folder)
    rows = observations_csv.read(out.read_text(), "out.csv")
    gone = [found for found in rows if found.subject_key == "n7"]
    for found in gone:
        nmus(capsys, "collect", "exclude", found.id, "--reason", "oblique probe", "--by", "A", "--folder", folder)
    report = tmp_path / "report.html"
    _, made = nmus(capsys, *FIT, "--folder", folder, "--report", report, "--dry-run")
    assert made["subjects"] == 89 and not made["stored"] and report.read_text().count("oblique probe") == 2


def test_several_scanners_are_never_fitted_together(capsys, tmp_path, folder):
    other = dataclasses.replace(DEVICE, model="SYNTH-2")
    nmus(capsys, "collect", "import", _csv(tmp_path / "o.csv", _observations(5, 3, "o", other)), "--folder", folder)
    with pytest.raises(Misconfigured, match="never fitted together"):
        nmus(capsys, *FIT, "--folder", folder)
    capsys.readouterr()
    assert nmus(capsys, *FIT, "--folder", folder, "--device-model", "SYNTH-1")[0] == 0


def test_two_references_side_by_side(capsys, folder):
    nmus(capsys, *FIT, "--folder", folder)
    nmus(capsys, *FIT, "--folder", folder, "--family", "linear", "--document-version", "1.1.0")
    _, rows = nmus(capsys, "compare", "site.biceps@1.0.0", "site.biceps@1.1.0", "--folder", folder)
    assert rows and all(row["shift"] == 0 and row["spread"] == 1 for row in rows)
    with pytest.raises(Misconfigured, match="nothing to compare"):
        nmus(capsys, "compare", "site.biceps", "bae2021.median_nerve.wrist", "--folder", folder)


def test_a_bridge_is_recorded_only_when_it_is_good(capsys, tmp_path, folder):
    nmus(capsys, *FIT, "--folder", folder)
    nmus(capsys, "activate", "site.biceps", "--by", "A", "--folder", folder)
    other = dataclasses.replace(DEVICE, model="SYNTH-2", serial_number="2")
    here = _observations(60, 5, "p")
    for noise, accepted in ((0.5, True), (6.0, False)):
        rng = np.random.default_rng(6)
        there = [
            dataclasses.replace(found, device=other, value=0.7 * found.value + 9 + rng.normal(0, noise))
            for found in here
        ]
        pairs = _csv(tmp_path / "pairs.csv", [*here, *there])
        status, judged = nmus(capsys, "bridge", "site.biceps", "--pairs", pairs, "--by", "A", "--folder", folder)
        assert status == (0 if accepted else 1) and judged["recorded"] is accepted and judged["n"] == 60
    assert len(load(folder).bridges) == 1


def _phantom(mean: float) -> PhantomValues:
    return PhantomValues(mean, (mean, mean, mean), 12.0, (0.2, 0.4), -1.0, 0.0)


def test_qc_status_chart_baseline_and_release(capsys, tmp_path, folder):
    assert nmus(capsys, "qc", "status", "--folder", folder) == (0, {"charts": [], "patients": [], "due": []})
    log, rng = QualityLog(folder), np.random.default_rng(7)
    for day in range(22):
        log.add_phantom(DEVICE, f"2026-01-{day + 1:02}", _phantom(90 + rng.normal(0, 0.4)))
    log.add_phantom(DEVICE, "2026-01-25", _phantom(99.0))
    status, facts = nmus(capsys, "qc", "status", "--folder", folder)
    assert status == 1 and facts["charts"][0]["level"] == "block" and facts["due"]
    page = tmp_path / "qc.html"
    assert nmus(capsys, "qc", "chart", "--to", page, "--folder", folder)[1]["charts"] == 1
    assert page.read_text().count("<circle") == 23
    device = tmp_path / "device.json"
    signed = ("--device", device, "--by", "A", "--folder", folder)
    nmus(capsys, "qc", "baseline", *signed, "--reason", "probe replaced")
    assert nmus(capsys, "qc", "status", "--folder", folder)[0] == 1
    nmus(capsys, "qc", "release", *signed, "--reason", "eight volunteers rescanned")
    assert nmus(capsys, "qc", "status", "--folder", folder)[0] == 0
