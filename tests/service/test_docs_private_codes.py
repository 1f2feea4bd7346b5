"""Every concept of the private scheme 99NMUS stands in docs/private-codes.md, once and with one meaning."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path

import plugins
from plugins.codes import PRIVATE_SCHEME
from reference_store import anatomy
from reference_store.values import Code

sys.path.insert(0, str(Path(__file__).parent))
import markdown_page

ROOT = Path(plugins.__file__).parents[1]
"""Where the packages lie: the sources, or the installed wheel."""
RANGES = {
    "1": "Muscle",
    "2": "Fasciculation",
    "3": "Methods",
    "4": "Anatomy",
    "5": "References and eligibility",
    "6": "Levels and sites",
    "7": "Nerve",
}
MAKERS = ("private", "Code", "CodedConcept")
DYNAMIC = {"plugins/codes.py", "reference_store/catalogue.py"}
"""Where codes are made from arguments and from table rows; the rows are looked at one by one below."""


def sources() -> Iterator[tuple[str, ast.Module]]:
    for package in ("plugins", "reference_store", "service"):
        for path in sorted((ROOT / package).rglob("*.py")):
            place = str(path.relative_to(ROOT))
            text = path.read_text(encoding="utf-8")
            if (
                place not in DYNAMIC
                and "training" not in path.parts
                and re.search(r"99NMUS|PRIVATE_SCHEME|private", text)
            ):
                yield place, ast.parse(text)


def in_sources() -> Iterator[tuple[str, str, str]]:
    """Value, meaning and place of every private concept: as written, and as it stands in the module once imported."""
    for place, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and called(node) in MAKERS:
                yield from of_call(node, tree, place)
        module = importlib.import_module(place.removesuffix(".py").replace("/", ".").removesuffix(".__init__"))
        for code in codes_in(list(vars(module).values())):
            if code.scheme == PRIVATE_SCHEME:
                yield code.value, code.meaning, place


def codes_in(value: object) -> Iterator[Code]:
    if isinstance(value, Code):
        yield value
    elif isinstance(value, Mapping):
        yield from codes_in(list(value.values()))
    elif isinstance(value, tuple | list | set | frozenset):
        for one in value:
            yield from codes_in(one)
    elif is_dataclass(value) and not isinstance(value, type):
        yield from codes_in([getattr(value, field.name) for field in fields(value)])


def called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def of_call(node: ast.Call, tree: ast.Module, place: str) -> Iterator[tuple[str, str, str]]:
    arguments = list(node.args)
    if called(node) != "private":
        scheme = arguments[1] if len(arguments) > 1 else None
        written = isinstance(scheme, ast.Constant) and scheme.value == PRIVATE_SCHEME
        if not written and not (isinstance(scheme, ast.Name) and scheme.id == "PRIVATE_SCHEME"):
            return
        del arguments[1]
    if all(isinstance(argument, ast.Constant) for argument in arguments):
        value, meaning = (argument.value for argument in arguments if isinstance(argument, ast.Constant))
        yield value, meaning, place
        return
    hidden = [one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef | ast.Lambda) and node in ast.walk(one)]
    assert not hidden, f"{place}:{node.lineno}: a private concept is made in a function, where nobody finds it"


def in_catalogue() -> Iterator[tuple[str, str, str]]:
    for structure in anatomy.structures():
        for code in (structure.code, structure.left, structure.right):
            if code is not None and code.scheme == PRIVATE_SCHEME:
                yield code.value, code.meaning, "the catalogue of structures"
    for site in anatomy.sites():
        if site.code.scheme == PRIVATE_SCHEME:
            yield site.code.value, site.code.meaning, "the catalogue of sites"


def used() -> dict[str, set[str]]:
    meanings: dict[str, set[str]] = {}
    for value, meaning, _ in (*in_sources(), *in_catalogue()):
        meanings.setdefault(value, set()).add(meaning)
    return meanings


def test_no_value_has_two_meanings() -> None:
    assert {value: meanings for value, meanings in used().items() if len(meanings) > 1} == {}


def test_every_value_lies_in_its_range() -> None:
    assert [value for value in used() if not re.fullmatch(r"NM-[1-7]\d{3}", value)] == []
    assert {value for value, _, place in in_catalogue() if value[3] not in "46"} == set()


def test_the_page_lists_exactly_what_is_used() -> None:
    told: dict[str, str] = {}
    for row in markdown_page.rows(markdown_page.page("private-codes.md")):
        value = markdown_page.plain(row.cells["value"])
        assert value not in told, f"{value} stands on the page twice"
        assert row.headings[-1].startswith(RANGES[value[3]]), f"{value} stands under {row.headings[-1]}"
        told[value] = row.cells["meaning"]
    meanings = {value: next(iter(all_of_it)) for value, all_of_it in used().items()}
    missing = [f"| `{value}` | {meanings[value]} |" for value in sorted(meanings) if told.get(value) != meanings[value]]
    assert not missing, "rows to write:\n" + "\n".join(missing)
    assert sorted(told.keys() - meanings.keys()) == [], "on the page, but used nowhere: note it as retired in the text"
    assert list(told) == sorted(told)
