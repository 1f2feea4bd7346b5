"""LMS and quantile models know how sure they are: delta method, coverage, leverage, and documents that do not say."""

from __future__ import annotations

import dataclasses
import json
import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_store import validity
from reference_store.comparison import RefusalCode
from reference_store.meaning import coefficients
from reference_store.observations import Group
from reference_store.predicting import leverage, score
from reference_store.reading import DocumentError, parse
from reference_store.synthetic import Truth, document, raw_document, subjects, values
from reference_store.terms import covariates
from reference_store.values import Subject, View

GROUP = Group(
    "muscle_echo_intensity", "biceps_brachii", None, "EXAMPLE", "SYNTH-1", None, None, (), None, None, View.TRANSVERSE
)
SKEWED = Truth(skew=0.25)
WOMAN = covariates(Subject(50.0, "F", 165.0, 62.0))
PERCENTS = (2.5, 25.0, 50.0, 75.0, 97.5)
_AGE = {"name": "age_y", "center": 50, "scale": 10}


def _lms(power: float = 0.4, scale: float = 1.0, **changes: object):
    covariance = scale * np.diag([1.0, 0.3, 0.002, 0.001, 0.02])
    return raw_document(
        model={
            "family": "lms",
            "terms": [{"name": "intercept", "coef": 60.0}, _AGE | {"coef": 2.5}],
            "sd_model": {"terms": [{"name": "intercept", "coef": -2.0}, _AGE | {"coef": 0.05}]},
            "boxcox_lambda": power,
            "cov": covariance.tolist(),
            "flag_limit": {"z": 1.96},
        },
        **changes,
    )


def _quantiles(scale: float = 1.0, **changes: object):
    levels = [60 + 8 * NormalDist().inv_cdf(percent / 100) for percent in PERCENTS]
    made = [
        {"percent": percent, "terms": [{"name": "intercept", "coef": level}, _AGE | {"coef": 2.0 + index / 4}]}
        for index, (percent, level) in enumerate(zip(PERCENTS, levels, strict=True))
    ]
    bridge = [[min(a, b) / 100 - a * b / 1e4 for b in PERCENTS] for a in PERCENTS]
    covariance = scale * np.kron(bridge, [[2.0, 0.1], [0.1, 0.4]])
    return raw_document(model={"family": "quantile", "quantiles": made, "cov": covariance.tolist()}, **changes)


def _read(raw):
    return parse(json.dumps(raw), "synthetic")[0]


def _moved(model, index: int, step: float):
    """The model with one coefficient moved, counted in the order of the covariance."""

    def terms(given):
        return tuple(
            dataclasses.replace(term, coefficient=term.coefficient + step * (number == index))
            for number, term in enumerate(given)
        )

    if model.quantiles:
        which, index = divmod(index, 2)
        one = dataclasses.replace(model.quantiles[which], terms=terms(model.quantiles[which].terms))
        return dataclasses.replace(model, quantiles=(*model.quantiles[:which], one, *model.quantiles[which + 1 :]))
    if index < 2:
        return dataclasses.replace(model, terms=terms(model.terms))
    index -= 2
    if index < 2:
        return dataclasses.replace(model, sd_terms=terms(model.sd_terms))
    return dataclasses.replace(model, boxcox_lambda=model.boxcox_lambda + step)


def _plain_z(doc, model, value: float, known) -> float:
    return score(dataclasses.replace(doc, model=dataclasses.replace(model, covariance=())), value, known).z


@pytest.mark.parametrize("raw", [_lms(), _lms(power=1e-6), _lms(power=-0.5), _quantiles()])
@given(share=st.floats(-1.8, 1.8), age=st.floats(25, 75))
def test_the_uncertainty_is_that_of_coefficients_really_moved(raw, share, age):
    """Delta method against central differences of z by every coefficient, without any formula of a gradient."""
    doc, known = _read(raw), covariates(Subject(age, "F"))
    here = score(doc, 60.0, known)
    value = here.expected + share * here.sd
    count = len(coefficients(doc.model))
    step = 1e-5
    slopes = [
        (
            _plain_z(doc, _moved(doc.model, index, step), value, known)
            - _plain_z(doc, _moved(doc.model, index, -step), value, known)
        )
        / (2 * step)
        for index in range(count)
    ]
    variance = np.array(slopes) @ np.array(doc.model.covariance) @ np.array(slopes)
    found = score(doc, value, known)
    kink = doc.model.quantiles and min(abs(share - NormalDist().inv_cdf(p / 100)) for p in PERCENTS) < 0.05
    if not kink:  # between two segments the slope is not defined
        expected = math.sqrt(variance / (1 + leverage(doc.model, known)))
        assert found.z_sd == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("make", [_lms, _quantiles])
