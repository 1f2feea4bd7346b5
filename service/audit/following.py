"""From the ledger to the trail: what came in and what was sent, whoever did it and however it came.

The ledger has a row for each object before it is answered, so nothing can come in and escape; a cursor says how far
the trail has followed, moved in the transaction in which the messages were spooled. A kill in between writes a message
twice, never none.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from service import logs
from service.audit.messages import Patient, Study
from service.audit.spool import Spool
from service.audit.syslog import Collector, framed
from service.audit.trail import Moved, Trail
from service.errors import Unreachable
from service.inflating import head
from service.objects import Lying

if TYPE_CHECKING:
    from service.ledger import Instance, Ledger, Outgoing

_LOGGER = logging.getLogger(__name__)
LAG_S = 60.0
"""Objects younger than this wait: an object's time is taken before its row is written, which may take a while."""


def patient_of(path: Path) -> tuple[Patient, str]:
    """Whose object a file is, and its accession number. What cannot be read is nobody's."""
    try:
        found = head(path, ["SpecificCharacterSet", "PatientID", "PatientName", "AccessionNumber"])
        name = str(found.get("PatientName", "") or "")
        return Patient(str(found.get("PatientID", "") or ""), name), str(found.get("AccessionNumber", "") or "")
    except Exception:  # noqa: BLE001 - a foreign parser on a peer's bytes; one bad object must not end the trail
        return Patient(""), ""


def moved(rows: Iterable[tuple[str, str]], path: Path, study: str, *, peer: str, address: str, at: float) -> Moved:
    """One move of objects (SOP class and SOP instance UID each) of a study."""
    patient, accession = patient_of(path)
    classes = Counter(sop_class for sop_class, _ in rows)
    return Moved(Study(study, tuple(sorted(classes.items())), accession), patient, peer, address, at)


class Follower:
    """Follows one ledger."""

    def __init__(
        self, ledger: Ledger, trail: Trail, lying: Lying, addresses: dict[str, str], clock: Callable[[], float]
    ) -> None:
        self._ledger, self._trail, self._lying, self._clock = ledger, trail, lying, clock
        self._addresses = addresses

    def step(self) -> int:
        """Write what is new; how many messages."""
        before = self._clock() - LAG_S
        came = self._ledger.follow_received(before, self._received)
        return came + self._ledger.follow_sent(before, self._sent)

    def _received(self, rows: tuple[Instance, ...]) -> int:
        groups: dict[tuple[str, str, str], list[Instance]] = {}
        for row in rows:
            groups.setdefault((row.study_instance_uid, row.source, row.peer), []).append(row)
        for (study, source, peer), group in groups.items():
            kinds = [(one.sop_class_uid, one.sop_instance_uid) for one in group]
            path = self._lying / group[0].path
            one = moved(kinds, path, study, peer=source, address=peer, at=group[-1].received_at)
            _kept(self._trail.received(one))
        return len(groups)

    def _sent(self, rows: tuple[Outgoing, ...]) -> int:
        groups: dict[tuple[str, str], list[Outgoing]] = {}
        for row in rows:
            groups.setdefault((row.study_instance_uid, row.destination), []).append(row)
        for (_, destination), group in groups.items():
            _kept(self._trail.sent(self._out(group, destination, max(one.sent_at or 0 for one in group))))
        return len(groups)

    def begins(self, rows: Iterable[Outgoing]) -> None:
        """A sender is about to send these to one destination."""
        groups: dict[tuple[str, str], list[Outgoing]] = {}
        for row in rows:
            groups.setdefault((row.study_instance_uid, row.destination), []).append(row)
        for (_, destination), group in groups.items():
            self._trail.begins(self._out(group, destination, self._clock()))

    def _out(self, group: list[Outgoing], destination: str, at: float) -> Moved:
        kinds = [(one.sop_class_uid, one.sop_instance_uid) for one in group]
        path, address = self._lying / group[0].path, self._addresses.get(destination, "")
        return moved(kinds, path, group[0].study_instance_uid, peer=destination, address=address, at=at)


def _kept(on_record: bool) -> None:
    """Have the same objects come again, once there is room: rather twice on record than not at all."""
    if not on_record:
        raise Unreachable("the audit spool cannot be written; free disk space: transfers wait in the ledger meanwhile")


class Carrier:
    """From the spool to the collector, in order, as long as it takes."""

    def __init__(self, spool: Spool, collector: Collector, machine: str) -> None:
        self._spool, self._collector, self._machine = spool, collector, machine
        self._away = False

    def step(self) -> int:
        """Carry what waits; how many messages arrived. A collector that is away is told once in the log."""
        count = 0
        try:
            while batch := list(self._spool.waiting()):
                bodies = [framed(body, self._machine, int(path.name[:20]) / 1e9) for path, body in batch]
                self._collector.send(bodies)
                for path, _ in batch:
                    self._spool.done(path)
                count += len(batch)
        except Unreachable as error:
            if not self._away:
                logs.event(_LOGGER, logging.WARNING, "audit collector is away", reason=str(error))
            self._away = True
            return count
        if self._away and count:
            logs.event(_LOGGER, logging.INFO, "audit collector is back", count=count)
            self._away = False
        return count

    def close(self) -> None:
        """Give the connection back."""
        self._collector.close()
