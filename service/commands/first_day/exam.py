"""A simulated exam through the running service: sent as a scanner does, until its report is where it should be."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from service.commands.first_day.negotiating import own
from service.commands.first_day.rows import Row, State
from service.config import Destination, Settings
from service.deliver.stow import bearer, client
from service.demo.exam import write_exam
from service.demo.returned import returned
from service.demo.scanner import send
from service.errors import Unreachable
from service.ledger import JobState, Ledger, Outgoing, OutgoingState, Result, open_ledger
from service.objects import objects_of
from service.query import find
from service.query.dimse import remote_of
from service.query.rest import orthanc_digest, qido_images

_IMAGES = 3
"""Three stills of one biceps with its outline drawn: what an average needs, and analysed in seconds."""
_POLL_S = 0.25
_ENDED = (JobState.DONE, JobState.FAILED, JobState.DEAD)


@dataclass(frozen=True, slots=True)
class Sent:
    """The exam that is on its way."""

    study_instance_uid: str
    statuses: tuple[int, ...]


def examine(settings: Settings, seconds: float) -> Iterator[Row]:
    """Send, wait, look at the report, and ask every destination for it; a row a step."""
    place = "simulated exam"
    try:
        exam = _send(settings)
    except Unreachable as error:
        yield Row(place, "C-STORE", State.BAD, str(error), "start the service: nmus serve")
        return
    refused = [status for status in exam.statuses if status != 0]
    if refused:
        yield Row(
            place, "C-STORE", State.BAD, f"status {refused[0]:#06x}", "docs/conformance.md, 3.2.4, says what it means"
        )
        return
    yield Row(place, "C-STORE", State.GOOD, f"{len(exam.statuses)} objects taken, study {exam.study_instance_uid}")
    ledger = open_ledger(settings.service.data_folder, settings.service.database)
    try:
        yield from _followed(ledger, settings, exam.study_instance_uid, time.monotonic() + seconds)
    finally:
        ledger.close()


def _send(settings: Settings) -> Sent:
    """New UIDs each time: an object that is known already would show nothing."""
    here = own(settings.listener)
    with tempfile.TemporaryDirectory(prefix="nmus-doctor-") as name:
        truth = write_exam(Path(name), int(time.time()), _IMAGES)
        paths = sorted(Path(name).glob("*.dcm"))
        statuses = send(paths, here.host, here.port, here.ae_title, calling=here.calling)
    return Sent(truth.study_instance_uid, tuple(statuses.values()))


def _followed(ledger: Ledger, settings: Settings, study: str, deadline: float) -> Iterator[Row]:
    place = "simulated exam"

    def done() -> bool:
        return any(job.study_instance_uid == study and job.state in _ENDED for job in ledger.jobs())

    if not _until(done, deadline):
        remedy = "look at nmus status; wait longer with --wait; settle.quiet_seconds passes first"
        yield Row(place, "analysis", State.BAD, "not done in time", remedy)
        return
    job = next(job for job in ledger.jobs() if job.study_instance_uid == study and job.state in _ENDED)
    if job.state is not JobState.DONE:
        yield Row(place, "analysis", State.BAD, f"{job.state.value}: {job.reason}", f"nmus status --study {study}")
        return
    results, objects = ledger.results(job.id), objects_of(settings)
    reports = returned([objects / one.path for one in results])
    values = [value for report in reports for value in report.values]
    told = (
        f"{len(results)} objects, {len(values)} values, such as {values[0].measure} {values[0].value:.3g}"
        if values
        else "no value"
    )
    yield Row(place, "report", State.GOOD if values else State.BAD, told, f"nmus status --study {study}")
    for target in settings.destination:
        yield from _arrived(ledger, settings, target, results, deadline)
    if not settings.destination:
        yield Row(place, "destination", State.TOLD, "none is set: results stay in the data folder")


def _arrived(
    ledger: Ledger, settings: Settings, target: Destination, results: Sequence[Result], deadline: float
) -> Iterator[Row]:
    place, series = f"destination {target.name}", {one.sop_instance_uid: one.series_instance_uid for one in results}

    def mine() -> list[Outgoing]:
        return [one for one in ledger.outgoing(target.name) if one.sop_instance_uid in series]

    ended = (OutgoingState.SENT, OutgoingState.HELD)
    over = _until(lambda: all(one.state in ended for one in mine()), deadline)
    rows = mine()
    held = [one for one in rows if one.state is OutgoingState.HELD]
    if held:
        yield Row(
            place,
            "results",
            State.BAD,
            f"{len(held)} of {len(rows)} refused: {held[0].last_error}",
            "then nmus redrive",
        )
        return
    if not over:
        reason = next((one.last_error for one in rows if one.last_error), "") or ledger.circuit(target.name).reason
        yield Row(place, "results", State.BAD, f"not sent in time: {reason}", "nmus status")
        return
    yield Row(place, "results", State.GOOD, f"{len(rows)} objects sent")
    yield _there(settings, target, [(one.study_instance_uid, series[one.sop_instance_uid], one) for one in rows])


Placed = Sequence[tuple[str, str, Outgoing]]
"""Study, series and the object."""


def _there(settings: Settings, target: Destination, rows: Placed) -> Row:
    """Whether the destination has them, by asking it: *sent* is what it said, not what it kept."""
    place, wanted = f"destination {target.name}", {one.sop_instance_uid for _, _, one in rows}
    try:
        found = wanted & _held(settings, target, rows)
    except Unreachable as error:
        return Row(place, "asked for them", State.TOLD, f"cannot be asked: {error}")
    if found == wanted:
        return Row(place, "asked for them", State.GOOD, f"has all {len(wanted)}, the report among them")
    remedy = "it answered Success and does not show them: look into its own queue or quarantine"
    return Row(place, "asked for them", State.WARN, f"has {len(found)} of {len(wanted)}", remedy)


def _held(settings: Settings, target: Destination, rows: Placed) -> set[str]:
    if target.orthanc is not None:
        password = target.password.get_secret_value()
        auth = httpx.BasicAuth(target.username, password) if target.username else None
        with httpx.Client(auth=auth, timeout=10) as asked:
            uids = [one.sop_instance_uid for _, _, one in rows]
            return {uid for uid in uids if orthanc_digest(asked, target.orthanc, target.name, uid)}
    if target.dicomweb is not None:
        url, headers, found = target.dicomweb, bearer(target), set[str]()
        with client(target) as asked:
            for place in {(study, series) for study, series, _ in rows}:
                found |= qido_images(asked, url, target.name, place, headers)
        return found
    if target.tls:
        raise Unreachable("C-FIND over TLS is not asked here")
    return set(find.images(remote_of(target, settings.listener.ae_title), rows[0][0]))


def _until(condition: Callable[[], bool], deadline: float) -> bool:
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True
