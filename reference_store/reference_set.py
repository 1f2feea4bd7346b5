"""The references of one site as a value: picklable, pure, and the only thing a plugin sees of the store.

The way of a question: documents of this quantity, structure, site, view and side → one source per structure → those
whose lock fits the device → approval → attestation and quality control → covariates, range, leverage → arithmetic.
The first step that leaves nothing decides the refusal.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from reference_store import crossing, refusals, validity
from reference_store.attestation import Attestation, same_setting
from reference_store.bridging import Bridge
from reference_store.comparison import Comparison, Question, Refusal
from reference_store.documents import Document, Status
from reference_store.locking import Difference, differences
from reference_store.predicting import score
from reference_store.scores import Score
from reference_store.suspension import Suspension
from reference_store.terms import covariates
from reference_store.units import factor
from reference_store.values import Device, View


@dataclass(frozen=True, slots=True)
class ReferenceSet:
    """All documents of a site with what the site has decided about them. Implements ``References``."""

    documents: tuple[Document, ...] = ()
    activated: tuple[str, ...] = ()
    """Releases (``id@version``) in the order in which they were activated; the last of an id is the one in use."""
    retired: frozenset[str] = frozenset()
    """Releases retired by an event."""
    validated: frozenset[str] = frozenset()
    """Releases that passed on local controls."""
    sources: tuple[tuple[str, str], ...] = ()
    """The chosen source of a structure; others of that structure are never used."""
    source_order: tuple[str, ...] = ()
    """Which source is taken for a structure nothing was chosen for: the first of these that has it."""
    attestations: tuple[Attestation, ...] = ()
    suspensions: tuple[Suspension, ...] = ()
    bridges: tuple[Bridge, ...] = ()

    def compare(self, question: Question) -> Comparison | Refusal:
        """Compare one value with the one reference that applies, or say why none does and what to do."""
        found = self._for_place(question)
        if isinstance(found, Refusal):
            return found
        fitting = self._fitting(question, found)
        if isinstance(fitting, Refusal):
            return self._over_bridge(question) or fitting
        document = self._in_use(fitting)
        if isinstance(document, Refusal):
            return document
        stopped = self._stopped(question, document)
        return stopped or self._answer(question, document)

    def document(self, name: str) -> Document | None:
        """By release (``id@version``), by content hash, or by id: then the version in use, else the latest."""
        for document in self.documents:
            if name in (document.release, document.content_hash):
                return document
        return self._newest([document for document in self.documents if document.id == name])

    def is_retired(self, document: Document) -> bool:
        """By its own status or by an event."""
        return document.status is Status.RETIRED or document.release in self.retired

    def standing(self, document: Document) -> Status:
        """Its status now: as written, unless it was retired or passed on local controls since."""
        if self.is_retired(document):
            return Status.RETIRED
        if document.release in self.validated and document.status in (Status.PROVISIONAL, Status.PUBLISHED):
            return Status.VALIDATED
        return document.status

    def needs_activation(self, document: Document) -> bool:
        """Published values that no device binds serve as they are, marked unverified; all else a person activates."""
        return document.lock.device_bound or document.status is not Status.PUBLISHED

    def source_of(self, structure: str, quantity: str) -> str | None:
        """The one source that this structure is compared with."""
        chosen = dict(self.sources).get(structure)
        if chosen:
            return chosen
        there = {d.provenance.source for d in self.documents if d.structure == structure and d.quantity == quantity}
        ranked = [source for source in self.source_order if source in there]
        return ranked[0] if ranked else min(there, default=None)

    def _for_place(self, question: Question) -> tuple[Document, ...] | Refusal:
        known = [d for d in self.documents if d.quantity == question.quantity and d.structure == question.structure]
        usable = [d for d in known if factor(question.unit, d.unit) is not None]
        if known and not usable:
            return refusals.wrong_unit(question, known[0])
        here = [d for d in usable if d.at(question.site) and d.view in (None, question.view, _any(question))]
        if not here:
            return refusals.nothing_here(question, usable)
        sided = [d for d in here if d.side_rule.admits(question.side)]
        if not sided:
            return refusals.side_unknown(question, here[0])
        living = [d for d in sided if not self.is_retired(d)]
        if not living:
            return refusals.only_retired(sided[0])
        return self._of_source(question, living)

    def _of_source(self, question: Question, found: Sequence[Document]) -> tuple[Document, ...] | Refusal:
        """Devices need their own documents, so only what no device binds is held to one source a structure."""
        bound = tuple(d for d in found if d.lock.device_bound)
        free = [d for d in found if not d.lock.device_bound]
        source = self.source_of(question.structure, question.quantity)
        chosen = tuple(d for d in free if d.provenance.source == source)
        if free and not chosen and not bound:
            return refusals.other_source(question, source or "", sorted({d.provenance.source for d in free}))
        return chosen or bound

    def _fitting(self, question: Question, found: tuple[Document, ...]) -> tuple[Document, ...] | Refusal:
        judged = [(document, self._differences(document, question.device)) for document in found]
        fitting = tuple(document for document, different in judged if not different)
        if fitting:
            return fitting
        document, different = min(judged, key=_distance)
        return refusals.lock(question, document, different)

    def _differences(self, document: Document, device: Device) -> tuple[Difference, ...]:
        if not document.lock.device_bound:
            return ()
        return differences(document.lock, device, self.attestation(document.lock.preset, device))

    def attestation(self, wanted: str | None, device: Device) -> Attestation | None:
        """The latest that speaks of this scanner and preset and still holds, else the latest that speaks of it."""
        covering = [
            attestation
            for attestation in reversed(self.attestations)
            if attestation.covers(device) and wanted in (None, attestation.preset)
        ]
        holding = [attestation for attestation in covering if attestation.suspended_by(device) is None]
        return next(iter(holding or covering), None)

    def _in_use(self, fitting: tuple[Document, ...]) -> Document | Refusal:
        ranks = {release: rank for rank, release in enumerate(self.activated)}
        active = [document for document in fitting if document.release in ranks]
        if active:
            return max(active, key=lambda document: ranks[document.release])
        free = self._newest([document for document in fitting if not self.needs_activation(document)])
        return free or refusals.not_approved(fitting[0])

    def _newest(self, documents: Sequence[Document]) -> Document | None:
        ranks = {release: rank for rank, release in enumerate(self.activated)}
        return max(documents, key=lambda d: (ranks.get(d.release, -1), _version(d)), default=None)

    def _stopped(self, question: Question, document: Document) -> Refusal | None:
        if document.lock.device_bound:
            stopped = self._suspended(question, document) or self._unattested(question, document)
            if stopped:
                return stopped
        return validity.violation(document, question.subject)

    def _suspended(self, question: Question, document: Document) -> Refusal | None:
        for suspension in self.suspensions:
            if suspension.covers(question.device):
                return refusals.suspended(document, suspension.reason, suspension.remedy)
        return None

    def _unattested(self, question: Question, document: Document, *, crossed: bool = False) -> Refusal | None:
        """``crossed``: the device is the other end of a bridge, whose preset and settings are its own."""
        wanted = question.device.preset if crossed else document.lock.preset
        attestation = self.attestation(wanted, question.device)
        if attestation is None:
            return refusals.not_attested(document)
        changed = attestation.suspended_by(question.device)
        if changed:
            return refusals.lock_suspended(document, attestation, changed)
        if crossed:
            return None
        unlike = [
            f"{name} is {dict(attestation.settings).get(name, 'not attested')}, the reference needs {value}"
            for name, value in document.lock.attested
            if not same_setting(dict(attestation.settings).get(name), value)
        ]
        return refusals.attested_otherwise(document, unlike) if unlike else None

    def _over_bridge(self, question: Question) -> Comparison | Refusal | None:
        """What an accepted bridge that begins at this device says, the latest first; ``None`` without one."""
        for bridge in reversed(self.bridges):
            document = self.document(bridge.release)
            if document is None or not bridge.accepted or not crossing.leads(bridge, question):
                continue
            if isinstance(self._in_use((document,)), Refusal) or self.is_retired(document):
                continue
            stopped = self._suspended(question, document) or self._unattested(question, document, crossed=True)
            return stopped or crossing.carried(bridge, document, self.standing(document), question)
        return None

    def _answer(self, question: Question, document: Document) -> Comparison | Refusal:
        into = factor(question.unit, document.unit) or 1.0
        value = question.value * into
        result = score(document, value, covariates(question.subject))
        if result.says_nothing or not math.isfinite(value):
            return refusals.no_number(document)
        standing = self.standing(document)
        warnings = (
            *_doubts(document, standing, question),
            *validity.warnings(document, question.subject),
            *result.warnings,
        )
        others = tuple(self._disagreeing(question, document, result.outside(value)))
        answer = comparison(document, result, value, into, (*warnings, *others))
        return replace(answer, status=standing.value)

    def _disagreeing(self, question: Question, used: Document, verdict: str | None) -> Iterator[str]:
        """Say when another source at this very place would have judged otherwise: the choice of source decides."""
        for other in self.documents:
            same = (other.quantity, other.structure) == (used.quantity, used.structure) and other.at(question.site)
            if not same or other.provenance.source == used.provenance.source or self.is_retired(other):
                continue
            if other.lock.device_bound or not other.side_rule.admits(question.side):
                continue
            value = question.value * (factor(question.unit, other.unit) or 1.0)
            try:
                theirs = score(other, value, covariates(question.subject))
            except KeyError:
                continue
            if verdict == "below" and theirs.lower is None:
                continue  # an upper limit alone says nothing of small values
            judged = theirs.outside(value)
            if judged != verdict:
                yield f"sources disagree: by {other.provenance.source} this value is {judged or 'within limits'}"


def comparison(
    document: Document, result: Score, value: float, into: float = 1.0, warnings: tuple[str, ...] = ()
) -> Comparison:
    """The score of a value (in the document's unit) as a comparison; ``into`` is document units per asked unit."""

    def back(number: float | None) -> float | None:
        return None if number is None else number / into

    return Comparison(
        reference_id=document.id,
        reference_version=document.version,
        reference_hash=document.content_hash,
        status=document.status.value,
        source=document.source_line,
        z=result.z,
        z_sd=result.z_sd,
        percentile=result.percentile,
        expected=back(result.expected),
        sd=back(result.sd),
        lower_limit=back(result.lower),
        upper_limit=back(result.upper),
        limits=result.limits,
        outside=result.outside(value),
        warnings=warnings,
    )


def _any(question: Question) -> View | None:
    """An image whose view is not known may meet a nerve's transverse reference: an area is measured across."""
    return View.TRANSVERSE if question.view is View.UNKNOWN and question.quantity.startswith("nerve") else None


def _distance(judged: tuple[Document, tuple[Difference, ...]]) -> tuple[bool, int]:
    return any(difference.whose_device for difference in judged[1]), len(judged[1])


def _version(document: Document) -> tuple[int, ...]:
    return tuple(int(part) for part in document.version.split("."))


def _doubts(document: Document, standing: Status, question: Question) -> Iterator[str]:
    if standing is Status.PUBLISHED:
        yield "published values, not verified on local controls"
    if standing is Status.PROVISIONAL:
        yield f"provisional local reference (n = {document.population.n}), not validated"
    if standing is Status.SYNTHETIC:
        yield "invented numbers for tests and demonstration: not for patients"
    if document.lock.device_bound:
        return
    different = differences(document.lock, question.device)
    if different:
        yield "collected on another device: " + "; ".join(str(difference) for difference in different)
    elif not document.lock.model:
        yield f"reference's device: {document.lock.note or 'not stated'}"
