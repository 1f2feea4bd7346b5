"""Orthanc's own numbers of instances: digests of four identifiers, the patient's among them.

An instance that we hold and that Orthanc calls by another number names another patient there: it was merged or
corrected, and has to be fetched again.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from service.ledger import Instance, Ledger
from service.patient.reading import clear_values


def names_another(data_folder: Path, ledger: Ledger, uid: str, number: str) -> bool:
    """Whether an instance that Orthanc calls ``number`` is one of ours under another patient."""
    versions = ledger.instance(uid)
    ours = {instance_number(data_folder, one) for one in versions}
    return bool(versions) and number not in ours


def instance_number(data_folder: Path, one: Instance) -> str:
    """As Orthanc would call what we hold: SHA-1 of patient ID and the three UIDs."""
    patient = clear_values(data_folder / one.path)["patient_id"].strip()
    text = "|".join((patient, one.study_instance_uid, one.series_instance_uid, one.sop_instance_uid))
    digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    return "-".join(digest[start : start + 8] for start in range(0, 40, 8))
