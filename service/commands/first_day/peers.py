"""Every peer of the settings: reached, echoed, and asked what it takes of what we would send or ask."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import httpx
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.sop_class import (
    ModalityWorklistInformationFind,
    StorageCommitmentPushModel,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelMove,
)

from service.commands.first_day.negotiating import (
    ULTRASOUND,
    Accepted,
    NoAssociation,
    Peer,
    answers,
    named,
    negotiated,
    own,
    peer_of,
    reached,
    syntaxes_in_words,
)
from service.commands.first_day.rows import Row, State
from service.config import Archive, Destination, OrthancSource, Settings
from service.deliver.stow import bearer, client
from service.errors import Misconfigured, Unreachable
from service.receive.offered import TRANSFER_SYNTAXES
from service.report.encapsulated_pdf import ENCAPSULATED_PDF
from service.report.presentation_states import COLOUR, GREY
from service.report.values import SR_CLASSES

CAPTURES = {
    "1.2.840.10008.5.1.4.1.1.7": "overlays and pages",
    "1.2.840.10008.5.1.4.1.1.7.4": "overlays on a cine",
}
STATES = {GREY: "outlines on grey images", COLOUR: "outlines on colour images"}
_PLAIN = (str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian))
_NEWEST_WEAKNESS = (1, 12, 11)
"""Earlier Orthancs have published weaknesses in the reading of what a peer sends."""


@dataclass(slots=True)
class Examined:
    """All rows, and by place what each DICOM peer accepts, for the sheets."""

    rows: list[Row] = field(default_factory=list)
    accepted: dict[str, Accepted] = field(default_factory=dict)


def examine(settings: Settings, only: str | None = None) -> Examined:
    """Look at our own listener and at every peer, or at the one of that name."""
    seen = Examined()
    if only is None and settings.listener.host in ("127.0.0.1", "::1", "localhost"):
        remedy = "set listener.host to the address of the network card that faces the scanners"
        found = f"listener.host = {settings.listener.host}: only this machine can send"
        seen.rows.append(Row("own listener", "address", State.WARN, found, remedy))
    if only is None and settings.listener.enabled and settings.listener.plain:
        _listener(own(settings.listener), seen)
    if only is None and settings.listener.enabled and settings.listener.tls_port:
        seen.rows.append(_encrypted(own(settings.listener), settings.listener.tls_port))
    for target in settings.destination:
        if only in (None, target.name):
            _destination(target, settings, seen)
    for archive in settings.archive:
        if only in (None, archive.name):
            _archive(archive, settings, seen)
    for scanner in settings.scanner:
        if only in (None, scanner.ae_title):
            # many scanners answer no C-ECHO and nothing while they are off: nothing is broken by that
            seen.rows += answers(peer_of("scanner", scanner, settings), needs_echo=False)
    for source in settings.orthanc:
        if only in (None, source.name):
            seen.rows += _orthanc(f"orthanc {source.name}", source.url, source)
    if only is not None and not seen.rows:
        raise Misconfigured(f"--peer {only}: no destination, archive, scanner or orthanc has that name")
    return seen


def _listener(peer: Peer, seen: Examined) -> None:
    seen.rows += answers(peer)
    if seen.rows[-1].state is State.BAD:
        last = seen.rows.pop()
        remedy = "start the service (nmus serve), or the port belongs to another program"
        seen.rows.append(Row(last.place, last.what, last.state, last.found, remedy))
        return
    _ultrasound(peer, seen, needed=True)


def _encrypted(plain: Peer, port: int) -> Row:
    """Whether something listens where TLS is spoken. A handshake would need a scanner's certificate."""
    try:
        reached(replace(plain, port=port))
    except NoAssociation as error:
        return Row(plain.place, "TLS port", State.BAD, str(error), "start the service (nmus serve)")
    return Row(plain.place, "TLS port", State.GOOD, f"{plain.host}:{port} answers")


def _ultrasound(peer: Peer, seen: Examined, *, needed: bool) -> None:
    """Every ultrasound class in every syntax. A PACS that takes none of some is told, not blamed: we send it none."""
    try:
        accepted = negotiated(peer, ULTRASOUND, TRANSFER_SYNTAXES)
    except NoAssociation as error:
        seen.rows.append(Row(peer.place, "ultrasound classes", State.BAD, str(error), error.remedy))
        return
    seen.accepted[peer.place] = {**seen.accepted.get(peer.place, {}), **accepted}
    for sop_class, syntaxes in accepted.items():
        words = syntaxes_in_words(syntaxes, len(TRANSFER_SYNTAXES))
        lacking = needed and len(syntaxes) < len(TRANSFER_SYNTAXES)
        state = State.BAD if lacking else State.GOOD if needed else State.TOLD
        remedy = "another program answers on this port: give nmus a port of its own" if lacking else ""
        seen.rows.append(Row(peer.place, named(sop_class), state, words, remedy))


def wanted(target: Destination, settings: Settings) -> dict[str, str]:
    """SOP classes of the results that a destination is sent, and what they are for."""
    found = {}
    if "sr" in target.objects:
        found[SR_CLASSES[target.sr_class or settings.report.sr_class]] = "measurement reports"
    if "sc" in target.objects and settings.report.secondary_capture:
        found |= CAPTURES
    if "gsps" in target.objects:
        found |= STATES
    if "pdf" in target.objects:
        found[ENCAPSULATED_PDF] = "documents"
    return found


