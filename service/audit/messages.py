"""The messages as XML by the schema of PS3.15 section A.5.1, and what each kind must hold by A.5.3.

The schema extends RFC 3881; codes are those of PS3.16 (DCM) and of section A.5.1.2.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree import ElementTree as Xml

SUCCESS, MINOR, SERIOUS = "0", "4", "8"
"""EventOutcomeIndicator."""
_LEGAL = {code: None for code in range(32) if code not in (9, 10, 13)} | {0xFFFE: None, 0xFFFF: None}


@dataclass(frozen=True, slots=True)
class Coded:
    """A code with its scheme and meaning."""

    value: str
    scheme: str
    meaning: str

    def element(self, name: str) -> Xml.Element:
        """As an element of the schema's CodedValueType."""
        return _element(name, {"csd-code": self.value, "codeSystemName": self.scheme, "originalText": self.meaning})


def _dcm(value: str, meaning: str) -> Coded:
    return Coded(value, "DCM", meaning)


APPLICATION_ACTIVITY = _dcm("110100", "Application Activity")
AUDIT_LOG_USED = _dcm("110101", "Audit Log Used")
BEGIN_TRANSFERRING = _dcm("110102", "Begin Transferring DICOM Instances")
INSTANCES_ACCESSED = _dcm("110103", "DICOM Instances Accessed")
INSTANCES_TRANSFERRED = _dcm("110104", "DICOM Instances Transferred")
EXPORT = _dcm("110106", "Export")
SECURITY_ALERT = _dcm("110113", "Security Alert")
USER_AUTHENTICATION = _dcm("110114", "User Authentication")

START, STOP = _dcm("110120", "Application Start"), _dcm("110121", "Application Stop")
LOGIN, LOGOUT = _dcm("110122", "Login"), _dcm("110123", "Logout")
NODE_AUTHENTICATION = _dcm("110126", "Node Authentication")

APPLICATION = _dcm("110150", "Application")
DESTINATION, SOURCE = _dcm("110152", "Destination Role ID"), _dcm("110153", "Source Role ID")
DESTINATION_MEDIA = _dcm("110154", "Destination Media")

_STUDY_UID = _dcm("110180", "Study Instance UID")
_NODE_ID = _dcm("110182", "Node ID")
_PATIENT_ID = Coded("2", "RFC-3881", "Patient Number")
_SOURCE_TYPE = "4"
"""Application server."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who took part: a process, a peer or a person."""

    user_id: str
    role: Coded | None = None
    requestor: bool = False
    address: str = ""
    alternative: str = ""
    """AE titles of a process: ``AETITLES=…`` by A.5.3.1."""


@dataclass(frozen=True, slots=True)
class Study:
    """Objects of one study: how many of which class."""

    study_instance_uid: str
    classes: tuple[tuple[str, int], ...] = ()
    accession_number: str = ""
    anonymised: bool | None = None


@dataclass(frozen=True, slots=True)
class Patient:
    """Whose objects they are; ``(none)`` where they say nothing."""

    patient_id: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """What happened."""

    kind: Coded
    action: str
    """C, R, U, D or E."""
    at: float
    types: tuple[Coded, ...] = ()
    outcome: str = SUCCESS
    description: str = ""


def message(
    event: Event,
    actors: Sequence[Actor],
    source_id: str,
    *,
    site: str = "",
    objects: Iterable[Study | Patient] = (),
    node: str = "",
) -> bytes:
    """One AuditMessage, UTF-8 with its declaration.

    Parameters
    ----------
    source_id:
        AuditSourceID: what this service is called.
    site:
        AuditEnterpriseSiteID: whose it is.
    node:
        Address of a peer that a security alert is about.
    """
    root = Xml.Element("AuditMessage")
    root.append(_identification(event))
    root.extend(_participant(one) for one in actors)
    source = {"AuditEnterpriseSiteID": site, "AuditSourceID": source_id}
    where = _element("AuditSourceIdentification", source)
    where.append(_element("AuditSourceTypeCode", {"csd-code": _SOURCE_TYPE}))
    root.append(where)
    root.extend(_study(one) if isinstance(one, Study) else _patient(one) for one in objects)
    if node:
        root.append(_alerted(node, event.description))
    return b'<?xml version="1.0" encoding="UTF-8"?>' + Xml.tostring(root, encoding="unicode").encode()


def _identification(event: Event) -> Xml.Element:
    when = datetime.fromtimestamp(event.at, UTC).isoformat(timespec="milliseconds")
    found = _element(
        "EventIdentification",
        {"EventActionCode": event.action, "EventDateTime": when, "EventOutcomeIndicator": event.outcome},
    )
    found.append(event.kind.element("EventID"))
    found.extend(one.element("EventTypeCode") for one in event.types)
    if event.description:
        told = _element("EventOutcomeDescription", {})
        told.text = _clean(event.description)
        found.append(told)
    return found


def _participant(actor: Actor) -> Xml.Element:
    attributes = {
        "UserID": actor.user_id or "unknown",
        "AlternativeUserID": actor.alternative,
        "UserIsRequestor": "true" if actor.requestor else "false",
        "NetworkAccessPointID": actor.address,
        "NetworkAccessPointTypeCode": ("2" if _is_address(actor.address) else "1") if actor.address else "",
    }
    found = _element("ActiveParticipant", attributes, keep="UserID")
    if actor.role is not None:
        found.append(actor.role.element("RoleIDCode"))
    return found


def _study(study: Study) -> Xml.Element:
    found = _object("2", "3", study.study_instance_uid, _STUDY_UID)
    description = _element("ParticipantObjectDescription", {})
    if study.accession_number:
        description.append(_element("Accession", {"Number": study.accession_number}))
    for uid, count in study.classes:
        description.append(_element("SOPClass", {"UID": uid, "NumberOfInstances": str(count)}))
    if study.anonymised is not None:
        told = _element("Anonymized", {})
        told.text = "true" if study.anonymised else "false"
        description.append(told)
    found.append(description)
    return found


def _patient(patient: Patient) -> Xml.Element:
    return _object("1", "1", patient.patient_id, _PATIENT_ID, patient.name)


def _alerted(node: str, text: str) -> Xml.Element:
    found = _object("2", "13", node, _NODE_ID)
    value = base64.b64encode((_clean(text) or "refused").encode()).decode()
    found.append(_element("ParticipantObjectDetail", {"type": "Alert Description", "value": value}))
    return found


def _object(kind: str, role: str, identifier: str, id_type: Coded, name: str = "") -> Xml.Element:
    identifier = _clean(identifier).strip() or "(none)"
    attributes = {
        "ParticipantObjectID": identifier,
        "ParticipantObjectTypeCode": kind,
        "ParticipantObjectTypeCodeRole": role,
    }
    found = _element("ParticipantObjectIdentification", attributes)
    found.append(id_type.element("ParticipantObjectIDTypeCode"))
    named = _element("ParticipantObjectName", {})
    named.text = _clean(name or identifier)
    found.append(named)
    return found


def _element(name: str, attributes: dict[str, str], keep: str = "") -> Xml.Element:
    kept = {key: _clean(value) for key, value in attributes.items() if value or key == keep}
    return Xml.Element(name, kept)


def _clean(text: str) -> str:
    """Without characters that XML 1.0 cannot hold: what peers send may have them."""
    return "".join(one for one in text.translate(_LEGAL) if not 0xD800 <= ord(one) <= 0xDFFF)


def _is_address(text: str) -> bool:
    return ":" in text or text.replace(".", "").isdigit()
