"""``nmus explain``: what would happen to a DICOM file, and why."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from plugins.contract import Acquisition, Declined
from reference_store import anatomy
from service.analyse.exam import read_exam
from service.analyse.gather import gathered
from service.app import registry_of
from service.commands.shared import add_json, add_settings, say, say_json, settings_of
from service.config import Course, Settings, course
from service.receive.offered import RETIRED_ULTRASOUND, STORAGE_CLASSES
from service.steps import mapping_rules


def add_parser(subparsers: Any) -> None:  # noqa: ANN401
    """Add ``explain``."""
    parser = subparsers.add_parser("explain", help="what would happen to a DICOM file, and why")
    parser.add_argument("paths", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--called", default="", metavar="TITLE", help="AE title by which the sender calls us")
    add_settings(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Each step that the service would take with each file; nothing is stored or sent."""
    settings = settings_of(args)
    for path in gathered(args.paths):
        lines = _steps(path, settings, args.called)
        if args.json:
            say_json({"file": str(path), "steps": [{"step": step, "text": text} for step, text in lines]})
            continue
        say(f"{path}")
        for step, text in lines:
            say(f"  {step:12} {text}")
    return 0


def _steps(path: Path, settings: Settings, called: str) -> list[tuple[str, str]]:
    lines = [_received(path, settings)]
    exam = read_exam([str(path)], mapping_rules(settings))
    lines += [("not read", f"{one.text} ({one.code}). {one.remedy}") for one in exam.unread]
    lines += [("drawings", "what people drew here is put onto the images of the same study") for _ in exam.drawn_in]
    lines += [("doubt", text) for _, text in exam.remarks]
    for acquisition in exam.acquisitions:
        lines += _acquisition(acquisition, settings, course(settings.workflow, (called,)))
    return lines


def _received(path: Path, settings: Settings) -> tuple[str, str]:
    try:
        header = dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID", "SOPInstanceUID"])
        sop_class, syntax = header.SOPClassUID, header.file_meta.TransferSyntaxUID
    except (InvalidDicomError, AttributeError, OSError) as error:
        return "refused", f"is no DICOM file that could be sent ({type(error).__name__})"
    taken = STORAGE_CLASSES | {*RETIRED_ULTRASOUND, *settings.listener.private_sop_classes}
    if str(sop_class) not in taken:
        return "refused", f"SOP class {sop_class} is not taken; add it to listener.private_sop_classes"
    return "received", f"{sop_class.name}, {syntax.name}, kept as sent"


def _acquisition(acquisition: Acquisition, settings: Settings, chosen: Course) -> list[tuple[str, str]]:
    clip = acquisition.clips[0]
    regions = [f"{one.spacing.row_mm:.4g} mm per pixel" if one.spacing else "no scale" for one in clip.regions]
    lines = [
        ("pixels", f"{clip.frames.count} frames of {clip.frames.shape[1]} × {clip.frames.shape[0]}"),
        ("calibration", "; ".join(regions) or "none: lengths and areas will not be given"),
    ]
    if acquisition.structure:
        name = anatomy.structure(acquisition.structure).name
        site = f", {anatomy.site(acquisition.site).name}" if acquisition.site else ""
        known = f"{name}, {acquisition.side}{site}, {acquisition.view} (by {acquisition.named_by})"
        lines.append(("structure", known))
    else:
        lines.append(("structure", "unknown: name it at the scanner or add a [[mapping]]"))
    drawn = ", ".join(f"{one.shape} from {one.origin}" for one in clip.drawn)
    lines.append(("drawn", drawn or "nothing in this file; drawings of other files of the study count too"))
    if chosen.names:
        lines.append(("workflow", ", ".join(chosen.names)))
    for plugin in registry_of(settings).plugins:
        if not chosen.runs(plugin.name):
            lines.append((plugin.name, "is not asked for by the workflow"))
            continue
        verdict = plugin.declines(acquisition)
        told = f"declines: {verdict.text}. {verdict.remedy}" if isinstance(verdict, Declined) else "analyses it"
        lines.append((plugin.name, told))
    to = [f"{one.name} ({' and '.join(one.objects)})" for one in settings.destination if chosen.goes_to(one.name)]
    lines.append(("results go to", ", ".join(to) or _nowhere(settings)))
    return lines


def _nowhere(settings: Settings) -> str:
    return "nowhere: the workflow keeps them here" if settings.destination else "nowhere: there is no [[destination]]"