def _destination(target: Destination, settings: Settings, seen: Examined) -> None:
    place = f"destination {target.name}"
    if target.orthanc is not None:
        seen.rows += _orthanc(place, target.orthanc, target)
        return
    if target.dicomweb is not None:
        seen.rows += _dicomweb(place, target)
        return
    try:
        peer = peer_of("destination", target, settings)
    except Misconfigured as error:
        seen.rows.append(Row(place, "certificates", State.BAD, str(error)))
        return
    seen.rows += answers(peer)
    if seen.rows[-1].state is State.BAD:
        return
    try:
        _results(peer, wanted(target, settings), target, seen)
    except NoAssociation as error:
        seen.rows.append(Row(place, "result classes", State.BAD, str(error), error.remedy))
        return
    asked = {"commitment": StorageCommitmentPushModel, "find": StudyRootQueryRetrieveInformationModelFind}
    if target.confirm in asked:
        seen.rows.append(_service(peer, str(asked[target.confirm]), f"confirm = {target.confirm!r}"))
    _ultrasound(peer, seen, needed=False)


def _results(peer: Peer, classes: dict[str, str], target: Destination, seen: Examined) -> None:
    accepted = negotiated(peer, classes, _PLAIN)
    seen.accepted[peer.place] = dict(accepted)
    for sop_class, syntaxes in accepted.items():
        found = f"{classes[sop_class]}: {syntaxes_in_words(syntaxes, len(_PLAIN))}"
        remedy = f"allow {named(sop_class)} ({sop_class}) there, or leave {classes[sop_class]} out of its objects"
        if sop_class == SR_CLASSES["comprehensive-3d"]:
            remedy = f'set sr_class = "comprehensive" for {target.name}, or allow {sop_class} there'
        seen.rows.append(
            Row(peer.place, named(sop_class), State.GOOD if syntaxes else State.BAD, found, "" if syntaxes else remedy)
        )


def _service(peer: Peer, sop_class: str, why: str) -> Row:
    try:
        there = negotiated(peer, [sop_class], _PLAIN)[sop_class]
    except NoAssociation as error:
        return Row(peer.place, why, State.BAD, str(error), error.remedy)
    if there:
        return Row(peer.place, why, State.GOOD, f"{named(sop_class)} is offered")
    return Row(
        peer.place, why, State.BAD, f"{named(sop_class)} is not offered", "allow it there, or change the setting"
    )


def _archive(archive: Archive, settings: Settings, seen: Examined) -> None:
    peer = peer_of("archive", archive, settings)
    seen.rows += answers(peer)
    if seen.rows[-1].state is State.BAD:
        return
    needs = {
        "identity, reconcile": (archive.identity or archive.reconcile, StudyRootQueryRetrieveInformationModelFind),
        "worklist": (archive.worklist, ModalityWorklistInformationFind),
        "fetch": (archive.fetch, StudyRootQueryRetrieveInformationModelMove),
    }
    seen.rows += [_service(peer, str(model), why) for why, (needed, model) in needs.items() if needed]


def _orthanc(place: str, url: str, entry: OrthancSource | Destination) -> Iterator[Row]:
    own_word = entry.password.get_secret_value()
    auth = httpx.BasicAuth(entry.username, own_word) if entry.username else None
    try:
        answer = httpx.get(f"{url.rstrip('/')}/system", auth=auth, timeout=10)
        if answer.status_code in (401, 403):
            yield Row(place, "login", State.BAD, f"HTTP {answer.status_code}", "correct username and password_file")
            return
        answer.raise_for_status()
        told = answer.json()
        version = str(told["Version"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        remedy = "is it running, is url right, and is remote access allowed there?"
        yield Row(place, "REST", State.BAD, f"{url}: {type(error).__name__}", remedy)
        return
    yield Row(place, "REST", State.GOOD, f"Orthanc {version}, {told.get('DicomAet')} on port {told.get('DicomPort')}")
    numbers = tuple(int(part) for part in version.split(".") if part.isdigit())
    if numbers and numbers < _NEWEST_WEAKNESS:
        newest = ".".join(map(str, _NEWEST_WEAKNESS))
        yield Row(place, "version", State.WARN, f"{version} has published weaknesses", f"use Orthanc {newest} or newer")


def _dicomweb(place: str, target: Destination) -> Iterator[Row]:
    url = (target.dicomweb or "").rstrip("/")
    try:
        with client(target) as asked:
            headers = {"Accept": "application/dicom+json", **bearer(target)}
            code = asked.get(f"{url}/studies", params={"limit": "1"}, headers=headers).status_code
    except (httpx.HTTPError, Unreachable, Misconfigured) as error:
        remedy = "is it running, and are dicomweb and ca_file right?"
        yield Row(place, "DICOMweb", State.BAD, f"{url}: {type(error).__name__}", remedy)
        return
    if code in (401, 403):
        yield Row(place, "login", State.BAD, f"HTTP {code}", "correct username and password_file, or token_file")
    elif code < 300:
        yield Row(place, "DICOMweb", State.GOOD, f"answers QIDO-RS with {code}")
    else:  # a service may take STOW-RS and answer no questions
        yield Row(place, "DICOMweb", State.WARN, f"answers QIDO-RS with {code}", "a simulated exam shows more: --send")
