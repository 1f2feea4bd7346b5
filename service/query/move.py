"""C-MOVE (PS3.4 section C.4.2): an archive is told to send objects to our listener."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom import Dataset
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelMove

from service.errors import Unreachable
from service.query.dimse import Remote, association

_PENDING = {0xFF00}


@dataclass(frozen=True, slots=True)
class Moved:
    """What the archive says that it did."""

    completed: int
    failed: int
    status: int


def move_images(remote: Remote, study: str, series: str, uids: tuple[str, ...]) -> Moved:
    """Have images of one series sent to our title, which the archive must know.

    Raises
    ------
    Unreachable
        The archive is away, does not move, or gave no final answer.
    """
    question = Dataset()
    question.QueryRetrieveLevel = "IMAGE"
    question.StudyInstanceUID, question.SeriesInstanceUID = study, series
    question.SOPInstanceUID = list(uids)
    model = StudyRootQueryRetrieveInformationModelMove
    completed = failed = 0
    with association(remote, [build_context(model)]) as asked:
        if not asked.accepted_contexts:
            raise Unreachable(f"{remote.name}: takes no C-MOVE; allow it there, or set fetch = false")
        for status, _ in asked.send_c_move(question, remote.calling_ae_title, model):
            code = status.get("Status")
            if code is None:
                raise Unreachable(f"{remote.name}: no answer to a C-MOVE within the time, or aborted")
            completed = int(status.get("NumberOfCompletedSuboperations", 0) or completed)
            failed = int(status.get("NumberOfFailedSuboperations", 0) or failed)
            if code not in _PENDING:
                return Moved(completed, failed, code)
    raise Unreachable(f"{remote.name}: a C-MOVE ended without its last answer")