def test_a_subject_on_the_median_has_z_0_and_surer_coefficients_make_surer_z(make):
    found = [score(_read(make(scale=scale)), 66.0, WOMAN) for scale in (1.0, 0.25, 1e-8)]
    on_median = score(_read(make()), found[0].expected, WOMAN)
    assert on_median.z == pytest.approx(0, abs=1e-12) and on_median.z_sd > 0
    assert found[0].z_sd > found[1].z_sd > found[2].z_sd > 0
    assert found[2].z_sd == pytest.approx(0, abs=1e-3)
    assert 0 < found[0].z < found[1].z < found[2].z
    assert found[0].upper > found[1].upper > found[2].upper and found[0].lower < found[1].lower < found[2].lower
    assert "uncertainty" in found[0].limits
    raw = make()
    del raw["model"]["cov"], raw["validity"]["max_leverage"]
    without = score(_read(raw), 66.0, WOMAN)
    assert without.z_sd is None and without.z == pytest.approx(found[2].z, rel=1e-6)
    assert without.upper == pytest.approx(found[2].upper, rel=1e-4) and "uncertainty" not in without.limits


@pytest.mark.parametrize("make", [_lms, _quantiles])
def test_who_lies_far_from_those_measured_is_refused(make):
    doc = _read(make(validity={"age_y": [18, 100], "max_leverage": 0.025}))
    middle, far = Subject(50.0, "F"), Subject(95.0, "F")
    assert leverage(doc.model, covariates(middle)) < 0.025 < leverage(doc.model, covariates(far))
    assert validity.violation(doc, middle) is None
    refusal = validity.violation(doc, far)
    assert refusal.code is RefusalCode.LEVERAGE and "collect" in refusal.remedy


@pytest.mark.parametrize("make", [_lms, _quantiles])
@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"model__cov": None}, "model.cov", "without covariance"),
        ({"model__cov": [[1.0]]}, "model.cov", "in this order"),
        ({"validity__max_leverage": None}, "validity.max_leverage", "how far"),
    ],
)
def test_a_site_may_not_sign_coefficients_that_do_not_say_how_sure_they_are(make, change, field, words):
    raw = make(status="site-provisional")
    assert _read(raw).model.covariance
    for path, value in change.items():
        *parents, name = path.split("__")
        place = raw[parents[0]]
        place.pop(name) if value is None else place.update({name: value})
    with pytest.raises(DocumentError, match=words) as caught:
        _read(raw)
    assert field in str(caught.value)


def test_a_covariance_of_quantiles_must_be_one():
    raw = _quantiles()
    raw["model"]["cov"][0][1] += 1.0
    with pytest.raises(DocumentError, match="symmetric"):
        _read(raw)
    with pytest.raises(DocumentError, match="negative eigenvalue"):
        _read(_quantiles(scale=-1.0))


def test_published_lms_numbers_without_covariance_still_read():
    raw = _lms(status="published-unverified")
    del raw["model"]["cov"], raw["validity"]["max_leverage"]
    assert score(_read(raw), 70.0, WOMAN).z_sd is None
    raw["validity"]["max_leverage"] = 0.1
    with pytest.raises(DocumentError, match="without covariance"):
        _read(raw)
    assert document().model.covariance


def _fitted(name: str, n: int, seed: int):
    wide = pytest.importorskip("reference_store.fitting.wide")
    making = pytest.importorskip("reference_store.fitting.making")
    of_values = pytest.importorskip("reference_store.fitting.cohort").of_values
    people = subjects(n, seed)
    return making.document(
        getattr(wide, name)(of_values(GROUP, people, values(SKEWED, people, seed + 1))), "x", "1.0.0"
    )


def _deviates(doc, seed: int, n: int = 200):
    """(true z, z, its uncertainty) of new people, all who get a z."""
    people = subjects(n, seed, (24.0, 76.0))
    found = values(SKEWED, people, seed + 1)
    scores = [score(doc, float(value), covariates(person)) for value, person in zip(found, people, strict=True)]
    truth = [
        math.log(value / SKEWED.expected(person)) / SKEWED.skew for value, person in zip(found, people, strict=True)
    ]
    return np.array([(t, s.z, s.z_sd) for t, s in zip(truth, scores, strict=True) if s.z is not None])


@pytest.mark.parametrize(("name", "n", "cohorts"), [("lms", 250, 24), ("quantiles", 450, 12)])
def test_the_95_percent_interval_of_z_holds_the_true_z(name, n, cohorts):
    """Simulated cohorts of known truth: nominal 95 %, within three standard errors over cohorts and 1 % of bias."""
    held = []
    for number in range(cohorts):
        true, z, sd = _deviates(_fitted(name, n, 3000 + 17 * number), 60_000 + number).T
        held.append(np.mean(np.abs(z - true) <= 1.96 * sd))
    error = np.std(held, ddof=1) / math.sqrt(cohorts)
    assert error < 0.02
    assert abs(np.mean(held) - 0.95) < 3 * error + 0.01, (np.mean(held), error)


