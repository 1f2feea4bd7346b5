"""The identity guard: a study whose objects contradict each other, or the hospital's own record, is held back.

Nothing is analysed, compared or sent of it until the contradiction is gone (objects sent again after a correction
or a merge of patients), or until somebody answers for it: ``nmus release``. The texts name what disagrees and where,
never the values.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pydicom import Dataset

from service import logs
from service.config import Archive, Settings
from service.errors import NmusError
from service.ledger import Identity, Ledger, Quarantine
from service.objects import Lying, objects_of
from service.patient.keys import KINDS, Keys
from service.patient.reading import clear_values, identify, values_of
from service.query.dimse import Remote, remote_of
from service.query.find import studies, worklist

_LOGGER = logging.getLogger(__name__)
_NAMES = {
    "patient_id": "patient ID",
    "patient_name": "patient's name",
    "birth_date": "birth date",
    "accession": "accession number",
}
_REMEDY = (
    "correct the patient at the scanner or in the PACS and send the images again, or answer for the study: "
    "nmus release STUDY --by NAME"
)


class HeldBack(NmusError):
    """A study must not be analysed."""

    def __init__(self, quarantine: Quarantine) -> None:
        super().__init__(quarantine.reason)
        self.quarantine = quarantine


@dataclass(frozen=True, slots=True)
class Record:
    """What one archive or worklist says of a study, as digests."""

    where: str
    values: Mapping[str, str]


Ask = Callable[[Remote, bool, str, str], Sequence[Dataset]]
"""Peer, whether it is a worklist, study UID, accession number in clear; to its answers."""


def ask_peer(remote: Remote, is_worklist: bool, study: str, accession: str) -> Sequence[Dataset]:
    """Ask by C-FIND."""
    if is_worklist:
        return worklist(remote, accession) if accession else ()
    return studies(remote, {"StudyInstanceUID": study})


class Guard:
    """Checks a study before it is analysed."""

    def __init__(self, settings: Settings, ledger: Ledger, keys: Keys, ask: Ask = ask_peer) -> None:
        self._settings = settings
        self._ledger = ledger
        self._keys = keys
        self._ask = ask

    def check(self, study: str, now: float) -> None:
        """Let the study pass.

        Raises
        ------
        HeldBack
            With what disagrees.
        Unreachable
            An archive that must be asked is away: try again later.
        """
        lying = objects_of(self._settings)
        while missing := self._ledger.unidentified(study):
            identify(self._ledger, lying, self._keys, missing)
        found = self._ledger.identities(study)
        reasons = among(found, self._settings.identity.compare) if self._settings.identity.among_objects else []
        records = self._records(study, lying) if not reasons else []
        reasons += self._against(found, records)
        if not reasons:
            if self._ledger.clear_quarantine(study, now):
                logs.event(_LOGGER, logging.INFO, "study is no longer held back", study_instance_uid=study)
            return
        mark = fingerprint(found, records)
        before = self._ledger.quarantine(study)
        if before is not None and before.released_at is not None and before.fingerprint == mark:
            return  # somebody answers for exactly this contradiction
        raise HeldBack(Quarantine(study, now, "; ".join(reasons), _REMEDY, mark))

    def _against(self, found: Sequence[Identity], records: Sequence[Record]) -> list[str]:
        reasons = []
        for record in records:
            differs = [
                _NAMES[kind]
                for kind in self._settings.identity.compare
                if record.values.get(kind) and not _says(found, kind) <= {record.values[kind], ""}
            ]
            if differs:
                reasons.append(f"{record.where} says otherwise of the {_listed(differs)}")
        asked = any(one.identity or one.worklist for one in self._settings.archive)
        if asked and not records and not reasons and self._settings.identity.unknown == "quarantine":
            reasons.append("no archive or worklist that was asked knows the study")
        return reasons

    def _records(self, study: str, lying: Lying) -> list[Record]:
        clear: dict[str, str] | None = None
        records = []
        for archive in self._settings.archive:
            for is_worklist in [one for one, wanted in ((False, archive.identity), (True, archive.worklist)) if wanted]:
                if clear is None:
                    clear = self._clear(study, lying)
                records += self._answers(archive, is_worklist, study, clear["accession"])
        return records

    def _answers(self, archive: Archive, is_worklist: bool, study: str, accession: str) -> list[Record]:
        remote = remote_of(archive, self._settings.listener.ae_title)
        where = f"{'the worklist of ' if is_worklist else ''}{archive.name}"
        answers = self._ask(remote, is_worklist, study, accession)
        return [Record(where, {k: self._keys.of(k, v) for k, v in values_of(one).items()}) for one in answers]

    def _clear(self, study: str, lying: Lying) -> dict[str, str]:
        """Of the first object that has an accession number."""
        values = dict.fromkeys(KINDS, "")
        for instance in self._ledger.instances(study):
            values = clear_values(lying / instance.path)
            if values["accession"]:
                break
        return values


def among(found: Sequence[Identity], compare: Sequence[str]) -> list[str]:
    """What the objects of one study disagree about."""
    counts = {kind: len(_says(found, kind) - {""}) for kind in compare}
    return [
        f"the objects of the study name {count} different {_NAMES[kind]}s"
        for kind, count in counts.items()
        if count > 1
    ]


def fingerprint(found: Sequence[Identity], records: Sequence[Record]) -> str:
    """Of a contradiction: the same one has the same, whatever the number of images."""
    ours = {kind: sorted(_says(found, kind)) for kind in KINDS}
    theirs = sorted((one.where, sorted(one.values.items())) for one in records)
    return hashlib.sha256(json.dumps([ours, theirs]).encode()).hexdigest()


def _says(found: Sequence[Identity], kind: str) -> set[str]:
    return {getattr(one, kind) for one in found}


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
