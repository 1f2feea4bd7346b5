"""From results to objects that are durable: reports in one child process, pictures in another beside it.

What one of the two has made goes out while the other still works: a report of 60 kB and its overlay are at the PACS by
the time that the last page is drawn.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from plugins.contract import Conclusion, Earlier, Result, parameters
from reference_store.comparison import References
from service import crash
from service.analyse.child import Limits, call
from service.analyse.exam import Exam
from service.analyse.handing import Once
from service.analyse.read import Unread as UnreadFile
from service.analyse.record import conclusion_record, records
from service.analyse.registry import Registry
from service.analyse.run import is_all_ours, ours, summarise
from service.config import Settings
from service.ledger import Job, Ledger
from service.ledger import Result as Stored
from service.objects import Objects, objects_of
from service.report.assemble import KINDS, reports
from service.report.identity import digest
from service.report.keeping import place
from service.report.values import Content, Making, Moment, Plan, Previous, ReportObject, Unread
from service.routing import Route

_LIMITS = Limits(time_s=300, memory_mb=4096, output_mb=4096)


@dataclass(frozen=True, slots=True)
class Told:
    """What a job's results are told with, as far as the ledger knows it."""

    previous: tuple[Previous, ...]
    corrected_identity: str


@dataclass(frozen=True, slots=True)
class Reporter:
    """Makes the reports of one job."""

    settings: Settings
    ledger: Ledger
    secret: bytes
    """Key of the pseudonyms in tracking identifiers."""
    job: Job
    way: Route
    wanted: Callable[[], bool]

    @property
    def objects(self) -> Objects:
        """Where received objects and results lie."""
        return objects_of(self.settings)

    def told(self) -> Told:
        """Earlier reports of the study, and whose it is by correction. Asked while plugins work."""
        seen: dict[str, Previous] = {}
        for one in self.ledger.previous_reports(self.job.study_instance_uid, self.job.generation):
            seen.setdefault(one.key, Previous(one.key, self.objects / one.path))
        return Told(tuple(seen.values()), self.ledger.corrected_identity(self.job.study_instance_uid))

    def make(self, work: ReportWork, told: Told, folder: Path) -> tuple[tuple[Conclusion, ...], tuple[Stored, ...]]:
        """All objects, durable under their names; those that were first are in the outbox already.

        Raises
        ------
        LeaseLost
            Another attempt owns the job.
        """
        making, scratch = self._making(told, folder), scratch_of(self.settings)
        is_ours, turn, given = is_all_ours(work.registry), threading.Lock(), Once((work, making))
        left: list[str] = []

        def made(kind: str) -> tuple[tuple[Conclusion, ...], list[Stored]]:
            conclusions, objects = call(
                _part,
                given,
                kind,
                limits=_LIMITS,
                scratch=scratch,
                wanted=self.wanted,
                is_ours=is_ours,
            )
            stored = self._keep(objects, folder)
            with turn:
                left.pop()
                if left and stored:  # the last ones go with the job's end
                    self.ledger.hand_over(self.job, stored, self.ledger.clock())
                    crash.point("handed_over")
            return conclusions, stored

        kinds = KINDS if making.plan.secondary_capture or making.plan.pdf else KINDS[:1]
        left += kinds
        with ThreadPoolExecutor(len(kinds)) as pool:
            parts = list(pool.map(made, kinds))
        return parts[0][0], tuple(one for _, stored in parts for one in stored)

    def _making(self, told: Told, folder: Path) -> Making:
        settings, way = self.settings, self.way
        plan = Plan(
            sr_classes=way.sr_classes,
            per=settings.report.per,
            content_qualification=settings.report.content_qualification,
            secondary_capture=settings.report.secondary_capture,
            lossless_captures=way.wants_captures_without_loss,
            presentation_states=way.is_asked_for("gsps"),
            pdf=way.is_asked_for("pdf"),
            organisation=settings.report.organisation,
            uid_root=settings.report.uid_root,
            tracking_secret=self.secret,
        )
        moment = Moment(datetime.fromtimestamp(self.job.created_at, UTC), self.job.generation)
        return Making(plan, moment, folder, told.previous, told.corrected_identity)

    def _keep(self, objects: Sequence[ReportObject], folder: Path) -> list[Stored]:
        """Make objects' files durable under names of our own; a file that is there already stays as it is."""
        finals = [self._final(one) for one in objects]
        place([(folder / one.file, final) for one, final in zip(objects, finals, strict=True) if not final.exists()])
        for final in finals:
            self.objects.keep(str(final.relative_to(self.settings.service.data_folder)))
        return [self._stored(one, final) for one, final in zip(objects, finals, strict=True)]

    def _final(self, one: ReportObject) -> Path:
        name = hashlib.sha256(one.sop_instance_uid.encode()).hexdigest()
        return self.settings.service.data_folder / "results" / name[:2] / f"{name}.dcm"

    def _stored(self, one: ReportObject, final: Path) -> Stored:
        with final.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return Stored(
            sop_instance_uid=one.sop_instance_uid,
            sop_class_uid=one.sop_class_uid,
            series_instance_uid=one.series_instance_uid,
            role=one.role,
            path=str(final.relative_to(self.settings.service.data_folder)),
            sha256=sha256,
            size=final.stat().st_size,
            transfer_syntax_uid=one.transfer_syntax_uid,
            destinations=self.way.receivers(one),
            instance_number=one.instance_number,
            key=one.key,
        )


