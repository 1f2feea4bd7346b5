"""``nmus references structures``: the catalogue's keys, and how a typed text is read."""

from __future__ import annotations

import argparse
import json

import pytest

from reference_store import anatomy
from service.commands import references


def nmus(capsys, *words: str) -> tuple[int, object]:
    parser = argparse.ArgumentParser()
    references.add_parser(parser.add_subparsers(dest="command"))
    status = references.run(parser.parse_args(["references", "structures", *words]))
    told = capsys.readouterr().out
    return status, json.loads(told) if "--json" in words else told


def test_every_structure_is_listed_with_its_sites(capsys):
    _, facts = nmus(capsys, "--json")
    assert [fact["key"] for fact in facts] == [each.key for each in anatomy.structures()]
    (median,) = [fact for fact in facts if fact["key"] == "median_nerve"]
    assert "wrist" in median["sites"]


def test_one_kind_only(capsys):
    _, facts = nmus(capsys, "--json", "--kind", "nerve")
    assert {fact["kind"] for fact in facts} == {"nerve"}


@pytest.mark.parametrize(
    ("text", "status", "structure", "side"),
    [("Rectus femoris L trans", 0, "rectus_femoris", "left"), ("follow-up 3", 1, None, "unknown")],
)
def test_what_a_text_is_taken_for(capsys, text, status, structure, side):
    said, facts = nmus(capsys, "--json", "--read", text)
    assert (said, facts["structure"], facts["side"]) == (status, structure, side)


def test_a_person_reads_a_table(capsys):
    _, told = nmus(capsys)
    assert told.splitlines()[0].split() == ["key", "kind", "name", "sites"]
    assert told.splitlines()[-1] == f"{len(anatomy.structures())} structures"
    _, told = nmus(capsys, "--read", "zzz")
    assert told.startswith("nothing known")
