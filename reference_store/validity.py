"""Whether a subject is one that a reference may speak of: covariates, ranges, leverage. Nothing is ever imputed."""

from __future__ import annotations

from collections.abc import Iterator

from reference_store.comparison import Refusal, RefusalCode
from reference_store.documents import Document
from reference_store.predicting import leverage
from reference_store.terms import COVARIATE_WORDS, covariates, needed
from reference_store.values import Subject

_ADULT = 16.0
"""Nerves reach adult size at about 15 years (Tübingen series, Front Neurol 2020;11:303): below 16, adult values
are refused even where a violated range is otherwise a warning."""


def violation(document: Document, subject: Subject) -> Refusal | None:
    """Why this subject may not be compared, or ``None``."""
    known = covariates(subject)
    return _missing(document, known) or _outside(document, known) or _leverage(document, known)


def warnings(document: Document, subject: Subject) -> Iterator[str]:
    """What is to be said beside a comparison that is made all the same."""
    known = covariates(subject)
    if document.validity.age_assumed:
        yield "the source does not state the age of its subjects; adults assumed"
    if document.validity.leverage_assumed:
        yield f"the document names no limit of leverage; {document.validity.max_leverage:.3g} (3 p/n) is taken"
    for name, limits in _ranges(document):
        value = known[name]
        if value is None:
            yield f"{COVARIATE_WORDS[name]} not known: whether the reference applies cannot be checked"
        elif not limits[0] <= value <= limits[1]:
            yield _range_words(name, limits)


def _ranges(document: Document) -> Iterator[tuple[str, tuple[float, float]]]:
    validity = document.validity
    named = (
        ("age_y", validity.age_years),
        ("height_cm", validity.height_cm),
        ("weight_kg", validity.weight_kg),
        ("bmi", validity.bmi),
    )
    for name, limits in named:
        if limits is not None:
            yield name, limits


def _asked(document: Document) -> tuple[str, ...]:
    model = document.model
    terms = [*model.terms, *model.sd_terms, *(term for quantile in model.quantiles for term in quantile.terms)]
    # a range of something that the model does not use is checked where it is known, and a warning where it is not;
    # age alone decides whether the reference's population is the subject's at all
    ranged = ["age_y"] if document.validity.refuses and document.validity.age_years else []
    return tuple(dict.fromkeys((*needed(terms), *document.validity.required, *ranged)))


def _missing(document: Document, known: dict[str, float | None]) -> Refusal | None:
    names = [COVARIATE_WORDS[name] for name in _asked(document) if known[name] is None]
    if not names:
        return None
    words = ", ".join(dict.fromkeys(names))
    remedy = f"enter {words} at the scanner or in the worklist; nothing is ever assumed for a missing value"
    return Refusal(RefusalCode.COVARIATE_MISSING, f"{document.release} needs {words}", remedy, document.id)


def _outside(document: Document, known: dict[str, float | None]) -> Refusal | None:
    for name, limits in _ranges(document):
        value = known[name]
        if value is None or limits[0] <= value <= limits[1]:
            continue
        child = name == "age_y" and value < _ADULT <= limits[0]
        if document.validity.refuses or child:
            text = f"{document.release}: {_range_words(name, limits)}"
            remedy = "use a reference whose subjects include this one; a model is not continued beyond its data"
            return Refusal(RefusalCode.OUTSIDE_RANGE, text, remedy, document.id)
    return None


def _range_words(name: str, limits: tuple[float, float]) -> str:
    """Without the subject's own value: texts of refusals may reach logs."""
    word = "BMI" if name == "bmi" else COVARIATE_WORDS[name]
    return f"{word} lies outside the reference's {limits[0]:g} to {limits[1]:g}"


def _leverage(document: Document, known: dict[str, float | None]) -> Refusal | None:
    limit = document.validity.max_leverage
    if limit is None:
        return None
    reached = leverage(document.model, known)
    if reached is None or reached <= limit:
        return None
    text = f"{document.release}: leverage {reached:.3g} above {limit:g}; nobody like this subject was measured"
    remedy = "collect subjects of this age, sex and build, and fit again"
    return Refusal(RefusalCode.LEVERAGE, text, remedy, document.id)
