"""What the tests of proof share: results in a ledger, a listener that takes answers, senders and confirmers."""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path

from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from service.config import Settings, validated
from service.deliver.confirm import confirmers
from service.deliver.sender import senders
from service.ledger import Instance, Ledger, Outcome, Result
from service.receive.archive import file_header

COMPREHENSIVE_3D = "1.2.840.10008.5.1.4.1.1.88.34"
STUDY, SERIES = "1.2.826.0.1.77", "1.2.826.0.1.77.1"


class Clock:
    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def settings(folder: Path, **parts: object) -> Settings:
    return validated({"service": {"data_folder": str(folder)}, **parts}).placed(folder)


def post(
    ledger: Ledger, folder: Path, now: float, *destinations: str, count: int = 1, study: str = STUDY
) -> list[Result]:
    """Results of one analysed study, their files in place, in the outbox."""
    made = []
    generation = len(ledger.jobs(study_instance_uid=study)) + 1
    for number in range(count):
        uid = f"2.25.{generation}{number}77"
        dataset = Dataset()
        dataset.SOPClassUID, dataset.SOPInstanceUID = COMPREHENSIVE_3D, uid
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, f"{study}.1"
        dataset.PatientID, dataset.PatientName, dataset.Modality = "CANARY-17", "Canary^Carla", "SR"
        dataset.PatientBirthDate, dataset.PatientSex, dataset.StudyDate, dataset.StudyTime = "", "", "", ""
        dataset.AccessionNumber, dataset.ReferringPhysicianName, dataset.StudyID = "", "", ""
        dataset.SeriesNumber, dataset.InstanceNumber = 9001, generation
        buffer = BytesIO()
        dataset.save_as(buffer, implicit_vr=False, little_endian=True)
        raw = file_header(COMPREHENSIVE_3D, uid, str(ExplicitVRLittleEndian), "") + buffer.getvalue()
        (folder / f"{uid}.dcm").write_bytes(raw)
        digest = hashlib.sha256(raw).hexdigest()
        made.append(
            Result(
                uid, COMPREHENSIVE_3D, f"{study}.1", "sr", f"{uid}.dcm", digest, len(raw),
                destinations=destinations, instance_number=generation, key="sr|study",
            )
        )  # fmt: skip
    ledger.keep(
        Instance(f"{study}.9.{generation}", "1.2", study, f"{study}.9", "1.2", f"{generation:064x}", "x", 1, now, "US")
    )
    (open_study,) = [one for one in ledger.open_studies() if one.study_instance_uid == study]
    ledger.settle(open_study, now)
    job = ledger.claim(now, "w", 30)
    assert job is not None
    ledger.finish(job, Outcome(tuple(made)), now)
    return made


def deliver(ledger: Ledger, chosen: Settings, clock: Clock) -> int:
    sent = 0
    for one in senders(ledger, chosen, "sender"):
        one._clock = clock
        while batch := one.step():
            sent += batch
        one.close()
    return sent


def confirm(ledger: Ledger, chosen: Settings, clock: Clock) -> int:
    asked = 0
    for one in confirmers(ledger, chosen):
        one._clock = clock
        if hasattr(one._asker, "_clock"):
            one._asker._clock = clock
        asked += one.step()
    return asked
