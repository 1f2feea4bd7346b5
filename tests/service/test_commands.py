"""The command line says what it does, exits with what it means, and its JSON is for programs."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from service.commands import COMMANDS, main
from service.commands.shared import quantity
from service.demo.exam import exam_shots
from service.demo.exam_files import shot_dataset
from service.demo.simulator import twitches
from service.ledger import Instance, open_ledger

CINE = str(get_testdata_file("examples_ybr_color.dcm"))


@pytest.fixture
def site(tmp_path):
    """A settings file with a mapping that names the public clip, and one destination."""
    path = tmp_path / "nmus.toml"
    path.write_text(
        '[service]\ndata_folder = "data"\n'
        '[[destination]]\nname = "pacs"\nae_title = "PACS"\nhost = "127.0.0.1"\nport = 104\n'
        '[[mapping]]\nmatch = { SeriesDescription = ".*" }\nstructure = "biceps_brachii"\nside = "left"\n'
        'view = "transverse"\n'
    )
    return path


def _picture(tmp_path):
    rng = np.random.default_rng(5)
    pixels = rng.integers(40, 90, (200, 240), np.uint8)
    path = tmp_path / "muscle.png"
    Image.fromarray(pixels).save(path)
    return path, pixels


def _lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_every_command_has_help():
    for command in COMMANDS:
        with pytest.raises(SystemExit) as end:
            main([command, "--help"])
        assert end.value.code == 0


def test_check_names_what_is_wrong(tmp_path, capsys):
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[listener]\nprot = 104\n")
    assert main(["check", "--settings", str(wrong)]) == 2
    assert "listener.prot" in capsys.readouterr().err


def test_check_shows_what_the_service_is_made_of(site, capsys):
    assert main(["check", "--settings", str(site)]) == 0
    text = capsys.readouterr().out
    assert "echogenicity" in text
    assert "PACS at 127.0.0.1:104" in text


def test_analyse_measures_a_picture_in_a_drawn_region_exactly(tmp_path, capsys):
    path, pixels = _picture(tmp_path)
    regions = tmp_path / "regions.json"
    regions.write_text(json.dumps({"regions": [{"file": path.name, "box": [40, 50, 200, 150]}]}))
    status = main(
        ["analyse", str(path), "--json", "--structure", "biceps brachii", "--side", "left", "--view", "transverse",
         "--regions", str(regions), "--spacing-mm", "0.1", "0.1", "--subject", "age=60,sex=F"]
    )  # fmt: skip
    assert status == 0
    findings = [line for line in _lines(capsys) if line.get("plugin") == "echogenicity"]
    (image,) = [one for one in findings if one["scope"] == "image"]
    values = {one["name"]: one for one in image["measurements"]}
    assert values["echo_intensity_mean"]["value"] == pytest.approx(pixels[50:150, 40:200].mean(), abs=1e-9)
    assert values["echo_intensity_mean"]["unit"] == "[arb'U]"
    assert image["file"] == str(path)
    assert image["declined"] is None
    assert image["region_origin"].startswith("drawn: regions file")


@pytest.mark.parametrize(
    ("unit", "written"),
    [("mm2", "9.612 mm²"), ("1", "9.612"), ("{counts}", "9.612"), ("[arb'U]/mm", "9.612 grey levels/mm")],
)
def test_values_are_written_as_a_person_writes_them(unit, written):
    assert quantity(9.6123, unit) == written


def test_analyse_says_why_not(tmp_path, capsys):
    path, _ = _picture(tmp_path)
    assert main(["analyse", str(path), "--json"]) == 1
    declined = [line["declined"]["code"] for line in _lines(capsys) if line.get("declined")]
    assert declined == ["structure-unknown"]


def test_analyse_reads_what_is_no_image(tmp_path, capsys):
    odd = tmp_path / "odd.dcm"
    odd.write_bytes(b"\0" * 128 + b"DICM" + b"nonsense")
    assert main(["analyse", str(odd), "--json"]) == 1
    (line,) = [line for line in _lines(capsys) if "plugin" in line]
    assert line["declined"]["code"] == "unreadable"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--structure", "flux capacitor"], "not in the catalogue"),
        (["--subject", "shoe=44"], "'shoe' is not known"),
        (["--subject", "sex=X"], "write M or F"),
        (["--subject", "age=old"], "no plausible number"),
        (["--spacing-mm", "0", "1"], "above 0"),
        (["--regions", "none.json"], "cannot be read"),
    ],
)
def test_analyse_names_a_wrong_option(tmp_path, capsys, arguments, message):
    path, _ = _picture(tmp_path)
    assert main(["analyse", str(path), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_region_outside_its_picture_is_refused(tmp_path, capsys):
    path, _ = _picture(tmp_path)
    regions = tmp_path / "regions.json"
    regions.write_text(json.dumps([{"point": [500, 10]}]))
    assert main(["analyse", str(path), "--regions", str(regions)]) == 2
    assert "leaves its picture" in capsys.readouterr().err


def test_analyse_finds_files_without_an_ending_and_dicomdir_trees(tmp_path, capsys):
    folder = tmp_path / "disc" / "IMAGES"
    folder.mkdir(parents=True)
    (folder / "IM0001").write_bytes(Path(CINE).read_bytes())
    (tmp_path / "disc" / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    (tmp_path / "disc" / "README").write_text("not an image")
    main(["analyse", str(tmp_path / "disc" / "DICOMDIR"), "--json"])
    files = {line["file"] for line in _lines(capsys) if "file" in line}
    assert files == {str(folder / "IM0001")}


def test_explain_tells_each_step(site, capsys):
    assert main(["explain", CINE, "--settings", str(site)]) == 0
    text = capsys.readouterr().out
    for words in ("kept as sent", "30 frames of 320 × 240", "Biceps brachii, left", "results go to", "pacs"):
        assert words in text


def test_explain_as_json(site, capsys):
    assert main(["explain", CINE, "--json", "--settings", str(site)]) == 0
    (line,) = _lines(capsys)
    assert line["steps"][0]["step"] == "received"


def test_commands_on_a_folder_where_no_service_ran(site, capsys):
    assert main(["status", "--settings", str(site)]) == 2
    assert "no service has run" in capsys.readouterr().err


def _received(site):
    ledger = open_ledger(site.parent / "data")
    ledger.keep(
        Instance("1.2.3.1", "1.2.840.10008.5.1.4.1.1.6.1", "1.2.3", "1.2.3.0", "1.2.840.10008.1.2.1", "0" * 64,
                 "archive/1", 10, time.time(), "SCANNER")
    )  # fmt: skip
    return ledger


def test_status_rerun_and_redrive(site, capsys):
    ledger = _received(site)
    options = ["--settings", str(site)]
    assert main(["status", "--json", *options]) == 0
    assert _lines(capsys)[0]["instances"] == 1
    assert main(["status", "--study", "1.2.3", *options]) == 0
    assert "waiting: its study is still settling" in capsys.readouterr().out
    assert main(["status", "--study", "9.9", *options]) == 1
    assert main(["rerun", "1.2.3", *options]) == 0
    assert f"queued as job {ledger.jobs()[0].id}" in capsys.readouterr().out
    assert ledger.status().jobs["queued"] == 1
    assert main(["rerun", "9.9", *options]) == 1
    assert main(["redrive", *options]) == 0
    assert main(["redrive", "--destination", "nowhere", *options]) == 2


def test_the_installed_command_runs():
    said = subprocess.run(
        [sys.executable, "-P", "-m", "service", "--version"], capture_output=True, text=True, check=True
    ).stdout
    assert said.startswith("nmus ")


def test_fasciculation_evaluate_judges_annotated_clips(tmp_path, capsys):
    shot = next(one for one in exam_shots(1) if one.cine)
    shot_dataset(shot, 1, 1, "1.2.3").save_as(tmp_path / "clip.dcm", enforce_file_format=True)
    peaks = [one.peak_s for one in twitches(shot.cine)]
    table = tmp_path / "table.csv"
    table.write_text("clip,peak_s\n" + "".join(f"clip,{peak}\n" for peak in peaks))
    assert main(["fasciculation", "evaluate", str(tmp_path), "--annotations", str(table), "--json"]) == 0
    (line,) = _lines(capsys)
    assert line["recall"]["of"] == len(peaks)
    assert line["recall"]["hits"] >= len(peaks) - 1
    assert line["not_assessable"] == []
    table.write_text("clip,peak_s\nother,1.0\n")
    assert main(["fasciculation", "evaluate", str(tmp_path), "--annotations", str(table)]) == 2
    assert "not analysed: other" in capsys.readouterr().err


def test_the_whole_event_table_lies_beside_the_report(tmp_path, capsys):
    shot = next(one for one in exam_shots(1) if one.cine)
    shot_dataset(shot, 1, 1, "1.2.3").save_as(tmp_path / "clip.dcm", enforce_file_format=True)
    out = tmp_path / "out"
    assert main(["analyse", str(tmp_path / "clip.dcm"), "--out", str(out), "--json"]) == 0
    line = next(one for one in _lines(capsys) if one["plugin"] == "fasciculation" and one["events"])
    (table,) = out.glob("*-fasciculation-events.csv")
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    told = json.loads(table.with_suffix(".json").read_text())
    assert len(rows) == len(told["events"]) == len(line["events"]) > 0
    assert [int(row["accepted"]) for row in rows] == [int(event["accepted"]) for event in line["events"]]
    assert all(row["rejected_as"] for row in rows if row["accepted"] == "0")
    assert told["sop_instance_uid"] in table.name
    assert told["observed_s"] > 0
