"""What a STOW-RS request did, told as the standard wants it (PS3.18 section 10.5.3), in DICOM JSON or XML."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, SubElement, tostring

from service.config import UID_PATTERN
from service.receive.identity import OUT_OF_RESOURCES

JSON, XML = "application/dicom+json", "application/dicom+xml"
Item = dict[str, tuple[str, str | int]]
_KEYWORDS = {
    "00081150": "ReferencedSOPClassUID",
    "00081155": "ReferencedSOPInstanceUID",
    "00081190": "RetrieveURL",
    "00081197": "FailureReason",
    "00081198": "FailedSOPSequence",
    "00081199": "ReferencedSOPSequence",
    "0008119A": "OtherFailuresSequence",
}


@dataclass
class Told:
    """What became of each object of one request."""

    stored: list[tuple[str, str]] = field(default_factory=list)
    """(SOP class, SOP instance) UIDs."""
    failed: list[tuple[str, str, int]] = field(default_factory=list)
    """The same with the reason; UIDs empty where the file did not tell them."""

    @property
    def code(self) -> int:
        """The HTTP status: all stored, some, none, or none for want of room."""
        if not self.failed:
            return 200 if self.stored else 400
        if self.stored:
            return 202
        return 503 if all(reason == OUT_OF_RESOURCES for _, _, reason in self.failed) else 409

    def body(self, accepted: str) -> tuple[bytes, str]:
        """The data set and its media type: JSON unless only XML is asked for."""
        xml = XML in accepted and "json" not in accepted and "*/*" not in accepted
        sequences = self._sequences()
        return (_xml(sequences), XML) if xml else (_json(sequences), JSON)

    def _sequences(self) -> dict[str, list[Item]]:
        named = [one for one in self.failed if all(UID_PATTERN.fullmatch(uid) for uid in one[:2])]
        other = [one for one in self.failed if one not in named]
        found: dict[str, list[Item]] = {
            "00081198": [{**_reference(*one[:2]), "00081197": ("US", one[2])} for one in named],
            "00081199": [_reference(*one) for one in self.stored],
            "0008119A": [{"00081197": ("US", one[2])} for one in other],
        }
        return {tag: items for tag, items in found.items() if items}


def _reference(sop_class_uid: str, sop_instance_uid: str) -> Item:
    return {"00081150": ("UI", sop_class_uid), "00081155": ("UI", sop_instance_uid)}


def _json(sequences: dict[str, list[Item]]) -> bytes:
    told: dict[str, object] = {"00081190": {"vr": "UR"}}
    for tag, items in sequences.items():
        values = [{name: {"vr": vr, "Value": [value]} for name, (vr, value) in item.items()} for item in items]
        told[tag] = {"vr": "SQ", "Value": values}
    return json.dumps(told).encode()


def _xml(sequences: dict[str, list[Item]]) -> bytes:
    root = Element("NativeDicomModel", {"xmlns": "http://dicom.nema.org/PS3.19/models/NativeDICOM"})
    _attribute(root, "00081190", "UR")
    for tag, items in sequences.items():
        sequence = _attribute(root, tag, "SQ")
        for number, item in enumerate(items, 1):
            into = SubElement(sequence, "Item", {"number": str(number)})
            for name, (vr, value) in item.items():
                SubElement(_attribute(into, name, vr), "Value", {"number": "1"}).text = str(value)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root)


def _attribute(parent: Element, tag: str, vr: str) -> Element:
    return SubElement(parent, "DicomAttribute", {"tag": tag, "vr": vr, "keyword": _KEYWORDS[tag]})
