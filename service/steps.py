"""The work on one study, in a straight line: read, analyse, conclude, report; then files that are durable.

Everything foreign runs in child processes. Of what comes back the worker writes to the ledger, once and in one
transaction; objects that were whole before that have been handed over by :class:`service.reporting.Reporter`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from plugins.contract import Conclusion, Finding, NotAssessable, Result
from reference_store import anatomy
from reference_store.comparison import References
from reference_store.store import latest
from reference_store.values import Side, View
from service import crash
from service.analyse.acquisitions import MappingRule
from service.analyse.child import ChildFailed, Limits, call
from service.analyse.exam import Exam, read_exam
from service.analyse.feeding import exam_facts, feed, feed_rules, keep_phantoms, phantoms
from service.analyse.record import conclusion_record, records
from service.analyse.registry import Registry
from service.analyse.rejections import KEY_OBJECT_SELECTION
from service.analyse.run import Room, analyse, conclude_outside
from service.config import Settings
from service.errors import Misconfigured
from service.kept_tables import tables_folder
from service.ledger import Job, Ledger, Outcome, Verdict
from service.ledger import Result as Stored
from service.logs import event
from service.looking_back import LookingBack
from service.objects import Objects, objects_of
from service.patient.guard import Guard
from service.patient.keys import Keys
from service.proof.account import DRAWINGS
from service.rejecting import Rejecting, verdicts_of
from service.report.pictures import overlay_keys
from service.report.side_tables import keep_tables
from service.reporting import Reporter, ReportWork, scratch_of
from service.routing import route

_LOG = logging.getLogger(__name__)
_READ_LIMITS = Limits(time_s=120, memory_mb=2048, output_mb=256)


class _Check:
    """A check that begins when it is told to, or when its result is wanted."""

    def __init__(self, start: Callable[[], Future[None]]) -> None:
        self._start = start
        self._running: Future[None] | None = None

    def begin(self) -> None:
        self._running = self._running or self._start()

    def result(self) -> None:
        """Wait for it; its error is raised."""
        self.begin()
        if self._running is not None:
            self._running.result()

    @property
    def has_failed(self) -> bool:
        return self._running is not None and self._running.done() and self._running.exception() is not None


@dataclass(frozen=True)
class StudyWork:
    """What the analysis of a study needs; call it with a job."""

    settings: Settings
    ledger: Ledger
    registry: Registry
    references: References
    secret: bytes
    """Key of the pseudonyms in tracking identifiers."""

    @property
    def objects(self) -> Objects:
        """Where received objects and results lie."""
        return objects_of(self.settings)

    def __call__(self, job: Job, wanted: Callable[[], bool]) -> Outcome:
        """Do all the work of one job. Running it twice gives the same objects."""
        if not self.objects.is_remote:
            return self._outcome(job, wanted)
        names = [one.path for one in self.ledger.instances(job.study_instance_uid, job.generation)]
        with self.objects.held(names):
            return self._outcome(job, wanted)

    def _outcome(self, job: Job, wanted: Callable[[], bool]) -> Outcome:
        scratch_of(self.settings).mkdir(parents=True, exist_ok=True, mode=0o700)
        watch, rejecting = _Watch(), Rejecting(self.settings, self.ledger, job)
        instances = self.ledger.instances(job.study_instance_uid, job.generation)
        with self._checked(job) as checked:
            if any(one.sop_class_uid == KEY_OBJECT_SELECTION for one in instances):
                checked.result()  # a note is not to be believed before it is known whose it is
            rejected = rejecting.rejected(instances)
            left = [one for one in instances if one.sop_instance_uid not in rejected]
            if rejected and not any(one.modality == "US" for one in left):
                checked.result()
                rejecting.take_back((), rejected)
                return Outcome((), tuple(verdicts_of(rejected)), "[]")
            paths = [str(self.objects / one.path) for one in left]
            exam = self._read(paths, checked, wanted)
        watch.lap("study read", len(paths))
        results, conclusions, stored = self._analysed(job, paths, exam, wanted, watch)
        self._feed(job, paths, exam, results, wanted, stored=stored)
        findings = [*records(results), *(conclusion_record(one) for one in conclusions)]
        rejecting.take_back(stored, rejected)
        rejecting.take_back_of_earlier_attempts(stored)
        known = {str(self.objects / one.path): one.sop_instance_uid for one in left}
        marks = (Verdict(known[path], DRAWINGS, "its marks were laid onto the images") for path in exam.drawn_in)
        told = (*verdicts(exam, results), *marks, *verdicts_of(rejected))
        return Outcome(stored, told, json.dumps(findings))

    def _analysed(
        self, job: Job, paths: Sequence[str], exam: Exam, wanted: Callable[[], bool], watch: _Watch
    ) -> tuple[tuple[Result, ...], tuple[Conclusion, ...], tuple[Stored, ...]]:
        """Results, conclusions and objects. What else must be known for a report is asked while plugins work."""
        scratch = scratch_of(self.settings)
        room = Room(scratch, _limits(self.settings), wanted)
        looking = LookingBack(paths, self.settings, scratch, wanted)
        references, way = self._references(), route(self.settings, self.ledger.called(job.study_instance_uid))
        registry = way.registry(self.registry)
        reporter = Reporter(self.settings, self.ledger, self.secret, job, way, wanted)
        with ThreadPoolExecutor(1) as beside:
            told = beside.submit(reporter.told)
            results = analyse(exam.acquisitions, registry, references, room)
        watch.lap("plugins run", len(results))
        crash.point("mid_plugin")
        with tempfile.TemporaryDirectory(prefix="report-", dir=scratch) as folder:
            earlier, looked = looking.found()
            said = (*conclude_outside(results, earlier, registry, references, room), *looked)
            work = ReportWork(job.study_instance_uid, exam, results, registry, references, earlier, said)
            conclusions, stored = reporter.make(work, told.result(), Path(folder))
            self._keep_tables(job, results, Path(folder))
        watch.lap("reports made", len(stored))
        return results, conclusions, stored

    def _keep_tables(self, job: Job, results: Sequence[Result], folder: Path) -> None:
        data = self.settings.service.data_folder
        for table in keep_tables(results, tables_folder(data, job.study_instance_uid, job.id), folder):
            self.objects.keep(str(table.relative_to(data)))

    @contextlib.contextmanager
    def _checked(self, job: Job) -> Iterator[_Check]:
        """Whether the study contradicts itself or the archives, found out beside what analyses nothing."""
        guard = Guard(self.settings, self.ledger, Keys(self.secret))
        with ThreadPoolExecutor(1) as beside:
            yield _Check(lambda: beside.submit(guard.check, job.study_instance_uid, self.ledger.clock()))

    def _read(self, paths: Sequence[str], checked: _Check, wanted: Callable[[], bool]) -> Exam:
        """The study's images, once it is known that it may be analysed."""
        rules, scratch = mapping_rules(self.settings), scratch_of(self.settings)

        def still_wanted() -> bool:
            return wanted() and not checked.has_failed

        try:
            exam = call(
                read_exam,
                paths,
                rules,
                limits=_READ_LIMITS,
                scratch=scratch,
                wanted=still_wanted,
                is_ours=True,
                begun=checked.begin,
            )
        finally:
            checked.result()  # its error is the reason, whatever became of the reading
        return exam

    def _references(self) -> References:
        """As they are now: an activation or a failed phantom check since the start counts for this study already."""
        folder = self.settings.references.folder
        if folder is None:
            return self.references
        try:
            return cast(References, latest(folder))
        except (ValueError, OSError) as error:
            raise Misconfigured(f"references.folder = {folder}: {error}") from error

    def _feed(
        self,
        job: Job,
        paths: Sequence[str],
        exam: Exam,
        results: Sequence[Result],
        wanted: Callable[[], bool],
        *,
        stored: Sequence[Stored],
    ) -> None:
        """Let the reference store learn from the exam. A store that cannot be written costs no report, but is told."""
        folder = self.settings.references.folder
        if folder is None:
            return
        rules, scratch = feed_rules(self.settings), scratch_of(self.settings)
        try:
            facts = call(exam_facts, paths, limits=_READ_LIMITS, scratch=scratch, wanted=wanted)
            sender = next((one.source for one in self.ledger.instances(job.study_instance_uid)), "")
            day = datetime.fromtimestamp(job.created_at, UTC).date().isoformat()
            if rules.phantom.matched({**facts.looked_at, "ae_title": sender}):
                measured = call(phantoms, exam.acquisitions, limits=_READ_LIMITS, scratch=scratch, wanted=wanted)
                event(
                    _LOG, logging.INFO, "phantom measured", count=keep_phantoms(folder, measured, facts.studied or day)
                )
                return
            shown = _overlays(results, stored)
            kind, kept = feed(folder, rules, facts, results, ae_title=sender, day=day, overlays=shown)
            event(_LOG, logging.INFO, "references fed", role=kind, count=kept)
        except (OSError, ValueError, ChildFailed) as error:
            if isinstance(error, ChildFailed) and error.kind in {"cancelled", "disk-full"}:
                raise
            event(_LOG, logging.ERROR, "references not fed", reason=type(error).__name__)


