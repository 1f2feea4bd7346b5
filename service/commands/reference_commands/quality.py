"""``qc``: phantom images, charts, patients' values, reminders."""

from __future__ import annotations

import argparse
import dataclasses
from datetime import date
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from plugins.contract import Clip
from reference_store import journal
from reference_store.files import FileError
from reference_store.phantom import PhantomValues, measure
from reference_store.quality import Level, QualityLog, rows_of
from reference_store.quality_page import page
from reference_store.reminders import reminders
from service.commands.reference_commands.devices import add_scanner, scanner_of
from service.commands.reference_commands.printing import command, signature, store_of, tell, today

_BLURRED = (
    "the beam blurs edges, so a size is for comparison with earlier images; a distance of two targets is the proof"
)


def add_parsers(subparsers: Any) -> None:  # noqa: ANN401
    """Add ``qc`` with its own actions."""
    outer = subparsers.add_parser("qc", help="phantom checks, drift, reminders")
    inner = outer.add_subparsers(dest="qc_command", metavar="ACTION", required=True)
    command(inner, "status", "charts, patients' values and what is due; status 1 when something blocks", _status)
    parser = command(inner, "measure", "measure DICOM images of the phantom and keep the numbers", _measure)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--on", metavar="DATE", help="day of the images; absent: their study date, else today")
    parser.add_argument("--dry-run", action="store_true", help="measure only, keep nothing")
    parser = command(inner, "distance", "size of a phantom's target, or distance of two, against the truth", _distance)
    parser.add_argument("file", type=Path, metavar="FILE")
    place = "where one is, in pixels of the image; once for its size, twice for a distance"
    parser.add_argument("--target", type=_pixel, action="append", required=True, metavar="ROW,COLUMN", help=place)
    parser.add_argument("--true-mm", type=float, required=True, metavar="MM", help="what the phantom's maker states")
    parser = command(inner, "baseline", "begin a new baseline after repair, update or another phantom", _baseline)
    add_scanner(parser)
    parser.add_argument("--reason", required=True)
    signature(parser)
    parser = command(inner, "release", "let a scanner compare again after a block and a new baseline", _release)
    add_scanner(parser)
    parser.add_argument("--reason", required=True, help="how many volunteers were rescanned, and with what result")
    signature(parser)
    parser = command(inner, "chart", "write the charts as one HTML page", _chart)
    parser.add_argument("--to", type=Path, required=True, metavar="FILE")


def _status(args: argparse.Namespace) -> int:
    store = store_of(args)
    log = QualityLog(store.folder)
    charts, watches = log.charts(store.reference_sds()), log.watches()
    due = reminders(store, date.fromisoformat(today()))
    facts = {
        "charts": rows_of(charts),
        "patients": [dataclasses.asdict(one) for one in watches],
        "due": list(due),
    }
    lines = [f"{' '.join(one.scanner)}: {one.level}: {one.text}" for one in charts]
    lines += [f"{' '.join(one.scanner)}: patients: {one.text}" for one in watches]
    lines += [f"due: {text}" for text in due]
    tell(args, facts, lines or ["nothing measured yet"])
    return int(any(one.level is Level.BLOCK for one in charts))


def _measure(args: argparse.Namespace) -> int:
    from service.analyse.feeding import exam_facts  # noqa: PLC0415 - loads the DICOM libraries

    if args.on is not None:
        date.fromisoformat(args.on)
    measured = []
    for path in args.files:
        clip, grey, spacing = _picture(path)
        if not args.dry_run and not (clip.device.manufacturer and clip.device.model):
            raise FileError(
                path.name, "whole file", "names no manufacturer and model, so it is on no chart; nothing was kept"
            )
        day = args.on or exam_facts([str(path)]).studied or today()
        measured.append((path.name, clip, day, measure(grey, spacing)))
    log = QualityLog(store_of(args).folder)
    facts = []
    for name, clip, day, values in measured:
        kept = not args.dry_run and log.add_phantom(clip.device, day, values, clip.sop_instance_uid)
        facts.append({"file": name, "on": day, "kept": kept, **dataclasses.asdict(values)})
    words = [_words(name, values) for name, _, _, values in measured]
    known = [fact["file"] for fact in facts if not fact["kept"] and not args.dry_run]
    tell(args, facts, [*words, *(f"{name} is on the chart already" for name in known)])
    return 0


