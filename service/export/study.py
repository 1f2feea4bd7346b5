"""One study out: images, reports and findings into a folder that is whole or not there, with a manifest."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID

from service import __version__
from service.errors import NmusError, Unanalysable
from service.export.drawing import METHOD, is_drawing, without_words
from service.export.header import clean
from service.export.picture import blanked
from service.export.pseudonyms import Pseudonyms
from service.export.residue import left_in
from service.inflating import DAMAGED, document, head
from service.kept_tables import KeptTable

_IDENTIFYING = (
    "PatientID", "PatientName", "OtherPatientNames", "PatientBirthDate", "AccessionNumber", "PatientAddress",
    "InstitutionName", "ReferringPhysicianName", "OperatorsName", "PerformingPhysicianName", "StationName",
    "DeviceSerialNumber", "StudyID",
)  # fmt: skip
_OF_ITSELF = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
_INFLATED_BYTES = 1 << 30
"""Of a deflated object, as for the analysis: what inflates further is left out and not opened."""
_SHORTEST = 4
"""Shorter words stand in any file by chance."""


class Residue(NmusError):
    """Something that identifies was found in what was about to be written: nothing was."""


@dataclass(frozen=True, slots=True)
class Exported:
    """One object of the manifest."""

    file: str
    sop_instance_uid: str
    sha256: str
    kept_share: float | None = None
    """Of the picture; the rest was blanked. ``None``: no picture."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One object that stays, by its new UID, and why."""

    sop_instance_uid: str
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What was exported."""

    study_instance_uid: str
    patient: str
    project: str
    exported: tuple[Exported, ...]
    left_out: tuple[LeftOut, ...]
    findings: int
    tables: tuple[Exported, ...] = ()
    """Of a clip's events, by the clip's new UID."""


def identity_of(paths: Iterable[Path]) -> tuple[str, frozenset[str]]:
    """Patient ID of a study's objects, and every word in them that identifies."""
    words: set[str] = set()
    patient = ""
    for path in paths:
        header = head(path, ["SpecificCharacterSet", *_IDENTIFYING, *_OF_ITSELF])
        patient = patient or str(header.get("PatientID", "") or "")
        for keyword in _IDENTIFYING:
            text = str(header.get(keyword, "") or "")
            words |= {text, *text.replace("=", "^").split("^")}
        words |= {str(header.get(name, "")) for name in _OF_ITSELF}
    return patient, frozenset(word for word in words if len(word) >= _SHORTEST)


def export(
    study: str,
    images: Iterable[Path],
    reports: Iterable[Path],
    findings: Iterable[dict[str, object]],
    out: Path,
    *,
    secret: bytes,
    project: str,
    accept_unmarked: bool = False,
    tables: Iterable[KeptTable] = (),
) -> Manifest:
    """Write a study into ``out``.

    Raises
    ------
    Unanalysable
        No image could be exported.
    Residue
        Something that identifies is left in what would be written.
    """
    images, reports = list(images), list(reports)
    patient, words = identity_of(images)
    names = Pseudonyms.of(secret, project, patient)
    partial = out.with_name(f".{out.name}.part")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700)
    try:
        exported, left_out = [], []
        for path in images:
            try:
                exported.append(_received(path, partial, names, accept_unmarked=accept_unmarked))
            except Unanalysable as error:
                uid = str(head(path, ["SOPInstanceUID"]).SOPInstanceUID)
                left_out.append(LeftOut(names.uid(uid), str(error), error.remedy))
        if not any(one.kept_share is not None for one in exported):
            raise Unanalysable(f"nothing to export: {left_out[0].reason if left_out else 'the study has no images'}")
        exported += [_report(path, partial, names) for path in reports]
        lines = [json.dumps(names.in_json(one)) for one in findings]
        (partial / "findings.jsonl").write_text("".join(f"{one}\n" for one in lines), encoding="utf-8")
        beside = tuple(_table(one, partial, names) for one in tables)
        manifest = Manifest(
            names.uid(study), names.patient, project, tuple(exported), tuple(left_out), len(lines), beside
        )
        told = {"written_by": f"nmus {__version__}", "profile": "PS3.15 annex E, basic profile", **asdict(manifest)}
        (partial / "manifest.json").write_text(json.dumps(told, indent=1), encoding="utf-8")
        _search(partial, words, names.patient)
        partial.replace(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return manifest


def _received(path: Path, folder: Path, names: Pseudonyms, *, accept_unmarked: bool) -> Exported:
    dataset = _opened(path)
    if is_drawing(dataset):
        return _drawing(dataset, folder, names)
    if "PixelData" not in dataset:
        raise Unanalysable("is no image")
    share = blanked(dataset, accept_unmarked=accept_unmarked)
    return _written(dataset, folder, names, share)


def _report(path: Path, folder: Path, names: Pseudonyms) -> Exported:
    dataset = _opened(path)
    return _drawing(dataset, folder, names) if is_drawing(dataset) else _written(dataset, folder, names, None)


def _drawing(dataset: Dataset, folder: Path, names: Pseudonyms) -> Exported:
    without_words(dataset)
    return _written(dataset, folder, names, None, METHOD)


def _opened(path: Path) -> Dataset:
    """Whole, inflated to a bound and no further.

    Raises
    ------
    Unanalysable
        It holds more, or cannot be read.
    """
    try:
        dataset = document(path, _INFLATED_BYTES)
        dataset.decode()  # every value read now, so that what is damaged shows here
    except DAMAGED as error:
        raise Unanalysable(f"cannot be opened ({type(error).__name__})", remedy="see what sent it") from error
    return dataset


def _table(table: KeptTable, folder: Path, names: Pseudonyms) -> Exported:
    """A table with every UID in it replaced."""
    text = table.path.read_text("utf-8")
    if table.kind == "JSON":
        clean_text = json.dumps(names.in_json(json.loads(text)), indent=1) + "\n"
    else:
        clean_text = str(names.in_json(text))
    uid = names.uid(table.sop_instance_uid)
    file = folder / f"{uid}-{table.plugin}-{table.name}"
    file.write_text(clean_text, encoding="utf-8")
    return Exported(file.name, uid, hashlib.sha256(file.read_bytes()).hexdigest())


def _written(
    dataset: Dataset, folder: Path, names: Pseudonyms, share: float | None, *methods: tuple[str, str]
) -> Exported:
    syntax = dataset.file_meta.TransferSyntaxUID
    clean(dataset, names, *methods)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, UID(dataset.SOPInstanceUID)
    dataset.file_meta, dataset.preamble = meta, b"\0" * 128
    uid = str(dataset.SOPInstanceUID)
    file = folder / f"{uid}.dcm"
    dataset.save_as(file, enforce_file_format=True)
    return Exported(file.name, uid, hashlib.sha256(file.read_bytes()).hexdigest(), share)


def _search(folder: Path, words: frozenset[str], pseudonym: str) -> None:
    for path in sorted(folder.iterdir()):
        found = left_in(path, words, pseudonym)
        if found:
            raise Residue(
                f"{found} identifying words of the source are left in {path.name}: nothing was exported; report it"
            )
