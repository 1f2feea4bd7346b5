"""From an exam to the values of the earlier ones: whom to ask, whose reports count, and what to say of it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from datetime import date

import httpx
from pydicom import Dataset, dcmread

from plugins.contract import Earlier
from service.config import Archive, Destination, OrthancSource, Settings
from service.errors import Unreachable
from service.inflating import DAMAGED
from service.priors.asking import DicomSource, OrthancReports, Patient, Source, WebSource
from service.priors.reading import REPORTS, earlier
from service.query.dimse import remote_of

_MOST = 20
"""Series of reports that are fetched from one source: an exam every three months for five years."""
Found = tuple[tuple[Earlier, ...], tuple[str, ...]]
"""Values, and a sentence for each source or report that could not be used. Without patient data."""


def look(paths: Sequence[str], settings: Settings) -> Found:
    """Everything that earlier exams of the patient of these images have told. To be called in a child process.

    Parameters
    ----------
    paths:
        Objects of the study at hand; the first that can be read says whose it is.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # pydicom quotes odd values
        header = _header(paths)
        if header is None or not str(header.get("PatientID", "")).strip():
            return (), ("The images name no patient by an ID; earlier exams were not looked for.",)
        return _from(header, tuple(sources(settings)))


def _from(header: Dataset, asked: Sequence[Source]) -> Found:
    patient, study = _patient(header), str(header.get("StudyInstanceUID", ""))
    today = _day(str(header.get("StudyDate", "")))
    if today is None:
        return (), ("The images have no study date; earlier exams were not looked for.",)
    values: list[Earlier] = []
    said: list[str] = []
    newest: dict[str, Dataset] = {}
    for source in asked:
        try:
            for report in source.reports(patient, _MOST):
                _keep_newest(report, newest)
        except Unreachable as error:
            said.append(f"Not asked for earlier exams, or not to the end: {error}.")
        except DAMAGED as error:
            said.append(f"{source.name}: answered with something that cannot be read ({type(error).__name__}).")
    for report in newest.values():
        try:
            then = _day(str(report.get("StudyDate", "")))
            if str(report.get("StudyInstanceUID", "")) == study or then is None or then >= today:
                continue
            why = _contradiction(report, patient)
            if why:
                said.append(f"An earlier report was left out: its {why} is another.")
            else:
                values += earlier(report, today)
        except DAMAGED as error:
            said.append(f"An earlier report was left out: it is damaged ({type(error).__name__}).")
    return tuple(values), tuple(said)


def sources(settings: Settings) -> Iterator[Source]:
    """Whom ``priors.ask`` names, in that order."""
    own = settings.priors
    peers: dict[str, Archive | OrthancSource | Destination] = {one.name: one for one in settings.archive}
    peers |= {one.name: one for one in settings.orthanc}
    peers |= {one.name: one for one in settings.destination}
    for name in own.ask:
        peer = peers[name]
        if isinstance(peer, OrthancSource):
            yield OrthancReports(name, peer.url, _client(peer, own.timeout_seconds))
        elif isinstance(peer, Destination) and peer.orthanc:
            yield OrthancReports(name, peer.orthanc, _client(peer, own.timeout_seconds))
        elif isinstance(peer, Destination) and peer.dicomweb:
            yield WebSource(name, peer.dicomweb, _client(peer, own.timeout_seconds), _bearer(peer))
        elif isinstance(peer, Archive | Destination):
            move = own.retrieve == "move"
            yield DicomSource(
                remote_of(peer, settings.listener.ae_title),
                own.ae_title if move else "",
                own.host,
                own.port,
            )


def _client(peer: OrthancSource | Destination, timeout: float) -> httpx.Client:
    auth = httpx.BasicAuth(peer.username, peer.password.get_secret_value()) if peer.username else None
    trust = getattr(peer, "ca_file", None)
    if trust is None:
        return httpx.Client(auth=auth, timeout=httpx.Timeout(timeout, connect=5))
    import ssl  # noqa: PLC0415 - only where an authority is named

    return httpx.Client(
        auth=auth, timeout=httpx.Timeout(timeout, connect=5), verify=ssl.create_default_context(cafile=trust)
    )


def _bearer(peer: Destination) -> dict[str, str]:
    if peer.token_file is None:
        return {}
    return {"Authorization": f"Bearer {peer.token_file.read_text(encoding='ascii').partition(chr(10))[0].strip()}"}


def _header(paths: Sequence[str]) -> Dataset | None:
    for path in paths:
        try:
            return dcmread(path, stop_before_pixels=True)
        except DAMAGED:
            continue
    return None


def _patient(header: Dataset) -> Patient:
    return Patient(
        *(
            str(header.get(keyword, "") or "").strip()
            for keyword in ("PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex")
        )
    )


def _contradiction(report: Dataset, patient: Patient) -> str:
    """Which attribute says that a report is of somebody else; what one of the two leaves out says nothing."""
    its = _patient(report)
    if its.patient_id != patient.patient_id:
        return "Patient ID"
    for name, mine, other in (
        ("Issuer of Patient ID", patient.issuer, its.issuer),
        ("birth date", patient.birth_date, its.birth_date),
        ("sex", patient.sex, its.sex),
    ):
        if mine and other and mine != other:
            return name
    return ""


def _keep_newest(report: Dataset, newest: dict[str, Dataset]) -> None:
    """Of the reports of one series only the last counts: it replaces the others."""
    if str(report.get("SOPClassUID", "")) not in REPORTS:
        return
    series = str(report.get("SeriesInstanceUID", ""))
    before = newest.get(series)
    if before is None or int(before.get("InstanceNumber") or 0) <= int(report.get("InstanceNumber") or 0):
        newest[series] = report


def _day(raw: str) -> date | None:
    try:
        return date(int(raw[:4]), int(raw[4:6]), int(raw[6:8]))
    except ValueError:
        return None
