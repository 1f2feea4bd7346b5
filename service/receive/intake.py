"""One way in for every source: check what an object says of itself, make it durable, write its row.

Success is only ever answered for what is on the disk and in the ledger.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable

from service import logs
from service.errors import Refused, Unreachable
from service.ledger import Instance, Kept, Ledger
from service.objects import Objects
from service.receive.archive import Archive, Incoming
from service.receive.identity import (
    CANNOT_UNDERSTAND,
    DOES_NOT_MATCH,
    OUT_OF_RESOURCES,
    Identity,
    checked_uid,
    identity,
)

_LOGGER = logging.getLogger(__name__)
_FREE_FOR_SECONDS = 1.0


class Intake:
    """Takes objects into the archive and the ledger.

    Parameters
    ----------
    refuse_free_mb:
        Disk space below which nothing is taken.
    """

    def __init__(
        self, ledger: Ledger, archive: Archive, refuse_free_mb: float = 0, clock: Callable[[], float] | None = None
    ) -> None:
        self._ledger = ledger
        self._archive = archive
        self.refuse_free_mb = refuse_free_mb
        self.ways: frozenset[str] = frozenset()
        """Titles, and names of other ways in, that choose a workflow."""
        self._clock = clock or ledger.clock
        self._free: tuple[float, float] = (-_FREE_FOR_SECONDS, 0.0)
        self._counts: Counter[str] = Counter()
        self._counts_lock = threading.Lock()

    @property
    def objects(self) -> Objects:
        """Where the archive lies."""
        return self._archive.objects

    @property
    def counters(self) -> dict[str, float]:
        """What came in since the start, for the metrics."""
        with self._counts_lock:
            return dict(self._counts)

    def count(self, name: str, by: int = 1) -> None:
        """Add to a counter."""
        with self._counts_lock:
            self._counts[name] += by

    def has_room(self) -> bool:
        """Whether the disk is above its watermark; asked of the system once a second at most."""
        if not self.refuse_free_mb:
            return True
        asked, free = self._free
        if time.monotonic() - asked > _FREE_FOR_SECONDS:
            free = self._archive.free_mb()
            self._free = (time.monotonic(), free)
        return free >= self.refuse_free_mb

    def begin(self, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, source: str) -> Incoming:
        """Open the spool for an object that was announced.

        Raises
        ------
        Refused
            0xA900 for a UID that is none, 0xA700 for a full disk.
        """
        checked_uid(sop_class_uid, "Affected SOP Class UID")
        checked_uid(sop_instance_uid, "Affected SOP Instance UID")
        if not self.has_room():
            raise Refused("disk space is below service's limit; free some", OUT_OF_RESOURCES)
        try:
            return self._archive.incoming(sop_class_uid, sop_instance_uid, transfer_syntax_uid, source)
        except OSError as error:
            raise Refused(f"spool cannot be written: {error.strerror}; free disk space", OUT_OF_RESOURCES) from error

    def take(
        self,
        incoming: Incoming,
        source: str,
        peer: str = "",
        announced: tuple[str, str] | None = None,
        called: str = "",
    ) -> Kept:
        """Keep an object that has come whole.

        Parameters
        ----------
        called:
            The title by which the sender called us, or the name of another way in: it may choose a workflow.
        announced:
            SOP class and instance UID of the message that carried it; the data set must say the same.

        Raises
        ------
        Refused
            With the status to answer; nothing is left behind but what is set aside with its reason.
        """
        found = self._identified(incoming, announced)
        try:
            digest, size = incoming.sha256, incoming.size
            path = self._archive.store(incoming)
            kept = self._ledger.keep(
                Instance(
                    found.sop_instance_uid,
                    found.sop_class_uid,
                    found.study_instance_uid,
                    found.series_instance_uid,
                    incoming.transfer_syntax_uid,
                    digest,
                    path,
                    size,
                    self._clock(),
                    source[:64],
                    peer[:64],
                    found.modality,
                ),
                (called if called in self.ways else "") if self.ways else None,
            )
        except OSError as error:
            incoming.discard()
            raise Refused(f"archive cannot be written: {error.strerror}; free disk space", OUT_OF_RESOURCES) from error
        except Unreachable as error:  # the ledger or the object store: the sender keeps it
            incoming.discard()
            raise Refused(str(error), OUT_OF_RESOURCES) from error
        self.count(f"objects_{kept}")
        self.count("bytes", size)
        if kept is Kept.CONFLICT:
            logs.event(
                _LOGGER,
                logging.ERROR,
                "same UID with other bytes",
                sop_instance_uid=found.sop_instance_uid,
                sha256=digest,
                remedy="the first is analysed; ask the sender why it changed the object without a new UID",
            )
        return kept

    def _identified(self, incoming: Incoming, announced: tuple[str, str] | None) -> Identity:
        try:
            found = identity(incoming.head, incoming.transfer_syntax_uid)
            if announced is not None and announced != (found.sop_class_uid, found.sop_instance_uid):
                text = "data set and message name different objects; the sender must give the same UIDs in both"
                raise Refused(text, DOES_NOT_MATCH)
        except Refused as refusal:
            if refusal.status == CANNOT_UNDERSTAND:
                self._set_aside(incoming, refusal)
            incoming.discard()
            raise
        return found

    def _set_aside(self, incoming: Incoming, refusal: Refused) -> None:
        """Where there is no room the refusal stands all the same: the sender has it still."""
        try:
            self._archive.set_aside(incoming, str(refusal))
        except OSError as error:
            remedy = "free disk space; the sender was told that it was not taken"
            logs.event(_LOGGER, logging.ERROR, "object not set aside", reason=error.strerror, remedy=remedy)

    def refused(self, refusal: Refused) -> None:
        """Log and count a refusal."""
        self.count(f"refused_{refusal.status:04X}")
        logs.event(_LOGGER, logging.WARNING, "object refused", status=f"0x{refusal.status:04X}", reason=str(refusal))
