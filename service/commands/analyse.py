"""``nmus analyse``: measure in files, without a service."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from plugins.contract import Acquisition, Finding, ReasonCode, Side, Spacing, View
from reference_store import anatomy
from service.analyse.acquisitions import Named, acquisitions, name_image
from service.analyse.child import Limits
from service.analyse.exam import Exam
from service.analyse.gather import gathered, is_picture
from service.analyse.naming import Naming
from service.analyse.read import Drawn, Image, Read, Unread, read_files
from service.analyse.read_picture import read_picture
from service.analyse.record import conclusion_record, records
from service.analyse.regions import FileRegion, read_regions
from service.analyse.run import Room, analyse, conclude_outside, ours, summarise
from service.app import references_of, registry_of
from service.commands.shared import add_json, add_settings, note, quantity, say, say_json, settings_of
from service.config import Settings
from service.errors import Misconfigured, Unanalysable
from service.report.picture_copy import picture_copy, study_of
from service.report.png import png_copy
from service.report.side_tables import write_tables
from service.report.values import Making, Moment, Plan
from service.reporting import ReportWork, conclude_and_report
from service.steps import mapping_rules

_SUBJECT = {"age": "age_years", "sex": "sex", "height_cm": "height_cm", "weight_kg": "weight_kg"}


def add_parser(subparsers: Any) -> None:  # noqa: ANN401
    """Add ``analyse``."""
    parser = subparsers.add_parser("analyse", help="measure in files: DICOM, PNG, TIFF, JPEG, MP4")
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="files, folders, DICOMDIR trees")
    add_settings(parser)
    add_json(parser)
    parser.add_argument("--structure", help="muscle or nerve in all images: catalogue key or name")
    parser.add_argument("--side", choices=[side.value for side in Side])
    parser.add_argument("--site", help="place along the structure: catalogue key or name")
    parser.add_argument("--view", choices=[view.value for view in View])
    parser.add_argument("--regions", type=Path, metavar="FILE", help="regions that somebody drew (docs/regions.md)")
    parser.add_argument("--subject", default="", metavar="age=..,sex=..,height_cm=..,weight_kg=..")
    parser.add_argument(
        "--spacing-mm", nargs=2, type=float, metavar=("ROW", "COLUMN"), help="millimetres per pixel of pictures"
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write reports and overlays here")


def run(args: argparse.Namespace) -> int:
    """Status 1 when nothing could be measured, else 0."""
    settings = settings_of(args)
    registry, references = registry_of(settings), references_of(settings)
    read, files = _read(args)
    exams = _exams(read, _naming(args, settings), settings)
    measured = 0
    with tempfile.TemporaryDirectory(prefix="nmus-") as scratch:
        limits = Limits(settings.analysis.time_limit_seconds, settings.analysis.memory_limit_mb)
        room = Room(Path(scratch), limits)
        for study, read_so in exams.items():
            exam = replace(read_so, acquisitions=tuple(_about(one, args.subject) for one in read_so.acquisitions))
            results = analyse(exam.acquisitions, registry, references, room)
            measured += sum(isinstance(one, Finding) for result in results for one in result.outcomes)
            said = conclude_outside(results, (), registry, references, room)
            work = ReportWork(study, exam, results, registry, references, said=said)
            _tell(work, files, as_json=args.json)
            if args.out:
                _write(args.out, work, settings)
    return int(measured == 0)


def _read(args: argparse.Namespace) -> tuple[list[Read], dict[str, str]]:
    """Every file read, with what was drawn in it; and the file of each SOP Instance UID."""
    spacing = None
    if args.spacing_mm:
        if min(args.spacing_mm) <= 0:
            raise Misconfigured(f"--spacing-mm {args.spacing_mm}: millimetres per pixel must be above 0")
        spacing = Spacing(*args.spacing_mm)
    paths = gathered(args.paths)
    pictures = [path for path in paths if is_picture(path)]
    read = [*read_files([path for path in paths if path not in set(pictures)])]
    read += [_picture(path, spacing) for path in pictures]
    drawn = read_regions(args.regions) if args.regions else ()
    read = [_with_regions(one, drawn) if isinstance(one, Image) else one for one in read]
    files = {one.clip.sop_instance_uid: one.path for one in read if isinstance(one, Image)}
    files |= {one.sop_instance_uid: one.path for one in read if isinstance(one, Unread)}
    return read, files


def _picture(path: Path, spacing: Spacing | None) -> Image | Unread:
    try:
        return Image(str(path), "", read_picture(path, spacing), Naming())
    except Unanalysable as error:
        return Unread(str(path), ReasonCode(error.code), str(error), error.remedy)


def _with_regions(image: Image, drawn: Sequence[FileRegion]) -> Image:
    clip = image.clip
    rows, columns = clip.frames.shape
    mine = [one for one in drawn if one.belongs_to(Path(image.path), clip.sop_instance_uid)]
    for one in mine:
        inside = all(0 <= column <= columns and 0 <= row <= rows for column, row in one.region.points)
        if not inside or one.region.frame >= clip.frames.count:
            raise Misconfigured(
                f"--regions: a {one.region.shape} for {Path(image.path).name} leaves its picture of {columns} × {rows} "
                f"pixels and {clip.frames.count} frames; points are [column, row], frames count from 0"
            )
    return replace(image, clip=replace(clip, drawn=(*clip.drawn, *(one.region for one in mine))))


def _naming(args: argparse.Namespace, settings: Settings) -> Callable[[Image], Named | None]:
    """What the command line says of every image, over what the file itself says."""
    structure = _key(args.structure, {one.key for one in anatomy.structures()}, "--structure")
    site = _key(args.site, {one.key for one in anatomy.sites()}, "--site")
    if not any((structure, args.side, site, args.view)):
        return lambda _image: None
    rules = mapping_rules(settings)

    def named(image: Image) -> Named:
        known = name_image(image.naming, rules)
        return Named(
            structure or known.structure,
            Side(args.side) if args.side else known.side,
            site or known.site,
            View(args.view) if args.view else known.view,
            "command line",
        )

    return named


def _key(text: str | None, known: set[str], option: str) -> str | None:
    if text is None or text in known:
        return text
    found = anatomy.recognise(text)
    key = found.structure if option == "--structure" else found.site
    if key is None:
        raise Misconfigured(f"{option} {text!r} is not in the catalogue; see 'nmus references structures'")
    return key


def _about(acquisition: Acquisition, text: str) -> Acquisition:
    """The acquisition of the subject that the command line describes; what it leaves out stays as the file says."""
    subject = acquisition.subject
    for part in filter(None, text.split(",")):
        name, _, value = part.partition("=")
        field = _SUBJECT.get(name.strip())
        if field is None:
            raise Misconfigured(f"--subject: {name!r} is not known; there are {', '.join(_SUBJECT)}")
        known: dict[str, Any] = {field: _subject_value(field, value.strip())}
        subject = replace(subject, **known)
    return replace(acquisition, subject=subject)


def _subject_value(field: str, value: str) -> str | float:
    if field == "sex":
        if value not in ("M", "F"):
            raise Misconfigured(f"--subject: sex={value!r}; write M or F")
        return value
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1000:
        raise Misconfigured(f"--subject: {field}={value!r} is no plausible number")
    return number


def _exams(read: Sequence[Read], named: Callable[[Image], Named | None], settings: Settings) -> dict[str, Exam]:
    """One exam for each study; pictures, which know no study, are one exam together."""
    studies: dict[str, list[Read]] = {}
    for one in read:
        studies.setdefault(one.study_instance_uid, []).append(one)
    exams = {}
    for study, members in studies.items():
        images = [one for one in members if isinstance(one, Image)]
        exams[study] = Exam(
            acquisitions(images, mapping_rules(settings), named=named),
            tuple((one.clip.sop_instance_uid, one.path) for one in images),
            tuple(one for one in members if isinstance(one, Unread)),
            drawn_in=tuple(one.path for one in members if isinstance(one, Drawn)),
        )
    return exams


def _tell(work: ReportWork, files: dict[str, str], *, as_json: bool) -> None:
    lines = list(records(work.results, files))
    lines += [_unread_record(one) for one in work.exam.unread]
    concluded = (*summarise(work.results, (), ours(work.registry), work.references), *work.said)
    conclusions = [conclusion_record(one) for one in concluded]
    if as_json:
        for line in [*lines, *conclusions]:
            say_json(line)
        return
    for line in lines:
        say(_sentence(line))
    for one in conclusions:
        say(f"{one['title']}: {one['text']}")


def _unread_record(one: Unread) -> dict[str, Any]:
    empty: dict[str, Any] = dict.fromkeys(("structure", "side", "site", "view", "scope", "region_origin", "confidence"))
    lists: dict[str, Any] = {
        name: [] for name in ("averaged_over", "outline", "measurements", "observations", "events", "flags")
    }
    declined: dict[str, Any] = {"code": one.code.value, "text": one.text, "remedy": one.remedy, "candidates": []}
    return {
        "file": one.path, "sop_instance_uid": one.sop_instance_uid, "frame": None, "plugin": "", "version": "",
        **empty, **lists, "declined": declined,
    }  # fmt: skip


def _sentence(line: dict[str, Any]) -> str:
    what = " ".join(str(line[key]) for key in ("structure", "side", "site") if line[key] and line[key] != "unknown")
    head = f"{Path(line['file']).name}: {what or 'structure unknown'}"
    if line["declined"]:
        declined = line["declined"]
        return f"{head}: {line['plugin'] or 'not analysed'}: {declined['text']} [{declined['remedy']}]"
    numbers = ", ".join(f"{one['name']} {quantity(one['value'], one['unit'])}" for one in line["measurements"][:6])
    flags = "".join(f" ! {one['name']}" for one in line["flags"])
    return f"{head}: {line['plugin']} ({line['scope']}): {numbers}{flags}"


def _write(out: Path, work: ReportWork, settings: Settings) -> None:
    out.mkdir(parents=True, exist_ok=True)
    moment = Moment(datetime.now(UTC), 1)
    if not work.study_instance_uid:
        work = _as_study(work, moment, out)
    if not work.exam.files:
        note("no report: there is no picture that it could be about")
        return
    report = settings.report
    plan = Plan(
        sr_classes=(report.sr_class,),
        per=report.per,
        content_qualification=report.content_qualification,
        secondary_capture=report.secondary_capture,
        organisation=report.organisation,
        uid_root=report.uid_root,
    )
    _, made = conclude_and_report(work, Making(plan, moment, out))
    for one in made:
        note(f"wrote {out / one.file}")
        if one.role == "sc":
            png_copy(out / one.file, (out / one.file).with_suffix(".png"))
    for path in write_tables(work.results, out):
        note(f"wrote {path}")


def _as_study(work: ReportWork, moment: Moment, out: Path) -> ReportWork:
    """Pictures know no study: copies of them as DICOM make one that a report can refer to."""
    clips = {clip.sop_instance_uid: (clip, one) for one in work.exam.acquisitions for clip in one.clips}
    study = study_of([clip for clip, _ in clips.values()])
    files = []
    for uid, (clip, acquisition) in clips.items():
        try:
            path = picture_copy(clip, study, acquisition.subject, moment, out)
        except ValueError as error:
            note(f"{clip.name}: no report on it: {error}")
            continue
        note(f"wrote {path}, a DICOM copy that the report refers to")
        files.append((uid, str(path)))
    kept = {uid for uid, _ in files}
    results = tuple(one for one in work.results if all(clip.sop_instance_uid in kept for clip in one.acquisition.clips))
    return replace(work, study_instance_uid=study, exam=replace(work.exam, files=tuple(files)), results=results)
