"""docs/security.md: every test that a claim names is there, and the audit events are those of the code."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from service.audit import messages

sys.path.insert(0, str(Path(__file__).parent))
import markdown_page

TEXT = markdown_page.page("security.md")
TESTS = Path(__file__).parents[1]


def test_every_test_that_a_claim_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", TEXT))
    there = {
        name for path in TESTS.rglob("test_*.py") for name in re.findall(r"^def (test_\w+)", path.read_text(), re.M)
    }
    assert len(named) > 15
    assert named - there == set()


def test_the_audit_events_are_those_of_the_code() -> None:
    told = {row.cells["code"]: row.cells["event"] for row in markdown_page.rows(TEXT) if row.headings[-1] == "Audit"}
    used = {one.value: one.meaning for one in vars(messages).values() if isinstance(one, messages.Coded)}
    assert told == {code: used[code] for code in told}
    events = {name for name in vars(messages) if name.isupper()} & set(
        re.findall(r"m\.([A-Z_]+),", (Path(messages.__file__).parent / "trail.py").read_text())
    )
    kinds = {getattr(messages, name).value for name in events if isinstance(getattr(messages, name), messages.Coded)}
    assert {one for one in kinds if "110100" <= one < "110120"} == set(told)