def _overlays(results: Sequence[Result], stored: Sequence[Stored]) -> dict[tuple[int, str], str]:
    """The picture with the outline that a value rests on, by number of the result and UID of the image."""
    pictures = {one.key: one.sop_instance_uid for one in stored}
    return {
        (number, image): pictures[key]
        for number, result in enumerate(results)
        for image, key in overlay_keys(result).items()
        if key in pictures
    }


class _Watch:
    """Logs how long each stage of a study took, for whoever asks where the time went."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    def lap(self, name: str, count: int) -> None:
        """End a stage."""
        now = time.monotonic()
        event(_LOG, logging.INFO, name, count=count, seconds=round(now - self._begun, 4))
        self._begun = now


def mapping_rules(settings: Settings) -> tuple[MappingRule, ...]:
    """The site's rules with catalogue keys for the names that people write."""
    return tuple(
        MappingRule(
            rule.match,
            _structure_key(rule.structure),
            rule.side or Side.UNKNOWN,
            rule.site,
            rule.view or View.UNKNOWN,
        )
        for rule in settings.mapping
    )


def verdicts(exam: Exam, results: Sequence[Result]) -> Iterable[Verdict]:
    """For every object of the study: analysed by whom, or why not."""
    for result in results:
        measured = {one.image.sop_instance_uid for one in result.outcomes if isinstance(one, Finding)}
        measured |= {
            ref.sop_instance_uid for one in result.outcomes if isinstance(one, Finding) for ref in one.averaged_over
        }
        for uid in sorted(measured):
            yield Verdict(uid, "analysed", "measured", plugin=result.plugin)
        for one in result.outcomes:
            if isinstance(one, NotAssessable):
                clips = (
                    [one.image.sop_instance_uid]
                    if one.image
                    else [c.sop_instance_uid for c in result.acquisition.clips]
                )
                for uid in clips:
                    yield Verdict(uid, one.code.value, one.text, one.remedy, result.plugin)
    for unread in exam.unread:
        if unread.sop_instance_uid:
            yield Verdict(unread.sop_instance_uid, unread.code.value, unread.text, unread.remedy)


def _limits(settings: Settings) -> Limits:
    return Limits(settings.analysis.time_limit_seconds, settings.analysis.memory_limit_mb)


def _structure_key(name: str | None) -> str | None:
    if name is None:
        return None
    known = {one.key for one in anatomy.structures()}
    return name if name in known else anatomy.recognise(name).structure
