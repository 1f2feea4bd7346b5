"""Images that were rejected: found out by rejection notes, and what was made of them is taken back."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime

from reference_store.collecting import Collection
from service.analyse.rejections import KEY_OBJECT_SELECTION, rejection
from service.config import Settings
from service.ledger import Instance, Job, Ledger, Verdict, Withdrawal
from service.ledger import Result as Stored
from service.logs import event
from service.objects import objects_of
from service.report.rejection import REASONS
from service.withdraw import outdated, withdraw

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rejecting:
    """What one job knows of images that are not to be used."""

    settings: Settings
    ledger: Ledger
    job: Job

    def rejected(self, instances: Sequence[Instance]) -> dict[str, Withdrawal]:
        """Images of the study that are not to be used, by rejection notes of this study or another."""
        for one in instances:
            note = (
                rejection(objects_of(self.settings) / one.path) if one.sop_class_uid == KEY_OBJECT_SELECTION else None
            )
            if note is not None:
                self.ledger.withdraw_images(
                    note.uids,
                    self.ledger.clock(),
                    code=note.code,
                    reason=note.reason,
                    note_uid=note.note_uid,
                    current_study=self.job.study_instance_uid,
                )
        mine = {one.sop_instance_uid for one in instances}
        known = self.ledger.withdrawals(self.job.study_instance_uid)
        return {one.sop_instance_uid: one for one in known if one.sop_instance_uid in mine}

    def take_back(self, made: Sequence[Stored], rejected: dict[str, Withdrawal]) -> None:
        """What was made of an image that has been rejected does not hold any more; whoever got it is told."""
        if not rejected:
            return
        stale = outdated(self.ledger, self.job.study_instance_uid, (one.key for one in made))
        self._forget({*rejected, *(one.sop_instance_uid for one in stale)})
        if not stale:
            return
        code = next(iter(rejected.values())).code
        reason = next((name for name, title in REASONS.items() if title.value == code), "quality")
        text = "an image that it was made of has been rejected"
        to = withdraw(
            self.settings, self.ledger, stale, self.ledger.clock(), reason=reason, by="rejection note", text=text
        )
        event(_LOG, logging.WARNING, "results withdrawn", count=len(stale), destination=", ".join(to))

    def take_back_of_earlier_attempts(self, made: Sequence[Stored]) -> None:
        """What an attempt that was interrupted had handed over, and this one makes otherwise: references changed."""
        if self.job.attempt < 2:
            return
        now = {one.sop_instance_uid for one in made}
        stale = [
            one for one in self.ledger.results(self.job.id) if one.role != "ko" and one.sop_instance_uid not in now
        ]
        if stale:
            text = "made again after an interruption, with another outcome"
            to = withdraw(
                self.settings, self.ledger, stale, self.ledger.clock(), reason="quality", by="nmus", text=text
            )
            event(_LOG, logging.WARNING, "results withdrawn", count=len(stale), destination=", ".join(to))

    def _forget(self, pictures: Set[str]) -> None:
        """A volunteer's value that was read in a rejected image is no reference any more."""
        folder = self.settings.references.folder
        if folder is None:
            return
        day = datetime.fromtimestamp(self.job.created_at, UTC).date().isoformat()
        try:
            count = Collection(folder).withdraw(pictures, "its image has been rejected", "rejection note", day)
        except (OSError, ValueError) as error:
            event(_LOG, logging.ERROR, "references not withdrawn", reason=type(error).__name__)
            return
        if count:
            event(_LOG, logging.WARNING, "references withdrawn", count=count)


def verdicts_of(rejected: dict[str, Withdrawal]) -> Iterable[Verdict]:
    """What is said of each rejected image."""
    for uid, one in rejected.items():
        yield Verdict(uid, "rejected", f"a rejection note says: {one.reason}", "nothing: it is not to be used")
