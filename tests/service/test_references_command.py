"""``nmus references``: looking, scoring, deciding and collecting, as a person or a program uses them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from reference_store.attestation import device_to_json
from reference_store.synthetic import DEVICE, raw_document
from service.commands import references
from service.errors import Misconfigured


def nmus(capsys, *words: object) -> tuple[int, object]:
    """Run one command with --json: its status and what it printed."""
    parser = argparse.ArgumentParser()
    references.add_parser(parser.add_subparsers(dest="command"))
    status = references.run(parser.parse_args(["references", *map(str, words), "--json"]))
    return status, json.loads(capsys.readouterr().out)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.json"
    path.write_text(json.dumps(raw_document()))
    return path


def test_zscore_computes_from_a_document_alone(capsys, model):
    status, facts = nmus(capsys, "zscore", "--model", model, "--value", 70, "--age", 60, "--sex", "F")
    assert status == 0
    assert facts["predicted"] == pytest.approx(62.5)
    assert facts["z"] == pytest.approx(7.5 / facts["sd"])
    assert 0 < facts["percentile"] < 100 and facts["reference"]["status"] == "synthetic-test"


def test_zscore_refuses_without_a_covariate_and_outside_the_range(capsys, model):
    _, missing = nmus(capsys, "zscore", "--model", model, "--value", 70, "--sex", "F")
    assert missing["refused"] == "covariate-missing" and "age" in missing["reason"] and missing["remedy"]
    _, old = nmus(capsys, "zscore", "--model", model, "--value", 70, "--sex", "F", "--age", 90)
    assert old["refused"] == "outside-range" and "z" not in old


def test_zscore_of_a_bundled_reference_in_another_unit(capsys):
    _, facts = nmus(
        capsys, "zscore", "--id", "bae2021.median_nerve.wrist", "--value", "0.0933", "--unit", "cm2", "--age", 50
    )
    assert facts["z"] == pytest.approx(0, abs=1e-9) and facts["upper_limit"] == pytest.approx(0.13)


def test_a_broken_document_names_file_and_field_and_ends_in_misconfigured(capsys, tmp_path):
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(raw_document(model__cov=None)))
    with pytest.raises(Misconfigured, match=r"broken\.json: field model\.cov: coefficients without covariance"):
        nmus(capsys, "zscore", "--model", path, "--value", 70, "--age", 60, "--sex", "F")
    said = json.loads(capsys.readouterr().out)
    assert said["file"] == "broken.json" and said["place"] == "field model.cov"


@pytest.mark.parametrize("value", ["nan", "inf", "1e999", "many", "62,5"])
def test_a_value_that_is_no_measurement_is_refused_by_the_parser(capsys, model, value):
    with pytest.raises(SystemExit):
        nmus(capsys, "zscore", "--model", model, f"--value={value}")
    assert "--value" in capsys.readouterr().err


def test_a_grey_level_is_never_below_zero_but_decibels_may_be(capsys, model, tmp_path):
    with pytest.raises(Misconfigured, match="never below zero"):
        nmus(capsys, "zscore", "--model", model, "--value=-3", "--age", 60, "--sex", "F")
    capsys.readouterr()
    path = tmp_path / "backscatter.json"
    terms = [{"name": "intercept", "coef": -40.0}]
    path.write_text(
        json.dumps(raw_document(quantity="calibrated_backscatter", unit="dB", model__terms=terms, model__cov=[[0.5]]))
    )
    _, facts = nmus(capsys, "zscore", "--model", path, "--value=-32", "--age", 60, "--sex", "F")
    assert facts["predicted"] == -40 and facts["z"] == pytest.approx(8 / (64.5**0.5))


def test_an_error_of_any_command_is_json_too(capsys):
    with pytest.raises(Misconfigured):
        nmus(capsys, "collect", "progress")
    assert "--folder" in json.loads(capsys.readouterr().out)["error"]


@pytest.mark.parametrize(
    ("content", "place", "problem"),
    [
        (b"", "whole file", "empty"),
        (b" \r\n", "whole file", "empty"),
        (b"\xe9{}", "line 1", "UTF-8"),
        (b"[" * 100_000, "whole file", "nested"),
        (b'{"a": 1e999}', "whole file", "not a number"),
        (b'{"a": ' + b"9" * 5000 + b"}", "whole file", "not a number"),
        (b'{"a": -Infinity}', "whole file", "-Infinity"),
        (b"PK\x03\x04\xff\xfe", "line 1", "UTF-8"),
    ],
)
def test_a_file_that_is_no_document_is_refused_with_its_place(capsys, tmp_path, content, place, problem):
    path = tmp_path / "odd.json"
    path.write_bytes(content)
    with pytest.raises(Misconfigured, match=r"odd\.json"):
        nmus(capsys, "zscore", "--model", path, "--value", 1)
    said = json.loads(capsys.readouterr().out)
    assert said["file"] == "odd.json" and said["place"] == place and problem in said["problem"]
    status, facts = nmus(capsys, "check", path)
    assert status == 1 and facts["problems"][0]["place"] == place


def test_a_huge_file_is_refused_before_it_is_read(capsys, tmp_path):
    path = tmp_path / "huge.json"
    with path.open("wb") as stream:
        stream.truncate(3 * 2**30)
    with pytest.raises(Misconfigured, match="larger than 64 MB"):
        nmus(capsys, "zscore", "--model", path, "--value", 1)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_document_saved_on_windows_is_the_same_document(capsys, tmp_path, model, encoding):
    path = tmp_path / "windows.json"
    path.write_bytes(json.dumps(raw_document(), indent=1).replace("\n", "\r\n").encode(encoding))
    ask = ("--value", 70, "--age", 60, "--sex", "F")
    assert nmus(capsys, "zscore", "--model", path, *ask) == nmus(capsys, "zscore", "--model", model, *ask)


def test_the_life_of_a_document(capsys, tmp_path, model):
    folder = tmp_path / "store"
    name = "synthetic.biceps_brachii"
    _, imported = nmus(capsys, "import", model, "--folder", folder)
    assert imported["imported"] == [f"{name}@0.1.0"]
    _, listed = nmus(capsys, "list", "--folder", folder, "--structure", "biceps_brachii")
    assert [(row["id"], row["use"]) for row in listed] == [(name, "not approved")]
    nmus(capsys, "activate", name, "--by", "A. Example", "--on", "2026-01-05", "--folder", folder)
    _, shown = nmus(capsys, "show", name, "--folder", folder)
    assert shown["use"] == "active" and shown["events"][0]["by"] == "A. Example"
    assert shown["document"] == raw_document()
    nmus(capsys, "retire", name, "--reason", "new probe", "--by", "A. Example", "--folder", folder)
    _, listed = nmus(capsys, "list", "--folder", folder, "--structure", "biceps_brachii")
    assert listed[0]["use"] == "retired"
    _, old = nmus(
        capsys, "zscore", "--id", f"{name}@0.1.0", "--folder", folder, "--value", 70, "--age", 60, "--sex", "F"
    )
    assert old["z"] == pytest.approx(0.92798, abs=1e-4)
    assert old["reference"]["status"] == "retired" and any("retired" in warning for warning in old["warnings"])


def test_export_and_import_keep_the_hash(capsys, tmp_path, model):
    first, second, file = tmp_path / "a", tmp_path / "b", tmp_path / "out.json"
    nmus(capsys, "import", model, "--folder", first)
    nmus(capsys, "export", "--to", file, "--folder", first)
    nmus(capsys, "import", file, "--folder", second)
    hashes = [
        nmus(capsys, "show", "synthetic.biceps_brachii", "--folder", folder)[1]["hash"] for folder in (first, second)
    ]
    assert hashes[0] == hashes[1]


def test_an_import_with_one_bad_document_leaves_nothing(capsys, tmp_path, model):
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps(raw_document(unit="mm2")))
    folder = tmp_path / "store"
    with pytest.raises(Misconfigured, match=r"bad\.json: field unit.*nothing was imported"):
        nmus(capsys, "import", model, bad, "--folder", folder)
    assert not list(folder.rglob("*.json"))


def test_check_tells_every_bad_file_and_has_status_1(capsys, tmp_path, model):
    bad, strange = tmp_path / "bad.json", tmp_path / "strange.json"
    bad.write_text("{")
    strange.write_text(json.dumps(raw_document(model_id="strange", structure__key="third_leg")))
    status, facts = nmus(capsys, "check", model, bad, strange)
    assert status == 1 and [problem["file"] for problem in facts["problems"]] == ["bad.json", "strange.json"]
    assert "third_leg" in facts["problems"][1]["problem"]
    assert nmus(capsys, "check", model) == (0, {"ok": True, "problems": []})


def test_check_of_two_files_with_one_id(capsys, tmp_path, model):
    twin = tmp_path / "twin.json"
    twin.write_text(json.dumps(raw_document(population__n=90)))
    status, facts = nmus(capsys, "check", model, twin)
    assert status == 1 and "model.json" in facts["problems"][0]["problem"]


def test_choosing_the_source_of_a_nerve(capsys, tmp_path):
    nmus(capsys, "activate", "--source", "pnbmj_t2", "--structure", "median_nerve", "--by", "A", "--folder", tmp_path)
    _, listed = nmus(capsys, "list", "--structure", "median_nerve", "--folder", tmp_path)
    assert {row["use"] for row in listed if row["source"] == "pnbmj_t2"} == {"in use"}
    assert {row["use"] for row in listed if row["source"] == "bae2021"} == {"not chosen"}


def test_attesting_a_preset(capsys, tmp_path):
    device = tmp_path / "device.json"
    device.write_text(json.dumps(device_to_json(DEVICE)))
    common = ("attest", "--device", device, "--preset", "NMUS-muscle-v1", "--by", "A. Example", "--folder", tmp_path)
    _, facts = nmus(capsys, *common, "--setting", "gain_dB=50", "--setting", "gray_map=2")
    assert facts["settings"] == {"gain_dB": "50", "gray_map": "2"}
    with pytest.raises(Misconfigured, match="nothing attested"):
        nmus(capsys, *common)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"software_versions": "1.0"}, "software_versions"),
        ({"spacing_mm": [0.1]}, "spacing_mm"),
        ({"spacing_mm": [0.1, 0]}, "spacing_mm"),
        ({"depth_mm": "40 mm"}, "depth_mm"),
        ({"gain": 50}, "gain"),
        ({"manufacturer": None}, "manufacturer"),
        ({"lossy": "no"}, "lossy"),
    ],
)
@pytest.mark.parametrize("act", [("attest", "--preset", "P", "--setting", "a=1"), ("qc", "baseline", "--reason", "x")])
def test_a_wrong_description_of_a_scanner_names_the_field(capsys, tmp_path, change, field, act):
    device = tmp_path / "device.json"
    device.write_text(json.dumps({**device_to_json(DEVICE), **change}))
    with pytest.raises(Misconfigured, match=rf"device\.json: field {field}"):
        nmus(capsys, *act, "--device", device, "--by", "A", "--folder", tmp_path)
    assert json.loads(capsys.readouterr().out)["place"] == f"field {field}"


@pytest.mark.parametrize("field", ["software_versions", "spacing_mm"])
def test_what_suspends_a_signature_has_to_be_in_it(capsys, tmp_path, field):
    raw = device_to_json(DEVICE)
    raw.pop(field)
    device = tmp_path / "device.json"
    common = ("attest", "--device", device, "--preset", "P", "--setting", "a=1", "--by", "A", "--folder", tmp_path)
    device.write_text(json.dumps(raw))
    with pytest.raises(Misconfigured, match=f"field {field}.*suspends"):
        nmus(capsys, *common)
    capsys.readouterr()
    device.write_text(json.dumps({**raw, field: None}))
    assert nmus(capsys, *common)[0] == 0


def test_commands_that_need_a_folder_say_so(capsys):
    with pytest.raises(Misconfigured, match="--folder"):
        nmus(capsys, "collect", "progress")
