"""What a PACS does besides storing: it vouches for what it keeps, and says what it has. For the demo and the tests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread
from pydicom.sequence import Sequence
from pynetdicom import AE, build_role, evt
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind

from service.replies import keep_replies

PUSH_MODEL, PUSH_MODEL_INSTANCE = "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1"
_KEYS = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}


@dataclass
class Committing:
    """Storage commitment as some archives do it: an answer on an association of their own, or on the question's.

    ``lose`` says which objects it denies; ``mute`` takes the question and never answers.
    """

    folder: Path
    answer_to: tuple[str, int, str] | None = None
    """Host, port and AE title; none: on the association of the question."""
    mute: bool = False
    lose: dict[str, int] = field(default_factory=dict)
    """SOP Instance UID to failure reason."""
    transactions: list[str] = field(default_factory=list)
    replies: list[int] = field(default_factory=list)

    def handlers(self) -> list[tuple[Any, Callable[..., Any]]]:
        """As pynetdicom binds them."""
        return [(evt.EVT_N_ACTION, self._asked)]

    def _asked(self, event: evt.Event) -> tuple[int, None]:
        asked = event.action_information
        self.transactions.append(str(asked.TransactionUID))
        if not self.mute:
            keep_replies(event.assoc)
            threading.Thread(target=self._answer, args=(asked, event.assoc), daemon=True).start()
        return 0x0000, None

    def _answer(self, asked: Dataset, association: Any) -> None:  # noqa: ANN401 - pynetdicom's
        told = Dataset()
        told.TransactionUID = asked.TransactionUID
        present: list[Dataset] = []
        failed: list[Dataset] = []
        for item in asked.ReferencedSOPSequence:
            uid = str(item.ReferencedSOPInstanceUID)
            reason = self.lose.get(uid, 0 if (self.folder / f"{uid}.dcm").exists() else 0x0112)
            if reason:
                item.FailureReason = reason
            (failed if reason else present).append(item)
        if present:
            told.ReferencedSOPSequence = Sequence(present)
        if failed:
            told.FailedSOPSequence = Sequence(failed)
        kind = 2 if failed else 1
        if self.answer_to is None:
            status, _ = association.send_n_event_report(told, kind, PUSH_MODEL, PUSH_MODEL_INSTANCE)
        else:
            host, port, title = self.answer_to
            roles = [build_role(PUSH_MODEL, scp_role=True)]
            there = AE("DEMOPACS").associate(host, port, [build_context(PUSH_MODEL)], title, ext_neg=roles)
            if not there.is_established:
                self.replies.append(-1)
                return
            keep_replies(there)
            status, _ = there.send_n_event_report(told, kind, PUSH_MODEL, PUSH_MODEL_INSTANCE)
            there.release()
        self.replies.append(int(status.get("Status", -1)))


@dataclass
class Finding:
    """C-FIND of the study root over a folder of files."""

    folder: Path
    questions: list[str] = field(default_factory=list)
    """Levels that were asked."""

    def handlers(self) -> list[tuple[Any, Callable[..., Any]]]:
        """As pynetdicom binds them."""
        return [(evt.EVT_C_FIND, self._asked)]

    def _asked(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        question = event.identifier
        level = str(question.QueryRetrieveLevel)
        self.questions.append(level)
        seen: set[str] = set()
        for path in sorted(self.folder.glob("*.dcm")):
            header = dcmread(path, stop_before_pixels=True)
            key = str(header.get(_KEYS[level], ""))
            if key in seen or not all(_matches(header, element) for element in question):
                continue
            seen.add(key)
            found = Dataset()
            found.QueryRetrieveLevel = level
            for element in question:
                if element.keyword != "QueryRetrieveLevel":
                    setattr(found, element.keyword, header.get(element.keyword, ""))
            yield 0xFF00, found
        yield 0x0000, None


def contexts() -> list[str]:
    """Services besides storage and verification."""
    return [PUSH_MODEL, str(StudyRootQueryRetrieveInformationModelFind)]


def _matches(header: Dataset, element: Any) -> bool:  # noqa: ANN401 - pydicom's
    if element.keyword == "QueryRetrieveLevel" or not element.value or element.VR == "SQ":
        return True
    return str(header.get(element.keyword, "")) in str(element.value).split("\\")
