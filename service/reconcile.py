"""The daily comparison: images that others have and we lack, results that we sent and they lack.

What happens in between is seldom an error of ours: a scanner sent to the PACS while our listener was down, a router
dropped an object after it had answered Success, a PACS was restored from yesterday's backup. Every comparison leaves
a row in the ledger, found or not, so that silence can be told from health.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

from service import logs
from service.config import Archive, Destination, Settings
from service.deliver.confirm import asker_for
from service.errors import Unreachable
from service.ledger import Confirmation, ConfirmState, Ledger, OutgoingState, Reconciliation
from service.proof.commitment import Standing
from service.query.dimse import remote_of
from service.query.find import images
from service.query.move import move_images
from service.receive.orthanc import OrthancFeed

_LOGGER = logging.getLogger(__name__)
_DAY_S = 86_400.0
_ULTRASOUND = frozenset(f"1.2.840.10008.5.1.4.1.1.{number}" for number in ("3", "3.1", "6", "6.1", "6.2"))
_TOLD = 100


class Reconciler:
    """Compares what we have with what others have. ``clock`` gives seconds since 1970."""

    def __init__(
        self,
        ledger: Ledger,
        settings: Settings,
        feeds: Sequence[OrthancFeed] = (),
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._ledger = ledger
        self._settings = settings
        self._feeds = feeds
        self._clock = clock or ledger.clock

    def due(self) -> int:
        """Compare with everyone whose last comparison is older than the settings say; how many were compared."""
        latest = {(one.peer, one.kind): one.at for one in self._ledger.last_reconciliations()}
        limit = self._clock() - self._settings.reconcile.hours * 3600
        steps = [step for key, step in self._steps() if latest.get(key, 0.0) <= limit]
        for step in steps:
            step()
        return len(steps)

    def now(self) -> int:
        """Compare with everyone at once."""
        steps = list(self._steps())
        for _, step in steps:
            step()
        return len(steps)

    def _steps(self) -> Iterable[tuple[tuple[str, str], Callable[[], None]]]:
        for archive in self._settings.archive:
            if archive.reconcile:
                yield (archive.name, "images"), lambda archive=archive: self._archive(archive)  # type: ignore[misc]
        for feed in self._feeds:
            yield (feed.name, "images"), lambda feed=feed: self._feed(feed)  # type: ignore[misc]
        for to in self._settings.destination:
            if to.confirm != "none":
                yield (to.name, "results"), lambda to=to: self._results(to)  # type: ignore[misc]

    @property
    def _since(self) -> float:
        return self._clock() - self._settings.reconcile.days * _DAY_S

    def _archive(self, archive: Archive) -> None:
        """Of every study that we have had something of lately, what the archive has and we lack."""
        remote = remote_of(archive, self._settings.listener.ae_title)
        looked, lacking, moved = 0, [], 0
        try:
            for study in self._ledger.studies_received_since(self._since):
                there = {
                    uid: one
                    for uid, one in images(remote, study).items()
                    if str(one.get("SOPClassUID", "")) in _ULTRASOUND or not one.get("SOPClassUID")
                }
                looked += len(there)
                missing = [uid for uid in there if not self._ledger.has_instance(uid)]
                lacking += missing
                series: dict[str, list[str]] = {}
                for uid in missing:
                    series.setdefault(str(there[uid].SeriesInstanceUID), []).append(uid)
                for number, uids in series.items() if archive.fetch else ():
                    moved += move_images(remote, study, number, tuple(uids)).completed
        except Unreachable as away:
            self._note(archive.name, "images", looked, lacking, moved, error=str(away))
            return
        self._note(archive.name, "images", looked, lacking, moved)

    def _feed(self, feed: OrthancFeed) -> None:
        """What an Orthanc has taken in lately and we lack."""
        try:
            looked, lacking, fetched = feed.compare(self._since, fetch=self._settings.reconcile.fetch)
        except Unreachable as away:
            self._note(feed.name, "images", 0, [], 0, error=str(away))
            return
        self._note(feed.name, "images", looked, lacking, fetched)

    def _results(self, to: Destination) -> None:
        """Of everything sent lately, what the destination says it lacks; all of it is confirmed anew besides."""
        if self._settings.reconcile.resend:
            self._ledger.reconfirm({to.name: to.confirm}, self._since, self._clock())
        sent = {
            one.sop_instance_uid
            for one in self._ledger.outgoing(to.name, OutgoingState.SENT)
            if one.sent_at is not None and one.sent_at >= self._since
        }
        rows = [one for one in self._ledger.confirmations(to.name) if one.sop_instance_uid in sent]
        lacking, error = [], ""
        try:
            lacking = self._lacking(to, rows)
        except Unreachable as away:
            error = str(away)
        mended = len(lacking) if self._settings.reconcile.resend else 0
        self._note(to.name, "results", len(rows), lacking, mended, error=error)

    def _lacking(self, to: Destination, rows: Sequence[Confirmation]) -> list[str]:
        """By the destination's own word; one that is asked for commitment answers when it likes, and is not here."""
        asker = None if to.confirm == "commitment" else asker_for(to, self._settings, self._ledger)
        told = asker.ask(rows) if asker is not None and rows else None
        if told is None:
            return [one.sop_instance_uid for one in rows if one.state is ConfirmState.UNCONFIRMED]
        return [uid for uid, one in told.items() if one.standing is not Standing.PRESENT]

    def _note(self, peer: str, kind: str, looked: int, lacking: Sequence[str], mended: int, *, error: str = "") -> None:
        found = Reconciliation(
            self._clock(), peer, kind, looked, len(lacking), mended, "\n".join(lacking[:_TOLD]), error
        )
        self._ledger.reconciled(found)
        level = logging.WARNING if lacking or error else logging.INFO
        logs.event(_LOGGER, level, "compared", source=peer, count=len(lacking), reason=error)
