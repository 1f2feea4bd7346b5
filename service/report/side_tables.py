"""The tables that findings bring with them (every event of a clip as CSV and JSON), written beside the reports."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from plugins.contract import Finding, Result


def write_tables(results: Iterable[Result], folder: Path) -> tuple[Path, ...]:
    """One file a table, named after the instance, the plugin and the table: they sort beside each other."""
    made = []
    for result in results:
        for one in result.outcomes:
            if isinstance(one, Finding):
                for name, text in one.tables.items():
                    folder.mkdir(parents=True, exist_ok=True)
                    path = folder / f"{one.image.sop_instance_uid}-{result.plugin}-{Path(name).name}"
                    path.write_text(text, "utf-8")
                    made.append(path)
    return tuple(made)
