"""Reading whom an object names from its file, a few kilobytes of it, off the way of reception."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydicom import Dataset

from service.inflating import head
from service.ledger import Identity, Instance, Ledger
from service.objects import Lying
from service.patient.keys import Keys

TAGS = {
    "patient_id": "PatientID",
    "patient_name": "PatientName",
    "birth_date": "PatientBirthDate",
    "accession": "AccessionNumber",
}


def identify(ledger: Ledger, lying: Lying, keys: Keys, instances: Sequence[Instance]) -> int:
    """Read and keep the identity of these objects; how many."""
    ledger.identify([identity_of(lying, keys, one) for one in instances])
    return len(instances)


def identity_of(lying: Lying, keys: Keys, instance: Instance) -> Identity:
    """Of one object; all empty where its file cannot be read, which the analysis then says."""
    values = clear_values(lying / instance.path)
    digests = {kind: keys.of(kind, value) for kind, value in values.items()}
    return Identity(instance.sop_instance_uid, instance.sha256, instance.study_instance_uid, **digests)


def clear_values(path: Path) -> dict[str, str]:
    """Identity in clear text by kind: to ask an archive with, never to log or keep."""
    try:
        return values_of(head(path, ["SpecificCharacterSet", *TAGS.values()]))
    except Exception:  # noqa: BLE001 - a foreign parser on a peer's bytes: any type comes out of it
        return dict.fromkeys(TAGS, "")


def values_of(dataset: Dataset) -> dict[str, str]:
    """The same of a data set that was read or answered; what cannot be decoded is empty."""
    found = {}
    for kind, keyword in TAGS.items():
        try:
            value = dataset.get(keyword, "")
            found[kind] = "" if value is None else str(value)
        except Exception:  # noqa: BLE001 - a character set that its value does not keep to
            found[kind] = ""
    return found
