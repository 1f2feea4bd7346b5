"""``nmus fasciculation evaluate``: how good the counting is on a site's own annotated clips."""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from plugins.contract import Finding, NotAssessable, Result
from plugins.fasciculation.evaluate import Found, annotated_in, evaluate
from service.analyse.acquisitions import Named, acquisitions
from service.analyse.child import Limits
from service.analyse.gather import gathered, is_picture
from service.analyse.naming import Naming
from service.analyse.read import Image, Unread, read_files
from service.analyse.read_picture import read_picture
from service.analyse.run import Room, analyse
from service.app import references_of, registry_of
from service.commands.shared import add_json, add_settings, note, say, say_json, settings_of
from service.errors import Misconfigured


def add_parser(subparsers: Any) -> None:  # noqa: ANN401
    """Add ``fasciculation``."""
    parser = subparsers.add_parser("fasciculation", help="judge the counting of fasciculations on annotated clips")
    inner = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    judge = inner.add_parser("evaluate", help="precision, recall and timing against an annotation table")
    judge.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="clips: DICOM or MP4, files or folders")
    judge.add_argument(
        "--annotations", type=Path, required=True, metavar="CSV", help="columns clip and peak_s, or start_s and end_s"
    )
    add_settings(judge)
    add_json(judge)


def run(args: argparse.Namespace) -> int:
    """Analyse every clip that the table names and compare."""
    try:
        annotated = annotated_in(args.annotations.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Misconfigured(f"annotations {args.annotations}: {error}") from error
    wanted = {one.clip for one in annotated}
    paths = [path for path in gathered(args.paths) if path.name in wanted or path.stem in wanted]
    found = [one for path in paths if (one := _found(path, wanted, args)) is not None]
    try:
        result = evaluate(annotated, found)
    except ValueError as error:
        raise Misconfigured(f"annotations {args.annotations}: {error}") from error
    if args.json:
        say_json(asdict(result))
    else:
        say(str(result))
    return 0


def _found(path: Path, wanted: set[str], args: argparse.Namespace) -> Found | None:
    settings = settings_of(args)
    registry = registry_of(settings)
    plugins = tuple(one for one in registry.plugins if one.name == "fasciculation")
    image = Image(str(path), "", read_picture(path), Naming()) if is_picture(path) else read_files([path])[0]
    if not isinstance(image, Image):
        note(f"{path.name}: {image.text if isinstance(image, Unread) else 'no clip'}")
        return None
    note(f"{path.name} …")
    # Which muscle it is does not matter for counting; a clip without a name would otherwise be declined.
    named = Named("biceps_brachii", named_by="command line")
    with tempfile.TemporaryDirectory(prefix="nmus-") as scratch:
        limits = Limits(settings.analysis.time_limit_seconds, settings.analysis.memory_limit_mb)
        results = analyse(
            acquisitions([image], named=lambda _image: named),
            type(registry)(plugins, ()),
            references_of(settings),
            Room(Path(scratch), limits),
        )
    return _of(path.name if path.name in wanted else path.stem, results)


def _of(clip: str, results: tuple[Result, ...]) -> Found:
    findings = [one for result in results for one in result.outcomes if isinstance(one, Finding)]
    if not findings:
        reasons = [one.text for result in results for one in result.outcomes if isinstance(one, NotAssessable)]
        return Found(clip, (), 0.0, assessable=False, reason="; ".join(reasons))
    (finding,) = findings[:1]
    observed = next((one.value for one in finding.measurements if one.name == "observed_time"), 0.0)
    peaks = tuple(
        one.properties.get("peak_s", one.start_s + one.duration_s / 2) for one in finding.events if one.accepted
    )
    return Found(clip, tuple(sorted(peaks)), float(observed))
