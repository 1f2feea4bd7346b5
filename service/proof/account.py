"""One study's whole account: what came, what became of each object, what was made of it and where that is now."""

from __future__ import annotations

from dataclasses import dataclass

from service.ledger import (
    Confirmation,
    Instance,
    Job,
    JobState,
    Ledger,
    Outgoing,
    Quarantine,
    Result,
    Verdict,
    Withdrawal,
)
from service.patient.keys import Keys

DRAWINGS = "drawings"
"""Verdict on an object whose marks were laid onto images of its study."""


@dataclass(frozen=True, slots=True)
class ObjectAccount:
    """One received object."""

    instance: Instance
    outcome: str
    """``analysed``, ``used``, ``not analysed``, ``waiting``, ``held back``, ``rejected`` or ``conflicting copy``."""
    why: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class ResultAccount:
    """One result at one destination, or with none to go to."""

    result: Result
    destination: str
    sent: str
    """``waiting``, ``sending``, ``sent``, ``held``, ``withdrawn`` or ``kept here``."""
    confirmed: str
    """A ``ConfirmState`` value, or empty where nobody asks."""
    reason: str
    withdrawn: str = ""


@dataclass(frozen=True, slots=True)
class StudyAccount:
    """The whole study."""

    study_instance_uid: str
    objects: tuple[ObjectAccount, ...]
    results: tuple[ResultAccount, ...]
    jobs: tuple[Job, ...]
    quarantine: Quarantine | None


def search(ledger: Ledger, keys: Keys, text: str) -> tuple[str, ...]:
    """Studies by an accession number, a patient ID, or the UID of a study, series, object or result."""
    plain = text.strip()
    found = ledger.studies_with(plain) if plain else ()
    for kind in ("accession", "patient_id"):
        key = keys.of(kind, plain)
        found = found or (ledger.studies_of(key) if key else ())
    return found


def account(ledger: Ledger, study: str) -> StudyAccount:
    """Everything that the ledger knows of one study."""
    quarantine = ledger.quarantine(study)
    held = quarantine if quarantine is not None and quarantine.released_at is None else None
    jobs = ledger.jobs(study_instance_uid=study)
    withdrawals = {one.sop_instance_uid: one for one in ledger.withdrawals(study)}
    objects = []
    for instance in ledger.instances(study):
        copies = ledger.instance(instance.sop_instance_uid)
        verdicts = ledger.verdicts(instance.sop_instance_uid)
        objects.append(_object(instance, verdicts, jobs, held, withdrawals.get(instance.sop_instance_uid)))
        objects += [
            ObjectAccount(copy, "conflicting copy", "same UID as another object, other bytes: kept, not analysed")
            for copy in copies
            if copy.sha256 != instance.sha256
        ]
    return StudyAccount(study, tuple(objects), _results(ledger, study, withdrawals), jobs, held)


def _object(
    instance: Instance,
    verdicts: tuple[Verdict, ...],
    jobs: tuple[Job, ...],
    held: Quarantine | None,
    withdrawal: Withdrawal | None,
) -> ObjectAccount:
    if withdrawal is not None:
        return ObjectAccount(instance, "rejected", withdrawal.reason)
    if held is not None:
        return ObjectAccount(instance, "held back", held.reason, held.remedy)
    latest = [one for one in verdicts if one.generation == max(two.generation for two in verdicts)]
    measured = [one.plugin for one in latest if one.code == "analysed"]
    if measured:
        return ObjectAccount(instance, "analysed", f"by {', '.join(dict.fromkeys(measured))}")
    if latest and latest[0].code == DRAWINGS:
        return ObjectAccount(instance, "used", latest[0].text)
    if latest:
        return ObjectAccount(instance, "not analysed", latest[0].text, latest[0].remedy)
    return ObjectAccount(instance, *_without_verdict(instance, jobs))


def _without_verdict(instance: Instance, jobs: tuple[Job, ...]) -> tuple[str, str, str]:
    """Outcome, reason and remedy of an object that no analysis has said anything about."""
    if not jobs:
        return "waiting", "its study is still settling", ""
    match jobs[0].state:
        case JobState.FAILED | JobState.DEAD:
            return "not analysed", f"the analysis failed: {jobs[0].reason}", "mend the cause, then 'nmus rerun'"
        case JobState.DONE:
            if instance.received_at > jobs[0].created_at:
                return "waiting", "it came after the last analysis; its study is settling again", ""
            return "not analysed", "holds no image, and no marks that could be laid onto one", ""
    return "waiting", f"the analysis is {jobs[0].state}", jobs[0].reason


def _results(ledger: Ledger, study: str, withdrawals: dict[str, Withdrawal]) -> tuple[ResultAccount, ...]:
    outgoing: dict[str, list[Outgoing]] = {}
    for row in ledger.outgoing_of(study):
        outgoing.setdefault(row.sop_instance_uid, []).append(row)
    confirmations = {
        (one.sop_instance_uid, one.destination): one for one in ledger.confirmations(study_instance_uid=study)
    }
    found = []
    for result in ledger.previous_reports(study):
        uid = result.sop_instance_uid
        gone = withdrawals[uid].reason if uid in withdrawals else ""
        for row in outgoing.get(uid, []):
            confirmation = confirmations.get((uid, row.destination))
            found.append(_result(result, row, confirmation, gone))
        if uid not in outgoing:
            found.append(ResultAccount(result, "", "kept here", "", "no destination takes it", gone))
    return tuple(found)


def _result(result: Result, row: Outgoing, confirmation: Confirmation | None, gone: str) -> ResultAccount:
    state = "" if confirmation is None else confirmation.state.value
    reason = row.last_error or ("" if confirmation is None else confirmation.reason)
    return ResultAccount(result, row.destination, row.state.value, state, reason, gone)