@dataclass(frozen=True, slots=True)
class ReportWork:
    """What the last child process is given."""

    study_instance_uid: str
    exam: Exam
    results: tuple[Result, ...]
    registry: Registry
    references: References
    earlier: tuple[Earlier, ...] = ()
    said: tuple[Conclusion, ...] = ()
    """What summaries of others concluded, and what is to be said of the search for earlier exams."""


def _part(given: object, kind: str) -> tuple[tuple[Conclusion, ...], tuple[ReportObject, ...]]:
    work, making = cast(tuple[ReportWork, Making], given)
    return conclude_and_report(work, making, kind)


def conclude_and_report(
    work: ReportWork, making: Making, *kinds: str
) -> tuple[tuple[Conclusion, ...], tuple[ReportObject, ...]]:
    """Exam-level conclusions, then every object of the study, or those of some kinds. Runs inside a child process."""
    concluded = summarise(work.results, work.earlier, ours(work.registry), work.references)
    conclusions = (*concluded, *work.said)
    files = {uid: Path(path) for uid, path in work.exam.files}
    files |= {one.sop_instance_uid: Path(one.path) for one in work.exam.unread if one.is_image and one.sop_instance_uid}
    content = Content(
        work.study_instance_uid,
        work.results,
        conclusions,
        tuple(_unread(one) for one in work.exam.unread if one.is_image),
        tuple((one.name, _parameters(one)) for one in work.registry.plugins),
        _fingerprint(work, conclusions, making) if "reports" in (kinds or KINDS) or making.plan.pdf else "",
    )
    return conclusions, reports(content, files, making, kinds or KINDS)


def _fingerprint(work: ReportWork, conclusions: Sequence[Conclusion], making: Making) -> str:
    """Of all that is reported; pictures go by what they show."""
    told = [*records(work.results), *(conclusion_record(one) for one in conclusions)]
    return digest([*told, making.corrected_identity] if making.corrected_identity else told)


def scratch_of(settings: Settings) -> Path:
    """Where child processes work: on this machine's own disk, if the data folder is shared."""
    return (settings.service.local_folder or settings.service.data_folder) / "scratch"


def _unread(one: UnreadFile) -> Unread:
    return Unread(one.sop_instance_uid, one.series_instance_uid, one.code, one.text, one.remedy)


def _parameters(plugin: object) -> tuple[str, ...]:
    own = parameters(plugin)  # type: ignore[arg-type]
    return tuple(f"{name}={value}"[:1024] for name, value in own.items() if name not in ("name", "version"))
