"""docs/json-lines.md names every key and every code that the lines may hold."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from plugins.contract import (
    Acquisition,
    Action,
    Comparison,
    Event,
    Finding,
    Flag,
    FrameRef,
    NotAssessable,
    ReasonCode,
    Refusal,
    RefusalCode,
    Result,
)
from service.analyse.record import Record, conclusion_record, records

sys.path.insert(0, str(Path(__file__).parent))
import markdown_page
import plugin_zoo as zoo

TEXT = markdown_page.page("json-lines.md")


def told(heading: str, column: str = "key") -> set[str]:
    cells = [row.cells[column] for row in markdown_page.rows(TEXT) if row.headings[-1] == heading]
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


@pytest.fixture
def acquisition() -> Acquisition:
    return zoo.acquisition()


def lines(acquisition: Acquisition, *outcomes: Finding | NotAssessable) -> list[Record]:
    return list(records([Result("zoo", "1.0.0", acquisition, outcomes)]))


def finding(acquisition: Acquisition, comparison: Comparison | Refusal | None = None, **fields: object) -> Finding:
    made = zoo.finding(acquisition, **fields)
    (measurement,) = made.measurements
    compared = replace(measurement, comparison=comparison, uncertainty=1.0, definition="how")
    return replace(made, measurements=(compared,))


def test_every_line_has_the_keys_of_the_page(acquisition: Acquisition) -> None:
    refusal = NotAssessable(ReasonCode.CUT_OFF, "text", "remedy")
    for line in lines(acquisition, finding(acquisition), refusal):
        assert line.keys() == told("A finding or a refusal")
    declined = lines(acquisition, refusal)[0]["declined"]
    (row,) = [row.cells["value"] for row in markdown_page.rows(TEXT) if row.cells.get("key") == "`declined`"]
    assert set(re.findall(r"`(\w+)`", row)) == declined.keys()


def test_a_measurement_has_the_keys_of_the_page(acquisition: Acquisition) -> None:
    comparison = Comparison("id", "1", "hash", "status", "source", z=1.0)
    refusal = Refusal(RefusalCode.NO_REFERENCE, "text", "remedy")
    made = lines(acquisition, finding(acquisition, comparison), finding(acquisition, refusal))
    keys = {key for line in made for key in line["measurements"][0]}
    assert keys == told("A measurement")
    cells = {row.cells["key"]: row.cells["value"] for row in markdown_page.rows(TEXT) if "key" in row.cells}
    assert set(re.findall(r"`(\w+)`", cells["`reference`"])) == made[0]["measurements"][0]["reference"].keys()
    assert set(re.findall(r"`(\w+)`", cells["`refused`"])) == made[1]["measurements"][0]["refused"].keys()


def test_flags_observations_and_events_have_the_keys_of_the_page(acquisition: Acquisition) -> None:
    event = Event("twitch", 0.0, 0.1, 3, (1.0, 2.0))
    (line,) = lines(acquisition, finding(acquisition, events=(event,), flags=(Flag("f", Action.WARN, "s"),)))
    assert line["events"][0].keys() == told("An event")
    cells = {row.cells["key"]: row.cells["value"] for row in markdown_page.rows(TEXT) if "key" in row.cells}
    assert set(re.findall(r"`(\w+)`", cells["`flags`"])) == line["flags"][0].keys()


def test_a_conclusion_has_the_keys_of_the_page() -> None:
    conclusion = replace(zoo.Sum().summarise([], [], None)[0], evidence=(FrameRef("1.2"),))
    record = conclusion_record(conclusion)
    assert record.keys() == told("A conclusion")
    assert record["evidence"][0].keys() == {"sop_instance_uid", "frame"}


def test_every_code_is_explained() -> None:
    assert told("Why something was declined", "code") == {code.value for code in ReasonCode}
    assert told("Why a value was not compared", "code") == {code.value for code in RefusalCode}
