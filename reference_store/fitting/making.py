"""A fit as a reference document: everything a comparison needs, and nothing it could not be recomputed from."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

from reference_store import anatomy
from reference_store.documents import Document, Term
from reference_store.fitting.cohort import Cohort
from reference_store.fitting.linear import LinearFit
from reference_store.fitting.tolerance import factor, prediction_z
from reference_store.fitting.wide import WideFit
from reference_store.reading import parse
from reference_store.units import UNIT_OF
from reference_store.values import View

FLOOR = 60
"""Subjects below which limits by regression are too uncertain to judge a patient with (Virtanen 1998)."""
FEWEST_OF_A_SEX = 10
"""Subjects a coefficient, the usual floor of regression; that of the sex is known from the fewer of the two."""
_NO_VIEW = (
    "the view of these values is not known, so no image could ever be compared with them: say it in the column 'view' "
    "of the table, or by a [[mapping]] of the settings for what the scanner writes"
)
_ATTESTED_ELSEWHERE = "gain, TGC and grey map are attested by the site for this preset"


def document(
    fit: LinearFit | WideFit,
    name: str,
    version: str,
    *,
    source: str = "site",
    code_version: str = "",
    attested: tuple[tuple[str, str], ...] = (),
) -> Document:
    """The document, status ``site-provisional``, locked to the cohort's device and the settings attested for it.

    Raises
    ------
    ValueError
        Below 60 subjects, or ten of a sex: report and progress can be shown, but no patient is compared with so few.
        Also when nobody knows in which view the values were measured.
    """
    cohort = fit.cohort
    if len(cohort) < FLOOR:
        raise ValueError(f"{len(cohort)} subjects are too few: limits by regression need at least {FLOOR}")
    _speaks_of_both(cohort)
    if cohort.group.view is View.UNKNOWN:
        raise ValueError(_NO_VIEW)
    model = _linear(fit) if isinstance(fit, LinearFit) else _wide(fit)
    raw = {
        "schema_version": "1.0",
        "model_id": name,
        "version": version,
        "status": "site-provisional",
        "quantity": cohort.group.quantity,
        "unit": UNIT_OF[cohort.group.quantity],
        "structure": _structure(cohort),
        "acquisition": _acquisition(cohort, dict(attested)),
        "population": _population(cohort),
        "model": model,
        "validity": _validity(cohort, fit),
        "provenance": {
            "citation": f"collected at this site, {source}",
            "confidence": "site-collected",
            "source": source,
            "data_sha256": data_hash(cohort),
            "fit_code_version": code_version,
        },
    }
    return parse(json.dumps(raw), f"{name}-{version}.json")[0]


def _speaks_of_both(cohort: Cohort) -> None:
    """A model of one sex has nothing to say of the other, and could not tell that it has nothing to say."""
    for sex, words in (("F", "women"), ("M", "men")):
        n = sum(person.sex == sex for person in cohort.subjects)
        if n < FEWEST_OF_A_SEX:
            raise ValueError(f"{n} {words} are too few: at least {FEWEST_OF_A_SEX} of each sex are needed")


def data_hash(cohort: Cohort) -> str:
    """SHA-256 of what was fitted, so that a document and its observations can be matched years later."""
    rows = [
        [key, person.age_years, person.sex, person.height_cm, person.weight_kg, [float(v) for v in values]]
        for key, person, values in zip(cohort.keys, cohort.subjects, cohort.sides, strict=True)
    ]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _structure(cohort: Cohort) -> dict[str, Any]:
    group = cohort.group
    return {
        "name": anatomy.structure(group.structure).name,
        "key": group.structure,
        "site": anatomy.site(group.site).name if group.site else "",
        "site_key": group.site,
        "view": group.view.value,
        "side_rule": "either",
    }


def _acquisition(cohort: Cohort, attested: dict[str, str]) -> dict[str, Any]:
    group = cohort.group
    settings: dict[str, Any] = dict(attested)
    if group.depth_mm is not None:
        settings["depth_mm"] = group.depth_mm
    if group.frequency_khz is not None:
        settings["frequency_MHz"] = group.frequency_khz / 1000
    raw = {
        "device_bound": group.quantity in ("muscle_echo_intensity", "texture", "calibrated_backscatter"),
        "manufacturer": group.manufacturer,
        "model_name": group.model,
        "transducer": group.transducer,
        "software_versions": list(group.software_versions),
        "preset_id": group.preset,
        "settings": settings,
        "pixel_chain": {"lossy_allowed": True, "lossless_allowed": False} if group.lossy else {"lossy_allowed": False},
        "note": _ATTESTED_ELSEWHERE,
    }
    return {name: value for name, value in raw.items() if value not in (None, [])}


def _population(cohort: Cohort) -> dict[str, Any]:
    men = sum(person.sex == "M" for person in cohort.subjects)
    ages = cohort.column("age_y")
    words = f"{len(cohort)} local volunteers, {men} men, {ages.min():.0f} to {ages.max():.0f} years"
    sides = "both_sides_random_effect" if any(len(values) > 1 for values in cohort.sides) else "one_side"
    return {"n": len(cohort), "ethnicity_region": words, "repeated_measures": sides}


def _terms(terms: tuple[Term, ...]) -> list[dict[str, Any]]:
    made = []
    for term in terms:
        raw: dict[str, Any] = {"name": term.name, "coef": term.coefficient}
        if term.name == "age_spline":
            raw |= {"knots": list(term.knots), "basis": term.basis}
        elif term.name != "intercept":
            raw |= {"center": term.centre, "scale": term.scale}
        made.append(raw)
    return made


def _linear(fit: LinearFit) -> dict[str, Any]:
    n = len(fit.cohort)
    raw: dict[str, Any] = {
        "family": "normal_linear",
        "response_transform": fit.transform.name,
        "terms": _terms(fit.terms),
        "cov": ((fit.covariance + fit.covariance.T) / 2).tolist(),
        "residual_sd": fit.residual_sd,
        "residual_df": fit.degrees,
        "z_definition": "(y-mu)/sqrt(residual_var + x'Cov x)",
        "flag_limit": {
            "z": prediction_z(fit.degrees),
            "k": factor(n, degrees=fit.degrees),
            "tolerance_content": 0.95,
            "tolerance_confidence": 0.95,
        },
    }
    if fit.transform.power is not None:
        raw["boxcox_lambda"] = fit.transform.power
    if fit.sd_terms:
        raw["sd_model"] = {"terms": _terms(fit.sd_terms)}
    return raw


def _wide(fit: WideFit) -> dict[str, Any]:
    shared: dict[str, Any] = {
        "cov": ((fit.covariance + fit.covariance.T) / 2).tolist(),
        "residual_df": len(fit.cohort) - fit.parameters,
        "z_definition": "quantile_to_normal",
    }
    tolerance = {"k": fit.tolerance_k, "tolerance_content": 0.95, "tolerance_confidence": 0.95}
    if fit.quantiles:
        levels = [{"percent": q.percent, "terms": _terms(q.terms)} for q in fit.quantiles]
        return {"family": "quantile", "quantiles": levels, "flag_limit": tolerance, **shared}
    return {
        "family": "lms",
        "boxcox_lambda": fit.power,
        "terms": _terms(fit.median_terms),
        "sd_model": {"terms": _terms(fit.sd_terms)},
        "flag_limit": {"z": 1.96, **tolerance},
        **shared,
    }


def _validity(cohort: Cohort, fit: LinearFit | WideFit) -> dict[str, Any]:
    """The range that was measured, and a leverage up to a fifth beyond the largest that any subject had."""

    def measured(name: str) -> list[float]:
        values = cohort.column(name)
        return [float(np.floor(values.min())), float(np.ceil(values.max()))]

    raw: dict[str, Any] = {"age_y": measured("age_y"), "required_covariates": ["age_y", "sex_male"]}
    for name in fit.shape.size:
        raw[name] = measured(name)
    raw["max_leverage"] = float(1.2 * fit.leverages.max())
    return {**raw, "on_violation": "refuse"}
