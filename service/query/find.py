"""C-FIND (PS3.4 annexes C and K): what a PACS or a worklist has. What is found may name a patient: never log it."""

from __future__ import annotations

from collections.abc import Mapping

from pydicom import Dataset
from pydicom.sequence import Sequence
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import ModalityWorklistInformationFind, StudyRootQueryRetrieveInformationModelFind

from service.errors import Unreachable
from service.query.dimse import Remote, association

_PENDING = {0xFF00, 0xFF01}
_MOST = 10_000
"""Answers that are read; an archive that gives more was asked too much."""


def find(remote: Remote, model: str, question: Dataset) -> tuple[Dataset, ...]:
    """All answers to one question.

    Raises
    ------
    Unreachable
        The peer is away, does not answer such questions, or failed.
    """
    with association(remote, [build_context(model)]) as asked:
        if not asked.accepted_contexts:
            raise Unreachable(f"{remote.name}: answers no C-FIND of {model}; allow it there")
        found: list[Dataset] = []
        for status, answer in asked.send_c_find(question, model):
            code = status.get("Status")
            if code is None:
                raise Unreachable(f"{remote.name}: no answer to a C-FIND within the time, or aborted")
            if code in _PENDING and answer is not None:
                found.append(answer)
                if len(found) >= _MOST:
                    break
            elif code not in _PENDING and code != 0x0000:
                raise Unreachable(f"{remote.name}: C-FIND failed, status 0x{code:04X}")
        return tuple(found)


def studies(remote: Remote, keys: Mapping[str, str]) -> tuple[Dataset, ...]:
    """Studies that match; of each the identity of the patient and the accession number."""
    wanted = ("StudyInstanceUID", "PatientID", "PatientName", "PatientBirthDate", "AccessionNumber", "StudyDate")
    question = _question("STUDY", {**dict.fromkeys(wanted, ""), **keys})
    return find(remote, StudyRootQueryRetrieveInformationModelFind, question)


def images(remote: Remote, study: str, series: str = "", uid: str = "") -> dict[str, Dataset]:
    """Images of a study by SOP Instance UID; of one series, or one image, if they are named.

    Where no series is given each series is asked for by itself: the hierarchy does not let one ask across them.
    """
    found: dict[str, Dataset] = {}
    for one in [series] if series else _series(remote, study):
        keys = {"StudyInstanceUID": study, "SeriesInstanceUID": one, "SOPInstanceUID": uid, "SOPClassUID": ""}
        model = StudyRootQueryRetrieveInformationModelFind
        for answer in find(remote, model, _question("IMAGE", keys)):
            answer.SeriesInstanceUID = one
            found[str(answer.get("SOPInstanceUID", ""))] = answer
    return found


def _series(remote: Remote, study: str) -> list[str]:
    keys = {"StudyInstanceUID": study, "SeriesInstanceUID": "", "Modality": ""}
    found = find(remote, StudyRootQueryRetrieveInformationModelFind, _question("SERIES", keys))
    return [str(one.SeriesInstanceUID) for one in found if one.get("SeriesInstanceUID")]


def worklist(remote: Remote, accession: str) -> tuple[Dataset, ...]:
    """Worklist entries of an accession number; of each the patient's identity."""
    wanted = ("PatientID", "PatientName", "PatientBirthDate", "StudyInstanceUID", "RequestedProcedureID")
    question = _question("", dict.fromkeys(wanted, "") | {"AccessionNumber": accession})
    step = Dataset()
    step.Modality = ""
    step.ScheduledProcedureStepStartDate = ""
    question.ScheduledProcedureStepSequence = Sequence([step])
    found = find(remote, ModalityWorklistInformationFind, question)
    return tuple(one for one in found if str(one.get("AccessionNumber", "")).strip() == accession)


def _question(level: str, keys: Mapping[str, str]) -> Dataset:
    question = Dataset()
    if level:
        question.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(question, keyword, value)
    if any(not value.isascii() for value in keys.values()):
        question.SpecificCharacterSet = "ISO_IR 192"
    return question