def _picture(path: Path) -> tuple[Clip, NDArray[Any], tuple[float, float]]:
    """The clip, its tissue region in grey, and millimetres per pixel. Raises where there is no such image."""
    from service.analyse.read import Image, read_file  # noqa: PLC0415 - loads the DICOM libraries

    image = read_file(path)
    if not isinstance(image, Image):
        why = getattr(image, "text", "holds drawings, not an image")
        raise FileError(path.name, "whole file", f"{why}; nothing was kept")
    region = image.clip.tissue
    if region is None or region.spacing is None:
        raise FileError(path.name, "whole file", "no single calibrated tissue region; nothing was kept")
    box = region.box
    grey = image.clip.frames.grey(0)[box.row0 : box.row1, box.column0 : box.column1]
    return image.clip, grey, (region.spacing.row_mm, region.spacing.column_mm)


def _pixel(text: str) -> tuple[float, float]:
    try:
        row, column = (float(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no place; write ROW,COLUMN, such as 630,845") from error
    return row, column


def _distance(args: argparse.Namespace) -> int:
    from reference_store.distances import OFF_SHARE, apart_mm, target  # noqa: PLC0415 - scipy takes time to import

    if len(args.target) > 2 or not 0 < args.true_mm < 1000:
        raise ValueError("give one --target or two, and --true-mm above zero")
    clip, grey, spacing = _picture(args.file)
    box = clip.tissue.box if clip.tissue else None
    row0, column0 = (box.row0, box.column0) if box else (0, 0)
    found = [target(grey, spacing, (row - row0, column - column0)) for row, column in args.target]
    if len(found) == 2:
        sizes = {"apart_mm": apart_mm(found[0], found[1], spacing)}
    else:
        sizes = {"height_mm": found[0].height_mm, "width_mm": found[0].width_mm}
    errors = {name: size / args.true_mm - 1 for name, size in sizes.items()}
    facts = {"file": args.file.name, "true_mm": args.true_mm, **sizes, "errors": errors}
    lines = [f"{name.removesuffix('_mm')} {sizes[name]:.2f} mm, {errors[name]:+.1%} of the truth" for name in sizes]
    tell(args, facts, [*lines, *([] if len(found) == 2 else [_BLURRED])])
    return int(len(found) == 2 and abs(errors["apart_mm"]) > OFF_SHARE)


def _words(name: str, values: PhantomValues) -> str:
    return (
        f"{name}: mean {values.mean:.1f}, SD {values.sd:.1f}, {values.slope_per_cm:+.2f} per cm, "
        f"speckle {values.speckle_mm[0]:.2f} × {values.speckle_mm[1]:.2f} mm, saturated {values.saturated:.1%}"
    )


def _baseline(args: argparse.Namespace) -> int:
    device = scanner_of(args)
    QualityLog(store_of(args).folder).begin_baseline(device, args.by, args.on, args.reason)
    facts = {"model": device.model, "by": args.by, "on": args.on, "reason": args.reason}
    tell(args, facts, [f"new baseline of {device.model}: 20 images over two weeks"])
    return 0


def _release(args: argparse.Namespace) -> int:
    device = scanner_of(args)
    QualityLog(store_of(args).folder).release(device, args.by, args.on, args.reason)
    facts = {"model": device.model, "by": args.by, "on": args.on, "reason": args.reason}
    tell(args, facts, [f"{device.model} released by {args.by} on {args.on}"])
    return 0


def _chart(args: argparse.Namespace) -> int:
    store = store_of(args)
    log = QualityLog(store.folder)
    charts = log.charts(store.reference_sds())
    journal.replace(args.to, page(charts, log.watches()).encode())
    tell(args, {"charts": len(charts), "to": str(args.to)}, [f"{len(charts)} charts written to {args.to}"])
    return 0
