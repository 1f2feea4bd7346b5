"""JSON text into reference documents: strict, whole, and with errors that name file, entry and field."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reference_store import documents as d
from reference_store.anatomy import recognise
from reference_store.files import FileError, load
from reference_store.meaning import contradictions
from reference_store.values import View

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator, ValidationError

_SCHEMA = Path(__file__).with_name("schema") / "reference_document.schema.json"
_CARRIED = ("depth_mm", "frequency_MHz")
"""Settings that DICOM carries: (0018,5050) and (0018,6030). All others are attested."""
_SYNONYMS = {"published-bundled": d.Status.PUBLISHED}
"""Older words for a status: that a publication was shipped with a program does not verify it."""
_COVARIATES = {"age": "age_y", "sex": "sex_male", "height": "height_cm", "weight": "weight_kg"}
"""Plain words for the covariates that must be known."""
_USUAL_LEVERAGE = 3.0
"""Times the mean leverage, p/n: the usual bound for a point far from the data (Velleman & Welsch 1981)."""


class DocumentError(FileError):
    """A document is not one: ``file``, ``place`` (entry and field) and ``problem`` say where and why."""


@cache
def _validator() -> Draft202012Validator:
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - a second, which only who reads documents need spend

    return Draft202012Validator(json.loads(_SCHEMA.read_text(encoding="utf-8")))


def canonical(raw: Mapping[str, Any]) -> str:
    """The one way of writing a document: sorted keys, no spaces, non-ASCII kept. What the hash is taken of."""
    return json.dumps(raw, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def parse(text: str, file: str, *, shipped: bool = False) -> tuple[d.Document, ...]:
    """Read one document, or a list of them.

    Parameters
    ----------
    shipped:
        It came with this package, whose tests have held it against the schema: contradictions are looked for still,
        but the validator need not be loaded, which takes longer than all the rest.

    Raises
    ------
    DocumentError
        When the text is not JSON, breaks the schema, contradicts itself, or holds an id twice.
    """
    try:
        raw = load(text, file)
    except FileError as error:
        raise DocumentError(error.file, error.place, error.problem) from error
    if not isinstance(raw, list):
        return (_document(raw, file, "", shipped=shipped),)
    entries = enumerate(raw, start=1)
    read = tuple(_document(entry, file, f"entry {number}, ", shipped=shipped) for number, entry in entries)
    _refuse_twins(read, file)
    return read


def _refuse_twins(read: tuple[d.Document, ...], file: str) -> None:
    seen: dict[str, int] = {}
    for number, document in enumerate(read, start=1):
        if document.release in seen:
            problem = f"{document.release} stands already in entry {seen[document.release]}; ids are unique"
            raise DocumentError(file, f"entry {number}, field model_id", problem)
        seen[document.release] = number


def _document(raw: dict[str, Any], file: str, entry: str, *, shipped: bool) -> d.Document:
    found = () if shipped else _validator().iter_errors(raw)
    errors = sorted(found, key=lambda error: [str(part) for part in error.absolute_path])
    if errors:
        first = errors[0]
        place = ".".join(str(part) for part in first.absolute_path) or "whole document"
        raise DocumentError(file, f"{entry}field {place}", _in_words(first))
    try:
        document = _build(raw)
    except UnicodeEncodeError as error:
        raise DocumentError(file, f"{entry}whole document", "holds half of a character (a lone surrogate)") from error
    for place, problem in contradictions(document, raw):
        raise DocumentError(file, f"{entry}field {place}", problem)
    return document


def _in_words(error: ValidationError) -> str:
    found, message = error.instance, error.message
    if found == "gamlss_bcpe":
        return (
            "gamlss_bcpe is not computed here; write its percentiles as family quantile (the terms of each level), or "
            "its mean, spread and skewness as family lms"
        )
    schema = error.schema
    if error.validator == "additionalProperties" and isinstance(found, dict) and isinstance(schema, Mapping):
        fields = schema.get("properties", {})
        unknown = ", ".join(sorted(repr(name) for name in found if name not in fields))
        return f"there is no field {unknown} here; there are {', '.join(fields)}"
    return message if len(message) <= 300 else message[:297] + "…"


def _build(raw: Mapping[str, Any]) -> d.Document:
    text = canonical(raw)
    structure, provenance = raw["structure"], raw["provenance"]
    view, (key, sites) = structure["view"], _place(structure, raw["quantity"])
    return d.Document(
        id=raw["model_id"],
        version=raw["version"],
        status=d.Status(_SYNONYMS.get(raw["status"], raw["status"])),
        quantity=raw["quantity"],
        unit=raw["unit"],
        structure=key,
        sites=sites,
        view=None if view == "any" else View(view),
        side_rule=d.SideRule(structure["side_rule"]),
        lock=_lock(raw["acquisition"]),
        population=_population(raw["population"]),
        model=_model(raw["model"]),
        validity=_validity(raw),
        provenance=d.Provenance(
            citation=provenance["citation"],
            confidence=provenance["confidence"],
            doi=provenance.get("doi", ""),
            table=provenance.get("table", ""),
            source=provenance.get("source", raw["model_id"].split(".")[0]),
            note=provenance.get("note", ""),
        ),
        content_hash=hashlib.sha256(text.encode()).hexdigest(),
        text=text,
        site_words=structure["site"],
    )


def _place(structure: Mapping[str, Any], quantity: str) -> tuple[str, tuple[str, ...]]:
    """Catalogue keys of structure and sites; where the document gives none, what its words say.

    A muscle's site in words is its standard site, described; a nerve's has to be a known place, or it is never met.
    """
    name, words = structure["name"], structure["site"]
    nerve = quantity.startswith("nerve")
    said = recognise(f"{name} nerve {words}" if nerve and "key" not in structure else f"{name} {words}")
    key = structure.get("key") or said.structure or recognise(name).structure or name
    if "site_key" in structure:
        given = structure["site_key"]
        return key, () if given is None else (given,) if isinstance(given, str) else tuple(given)
    if not nerve:
        return key, ()
    return key, (said.site or words,) if words else ()


def _lock(raw: Mapping[str, Any]) -> d.Lock:
    settings, pixels = raw.get("settings", {}), raw.get("pixel_chain", {})
    depth, frequency = (settings.get(name) for name in _CARRIED)
    return d.Lock(
        device_bound=raw["device_bound"],
        manufacturer=raw.get("manufacturer"),
        model=raw.get("model_name"),
        transducer=raw.get("transducer"),
        software_versions=tuple(raw.get("software_versions", ())),
        preset=raw.get("preset_id"),
        depth_mm=None if depth is None else float(depth),
        frequency_mhz=None if frequency is None else float(frequency),
        attested=tuple(
            sorted(
                (name, _setting(value))
                for name, value in settings.items()
                if name not in _CARRIED and value not in (None, [])
            )
        ),
        lossy_allowed=pixels.get("lossy_allowed", False),
        lossless_allowed=pixels.get("lossless_allowed", True),
        photometric_interpretation=pixels.get("photometric"),
        roi_rule=tuple(sorted((name, str(value)) for name, value in raw.get("roi_rule", {}).items())),
        note=raw.get("note", ""),
    )


def _setting(value: object) -> str:
    """A setting in the words in which a person attests it; several numbers (the sliders of the TGC) side by side."""
    return " / ".join(str(part) for part in value) if isinstance(value, list) else str(value)


def _population(raw: Mapping[str, Any]) -> d.Population:
    return d.Population(
        n=raw["n"],
        description=raw.get("ethnicity_region", ""),
        exclusions=raw.get("exclusions", ""),
        repeated_measures=raw.get("repeated_measures", "unknown"),
    )


def _terms(raw: Sequence[Mapping[str, Any]] | None) -> tuple[d.Term, ...]:
    return tuple(
        d.Term(
            name=term["name"],
            coefficient=float(term["coef"]),
            centre=float(term.get("center", 0.0)),
            scale=float(term.get("scale", 1.0)),
            knots=tuple(float(knot) for knot in term.get("knots", ())),
            basis=term.get("basis", 0),
        )
        for term in raw or ()
    )


def _model(raw: Mapping[str, Any]) -> d.Model:
    covariance = tuple(tuple(float(value) for value in row) for row in raw.get("cov", ()))
    limit, named = raw.get("flag_limit", {}), dict(raw.get("percentiles", {}))
    # the first published tables kept the upper limit among the percentiles under this name
    upper = raw.get("upper_limit", named.pop("upper_limit_as_published_or_mean_plus_2sd", None))
    default = d.Divisor.PREDICTION if covariance or raw["family"] == d.Family.LINEAR else d.Divisor.RESIDUAL
    if raw["family"] in (d.Family.LMS, d.Family.QUANTILE):
        default = d.Divisor.QUANTILE
    content, confidence = limit.get("tolerance_content"), limit.get("tolerance_confidence")
    words = f"holds {content:.0%} of the population with {confidence:.0%} confidence" if content and confidence else ""
    return d.Model(
        family=d.Family(raw["family"]),
        terms=_terms(raw.get("terms")),
        covariance=covariance,
        residual_sd=raw.get("residual_sd"),
        residual_df=raw.get("residual_df"),
        sd_terms=_terms(raw.get("sd_model", {}).get("terms")),
        transform=raw.get("response_transform", "identity"),
        boxcox_lambda=raw.get("boxcox_lambda"),
        quantiles=tuple(
            sorted((d.Quantile(q["percent"], _terms(q["terms"])) for q in raw.get("quantiles", ())), key=_percent)
        ),
        percentiles=tuple(sorted((_number(name), float(value)) for name, value in named.items())),
        upper_limit=upper,
        divisor=d.Divisor(raw.get("z_definition", default)),
        flag_z=float(limit.get("z", 2.0)),
        tolerance_k=limit.get("k"),
        tolerance=words,
        measurement_error_sd=raw.get("measurement_error_sd"),
    )


def _percent(quantile: d.Quantile) -> float:
    return quantile.percent


def _number(name: str) -> float:
    try:
        return float(name)
    except ValueError:
        return math.nan  # named by the check of meaning


def _range(raw: Mapping[str, Any], name: str) -> tuple[float, float] | None:
    return (float(raw[name][0]), float(raw[name][1])) if name in raw else None


def _validity(document: Mapping[str, Any]) -> d.Validity:
    raw = document["validity"]
    leverage = raw.get("max_leverage")
    usual = _usual_leverage(document) if leverage is None else None
    return d.Validity(
        age_years=_range(raw, "age_y"),
        age_assumed=raw.get("age_assumed", False),
        height_cm=_range(raw, "height_cm"),
        weight_kg=_range(raw, "weight_kg"),
        bmi=_range(raw, "bmi"),
        max_leverage=leverage or usual,
        leverage_assumed=usual is not None,
        required=tuple(_COVARIATES.get(name, name) for name in raw.get("required_covariates", ())),
        refuses=raw.get("on_violation", "refuse") == "refuse",
    )


def _usual_leverage(document: Mapping[str, Any]) -> float | None:
    """Where a site's own linear document names no limit: three times the mean leverage of those it was fitted to."""
    model, n = document["model"], document["population"]["n"]
    if not document["status"].startswith("site-") or model["family"] != d.Family.LINEAR or not n:
        return None
    return _USUAL_LEVERAGE * len(model["terms"]) / n if model.get("cov") and model.get("terms") else None
