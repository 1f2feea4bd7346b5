"""Fitting on simulated cohorts of known truth: coefficients, false positives, sides, sensitivity, and the report."""

from __future__ import annotations

import dataclasses
import html.parser

import numpy as np
import pytest

from reference_store.observations import Group
from reference_store.predicting import score
from reference_store.synthetic import Truth, both_sides, subjects, values
from reference_store.terms import covariates, design
from reference_store.validating import contrasts
from reference_store.values import View

pytest.importorskip("statsmodels")

from reference_store.fitting import linear, making, report, shapes, tolerance, wide
from reference_store.fitting.cohort import of_values
from reference_store.fitting.sensitivity import coverage, influences, lacking

GROUP = Group(
    "muscle_echo_intensity",
    "biceps_brachii",
    None,
    "EXAMPLE",
    "SYNTH-1",
    "L12-4",
    "NMUS",
    ("1.0",),
    40.0,
    None,
    View.TRANSVERSE,
)
LINEAR, SKEWED, WIDENING = Truth(), Truth(skew=0.25), Truth(sd_growth=0.015)
PLAIN = shapes.Shape(spline=False, size=())


def _cohort(truth: Truth, n: int, seed: int, *, sides: bool = False):
    people = subjects(n, seed)
    found = both_sides(truth, people, seed + 1) if sides else values(truth, people, seed + 1)
    return of_values(GROUP, people, found)


def _rates(document, truth: Truth, seed: int, n: int = 1500) -> tuple[float, float]:
    people = subjects(n, seed, (24.0, 76.0))
    found = values(truth, people, seed + 1)
    verdicts = [score(document, v, covariates(p)).outside(v) for v, p in zip(found, people, strict=True)]
    return verdicts.count("above") / n, verdicts.count("below") / n


def test_tolerance_factors_are_the_published_ones():
    """One-sided, 95 % content, 95 % confidence; and the standard error of the limit, by n."""
    published = {20: (2.40, 0.39), 40: (2.13, 0.27), 60: (2.02, 0.22), 120: (1.90, 0.16), 200: (1.84, 0.12)}
    for n, (k, error) in published.items():
        assert tolerance.factor(n) == pytest.approx(k, abs=0.006)
        assert tolerance.limit_error(n) == pytest.approx(error, abs=0.006)


def test_a_large_cohort_recovers_the_truth():
    fit = linear.fit(_cohort(LINEAR, 2000, 1), shape=PLAIN)
    coefficients = {term.name: term.coefficient for term in fit.terms}
    centre = next(term.centre for term in fit.terms if term.name == "age_y")
    truth = {"intercept": 60 + 0.25 * (centre - 50), "age_y": 2.5, "sex_male": -4.0}
    for index, term in enumerate(fit.terms):
        error = np.sqrt(fit.covariance[index, index])
        assert abs(coefficients[term.name] - truth[term.name]) < 3.5 * error
        assert error < 0.5
    assert fit.residual_sd == pytest.approx(8.0, rel=0.05)


def test_the_design_of_fitting_is_the_design_of_comparing():
    cohort = _cohort(LINEAR, 80, 2)
    for shape in shapes.SHAPES:
        terms = shapes.terms_of(shape, cohort)
        rows = [design(terms, covariates(person)) for person in cohort.subjects]
        assert np.allclose(shapes.matrix(terms, cohort), rows)


@pytest.mark.parametrize("truth", [LINEAR, SKEWED, WIDENING], ids=["linear", "skewed", "widening"])
def test_false_positives_are_nominal_on_both_sides(truth):
    """The whole procedure, choices included, 16 cohorts of 120: 2.5 % each side, within 3 standard errors."""
    rates = []
    for number in range(16):
        document = making.document(linear.fit(_cohort(truth, 120, 1000 + 7 * number)), "x", "1.0.0")
        rates.append(_rates(document, truth, 50_000 + number))
    found = np.array(rates)
    errors = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    assert np.all(np.abs(found.mean(axis=0) - 0.025) < 3 * errors), (found.mean(axis=0), errors)
    assert np.all(errors < 0.005)


def test_skew_is_seen_and_an_unmodelled_one_would_have_doubled_the_false_positives():
    cohort = _cohort(SKEWED, 400, 5)
    fit = linear.fit(cohort)
    assert fit.transform.name == "log"
    wrong = making.document(linear.fit(cohort, fit.shape, linear.Transform(), spread=False), "x", "1.0.0")
    above, below = _rates(wrong, SKEWED, 6, 4000)
    assert above > 0.035 and below < 0.012


def test_a_widening_spread_is_seen():
    fit = linear.fit(_cohort(WIDENING, 400, 7))
    assert fit.sd_terms and fit.sd_terms[1].coefficient == pytest.approx(0.15, abs=0.06)
    assert not linear.fit(_cohort(LINEAR, 400, 8)).sd_terms


