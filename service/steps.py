"""The work on one study, in a straight line: read, analyse, conclude, report; then files that are durable.

Everything foreign runs in child processes. Nothing is written to the ledger here: the worker does that once, in one
transaction, with what comes back.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from plugins.contract import Conclusion, Earlier, Finding, NotAssessable, Result, parameters
from reference_store import anatomy
from reference_store.collecting import Collection
from reference_store.comparison import References
from reference_store.store import latest
from reference_store.values import Side, View
from service import crash
from service.analyse.acquisitions import MappingRule
from service.analyse.child import ChildFailed, Limits, call
from service.analyse.exam import Exam, read_exam
from service.analyse.feeding import exam_facts, feed, feed_rules, keep_phantoms, phantoms
from service.analyse.read import Unread as UnreadFile
from service.analyse.record import conclusion_record, records
from service.analyse.registry import Registry
from service.analyse.rejections import KEY_OBJECT_SELECTION, rejection
from service.analyse.run import Room, analyse, conclude_outside, is_all_ours, ours, summarise
from service.config import Settings
from service.errors import Misconfigured
from service.kept_tables import tables_folder
from service.ledger import Instance, Job, Ledger, Outcome, Verdict, Withdrawal
from service.ledger import Result as Stored
from service.logs import event
from service.looking_back import LookingBack
from service.objects import Objects, objects_of
from service.patient.guard import Guard
from service.patient.keys import Keys
from service.proof.account import DRAWINGS
from service.report.assemble import KINDS, reports
from service.report.identity import digest
from service.report.keeping import place
from service.report.pictures import overlay_keys
from service.report.rejection import REASONS
from service.report.side_tables import keep_tables
from service.report.values import Content, Making, Moment, Plan, Previous, ReportObject, Unread
from service.routing import Route, route
from service.withdraw import outdated, withdraw

_LOG = logging.getLogger(__name__)
_REPORT_LIMITS = Limits(time_s=300, memory_mb=4096, output_mb=4096)
_READ_LIMITS = Limits(time_s=120, memory_mb=2048, output_mb=256)


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
        data = self.settings.service.data_folder
        scratch = scratch_of(self.settings)
        scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
        room = Room(scratch, _limits(self.settings), wanted)
        watch, lying = _Watch(), self.objects
        instances = self.ledger.instances(job.study_instance_uid, job.generation)
        with self._checked(job) as checked:
            if any(one.sop_class_uid == KEY_OBJECT_SELECTION for one in instances):
                checked.result()  # a note is not to be believed before it is known whose it is
            rejected = self._rejected(job, instances)
            paths = [str(lying / one.path) for one in instances if one.sop_instance_uid not in rejected]
            if rejected and not any(one.modality == "US" and one.sop_instance_uid not in rejected for one in instances):
                checked.result()
                self._take_back(job, (), rejected)
                return Outcome((), tuple(_rejections(rejected)), "[]")
            exam = self._read(paths, checked, wanted)
        watch.lap("study read", len(paths))
        looking = LookingBack(paths, self.settings, scratch, wanted)
        references, way = self._references(), route(self.settings, self.ledger.called(job.study_instance_uid))
        registry = way.registry(self.registry)
        results = analyse(exam.acquisitions, registry, references, room)
        watch.lap("plugins run", len(results))
        crash.point("mid_plugin")
        with tempfile.TemporaryDirectory(prefix="report-", dir=scratch) as folder:
            earlier, looked = looking.found()
            said = (*conclude_outside(results, earlier, registry, references, room), *looked)
            work = ReportWork(job.study_instance_uid, exam, results, registry, references, earlier, said)
            conclusions, stored = self._reports(work, self._making(job, Path(folder), way), way, wanted)
            folder_of_tables = tables_folder(data, job.study_instance_uid, job.id)
            for table in keep_tables(results, folder_of_tables, Path(folder)):
                self.objects.keep(str(table.relative_to(data)))
        watch.lap("reports made", len(stored))
        self._feed(job, paths, exam, results, wanted, stored=stored)
        findings = [*records(results), *(conclusion_record(one) for one in conclusions)]
        self._take_back(job, stored, rejected)
        known = {str(data / one.path): one.sop_instance_uid for one in instances}
        marks = (Verdict(known[path], DRAWINGS, "its marks were laid onto the images") for path in exam.drawn_in)
        told = (*verdicts(exam, results), *marks, *_rejections(rejected))
        return Outcome(stored, told, json.dumps(findings))

    @contextlib.contextmanager
    def _checked(self, job: Job) -> Iterator[Future[None]]:
        """Whether the study contradicts itself or the archives, found out beside what analyses nothing."""
        guard = Guard(self.settings, self.ledger, Keys(self.secret))
        with ThreadPoolExecutor(1) as beside:
            yield beside.submit(guard.check, job.study_instance_uid, self.ledger.clock())

    def _read(self, paths: Sequence[str], checked: Future[None], wanted: Callable[[], bool]) -> Exam:
        """The study's images, once it is known that it may be analysed."""
        rules, scratch = mapping_rules(self.settings), scratch_of(self.settings)

        def still_wanted() -> bool:
            return wanted() and not (checked.done() and checked.exception())

        try:
            exam = call(
                read_exam, paths, rules, limits=_READ_LIMITS, scratch=scratch, wanted=still_wanted, is_ours=True
            )
        finally:
            checked.result()  # its error is the reason, whatever became of the reading
        return exam

    def _rejected(self, job: Job, instances: Sequence[Instance]) -> dict[str, Withdrawal]:
        """Images of the study that are not to be used, by rejection notes of this study or another."""
        for one in instances:
            note = rejection(self.objects / one.path) if one.sop_class_uid == KEY_OBJECT_SELECTION else None
            if note is not None:
                self.ledger.withdraw_images(
                    note.uids,
                    self.ledger.clock(),
                    code=note.code,
                    reason=note.reason,
                    note_uid=note.note_uid,
                    current_study=job.study_instance_uid,
                )
        mine = {one.sop_instance_uid for one in instances}
        known = self.ledger.withdrawals(job.study_instance_uid)
        return {one.sop_instance_uid: one for one in known if one.sop_instance_uid in mine}

    def _take_back(self, job: Job, made: Sequence[Stored], rejected: dict[str, Withdrawal]) -> None:
        """What was made of an image that has been rejected does not hold any more; whoever got it is told."""
        if not rejected:
            return
        stale = outdated(self.ledger, job.study_instance_uid, (one.key for one in made))
        self._forget(job, {*rejected, *(one.sop_instance_uid for one in stale)})
        if not stale:
            return
        code = next(iter(rejected.values())).code
        reason = next((name for name, title in REASONS.items() if title.value == code), "quality")
        text = "an image that it was made of has been rejected"
        to = withdraw(
            self.settings, self.ledger, stale, self.ledger.clock(), reason=reason, by="rejection note", text=text
        )
        event(_LOG, logging.WARNING, "results withdrawn", count=len(stale), destination=", ".join(to))

    def _forget(self, job: Job, pictures: Set[str]) -> None:
        """A volunteer's value that was read in a rejected image is no reference any more."""
        folder = self.settings.references.folder
        if folder is None:
            return
        day = datetime.fromtimestamp(job.created_at, UTC).date().isoformat()
        try:
            count = Collection(folder).withdraw(pictures, "its image has been rejected", "rejection note", day)
        except (OSError, ValueError) as error:
            event(_LOG, logging.ERROR, "references not withdrawn", reason=type(error).__name__)
            return
        if count:
            event(_LOG, logging.WARNING, "references withdrawn", count=count)

    def _reports(
        self, work: ReportWork, making: Making, way: Route, wanted: Callable[[], bool]
    ) -> tuple[tuple[Conclusion, ...], tuple[Stored, ...]]:
        """Reports in one child, pictures in another beside it; what is made is flushed while the other still works."""
        scratch = scratch_of(self.settings)
        is_ours = is_all_ours(work.registry)

        def made(kind: str) -> tuple[tuple[Conclusion, ...], list[Stored]]:
            conclusions, objects = call(
                conclude_and_report,
                work,
                making,
                kind,
                limits=_REPORT_LIMITS,
                scratch=scratch,
                wanted=wanted,
                is_ours=is_ours,
            )
            return conclusions, self._keep(objects, making.folder, way)

        kinds = KINDS if making.plan.secondary_capture or making.plan.pdf else KINDS[:1]
        with ThreadPoolExecutor(len(kinds)) as pool:
            parts = list(pool.map(made, kinds))
        return parts[0][0], tuple(one for _, stored in parts for one in stored)

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

    def _making(self, job: Job, folder: Path, way: Route) -> Making:
        settings = self.settings
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
        seen: dict[str, Previous] = {}
        for one in self.ledger.previous_reports(job.study_instance_uid, job.generation):
            seen.setdefault(one.key, Previous(one.key, self.objects / one.path))
        moment = Moment(datetime.fromtimestamp(job.created_at, UTC), job.generation)
        return Making(
            plan, moment, folder, tuple(seen.values()), self.ledger.corrected_identity(job.study_instance_uid)
        )

    def _keep(self, objects: Sequence[ReportObject], folder: Path, way: Route) -> list[Stored]:
        """Make objects' files durable under names of our own; a file that is there already stays as it is."""
        finals = [self._final(one) for one in objects]
        place([(folder / one.file, final) for one, final in zip(objects, finals, strict=True) if not final.exists()])
        for final in finals:
            self.objects.keep(str(final.relative_to(self.settings.service.data_folder)))
        return [self._stored(one, final, way) for one, final in zip(objects, finals, strict=True)]

    def _final(self, one: ReportObject) -> Path:
        name = hashlib.sha256(one.sop_instance_uid.encode()).hexdigest()
        return self.settings.service.data_folder / "results" / name[:2] / f"{name}.dcm"

    def _stored(self, one: ReportObject, final: Path, way: Route) -> Stored:
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
            destinations=way.receivers(one),
            instance_number=one.instance_number,
            key=one.key,
        )


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


def scratch_of(settings: Settings) -> Path:
    """Where child processes work: on this machine's own disk, if the data folder is shared."""
    return (settings.service.local_folder or settings.service.data_folder) / "scratch"


def _rejections(rejected: dict[str, Withdrawal]) -> Iterable[Verdict]:
    for uid, one in rejected.items():
        yield Verdict(uid, "rejected", f"a rejection note says: {one.reason}", "nothing: it is not to be used")


def _limits(settings: Settings) -> Limits:
    return Limits(settings.analysis.time_limit_seconds, settings.analysis.memory_limit_mb)


def _structure_key(name: str | None) -> str | None:
    if name is None:
        return None
    known = {one.key for one in anatomy.structures()}
    return name if name in known else anatomy.recognise(name).structure


def _unread(one: UnreadFile) -> Unread:
    return Unread(one.sop_instance_uid, one.series_instance_uid, one.code, one.text, one.remedy)


def _parameters(plugin: object) -> tuple[str, ...]:
    own = parameters(plugin)  # type: ignore[arg-type]
    return tuple(f"{name}={value}"[:1024] for name, value in own.items() if name not in ("name", "version"))
