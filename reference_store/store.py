"""The folder a site keeps its references in, and what may be done to it.

::

    FOLDER/documents/ID-VERSION.json    reference documents, never changed
    FOLDER/events.jsonl                 who activated, retired, attested what, and when
    FOLDER/observations.jsonl           values of healthy volunteers (reference_store.collecting)
    FOLDER/phantom.jsonl                phantom measurements (reference_store.quality)

The published nerve references lie in the package (``reference_store/tables``) and are always there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from reference_store import journal
from reference_store.attestation import Attestation, to_json
from reference_store.documents import Document, Family
from reference_store.events import Kind, State, event, total
from reference_store.predicting import score
from reference_store.quality import QualityLog, suspensions
from reference_store.reading import DocumentError, parse
from reference_store.reference_set import ReferenceSet
from reference_store.terms import covariates
from reference_store.values import Subject

_TABLES = Path(__file__).with_name("tables")
SOURCE_ORDER = ("bae2021", "won2012", "vagus60", "pnbmj_t2")
"""Sources with mean and SD before one with an upper limit only: only the former give z."""


@cache
def bundled() -> tuple[Document, ...]:
    """The published references that ship with nmus."""
    return tuple(
        document
        for path in sorted(_TABLES.glob("*.json"))
        for document in parse(path.read_text(encoding="utf-8"), path.name, shipped=True)
    )


def load(folder: Path | None) -> ReferenceSet:
    """Everything a plugin may ask, read once. Without a folder: the published references only.

    Raises
    ------
    DocumentError, JournalError, ValueError
        When anything in the folder is not what it should be; the text names file and field.
    """
    return Store(folder).reference_set() if folder else ReferenceSet(bundled(), source_order=SOURCE_ORDER)


_latest: dict[Path, tuple[object, ReferenceSet]] = {}


def latest(folder: Path) -> ReferenceSet:
    """As :func:`load`, but read again only when a file in the folder has changed since: for a service that runs on.

    An activation, a retirement or a failed phantom check must count for the next study, not after the next restart.
    """
    files = sorted([*folder.glob("*.jsonl"), *(folder / "documents").glob("*.json")])
    stamp = tuple((path.name, state.st_mtime_ns, state.st_size) for path in files for state in (path.stat(),))
    held = _latest.get(folder)
    if held is None or held[0] != stamp:
        held = _latest[folder] = (stamp, load(folder))
    return held[1]


@dataclass(frozen=True, slots=True)
class Store:
    """A site's references on disk."""

    folder: Path

    def documents(self) -> tuple[Document, ...]:
        """The site's own documents. Raises ``DocumentError``."""
        read: list[Document] = []
        for path in sorted((self.folder / "documents").glob("*.json")):
            read.extend(parse(path.read_text(encoding="utf-8"), path.name))
        _refuse_same(read, "documents")
        return tuple(read)

    def state(self) -> State:
        """What the events add up to."""
        return total(journal.rows(self.folder / "events.jsonl"))

    def events(self) -> list[dict[str, Any]]:
        """All events, oldest first."""
        return journal.rows(self.folder / "events.jsonl")

    def reference_set(self) -> ReferenceSet:
        """The whole store as one value."""
        state, documents = self.state(), (*bundled(), *self.documents())
        self._refuse_changed(documents)
        return ReferenceSet(
            documents=documents,
            activated=state.activated,
            retired=state.retired,
            validated=state.validated,
            sources=state.sources,
            source_order=SOURCE_ORDER,
            attestations=state.attestations,
            suspensions=(*state.suspensions, *suspensions(QualityLog(self.folder).charts(_spreads(documents, state)))),
            bridges=state.bridges,
        )

    def reference_sds(self) -> dict[tuple[str, str], float]:
        """The smallest residual SD of the grey-level references in use, by manufacturer and model."""
        return _spreads(self.documents(), self.state())

    def _refuse_changed(self, documents: Sequence[Document]) -> None:
        """A document that was signed, or validated, and is now another must not answer in its name."""
        judged = (Kind.ACTIVATE, Kind.VALIDATE)
        signed = {
            row["release"]: row["content_hash"]
            for row in self.events()
            if row["event"] in judged and "content_hash" in row
        }
        for document in documents:
            if signed.get(document.release, document.content_hash) != document.content_hash:
                problem = "the content is not what was activated or validated; restore the file, or raise the version"
                raise DocumentError(f"{document.id}-{document.version}.json", "whole document", problem)

    def add(self, texts: Sequence[tuple[str, str]]) -> tuple[Document, ...]:
        """Take documents in: pairs of file name and text. All or none; the same content twice is no error.

        Raises
        ------
        DocumentError
            When one is malformed, or its id and version are taken by other content.
        """
        added = [document for name, text in texts for document in parse(text, name)]
        _refuse_same(added, texts[0][0] if texts else "")
        held = {document.release: document for document in (*bundled(), *self.documents())}
        for document in added:
            twin = held.get(document.release)
            if twin and twin.content_hash != document.content_hash:
                problem = f"{document.release} is taken by other content; a document never changes: raise the version"
                raise DocumentError(texts[0][0], "field version", problem)
        fresh = [document for document in added if document.release not in held]
        self._write(fresh)
        return tuple(fresh)

    def _write(self, documents: Iterable[Document]) -> None:
        written: list[Path] = []
        try:
            for document in documents:
                path = self.folder / "documents" / f"{document.id}-{document.version}.json"
                journal.replace(path, document.text.encode() + b"\n")
                written.append(path)
        except OSError:
            for path in written:
                path.unlink()
            raise

    def activate(self, release: str, by: str, on: str) -> Document:
        """Put a document into use. Raises ``LookupError`` or ``ValueError``."""
        references = self.reference_set()
        document = references.document(release)
        if document is None:
            raise LookupError(f"there is no reference {release!r}; see 'nmus references list'")
        if references.is_retired(document):
            raise ValueError(f"{document.release} is retired and cannot be activated again")
        rows = [event(Kind.ACTIVATE, by, on, release=document.release, content_hash=document.content_hash)]
        if not document.lock.device_bound:
            rows.append(event(Kind.SELECT, by, on, structure=document.structure, source=document.provenance.source))
        self.record(rows)
        return document

    def retire(self, release: str, by: str, on: str, reason: str) -> Document:
        """Take a document out of use, for good. Raises ``LookupError`` or ``ValueError``."""
        document = self.reference_set().document(release)
        if document is None:
            raise LookupError(f"there is no reference {release!r}; see 'nmus references list'")
        if not reason.strip():
            raise ValueError("a retirement needs a reason")
        self.record([event(Kind.RETIRE, by, on, release=document.release, reason=reason)])
        return document

    def select(self, structure: str, source: str, by: str, on: str) -> None:
        """Choose the one source of a structure. Raises ``LookupError``."""
        sources = {d.provenance.source for d in self.reference_set().documents if d.structure == structure}
        if source not in sources:
            there = ", ".join(sorted(sources)) or "none"
            raise LookupError(f"source {source!r} has nothing of {structure!r}; sources there: {there}")
        self.record([event(Kind.SELECT, by, on, structure=structure, source=source)])

    def attest(self, attestation: Attestation) -> None:
        """Record a signature under a locked preset."""
        raw = to_json(attestation)
        self.record([event(Kind.ATTEST, raw.pop("by"), raw.pop("on"), attestation=raw)])

    def record(self, rows: Sequence[dict[str, Any]]) -> None:
        """Add events, all or none, once they are known to add up."""
        total([*self.events(), *rows])
        journal.append(self.folder / "events.jsonl", rows)


def _spreads(documents: Iterable[Document], state: State) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], float] = {}
    for document in documents:
        used = document.release in state.activated and document.release not in state.retired
        sd = _typical_sd(document) if used and document.quantity == "muscle_echo_intensity" else None
        if sd:
            device = (document.lock.manufacturer or "", document.lock.model or "")
            found[device] = min(sd, found.get(device, sd))
    return found


def _typical_sd(document: Document) -> float | None:
    """SD in grey levels of a woman in the middle of the age range, whatever scale or family the model has."""
    model, ages = document.model, document.validity.age_years or (50.0, 50.0)
    if model.residual_sd and model.transform == "identity" and model.family in (Family.LINEAR, Family.CONSTANT):
        return model.residual_sd
    try:
        return score(document, 1.0, covariates(Subject(sum(ages) / 2, "F", 165.0, 65.0))).sd
    except KeyError:
        return None


def _refuse_same(documents: Sequence[Document], file: str) -> None:
    seen: set[str] = set()
    for document in documents:
        if document.release in seen:
            raise DocumentError(file, "field model_id", f"{document.release} stands twice; ids are unique")
        seen.add(document.release)
