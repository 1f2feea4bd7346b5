"""docs/operations.md: every command with its options, every metric, every log field, and the backup command."""

from __future__ import annotations

import argparse
import ast
import importlib
import re
import sys
from pathlib import Path

import pytest

from service import commands, logs
from service.ledger import Kept, Ledger, Process, open_ledger
from service.web.metrics import exposition

sys.path.insert(0, str(Path(__file__).parent))
import markdown_page

TEXT = markdown_page.page("operations.md")
SERVICE = Path(logs.__file__).parent


def rows(heading: str, column: str) -> list[str]:
    return [
        row.cells[column] for row in markdown_page.rows(TEXT) if row.headings[-1] == heading and column in row.cells
    ]


# --- commands ------------------------------------------------------------------------------------------------


def test_every_command_is_described() -> None:
    assert re.findall(r"^### nmus (\w+)$", TEXT, re.MULTILINE) == list(commands.COMMANDS)


def options(parser: argparse.ArgumentParser) -> set[str]:
    found: set[str] = set()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= set(action.choices)
        elif action.dest != "help" and action.help != argparse.SUPPRESS:
            found |= {action.option_strings[-1]} if action.option_strings else {str(action.metavar or action.dest)}
    return found


@pytest.mark.parametrize("name", commands.COMMANDS)
def test_every_option_is_described(name: str) -> None:
    parser = argparse.ArgumentParser()
    subparsers = parser.add_subparsers()
    importlib.import_module(f"service.commands.{name}").add_parser(subparsers)
    told = rows(f"nmus {name}", "option")
    assert [markdown_page.plain(cell) for cell in told if cell.count("`") != 2] == []
    assert {markdown_page.plain(cell) for cell in told} == options(subparsers.choices[name])


# --- metrics -------------------------------------------------------------------------------------------------


def counted() -> set[str]:
    """Names that the code counts under: constants given to ``count``, and what becomes of an object."""
    names = {f"objects_{kept}" for kept in Kept} | {"jobs_ended"}
    store = (SERVICE / "objects" / "store.py").read_text(encoding="utf-8")
    names |= {f"store_{one}s" for one in re.findall(r"_counted\(\s*\"(\w+)\"", store)}
    names |= {f"store_{one}" for one in re.findall(r"_count\(\"(\w+)\"", store)}
    for path in (SERVICE / "receive").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        names |= set(re.findall(r"\.count\(\"(\w+)\"", text))
        turned_away = re.findall(r'refusals\["(\w+)"\] \+=|return "(\w+)", \(\d', text)
        names |= {f"rejected_{one or other}" for one, other in turned_away}
        names |= {f"refused_{status}" for status in re.findall(r"0x([A-C][0-9A-F]{3})\b", text)}
    return names


@pytest.fixture
def busy_ledger(tmp_path: Path) -> Ledger:
    ledger = open_ledger(tmp_path)
    ledger.beat(Process("listener", 1, 0.0, 0.0, dict.fromkeys(counted(), 1.0)))
    return ledger


def test_every_metric_is_described(busy_ledger: Ledger, tmp_path: Path) -> None:
    text = exposition(busy_ledger, tmp_path, lambda: 1.0).decode()
    families = {
        name + ("_total" if kind == "counter" and not name.endswith("_total") else "")
        for name, kind in re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE)
        if not name.endswith("_created")
    }
    told = rows("Metrics", "metric")
    assert {markdown_page.plain(cell) for cell in told} == families
    assert len(told) == len(families)
    busy_ledger.close()


# --- logs ----------------------------------------------------------------------------------------------------


def test_every_log_field_is_described() -> None:
    told = [field for cell in rows("Logs", "field") for field in re.findall(r"`(\w+)`", cell)]
    assert sorted(told) == sorted(logs.FIELDS)


def logged() -> set[str]:
    """Names of all events that the service logs; what is put in when it runs is left open."""
    found: set[str] = set()
    for path in SERVICE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = node.func if isinstance(node, ast.Call) else None
            if isinstance(node, ast.Call) and getattr(name, "attr", getattr(name, "id", "")) == "event":
                found |= {str(one.value) for one in node.args[2:3] if isinstance(one, ast.Constant)}
    return found


def test_the_events_that_the_page_names_exist() -> None:
    named = {one for row in markdown_page.rows(TEXT) for cell in row.cells.values() for one in events_in(cell)}
    assert named
    assert named <= logged()


def events_in(cell: str) -> list[str]:
    return re.findall(r"log event `([^`]+)`", cell)
