"""The list of abuse in docs/security.md is whole, and what no other file of tests shows."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from service.analyse.read import Image, Unread, read_file
from service.patient.reading import clear_values
from service.receive.file_header import file_header

sys.path.insert(0, str(Path(__file__).parent))
import markdown_page

US_IMAGE, EXPLICIT = "1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.1.2.1"
TESTS = Path(__file__).parents[1]


def test_each_entry_of_the_list_names_tests_that_are_there() -> None:
    rows = [one for one in markdown_page.rows(markdown_page.page("security.md")) if "abuse" in one.cells]
    assert [one.cells["no."] for one in rows] == [str(number) for number in range(1, 16)]
    there = {
        name for path in TESTS.rglob("test_*.py") for name in re.findall(r"^def (test_\w+)", path.read_text(), re.M)
    }
    for one in rows:
        named = set(re.findall(r"`(test_\w+)`", one.cells["test"]))
        assert named, one
        assert named <= there, named - there


def test_the_fuzzer_has_the_targets_that_are_named() -> None:
    sys.path.insert(0, str(TESTS / "fuzz"))
    import targets

    text = markdown_page.page("security.md")
    (told,) = re.findall(r"with one of (.*?)\. What it found", text)
    assert set(re.findall(r"`(\w+)`", told)) == set(targets.TARGETS)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("changes", "cut", "taken"),
    [
        ({"PixelData": b""}, 0, False),
        ({}, 5000, False),
        ({"SpecificCharacterSet": "ISO_IR 99999"}, 0, True),
        ({"SpecificCharacterSet": ["", "ISO 2022 IR 87", "x"]}, 0, True),
        ({"Rows": 65535, "Columns": 65535}, 0, False),
        ({"NumberOfFrames": 2_000_000_000}, 0, False),
        ({"NumberOfFrames": -3}, 0, False),
    ],
)
def test_odd_objects_end_in_a_reason_or_are_read(*, tmp_path: Path, an_image, encode, changes, cut, taken) -> None:
    raw = encode(an_image(size=100, **changes))
    path = tmp_path / "odd.dcm"
    path.write_bytes(file_header(US_IMAGE, "1.2.3.4", EXPLICIT, "") + raw[: len(raw) - cut])
    read = read_file(path)
    assert isinstance(read, Image if taken else Unread)
    assert clear_values(path)["patient_id"] == "CANARY-17"
    if isinstance(read, Image):
        assert read.clip.frames.grey(0).shape == (100, 100)
    else:
        assert "CANARY" not in read.text
        assert read.remedy
