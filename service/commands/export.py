"""``nmus export``: a study with its findings for research, without whose it is."""

from __future__ import annotations

import argparse
import getpass
import json
from pathlib import Path
from typing import Any

from service.app import App
from service.audit import Patient, Study
from service.audit.following import patient_of
from service.commands.shared import add_settings, ledger_of, say, settings_of
from service.errors import Misconfigured
from service.export.study import export
from service.kept_tables import KeptTable, kept_tables, tables_folder
from service.ledger import JobState

_ROLES = ("sr", "gsps")
"""Results that go along: reports, and drawings where a destination asked for them."""


def add_parser(subparsers: Any) -> None:  # noqa: ANN401
    """Add ``export``."""
    parser = subparsers.add_parser("export", help="write a study with its findings for research, de-identified")
    add_settings(parser)
    parser.add_argument("STUDY_INSTANCE_UID")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="a folder that is not there yet")
    parser.add_argument("--project", default="", help="exports of one project fit together, of two they do not")
    parser.add_argument(
        "--accept-unmarked",
        action="store_true",
        help="also pictures that do not say where the tissue lies: somebody has looked that no name is burned in",
    )


def run(args: argparse.Namespace) -> int:
    """Status 1 when an object was left out, or nothing could be exported."""
    settings = settings_of(args)
    uid, out = args.STUDY_INSTANCE_UID, args.out
    if out.exists():
        raise Misconfigured(f"--out {out}: is there already; nothing is overwritten, name another")
    if not out.parent.is_dir():
        raise Misconfigured(f"--out {out}: its folder is not there; make it")
    app, ledger = App(settings), ledger_of(settings)
    instances = ledger.instances(uid)
    if not instances:
        raise Misconfigured(f"no object of study {uid} has been received")
    done = ledger.jobs(JobState.DONE, uid, limit=1)
    findings = json.loads(ledger.findings(done[0].id) or "[]") if done else []
    reports = [app.objects / one.path for one in ledger.results(done[0].id) if one.role in _ROLES] if done else []
    tables = _tables(app, uid, done[0].id, findings) if done else ()
    paths = [app.objects / one.path for one in instances]
    objects: list[Study | Patient] = [Study(uid, anonymised=True), patient_of(paths[0])[0]]
    try:
        manifest = export(
            uid,
            paths,
            reports,
            findings,
            out,
            secret=app.secret,
            project=args.project,
            accept_unmarked=args.accept_unmarked,
            tables=tables,
        )
    except BaseException:
        app.trail.exported(getpass.getuser(), str(out), objects, good=False)
        raise
    app.trail.exported(getpass.getuser(), str(out), objects)
    held = f"{len(manifest.exported)} objects, {manifest.findings} findings and {len(manifest.tables)} tables"
    say(f"{held} in {out}, as {manifest.patient}")
    for one in manifest.left_out:
        say(f"left out     {one.sop_instance_uid}: {one.reason}. {one.remedy}".rstrip())
    return int(bool(manifest.left_out))


def _tables(app: App, study: str, job: int, findings: list[dict[str, Any]]) -> tuple[KeptTable, ...]:
    app.objects.gather(str(tables_folder(Path(), study, job)))
    return kept_tables(app.data_folder, study, job, findings)
