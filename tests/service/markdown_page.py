"""Read our own documentation: tables and code blocks of a Markdown page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


@dataclass(frozen=True)
class Row:
    """One row of a table: the headings above it, outermost first, and its cells by column name."""

    headings: tuple[str, ...]
    cells: dict[str, str]


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def rows(text: str) -> Iterator[Row]:
    """Every row of every table. A pipe inside a cell is written ``\\|``."""
    headings: list[str] = []
    columns: list[str] | None = None
    fenced = False
    for line in text.splitlines():
        fenced ^= line.startswith("```")
        heading = re.match(r"(#+) (.*)", line)
        if heading and not fenced:
            headings[len(heading[1]) - 1 :] = [heading[2]]
        if fenced or not line.startswith("|"):
            columns = None
            continue
        cells = [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if columns is None:
            columns = cells
        elif not all(re.fullmatch(r":?-+:?", cell) for cell in cells):
            assert len(cells) == len(columns), f"a row of {len(cells)} cells under {columns}: {line}"
            yield Row(tuple(headings), dict(zip(columns, cells, strict=True)))


def plain(cell: str) -> str:
    """What is written in code type in a cell, or the cell without it."""
    code = re.search(r"`([^`]*)`", cell)
    return code[1] if code else cell


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
