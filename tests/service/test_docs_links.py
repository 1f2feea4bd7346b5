"""What our pages point to is there: other pages, headings, files of the sources."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import plugins
import service as service_package

ROOT = Path(__file__).parents[2]
INSTALLED = Path(plugins.__file__).parents[1]
"""Where the packages lie when the suite runs against the wheel, with the sources away."""
PAGES = sorted((ROOT / "docs").glob("*.md"))
SOURCE = re.compile(r"`((?:service|plugins|reference_store|deploy|tests|docs)/[\w./*-]*)`")


def links(page: Path) -> Iterator[str]:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    yield from (link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, _ = link.partition("#")
        assert (page.parent / path).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_files_exist(page: Path) -> None:
    for name in SOURCE.findall(page.read_text(encoding="utf-8")):
        assert any(any(root.glob(name.rstrip("/"))) for root in (ROOT, INSTALLED)), f"{page.name} names {name}"


def test_the_map_of_the_house_is_whole() -> None:
    """Every module and package of the service has its line in the architecture, and the files named there exist."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    _, _, rest = text.partition("| in `service/` |")
    table, _, after = rest.partition("\n\n")
    service = Path(service_package.__file__).parent
    named: set[str] = set()
    for line in table.splitlines()[2:]:
        first, what = line.strip("|").split("|")
        places = re.findall(r"`([\w./]+)`", first)
        named |= {place.rstrip("/") for place in places}
        for file in re.findall(r"`(\w+\.py)`", what):
            assert (service / places[-1] / file).is_file(), f"{places[-1]}{file}"
    there = {each.name for each in service.iterdir() if each.suffix == ".py" or (each / "__init__.py").is_file()}
    assert named == there - {"__init__.py"}
    store = INSTALLED / "reference_store"
    assert [
        name for name in re.findall(r"`(\w+\.py)`", after.partition("\n\n")[0]) if not (store / name).is_file()
    ] == []


def test_every_page_is_reached_from_another_one() -> None:
    reached = {link.partition("#")[0] for page in [*PAGES, ROOT / "README.md"] for link in links(page)}
    names = {Path(link).name for link in reached}
    assert [page.name for page in PAGES if page.name not in names] == []
