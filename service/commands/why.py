"""``nmus why``: what became of a study, found by its accession number or any UID."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from service.app import App
from service.commands.shared import add_json, add_settings, ledger_of, say, say_json, settings_of
from service.patient.keys import Keys
from service.proof.account import StudyAccount, account, search


def add_parser(subparsers: Any) -> None:  # noqa: ANN401
    """Add ``why``."""
    parser = subparsers.add_parser("why", help="was each image of a study analysed, why not, where are its results")
    add_settings(parser)
    add_json(parser)
    parser.add_argument("key", metavar="ACCESSION|UID", help="accession number, patient ID, or any UID")


def run(args: argparse.Namespace) -> int:
    """Status 1 when nothing is known of it, or something needs a person."""
    settings = settings_of(args)
    ledger = ledger_of(settings)
    studies = search(ledger, Keys(App(settings).secret), args.key)
    if not studies:
        say("nothing of it has been received; look at the scanner's queue, or compare with the PACS (nmus status)")
        return 1
    accounts = [account(ledger, study) for study in studies]
    for one in accounts:
        if args.json:
            say_json(asdict(one))
        else:
            _say(one)
    return int(any(_needs_a_person(one) for one in accounts))


def _needs_a_person(one: StudyAccount) -> bool:
    failed = bool(one.jobs) and one.jobs[0].state in {"failed", "dead"}
    return one.quarantine is not None or failed or any(two.sent == "held" for two in one.results)


def _say(one: StudyAccount) -> None:
    say(f"study {one.study_instance_uid}")
    if one.quarantine is not None:
        say(f"  HELD BACK  {one.quarantine.reason}. {one.quarantine.remedy}")
    for two in one.objects:
        say(f"  {two.instance.sop_instance_uid}  {two.outcome}: {two.why}. {two.remedy}".rstrip())
    for three in one.results:
        steps = [three.sent, *([three.confirmed] if three.confirmed else [])]
        steps += [f"withdrawn ({three.withdrawn})"] if three.withdrawn else []
        to = f" to {three.destination}" if three.destination else ""
        say(f"  {three.result.role} {three.result.sop_instance_uid}{to}: {', '.join(steps)} {three.reason}".rstrip())
