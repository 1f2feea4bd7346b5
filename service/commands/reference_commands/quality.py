"""``qc``: phantom images, charts, patients' values, reminders."""

from __future__ import annotations

import argparse
import dataclasses
import json
from datetime import date
from pathlib import Path
from typing import Any

from reference_store import journal
from reference_store.attestation import device_from_json
from reference_store.phantom import PhantomValues, measure
from reference_store.quality import Level, QualityLog, rows_of
from reference_store.quality_page import page
from reference_store.reminders import reminders
from service.commands.reference_commands.printing import command, signature, store_of, tell, today
from service.errors import Misconfigured


def add_parsers(subparsers: Any) -> None:  # noqa: ANN401
    """Add ``qc`` with its own actions."""
    outer = subparsers.add_parser("qc", help="phantom checks, drift, reminders")
    inner = outer.add_subparsers(dest="qc_command", metavar="ACTION", required=True)
    command(inner, "status", "charts, patients' values and what is due; status 1 when something blocks", _status)
    parser = command(inner, "measure", "measure DICOM images of the phantom and keep the numbers", _measure)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--on", default=today(), metavar="DATE", help="day of the images; today if absent")
    parser.add_argument("--dry-run", action="store_true", help="measure only, keep nothing")
    parser = command(inner, "baseline", "begin a new baseline after repair, update or another phantom", _baseline)
    parser.add_argument("--device", type=Path, required=True, metavar="FILE", help="JSON of the scanner")
    parser.add_argument("--reason", required=True)
    signature(parser)
    parser = command(inner, "release", "let a scanner compare again after a block and a new baseline", _release)
    parser.add_argument("--device", type=Path, required=True, metavar="FILE", help="JSON of the scanner")
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
    from service.analyse.read import Image, read_file  # noqa: PLC0415 - loads the DICOM libraries

    measured = []
    for path in args.files:
        image = read_file(path)
        if not isinstance(image, Image):
            why = getattr(image, "text", "holds drawings, not an image")
            raise Misconfigured(f"{path.name}: {why}; nothing was kept")
        region = image.clip.tissue
        if region is None or region.spacing is None:
            raise ValueError(f"{path.name}: no single calibrated tissue region; nothing was kept")
        box = region.box
        grey = image.clip.frames.grey(0)[box.row0 : box.row1, box.column0 : box.column1]
        values = measure(grey, (region.spacing.row_mm, region.spacing.column_mm))
        measured.append((path.name, image.clip.device, values))
    log = QualityLog(store_of(args).folder)
    for _, device, values in measured:
        if not args.dry_run:
            log.add_phantom(device, args.on, values)
    facts = [{"file": name, **dataclasses.asdict(values)} for name, _, values in measured]
    tell(args, facts, [_words(name, values) for name, _, values in measured])
    return 0


def _words(name: str, values: PhantomValues) -> str:
    return (
        f"{name}: mean {values.mean:.1f}, SD {values.sd:.1f}, {values.slope_per_cm:+.2f} per cm, "
        f"speckle {values.speckle_mm[0]:.2f} × {values.speckle_mm[1]:.2f} mm, saturated {values.saturated:.1%}"
    )


def _baseline(args: argparse.Namespace) -> int:
    device = device_from_json(json.loads(args.device.read_text(encoding="utf-8")))
    QualityLog(store_of(args).folder).begin_baseline(device, args.by, args.on, args.reason)
    facts = {"model": device.model, "by": args.by, "on": args.on, "reason": args.reason}
    tell(args, facts, [f"new baseline of {device.model}: 20 images over two weeks"])
    return 0


def _release(args: argparse.Namespace) -> int:
    device = device_from_json(json.loads(args.device.read_text(encoding="utf-8")))
    QualityLog(store_of(args).folder).release(device, args.by, args.on, args.reason)
    facts = {"model": device.model, "by": args.by, "on": args.on, "reason": args.reason}
    tell(args, facts, [f"{device.model} released by {args.by} on {args.on}"])
    return 0


def _chart(args: argparse.Namespace) -> int:
    store = store_of(args)
    charts = QualityLog(store.folder).charts(store.reference_sds())
    journal.replace(args.to, page(charts).encode())
    tell(args, {"charts": len(charts), "to": str(args.to)}, [f"{len(charts)} charts written to {args.to}"])
    return 0
