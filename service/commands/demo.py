"""``nmus demo``: scanner, service and PACS on this machine; what goes in is known, what comes back is checked."""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from textwrap import wrap
from typing import Any

from pydicom import dcmread
from pydicom.data import get_testdata_file

from service.commands.shared import quantity, say
from service.demo.exam import Truth, write_exam
from service.demo.pacs import StandInPacs
from service.demo.returned import Returned, returned
from service.demo.scanner import send
from service.demo.verdict import checks, truth_of, worst
from service.errors import NmusError
from service.ledger import open_ledger
from service.report.png import png_copy

SEED = 1
_START_S, _WORK_S = 120.0, 600.0
_COMPARISON_WIDTH = 48
_SETTINGS = """\
[service]
data_folder = "data"

[listener]
port = {listener}
refuse_free_mb = 200

[settle]
quiet_seconds = 2

[web]
port = {web}

[[destination]]
name = "stand-in PACS"
ae_title = "DEMOPACS"
host = "127.0.0.1"
port = {pacs}
"""


def add_parser(subparsers: Any) -> None:  # noqa: ANN401
    """Add ``demo``."""
    parser = subparsers.add_parser("demo", help="send a simulated exam and a real clip through the service")
    parser.add_argument("--out", type=Path, default=Path("demo-output"), metavar="FOLDER")


def run(args: argparse.Namespace) -> int:
    """0 only if what came back is right."""
    out: Path = args.out
    for old in ("data", "pacs", "overlays", "exam"):
        shutil.rmtree(out / old, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    with StandInPacs(out / "pacs") as pacs:
        listener, web = _free_port(), _free_port()
        settings = out / "nmus.toml"
        settings.write_text(_SETTINGS.format(listener=listener, web=web, pacs=pacs.port), encoding="utf-8")
        with (out / "service.log").open("wb") as log:
            command = [sys.executable, "-P", "-m", "service", "serve", "--settings", str(settings.resolve())]
            service = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603 - our own command
            try:
                truth = _go(out, service, listener, web)
            finally:
                service.terminate()
                service.wait(60)
        return _tell(out, truth, pacs.files())


def _go(out: Path, service: subprocess.Popen[bytes], listener: int, web: int) -> Truth:
    say("1. simulating an exam: biceps left and right, tibialis anterior, median nerve, a fasciculation cine …")
    truth = write_exam(out / "exam", SEED)
    real = Path(str(get_testdata_file("examples_ybr_color.dcm")))
    say("2. starting the service on loopback …")
    _wait(service, _START_S, "the service is not ready", lambda: _status(web, "/health/ready") is not None)
    files = [*sorted((out / "exam").glob("*.dcm")), real]
    say(f"3. sending {len(files)} files by C-STORE, as a scanner does …")
    statuses = send(
        files, "127.0.0.1", listener, "NMUS", sent=lambda path, status: say(f"   {status:#06x} {path.name}")
    )
    if any(statuses.values()):
        raise NmusError("an object was not taken; its status stands above")
    say(f"4. analysing, reporting, delivering … (watch http://127.0.0.1:{web}/)")
    shown: set[str] = set()
    _wait(service, _WORK_S, "the results did not all come back", lambda: _all_back(web, shown))
    return truth


def _all_back(web: int, shown: set[str]) -> bool:
    status = _status(web, "/status.json")
    if status is None:
        return False
    jobs, outbox = status["jobs"], status["outbox"]
    waiting = sum(one["waiting"] for one in outbox)
    ended = jobs["done"] + jobs["failed"] + jobs["dead"]
    sent = sum(one["sent"] for one in outbox)
    line = f"   {jobs['running']} running, {ended} of 2 studies analysed, {sent} objects sent"
    if line not in shown:
        shown.add(line)
        say(line)
    return bool(ended >= 2 and not waiting and not jobs["queued"] and not jobs["running"])


def _wait(service: subprocess.Popen[bytes], seconds: float, failed: str, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if service.poll() is not None:
            raise NmusError(f"the service ended with {service.returncode}; see service.log")
        if time.monotonic() > deadline:
            raise NmusError(f"{failed} within {seconds:g} s; see service.log")
        time.sleep(0.2)


def _status(web: int, path: str) -> dict[str, Any] | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{web}{path}", timeout=5) as answer:
            known: dict[str, Any] = json.load(answer)
            return known
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _tell(out: Path, truth: Truth, files: list[Path]) -> int:
    reports = {one.study_instance_uid: one for one in returned(files)}
    exam = reports.pop(truth.study_instance_uid, None)
    clip = next(iter(reports.values()), None)
    pictures = _pictures(out)
    _table(exam, clip, truth)
    made = checks(truth, exam, clip, sum(dcmread(path, stop_before_pixels=True).Modality != "SR" for path in files))
    say("\nWhat must be right:")
    for one in made:
        say(f"  {'right' if one.good else 'WRONG'}  {one.what}: {one.found} (expected {one.expected})")
    say(f"\nreports and overlays as DICOM  {out / 'pacs'}")
    say(f"overlays to look at, {len(pictures):3} PNG  {out / 'overlays'}")
    say(f"log of the service             {out / 'service.log'}")
    return worst(made)


def _table(exam: Returned | None, clip: Returned | None, truth: Truth) -> None:
    rows = [("structure", "measure", "value", "comparison", "truth of the simulation")]
    for report in filter(None, (exam, clip)):
        for one in report.values:
            if "all images" in one.tracking or one.measure == "fasciculations":
                value = quantity(one.value, one.unit)
                first, *more = wrap(one.comparison, _COMPARISON_WIDTH)
                rows.append((one.structure, one.measure, value, first, truth_of(one, truth)))
                rows.extend(("", "", "", line, "") for line in more)
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    say()
    for number, row in enumerate(rows):
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if number == 0:
            say("  ".join("─" * width for width in widths))
    for title, texts in (
        ("Concluded over the exam", exam.conclusions if exam else ()),
        ("Not assessed, and why", (exam.reasons if exam else ()) + (clip.reasons if clip else ())),
    ):
        say(f"\n{title}:")
        for text in texts:
            say(f"  – {text}")


def _pictures(out: Path) -> list[Path]:
    """Copies of the overlays with names that say what they show."""
    folder = out / "overlays"
    folder.mkdir(exist_ok=True)
    ledger = open_ledger(out / "data")
    copied = []
    for job in ledger.jobs():
        for number, result in enumerate(ledger.results(job.id), 1):
            if result.role == "sc":
                words = "".join(letter if letter.isalnum() else "-" for letter in result.key.removeprefix("sc|"))
                target = folder / f"{job.id}-{number:02}-{words[:80]}.png"
                png_copy(out / "data" / result.path, target)
                copied.append(target)
    ledger.close()
    return copied
