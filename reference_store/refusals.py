"""The refusals, one function each: what is wrong, and what a person can do about it."""

from __future__ import annotations

from collections.abc import Sequence

from reference_store.attestation import Attestation
from reference_store.comparison import Question, Refusal, RefusalCode
from reference_store.documents import Document
from reference_store.locking import Difference
from reference_store.wording import measured, site_name, structure_name

_COLLECT = "collect reference values on this device with 'nmus references collect', then 'nmus references fit'"


def nothing_here(question: Question, usable: Sequence[Document]) -> Refusal:
    """There is none for this structure, site and view."""
    where = measured(question.quantity, question.structure, question.site)
    places = sorted({site_name(document.site) if document.site else "the standard site" for document in usable})
    remedy = _COLLECT
    views = sorted({document.view.value for document in usable if document.at(question.site) and document.view})
    if views:
        remedy = f"references exist for the {' and '.join(views)} view; state the view, or scan so"
    elif places and question.site is None:
        remedy = f"state the site: references exist for {', '.join(places)}"
    elif places:
        remedy = f"references exist for {', '.join(places)}; for this one {_COLLECT}"
    return Refusal(RefusalCode.NO_REFERENCE, f"no reference for {where} ({question.view} view)", remedy)


def wrong_unit(question: Question, document: Document) -> Refusal:
    """The question measures something else than the documents do."""
    text = f"{question.quantity} in {question.unit!r} cannot be compared with a reference in {document.unit!r}"
    return Refusal(RefusalCode.NO_REFERENCE, text, f"measure in {document.unit}", document.id)


def side_unknown(question: Question, document: Document) -> Refusal:
    """The reference is of one side, and the image is not known to be of it."""
    text = f"the reference is of the {document.side_rule} side, the image's side is {question.side}"
    return Refusal(RefusalCode.COVARIATE_MISSING, text, "state the side of the image", document.id)


def only_retired(document: Document) -> Refusal:
    """The only reference was withdrawn."""
    text = f"the reference {document.release} is retired"
    return Refusal(RefusalCode.NOT_APPROVED, text, "activate a newer reference, or collect and fit one", document.id)


def other_source(question: Question, source: str, others: Sequence[str]) -> Refusal:
    """The source chosen for this nerve has no value here, and sources are not mixed inside a nerve."""
    site = site_name(question.site) if question.site else "an unstated site"
    named = structure_name(question.structure)
    text = f"source {source} of the {named} has no reference for {site}; sources are not mixed"
    remedy = f"choose one source for the whole nerve: 'nmus references activate --source {others[0]} --structure "
    return Refusal(RefusalCode.NO_REFERENCE, text, f"{remedy}{question.structure} --by NAME'")


def lock(question: Question, document: Document, different: Sequence[Difference]) -> Refusal:
    """The value comes from another device or from other settings."""
    words = "; ".join(str(difference) for difference in different)
    if any(difference.whose_device for difference in different):
        text = f"no reference for {measured(question.quantity, question.structure)} on this device: {words}"
        return Refusal(RefusalCode.NO_REFERENCE, text, _COLLECT)
    text = f"settings differ from those of {document.release}: {words}"
    remedy = "scan with the locked preset, or collect reference values with these settings"
    return Refusal(RefusalCode.SETTINGS_DIFFER, text, remedy, document.id)


def not_approved(document: Document) -> Refusal:
    """It fits, but nobody has activated it."""
    text = f"the reference {document.release} ({document.status}) fits, but nobody has approved it"
    remedy = f"verify it, then 'nmus references activate {document.release} --by NAME'"
    return Refusal(RefusalCode.NOT_APPROVED, text, remedy, document.id)


def not_attested(document: Document) -> Refusal:
    """Nobody has signed that the preset is locked."""
    text = f"nobody has attested that preset {document.lock.preset or '(unnamed)'} is locked on this scanner"
    remedy = "compare gain, TGC and grey map on the scanner with the reference, then 'nmus references attest'"
    return Refusal(RefusalCode.NOT_APPROVED, text, remedy, document.id)


def attested_otherwise(document: Document, unlike: Sequence[str]) -> Refusal:
    """What was attested is not what the reference was collected with."""
    text = f"attested settings differ from those of {document.release}: {'; '.join(unlike)}"
    remedy = "set the preset as the reference needs it and attest it again, or collect with these settings"
    return Refusal(RefusalCode.SETTINGS_DIFFER, text, remedy, document.id)


def lock_suspended(document: Document, attestation: Attestation, changed: str) -> Refusal:
    """What DICOM carries has changed since the signature."""
    text = f"the attestation of preset {attestation.preset} of {attestation.on} is suspended: {changed}"
    remedy = "check the preset and a phantom image on the scanner, then 'nmus references attest' again"
    return Refusal(RefusalCode.SUSPENDED, text, remedy, document.id)


def suspended(document: Document, reason: str, remedy: str) -> Refusal:
    """Quality control has blocked the scanner."""
    return Refusal(RefusalCode.SUSPENDED, reason, remedy, document.id)


def no_number(document: Document) -> Refusal:
    """The model gives neither z nor limits for this value and subject."""
    text = f"{document.release} gives neither z nor limits for this value and subject"
    remedy = "check the value and its unit, and the document at this age, sex and build"
    return Refusal(RefusalCode.OUTSIDE_RANGE, text, remedy, document.id)
