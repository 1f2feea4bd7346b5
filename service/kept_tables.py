"""Where the tables of an analysis lie (every event of a clip as CSV and JSON), found again for pages and export.

One folder an analysis, so that a page shows the tables that belong to the values it shows. Names hold digests: a UID
of somebody else's may have a serial number or a date in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class KeptTable:
    """One table of one clip."""

    sop_instance_uid: str
    """Of the clip."""
    plugin: str
    name: str
    """``events.csv``"""
    path: Path

    @property
    def kind(self) -> str:
        """``CSV`` or ``JSON``."""
        return Path(self.name).suffix.removeprefix(".").upper()


def tables_folder(data_folder: Path, study_instance_uid: str, job: int) -> Path:
    """Where the tables of one analysis of a study lie."""
    return data_folder / "results" / "tables" / uid_digest(study_instance_uid) / str(job)


def uid_digest(uid: str) -> str:
    """What stands for a UID in a name."""
    return hashlib.sha256(uid.encode()).hexdigest()[:32]


def kept_tables(
    data_folder: Path, study_instance_uid: str, job: int, findings: Iterable[Mapping[str, Any]]
) -> tuple[KeptTable, ...]:
    """The tables of an analysis, in the order of its findings (records as the ledger keeps them)."""
    folder = tables_folder(data_folder, study_instance_uid, job)
    found: dict[Path, KeptTable] = {}
    for one in findings:
        if one.get("sop_instance_uid"):
            start = f"{uid_digest(one['sop_instance_uid'])}-{one['plugin']}-"
            for path in sorted(folder.glob(f"{start}*.*")):
                table = KeptTable(one["sop_instance_uid"], one["plugin"], path.name.removeprefix(start), path)
                found.setdefault(path, table)
    return tuple(found.values())
