"""Orthanc's own numbers of instances: digests of four identifiers, the patient's among them.

An instance that we hold and that Orthanc calls by another number names another patient there: it was merged or
corrected, and has to be fetched again.
"""

from __future__ import annotations

import hashlib

from service.ledger import Instance, Ledger
from service.objects import Lying
from service.patient.reading import clear_values


def names_another(lying: Lying, ledger: Ledger, uid: str, number: str) -> bool:
    """Whether an instance that Orthanc calls ``number`` is one of ours under another patient."""
    versions = ledger.instance(uid)
    ours = {instance_number(lying, one) for one in versions}
    return bool(versions) and number not in ours


def instance_number(lying: Lying, one: Instance) -> str:
    """As Orthanc would call what we hold: SHA-1 of patient ID and the three UIDs."""
    patient = clear_values(lying / one.path)["patient_id"].strip()
    text = "|".join((patient, one.study_instance_uid, one.series_instance_uid, one.sop_instance_uid))
    digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    return "-".join(digest[start : start + 8] for start in range(0, 40, 8))