def test_two_sides_are_one_person():
    """Both sides give the SD of a single side and the freedom of persons; z holds for one side of a new person."""
    fit = linear.fit(_cohort(LINEAR, 600, 9, sides=True), shape=PLAIN)
    assert fit.degrees == 597
    assert fit.side_sd == pytest.approx(8 * np.sqrt(0.2), rel=0.07)
    assert fit.residual_sd == pytest.approx(8.0, rel=0.06)
    above, below = _rates(making.document(fit, "x", "1.0.0"), LINEAR, 10, 6000)
    assert above == pytest.approx(0.025, abs=0.01) and below == pytest.approx(0.025, abs=0.01)


def test_fewer_than_sixty_make_a_report_and_no_reference():
    fit = linear.fit(_cohort(LINEAR, 45, 11))
    with pytest.raises(ValueError, match="at least 60"):
        making.document(fit, "x", "1.0.0")
    assert "Too few subjects" in report.page(fit, None)
    assert "15 more subjects make 60" in lacking(fit.cohort)


def test_leaving_one_out_by_formula_is_leaving_one_out():
    cohort = _cohort(LINEAR, 70, 12)
    fit = linear.fit(cohort, PLAIN, linear.Transform(), spread=False)
    top = influences(fit)[0]
    index = cohort.keys.index(top.key)
    without = linear.fit(cohort.without(index), PLAIN, linear.Transform(), spread=False)
    scale = np.sqrt(np.mean(fit.spreads**2))

    def limits(one, sign):
        mean = shapes.matrix(one.terms, cohort) @ [term.coefficient for term in one.terms]
        return mean + sign * tolerance.prediction_z(one.degrees) * one.residual_sd

    # the centre of age is rounded from the cohort's mean: the column space is the same either way
    shift = max(np.abs(limits(without, sign) - limits(fit, sign)).max() / scale for sign in (1, -1))
    assert top.shift == pytest.approx(shift, rel=1e-6)


def test_one_wild_subject_is_named_and_stays():
    people = subjects(80, 13)
    found = values(LINEAR, people, 14)
    found[17] += 60
    fit = linear.fit(of_values(GROUP, people, found))
    assert influences(fit)[0].key == "subject-17" and len(fit.cohort) == 80


def test_the_document_is_locked_to_the_device_and_its_range():
    cohort = _cohort(LINEAR, 130, 15)
    document = making.document(linear.fit(cohort), "site.biceps", "1.0.0", attested=(("gain_dB", "50"),))
    assert document.lock.device_bound and document.lock.software_versions == ("1.0",)
    assert document.lock.depth_mm == 40.0 and document.lock.attested == (("gain_dB", "50"),)
    low, high = document.validity.age_years
    ages = cohort.column("age_y")
    assert low <= ages.min() < low + 1 and high - 1 < ages.max() <= high
    assert document.status.value == "site-provisional" and document.validity.max_leverage
    assert document == making.document(linear.fit(cohort), "site.biceps", "1.0.0", attested=(("gain_dB", "50"),))


@pytest.mark.parametrize(("method", "n"), [(wide.lms, 260), (wide.quantiles, 420)])
def test_wide_models_hold_their_limits(method, n):
    rates = [
        _rates(making.document(method(_cohort(SKEWED, n, seed)), "x", "1.0.0"), SKEWED, seed + 1)
        for seed in (16, 26, 36, 46)
    ]
    assert np.mean(rates, axis=0) == pytest.approx([0.025, 0.025], abs=0.012)
    with pytest.raises(ValueError, match="too few"):
        method(_cohort(SKEWED, 150, 16))


def test_sex_or_age_unknown_is_dropped_with_the_reason_and_zero_is_no_value():
    people = subjects(80, 18)
    found = values(LINEAR, people, 19)
    found[3] = 0.0
    with pytest.raises(ValueError, match="zero or less"):
        linear.fit(of_values(GROUP, people, found))


def test_coverage_counts_people_by_decade_and_sex():
    cells = coverage(_cohort(LINEAR, 96, 20))
    assert sum(cell.n for cell in cells) == 96
    assert all(cell.lacking == max(8 - cell.n, 0) for cell in cells if cell.decade[:2] in ("20", "50"))


class _Balanced(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_report_is_whole_html_and_shows_what_a_patient_meets():
    fit = linear.fit(_cohort(WIDENING, 130, 21, sides=True))
    document = making.document(fit, "site.biceps", "1.0.0")
    page = report.page(fit, document)
    reader = _Balanced()
    reader.feed(page)
    assert reader.open == [] and {"svg", "table", "circle", "polyline"} <= reader.seen
    assert page.count('class="dot"') >= 2 * 130 and document.content_hash in page
    assert "<script" not in page and "http" not in page


def test_two_references_of_one_truth_are_alike_and_a_brighter_scanner_is_seen():
    one = making.document(linear.fit(_cohort(LINEAR, 200, 22)), "a", "1.0.0")
    two = making.document(linear.fit(_cohort(LINEAR, 200, 32)), "b", "1.0.0")
    bright = making.document(linear.fit(_cohort(dataclasses.replace(LINEAR, intercept=76.0), 200, 42)), "c", "1.0.0")
    assert all(abs(row.shift) < 0.5 for row in contrasts(one, two))
    assert all(1.5 < row.shift < 2.6 for row in contrasts(one, bright))
