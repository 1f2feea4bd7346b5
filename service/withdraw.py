"""Taking results back: a rejection note to whoever got them, and their mark in the ledger, in one step."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from service.config import Settings
from service.ledger import Ledger, Result
from service.objects import objects_of
from service.report.rejection import KEY_OBJECT_SELECTION, REASONS, write_note


def withdraw(
    settings: Settings, ledger: Ledger, results: Sequence[Result], now: float, *, reason: str, by: str, text: str = ""
) -> tuple[str, ...]:
    """Write one rejection note about these results of a study and send it to everyone who got any of them.

    Doing it twice changes nothing.

    Returns
    -------
    tuple
        Destinations that get the note.
    """
    data, objects = settings.service.data_folder, objects_of(settings)
    with tempfile.TemporaryDirectory(prefix="note-", dir=data) as folder:
        paths = [objects / one.path for one in results]
        moment = datetime.fromtimestamp(now, UTC)
        note = write_note(paths, reason, Path(folder), moment, text=text, uid_root=settings.report.uid_root)
        raw = note.path.read_bytes()
        name = hashlib.sha256(note.sop_instance_uid.encode()).hexdigest()
        final = data / "results" / name[:2] / f"{name}.dcm"
        if not final.exists():
            _place(raw, final)
        objects.keep(str(final.relative_to(data)))
        raw = final.read_bytes()
    stored = Result(
        sop_instance_uid=note.sop_instance_uid,
        sop_class_uid=KEY_OBJECT_SELECTION,
        series_instance_uid=note.series_instance_uid,
        role="ko",
        path=str(final.relative_to(data)),
        sha256=hashlib.sha256(raw).hexdigest(),
        size=len(raw),
        key=f"ko|{note.sop_instance_uid}",
    )
    title = REASONS[reason]
    return ledger.withdraw(results, stored, now, code=title.value, reason=text or title.meaning, by=by)


def current_results(ledger: Ledger, study: str) -> tuple[Result, ...]:
    """The latest result about each thing of a study that still holds; rejection notes left out."""
    latest: dict[str, Result] = {}
    for one in ledger.previous_reports(study):
        if one.role != "ko":
            latest.setdefault(one.key, one)
    gone = ledger.withdrawn([one.sop_instance_uid for one in latest.values()])
    return tuple(one for one in latest.values() if one.sop_instance_uid not in gone)


def outdated(ledger: Ledger, study: str, still: Iterable[str]) -> tuple[Result, ...]:
    """Results about things that a new generation has nothing to say of any more, because their image was rejected."""
    keys = set(still)
    return tuple(one for one in current_results(ledger, study) if one.key not in keys)


def _place(raw: bytes, final: Path) -> None:
    """Written, flushed, renamed, and the folder flushed: whole and on the disk, or not there."""
    final.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = final.with_suffix(".part")
    with partial.open("wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(final)
    folder = os.open(final.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