@pytest.mark.parametrize(("name", "few", "many"), [("lms", 250, 1000), ("quantiles", 400, 1600)])
def test_four_times_as_many_people_halve_the_uncertainty(name, few, many):
    means = [_deviates(_fitted(name, n, 77), 88)[:, 2].mean() for n in (few, many)]
    assert means[1] / means[0] == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize("name", ["lms", "quantiles"])
def test_a_fitted_document_says_how_far_it_reaches(name):
    doc = _fitted(name, 420, 5)
    assert doc.model.residual_df and doc.status.value == "site-provisional"
    people = subjects(420, 5)
    reached = [leverage(doc.model, covariates(person)) for person in people]
    assert doc.validity.max_leverage == pytest.approx(1.2 * max(reached), rel=1e-9)
    assert all(validity.violation(doc, person) is None for person in people)


def test_leaving_one_out_moves_an_lms_limit_as_far_as_was_said():
    wide, cohorts = (
        pytest.importorskip("reference_store.fitting.wide"),
        pytest.importorskip("reference_store.fitting.cohort"),
    )
    people = subjects(260, 41)
    found = values(SKEWED, people, 42)
    found[17] = SKEWED.at(people[17], 3.8)
    cohort = cohorts.of_values(GROUP, people, found)
    whole = wide.lms(cohort)
    assert int(np.argmax(whole.shifts)) == 17
    without = wide.lms(cohort.without(17))
    assert without.shape == whole.shape
    making = pytest.importorskip("reference_store.fitting.making")
    before, after = (making.document(fit, "x", "1.0.0") for fit in (whole, without))
    plain = dataclasses.replace(after, model=dataclasses.replace(after.model, covariance=()))
    moved = []
    for person in people:
        limits = score(plain, 50.0, covariates(person))
        for limit, nominal in ((limits.upper, 1.96), (limits.lower, -1.96)):
            moved.append(abs(_plain_z(before, before.model, limit, covariates(person)) - nominal))
    assert whole.shifts[17] == pytest.approx(max(moved), rel=0.3)


@pytest.mark.parametrize("name", ["lms", "quantiles"])
def test_the_report_of_a_wide_model_shows_distances_and_whom_it_hangs_on(name):
    report = pytest.importorskip("reference_store.fitting.report")
    wide = pytest.importorskip("reference_store.fitting.wide")
    of_values = pytest.importorskip("reference_store.fitting.cohort").of_values
    making = pytest.importorskip("reference_store.fitting.making")
    people = subjects(420, 9)
    found = values(SKEWED, people, 10)
    found[33] = SKEWED.at(people[33], 4.5)
    fit = getattr(wide, name)(of_values(GROUP, people, found))
    page = report.page(fit, making.document(fit, "x", "1.0.0"))
    assert "Distance from the expected value" in page and ("Normal distribution?" in page) == (name == "lms")
    after = page[page.index("limit moves by") :].split("</table>")[0]
    if name == "lms":  # a quantile does not care how far out somebody lies, only on which side
        assert after.index("subject-33<") < 200, "the first row names the wild one"
    assert after.count("<tr><td>") == 5
    assert page.count(" years</td><td>140</td>") == 3


@pytest.mark.parametrize(("name", "n", "cohorts"), [("lms", 250, 24), ("quantiles", 420, 10)])
def test_the_tolerance_limit_holds_its_share_with_its_confidence(name, n, cohorts):
    """Below k lie 95 % of a skewed population in 95 % of cohorts (exact binomial bound); k shrinks towards 1.645."""
    held, factors = 0, []
    for number in range(cohorts):
        doc = _fitted(name, n, 7000 + 13 * number)
        factors.append(doc.model.tolerance_k)
        plain = dataclasses.replace(doc.model, covariance=())
        person = Subject(50.0, "F")
        # where w reaches k at a person in the middle, by bisection over values
        low, high = SKEWED.expected(person), 4 * SKEWED.expected(person)
        for _ in range(60):
            middle = (low + high) / 2
            z = score(dataclasses.replace(doc, model=plain), middle, covariates(person)).z
            low, high = (middle, high) if z is not None and z < factors[-1] else (low, middle)
        true = math.log(low / SKEWED.expected(person)) / SKEWED.skew
        held += NormalDist().cdf(true) >= 0.95
    assert min(factors) > 1.645 and np.mean(factors) < 2.0
    assert held >= cohorts * 0.95 - 3 * math.sqrt(cohorts * 0.95 * 0.05)
