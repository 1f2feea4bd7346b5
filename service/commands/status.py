"""``nmus status``: what waits, what failed and why."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from service.commands.shared import add_json, add_settings, ledger_of, say, settings_of
from service.ledger import JobState, Status
from service.proof.account import account
from service.web.pages import status_json


def add_parser(subparsers: Any) -> None:  # noqa: ANN401
    """Add ``status``."""
    parser = subparsers.add_parser("status", help="what waits, what failed and why")
    add_settings(parser)
    add_json(parser)
    parser.add_argument("--study", metavar="UID", help="the history of one study, object by object")


def run(args: argparse.Namespace) -> int:
    """Status 1 when something needs a person, else 0."""
    ledger = ledger_of(settings_of(args))
    if args.study:
        return _study(ledger, args.study)
    status = ledger.status()
    if args.json:
        say(json.dumps(json.loads(status_json(ledger))))
    else:
        say(f"received   {status.instances} objects, {status.open_studies} studies settling")
        say("analyses   " + ", ".join(f"{number} {state}" for state, number in status.jobs.items() if number))
        for one in status.outbox:
            say(f"to {one.destination}: {one.waiting} waiting, {one.held} held, {one.sent} sent")
        now = ledger.clock()
        for two in status.circuits:
            if two.paused or two.retry_at > now:
                say(f"   {two.destination} is {'paused' if two.paused else 'not reachable'}: {two.reason}")
        _say_proof(status)
        if status.conflicts:
            say(f"ALARM      {status.conflicts} objects came with a known UID but other bytes (nmus status --study)")
        for state in (JobState.FAILED, JobState.DEAD):
            for job in ledger.jobs(state):
                say(f"{state.value:10} study {job.study_instance_uid}: {job.reason}")
    doubtful = status.quarantined or any(one.unconfirmed for one in status.confirmations)
    trouble = (
        doubtful
        or status.conflicts
        or status.jobs["failed"]
        or status.jobs["dead"]
        or any(one.held for one in status.outbox)
    )
    return int(bool(trouble))


def _say_proof(status: Status) -> None:
    for one in status.confirmations:
        say(f"kept by {one.destination}: {one.confirmed} confirmed, {one.open} open, {one.unconfirmed} NOT confirmed")
    for two in status.reconciliations:
        what = "images there that we lack" if two.kind == "images" else "results that it lacks"
        moment = time.strftime("%Y-%m-%d %H:%M", time.gmtime(two.at))
        found = two.error or f"{two.missing} of {two.looked} {what}, {two.mended} mended"
        say(f"compared with {two.peer}, {moment} UTC: {found}")
    if status.quarantined:
        say(f"HELD BACK  {status.quarantined} studies: nmus release shows which and why")
    if status.unanswered_requests:
        say(f"scanners   {status.unanswered_requests} commitment requests unanswered: add [[scanner]], nmus redrive")


def _study(ledger: Any, uid: str) -> int:  # noqa: ANN401
    objects = account(ledger, uid).objects
    if not objects:
        say(f"no object of study {uid} has been received; look at the scanner's queue and at 'nmus status'")
        return 1
    for told in objects:
        one = told.instance
        say(f"{one.sop_instance_uid}  from {one.source}, {one.size} bytes")
        say(f"    {told.outcome}: {told.why}. {told.remedy}".rstrip())
    for event in reversed(ledger.events(uid)):
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(event.at))
        say(f"{moment} UTC  {event.kind}  {event.sop_instance_uid} {event.destination} {event.detail}".rstrip())
    return 0
