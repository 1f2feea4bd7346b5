"""The tables that findings bring with them (every event of a clip as CSV and JSON), written beside the reports."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from plugins.contract import Finding, Result
from service.kept_tables import uid_digest
from service.report.keeping import folder_kept, place


def write_tables(results: Iterable[Result], folder: Path) -> tuple[Path, ...]:
    """For a person's own folder: a file a table, named after instance, plugin and table, so that they sort together."""
    made = []
    for name, text in _named(results, str):
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        path.write_text(text, "utf-8")
        made.append(path)
    return tuple(made)


def keep_tables(results: Iterable[Result], folder: Path, scratch: Path) -> tuple[Path, ...]:
    """For the service: each table is whole and on the disk under its name, or not there; the same work, the same bytes.

    Parameters
    ----------
    folder:
        Where they are to lie, see ``service.kept_tables``.
    scratch:
        Where they are written first.
    """
    pairs = []
    for name, text in _named(results, uid_digest):
        written = scratch / f"table-{name}"
        written.write_text(text, "utf-8")
        written.chmod(0o600)
        pairs.append((written, folder / name))
    if pairs:
        folder_kept(folder)
    place(pairs)
    return tuple(final for _, final in pairs)


def _named(results: Iterable[Result], named: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    """(file name, content) of every table."""
    for result in results:
        for one in result.outcomes:
            if isinstance(one, Finding):
                for name, text in one.tables.items():
                    yield f"{named(one.image.sop_instance_uid)}-{result.plugin}-{Path(name).name}", text
