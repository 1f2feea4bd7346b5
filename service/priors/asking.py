"""Earlier reports of a patient: by C-FIND with C-GET or C-MOVE, by QIDO-RS and WADO-RS, from Orthanc.

At most a few reports of the latest studies are fetched. What the peers say names patients: it is never logged.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Protocol

import httpx
from pydicom import Dataset, dcmread
from pynetdicom import AE, build_role, evt
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import (
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

from service.errors import Unreachable
from service.query.dimse import Remote, association
from service.query.find import find

REPORT_CLASSES = tuple(f"1.2.840.10008.5.1.4.1.1.88.{number}" for number in (34, 33, 22))
_SYNTAXES = ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"]
_PENDING = {0xFF00, 0xFF01}
_WARNING = 0xB000
_MOST_BYTES = 32 << 20
"""Of one report; none that is sensible comes near."""


@dataclass(frozen=True, slots=True)
class Patient:
    """Whose reports are wanted. Never logged."""

    patient_id: str
    issuer: str = ""
    birth_date: str = ""
    sex: str = ""


class Source(Protocol):
    """Somebody who may have earlier reports."""

    @property
    def name(self) -> str:
        """As in the settings."""
        ...

    def reports(self, patient: Patient, most: int) -> Iterator[Dataset]:
        """Structured reports of the patient, latest studies first.

        Raises
        ------
        Unreachable
            It does not answer, or will not give them.
        """
        ...


def _latest(series: Sequence[tuple[str, str, str]], most: int) -> list[tuple[str, str, str]]:
    """(study date, study, series), latest first."""
    return sorted(set(series), reverse=True)[:most]


@dataclass(frozen=True, slots=True)
class DicomSource:
    """A PACS that is asked by C-FIND. With ``move_title`` it sends to our own port, else it gives by C-GET."""

    remote: Remote
    move_title: str = ""
    move_host: str = ""
    move_port: int = 0

    @property
    def name(self) -> str:
        """As in the settings."""
        return self.remote.name

    def reports(self, patient: Patient, most: int) -> Iterator[Dataset]:
        """Find the series of reports, then fetch them."""
        series = []
        for study in self._find("STUDY", PatientID=patient.patient_id, StudyInstanceUID="", StudyDate=""):
            uid, day = str(study.get("StudyInstanceUID", "")), str(study.get("StudyDate", ""))
            series += [
                (day, uid, str(one.SeriesInstanceUID))
                for one in self._find("SERIES", StudyInstanceUID=uid, Modality="SR", SeriesInstanceUID="")
                if str(one.get("Modality", "SR")) == "SR" and one.get("SeriesInstanceUID")
            ]
        wanted = _latest(series, most)
        fetch = self._moved if self.move_title else self._got
        yield from fetch(wanted) if wanted else ()

    def _find(self, level: str, **keys: str) -> tuple[Dataset, ...]:
        question = _identifier(level, keys)
        return find(self.remote, StudyRootQueryRetrieveInformationModelFind, question)

    def _got(self, series: Sequence[tuple[str, str, str]]) -> list[Dataset]:
        """C-GET over one association, on which we are the storage SCP."""
        model = StudyRootQueryRetrieveInformationModelGet
        contexts = [build_context(model), *(build_context(uid, _SYNTAXES) for uid in REPORT_CLASSES)]
        roles = [build_role(uid, scp_role=True) for uid in REPORT_CLASSES]
        arrived: list[Dataset] = []
        with association(self.remote, contexts, [(evt.EVT_C_STORE, _keeper(arrived))], roles) as asked:
            for _, study, uid in series:
                keys = _identifier("SERIES", {"StudyInstanceUID": study, "SeriesInstanceUID": uid})
                self._ended(asked.send_c_get(keys, model), "C-GET")
        return arrived

    def _moved(self, series: Sequence[tuple[str, str, str]]) -> list[Dataset]:
        """C-MOVE to a storage SCP of our own, which is open only meanwhile."""
        model = StudyRootQueryRetrieveInformationModelMove
        arrived: list[Dataset] = []
        with self._receiving(arrived), association(self.remote, [build_context(model)]) as asked:
            for _, study, uid in series:
                keys = _identifier("SERIES", {"StudyInstanceUID": study, "SeriesInstanceUID": uid})
                self._ended(asked.send_c_move(keys, self.move_title, model), "C-MOVE")
        return arrived

    @contextlib.contextmanager
    def _receiving(self, arrived: list[Dataset]) -> Iterator[None]:
        ae = AE(ae_title=self.move_title)
        ae.require_called_aet = True
        contexts = [build_context(uid, _SYNTAXES) for uid in REPORT_CLASSES]
        handlers = [(evt.EVT_C_STORE, _keeper(arrived))]
        try:
            server = ae.start_server(
                (self.move_host, self.move_port), block=False, contexts=contexts, evt_handlers=handlers
            )
        except OSError as error:
            raise Unreachable(
                f"{self.name}: port {self.move_port} for the reports it is to send is taken ({error.strerror})"
            ) from error
        try:
            yield
        finally:
            server.shutdown()

    def _ended(self, answers: Iterator[tuple[Dataset, Dataset | None]], what: str) -> None:
        for status, _ in answers:
            code = status.get("Status")
            if code is None:
                raise Unreachable(f"{self.name}: no answer to a {what} within the time, or aborted")
            if code not in _PENDING and code not in (0x0000, _WARNING):
                raise Unreachable(
                    f"{self.name}: {what} failed, status 0x{code:04X}; does it know our title and address?"
                )


def _keeper(arrived: list[Dataset]) -> Any:  # noqa: ANN401 - pynetdicom's handler
    def keep(event: evt.Event) -> int:
        dataset = event.dataset
        dataset.file_meta = event.file_meta
        arrived.append(dataset)
        return 0x0000

    return keep


@dataclass(frozen=True, slots=True)
class WebSource:
    """A DICOMweb service: QIDO-RS, then WADO-RS."""

    name: str
    url: str
    client: httpx.Client
    headers: Mapping[str, str]

    def reports(self, patient: Patient, most: int) -> Iterator[Dataset]:
        """Find the series of reports, then their instances, then each one."""
        asked = {"PatientID": patient.patient_id, "Modality": "SR", "includefield": "00080020"}
        answers = self._json("/series", asked)
        series = [(_first(one, "00080020"), _first(one, "0020000D"), _first(one, "0020000E")) for one in answers]
        for _, study, uid in _latest([one for one in series if all(one[1:])], most):
            place = f"/studies/{study}/series/{uid}"
            for one in self._json(f"{place}/instances", {}):
                yield self._instance(f"{place}/instances/{_first(one, '00080018')}")

    def _json(self, path: str, asked: Mapping[str, str]) -> list[dict[str, Any]]:
        response = self._get(path, asked, "application/dicom+json")
        if response.status_code in (httpx.codes.NO_CONTENT, httpx.codes.NOT_FOUND):
            return []
        try:
            read = response.json()
        except ValueError as error:
            raise Unreachable(f"{self.name}: answers QIDO-RS with something else than JSON") from error
        return [one for one in read if isinstance(one, dict)] if isinstance(read, list) else []

    def _instance(self, path: str) -> Dataset:
        response = self._get(path, {}, 'multipart/related; type="application/dicom"; transfer-syntax=*')
        start = response.content.find(b"\0" * 128 + b"DICM")
        if start < 0 or len(response.content) > _MOST_BYTES:
            raise Unreachable(f"{self.name}: answers WADO-RS without a DICOM file")
        return dcmread(BytesIO(response.content[start:]))

    def _get(self, path: str, asked: Mapping[str, str], accept: str) -> httpx.Response:
        try:
            response = self.client.get(
                f"{self.url.rstrip('/')}{path}", params=dict(asked), headers={"Accept": accept, **self.headers}
            )
        except httpx.HTTPError as error:
            raise Unreachable(f"{self.name}: {type(error).__name__}; is it running and reachable?") from error
        if response.status_code >= 400 and response.status_code != httpx.codes.NOT_FOUND:
            raise Unreachable(f"{self.name}: HTTP {response.status_code}; check address and credentials")
        return response


@dataclass(frozen=True, slots=True)
class OrthancReports:
    """An Orthanc, asked by its REST interface."""

    name: str
    url: str
    client: httpx.Client

    def reports(self, patient: Patient, most: int) -> Iterator[Dataset]:
        """Find the series of reports, then each instance's file."""
        question = {
            "Level": "Series",
            "Expand": True,
            "CaseSensitive": True,
            "Query": {"PatientID": patient.patient_id, "Modality": "SR"},
            "RequestedTags": ["StudyDate"],
        }
        found = self._asked("POST", "/tools/find", question).json()
        for one in found[-most:]:
            for number in one.get("Instances", []):
                yield dcmread(BytesIO(self._asked("GET", f"/instances/{number}/file").content))

    def _asked(self, method: str, path: str, body: object = None) -> httpx.Response:
        try:
            response = self.client.request(method, f"{self.url.rstrip('/')}{path}", json=body)
            response.raise_for_status()
        except httpx.HTTPError as error:
            raise Unreachable(f"{self.name}: {type(error).__name__}; are url and password right?") from error
        return response


def _identifier(level: str, keys: Mapping[str, str]) -> Dataset:
    question = Dataset()
    question.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(question, keyword, value)
    if any(not value.isascii() for value in keys.values()):
        question.SpecificCharacterSet = "ISO_IR 192"
    return question


def _first(item: Mapping[str, Any], tag: str) -> str:
    element = item.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return str(values[0]) if isinstance(values, list) and values else ""
