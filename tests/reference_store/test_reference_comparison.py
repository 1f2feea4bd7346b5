"""Comparison: z by hand, refusals that are total and monotone in the lock, and what changes nothing."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_store.comparison import Comparison, Question, Refusal, RefusalCode
from reference_store.documents import Document, Family, Lock
from reference_store.predicting import score
from reference_store.reference_set import ReferenceSet
from reference_store.store import load
from reference_store.suspension import Suspension
from reference_store.synthetic import ATTESTATION, DEVICE, document
from reference_store.terms import covariates
from reference_store.values import Device, Side, Subject, View

DOCUMENT = document()
WOMAN = Subject(60.0, "F", 165.0, 62.0)


def _set(*documents: Document, **changes: object) -> ReferenceSet:
    facts = {"activated": tuple(d.release for d in documents), "attestations": (ATTESTATION,), **changes}
    return ReferenceSet(documents=documents, **facts)


def _ask(**changes: object) -> Question:
    question = Question(
        "muscle_echo_intensity", 70.0, "[arb'U]", "biceps_brachii", None, Side.LEFT, View.TRANSVERSE, WOMAN, DEVICE
    )
    return dataclasses.replace(question, **changes)


def _code(answer: Comparison | Refusal) -> RefusalCode:
    assert isinstance(answer, Refusal), answer
    assert answer.text and answer.remedy
    return answer.code


def test_z_by_hand():
    """mu = 60 + 0.25 × 10, x = (1, 10, 0), x'Cov x = 1.2 + 2 × 10 × -0.004 + 100 × 0.002, s = 8."""
    answer = _set(DOCUMENT).compare(_ask())
    assert isinstance(answer, Comparison)
    spread = math.sqrt(64 + 1.2 - 0.08 + 0.2)
    assert answer.expected == pytest.approx(62.5, abs=1e-9)
    assert answer.sd == pytest.approx(spread, abs=1e-9)
    assert answer.z == pytest.approx(7.5 / spread, abs=1e-9)
    assert answer.percentile == pytest.approx(100 * 0.5 * (1 + math.erf(7.5 / spread / math.sqrt(2))), abs=1e-9)
    assert answer.z_sd == pytest.approx(math.sqrt(1.32 / spread**2 + answer.z**2 / 234), abs=1e-9)
    assert (answer.lower_limit, answer.upper_limit) == pytest.approx((62.5 - 2 * spread, 62.5 + 2 * spread))
    assert answer.outside is None and answer.reference_hash == document().content_hash


def test_z_against_matrix_algebra_with_polynomial_and_body_size():
    terms = [
        {"name": "intercept", "coef": 51.0},
        {"name": "sex_male", "coef": -3.0},
        {"name": "age_y", "center": 45, "scale": 15, "coef": 4.0},
        {"name": "age2", "center": 45, "scale": 15, "coef": 1.5},
        {"name": "age3", "coef": 1e-5},
        {"name": "bmi", "center": 25, "coef": -0.6},
    ]
    root = np.random.default_rng(1).normal(size=(6, 6)) * 0.1
    cov = root @ root.T
    model = {"model__terms": terms, "model__cov": cov.tolist(), "validity__max_leverage": None}
    man = Subject(72.0, "M", 181.0, 93.0)
    answer = _set(document(**model)).compare(_ask(subject=man))
    assert isinstance(answer, Comparison)
    bmi = 93.0 / 1.81**2
    x = np.array([1, 1, 27 / 15, (27 / 15) ** 2, 72.0**3, bmi - 25])
    b = np.array([51, -3, 4, 1.5, 1e-5, -0.6])
    assert answer.z == pytest.approx((70 - x @ b) / math.sqrt(64 + x @ cov @ x), abs=1e-9)


@given(st.floats(18, 80), st.sampled_from(["M", "F"]))
def test_a_subject_on_the_mean_has_z_zero(age, sex):
    person = Subject(age, sex)
    expected = 60 + 0.25 * (age - 50) - (4 if sex == "M" else 0)
    answer = _set(DOCUMENT).compare(_ask(subject=person, value=expected))
    assert isinstance(answer, Comparison)
    assert answer.z == pytest.approx(0, abs=1e-9) and answer.percentile == pytest.approx(50)


@given(st.floats(2, 25), st.sampled_from([("mm2", 1.0), ("cm2", 0.01)]))
def test_unit_changes_change_nothing(area, unit):
    name, size = unit
    ask = Question(
        "nerve_csa", area * size, name, "median_nerve", "wrist", Side.LEFT, View.TRANSVERSE, Subject(50.0, "F")
    )
    answer = load(None).compare(ask)
    plain = load(None).compare(dataclasses.replace(ask, value=area, unit="mm2"))
    assert isinstance(answer, Comparison) and isinstance(plain, Comparison)
    assert answer.z == pytest.approx(plain.z, abs=1e-9)
    assert answer.expected == pytest.approx(plain.expected * size)
    assert answer.upper_limit == pytest.approx(plain.upper_limit * size)


@given(st.floats(1, 200), st.floats(0.1, 60))
def test_z_rises_with_the_value_and_with_nothing_else_changed(value, more):
    references = _set(DOCUMENT)
    low, high = references.compare(_ask(value=value)), references.compare(_ask(value=value + more))
    assert isinstance(low, Comparison) and isinstance(high, Comparison) and low.z < high.z
    assert high.z - low.z == pytest.approx(more / low.sd)


def test_each_refusal_can_happen_and_says_what_to_do():
    references = _set(DOCUMENT)
    assert _code(load(None).compare(_ask())) is RefusalCode.NO_REFERENCE
    other = dataclasses.replace(DEVICE, model="SYNTH-2")
    assert _code(references.compare(_ask(device=other))) is RefusalCode.NO_REFERENCE
    deeper = references.compare(_ask(device=dataclasses.replace(DEVICE, depth_mm=50.0)))
    assert _code(deeper) is RefusalCode.SETTINGS_DIFFER and "depth" in deeper.text
    assert _code(references.compare(_ask(subject=Subject(60.0)))) is RefusalCode.COVARIATE_MISSING
    assert _code(references.compare(_ask(subject=Subject(90.0, "F")))) is RefusalCode.OUTSIDE_RANGE
    tight = _set(document(validity__max_leverage=0.018))
    assert _code(tight.compare(_ask())) is RefusalCode.LEVERAGE
    assert _code(_set(DOCUMENT, activated=()).compare(_ask())) is RefusalCode.NOT_APPROVED
    assert _code(_set(DOCUMENT, attestations=()).compare(_ask())) is RefusalCode.NOT_APPROVED
    retired = _set(DOCUMENT, retired=frozenset({"synthetic.biceps_brachii@0.1.0"}))
    assert _code(retired.compare(_ask())) is RefusalCode.NOT_APPROVED
    blocked = _set(DOCUMENT, suspensions=(Suspension("EXAMPLE", "SYNTH-1", None, "phantom failed", "rescan it"),))
    assert _code(blocked.compare(_ask())) is RefusalCode.SUSPENDED


@pytest.mark.parametrize(
    "change",
    [
        {"software_versions": ("1.1",)},
        {"software_versions": ()},
        {"transducer": "C5-1"},
        {"transducer": None},
        {"preset": "MSK"},
        {"depth_mm": None},
        {"lossy": True},
        {"manufacturer": None},
    ],
)
def test_one_setting_off_is_enough(change):
    answer = _set(DOCUMENT).compare(_ask(device=dataclasses.replace(DEVICE, **change)))
    code = _code(answer)
    assert code in (RefusalCode.SETTINGS_DIFFER, RefusalCode.NO_REFERENCE)
    assert next(iter(change)).split("_")[0] in answer.text or "compression" in answer.text


def test_a_change_of_the_region_delta_suspends_the_attestation_until_it_is_signed_again():
    changed = dataclasses.replace(DEVICE, spacing_mm=(0.11, 0.11))
    answer = _set(DOCUMENT).compare(_ask(device=changed))
    assert _code(answer) is RefusalCode.SUSPENDED and "0.11" in answer.text
    again = dataclasses.replace(ATTESTATION, device=changed, on="2026-02-01")
    assert isinstance(_set(DOCUMENT, attestations=(ATTESTATION, again)).compare(_ask(device=changed)), Comparison)


def test_a_software_update_suspends_even_where_the_document_names_no_version():
    free = document(acquisition__software_versions=None)
    assert isinstance(_set(free).compare(_ask()), Comparison)
    updated = dataclasses.replace(DEVICE, software_versions=("2.0",))
    assert _code(_set(free).compare(_ask(device=updated))) is RefusalCode.SUSPENDED


def test_attested_gain_other_than_the_references_is_a_difference():
    louder = dataclasses.replace(ATTESTATION, settings=(("gain_dB", "60"), ("gray_map", "2")))
    answer = _set(DOCUMENT, attestations=(louder,)).compare(_ask())
    assert _code(answer) is RefusalCode.SETTINGS_DIFFER and "gain_dB is 60" in answer.text


def test_the_attestation_of_another_scanner_of_the_model_does_not_count():
    twin = dataclasses.replace(DEVICE, serial_number="0002")
    assert _code(_set(DOCUMENT).compare(_ask(device=twin))) is RefusalCode.NOT_APPROVED


def test_the_activated_version_is_used_and_an_old_one_can_be_asked_for_by_name():
    old, new = document(), document(version="0.2.0", population__n=200)
    references = _set(old, new)
    answer = references.compare(_ask())
    assert isinstance(answer, Comparison) and answer.reference_version == "0.2.0"
    back = _set(old, new, activated=(new.release, old.release)).compare(_ask())
    assert isinstance(back, Comparison) and back.reference_version == "0.1.0"
    assert references.document(old.release) is old and references.document(old.content_hash) is old


_devices = st.builds(
    Device,
    manufacturer=st.sampled_from([None, "EXAMPLE", "Other"]),
    model=st.sampled_from([None, "SYNTH-1", "X"]),
    software_versions=st.sampled_from([(), ("1.0",), ("1.0", "b"), ("2.0",)]),
    transducer=st.sampled_from([None, "L12-4", "C5"]),
    preset=st.sampled_from([None, "NMUS-muscle-v1", "MSK"]),
    depth_mm=st.sampled_from([None, 40.0, 50.0]),
    frequency_khz=st.sampled_from([None, 12000.0, 7000.0]),
    lossy=st.sampled_from([None, False, True]),
    spacing_mm=st.sampled_from([None, (0.1, 0.1), (0.2, 0.2)]),
)
_subjects = st.builds(
    Subject,
    st.one_of(st.none(), st.floats(0, 110)),
    st.sampled_from([None, "M", "F", "O"]),
    st.one_of(st.none(), st.floats(0, 220)),
    st.one_of(st.none(), st.floats(0, 200)),
)
_questions = st.builds(
    Question,
    quantity=st.sampled_from(["muscle_echo_intensity", "nerve_csa", "nothing"]),
    value=st.floats(allow_nan=False, allow_infinity=False),
    unit=st.sampled_from(["[arb'U]", "mm2", "furlong", "cm2"]),
    structure=st.sampled_from(["biceps_brachii", "median_nerve", "vagus_nerve", "", "soul"]),
    site=st.sampled_from([None, "wrist", "thyroid_level", "nowhere"]),
    side=st.sampled_from(list(Side)),
    view=st.sampled_from(list(View)),
    subject=_subjects,
    device=_devices,
)


@given(_questions)
def test_every_question_has_an_answer(question):
    references = dataclasses.replace(_set(DOCUMENT), documents=(DOCUMENT, *load(None).documents))
    answer = references.compare(question)
    if isinstance(answer, Refusal):
        assert answer.text and answer.remedy
    else:
        assert answer.source and answer.reference_hash


_lock_fields = {
    "manufacturer": "EXAMPLE",
    "model": "SYNTH-1",
    "transducer": "L12-4",
    "software_versions": ("1.0",),
    "preset": "NMUS-muscle-v1",
    "depth_mm": 40.0,
    "frequency_mhz": 12.0,
    "attested": (("gain_dB", "50"),),
}


@given(_devices, _subjects, st.sets(st.sampled_from(sorted(_lock_fields))), st.sampled_from(sorted(_lock_fields)))
def test_a_tighter_lock_never_lets_more_through(device, subject, named, more):
    def answer(names: set[str]) -> Comparison | Refusal:
        lock = Lock(device_bound=True, **{name: _lock_fields[name] for name in names})
        locked = dataclasses.replace(DOCUMENT, lock=lock)
        return _set(locked).compare(_ask(device=device, subject=subject))

    if isinstance(answer(named), Refusal):
        assert isinstance(answer(named | {more}), Refusal)


@given(_subjects)
def test_a_missing_covariate_is_never_filled_in(subject):
    answer = _set(DOCUMENT).compare(_ask(subject=subject))
    if subject.age_years is None or subject.sex not in ("M", "F"):
        assert _code(answer) is RefusalCode.COVARIATE_MISSING


def test_refusals_do_not_tell_the_subjects_age():
    answer = _set(DOCUMENT).compare(_ask(subject=Subject(93.5, "F")))
    assert isinstance(answer, Refusal) and "93.5" not in answer.text + answer.remedy


@pytest.mark.parametrize(
    ("transform", "power", "mean", "value", "z"),
    [("log", None, 4.0, math.exp(4.2), 2.0), ("sqrt", None, 8.0, 8.2**2, 2.0), ("boxcox", 0.5, 14.0, 8.1**2, 2.0)],
)
def test_transforms_judge_on_their_scale_and_answer_in_the_measured_unit(transform, power, mean, value, z):
    doc = document(
        model__family="normal_constant",
        model__terms=[{"name": "intercept", "coef": mean}],
        model__cov=[[0.0]],
        model__residual_sd=0.1,
        model__response_transform=transform,
        model__boxcox_lambda=power,
    )
    result = score(doc, value, covariates(WOMAN))
    assert result.z == pytest.approx(z, abs=1e-6)
    assert result.upper == pytest.approx(value, rel=1e-6)
    assert score(doc, result.expected, covariates(WOMAN)).z == pytest.approx(0, abs=1e-9)
    assert score(doc, -1.0, covariates(WOMAN)).z is None


@given(st.floats(0.2, 3), st.floats(5, 200))
def test_lms_limits_are_where_z_reaches_them(power, value):
    model = dataclasses.replace(DOCUMENT.model, family=Family.LMS, covariance=(), boxcox_lambda=power, residual_sd=0.1)
    doc = dataclasses.replace(DOCUMENT, model=model)
    result = score(doc, value, covariates(WOMAN))
    assert score(doc, result.upper, covariates(WOMAN)).z == pytest.approx(2.0)
    assert (value > result.upper) == (result.z > 2.0)


def test_quantile_models_never_speak_beyond_their_outermost_quantile():
    quantiles = [
        {"percent": percent, "terms": [{"name": "intercept", "coef": level}]}
        for percent, level in ((2.5, 40), (50, 60), (97.5, 90))
    ]
    doc = document(
        model__family="quantile", model__quantiles=quantiles, model__cov=None, model__terms=None,
        model__z_definition=None, validity__max_leverage=None,
    )  # fmt: skip
    known = covariates(WOMAN)
    assert score(doc, 60.0, known).z == 0 and score(doc, 90.0, known).percentile == pytest.approx(97.5)
    beyond = score(doc, 120.0, known)
    assert beyond.z is None and beyond.outside(120.0) == "above" and beyond.warnings


def test_a_value_of_zero_is_below_the_limits_even_where_it_has_no_logarithm():
    for changes in (
        {"model__response_transform": "log", "model__terms": [{"name": "intercept", "coef": 4.0}]},
        {"model__family": "lms", "model__boxcox_lambda": 0.5, "model__terms": [{"name": "intercept", "coef": 60.0}]},
    ):
        shape = {"model__cov": None, "model__z_definition": None, "validity__max_leverage": None}
        if "model__family" not in changes:
            shape = {**shape, "model__z_definition": "(y-mu)/residual_sd"}
        answer = _set(document(**changes, **shape, model__residual_sd=0.1)).compare(_ask(value=0.0))
        assert isinstance(answer, Comparison) and answer.z is None and answer.outside == "below", changes


@pytest.mark.parametrize(
    "changes",
    [
        {"model__sd_model": {"terms": [{"name": "intercept", "coef": 2000.0}]}},
        {"model__response_transform": "log", "model__terms": [{"name": "intercept", "coef": 1e5}]},
        {"model__terms": [{"name": "intercept", "coef": 1e299}, {"name": "age3", "coef": 1e299}]},
    ],
)
def test_coefficients_that_explode_give_a_refusal_and_no_number(changes):
    size = len(changes.get("model__terms", [1, 2, 3]))
    cov = [[float(i == j) for i in range(size)] for j in range(size)]
    answer = _set(document(**changes, model__cov=cov, validity__max_leverage=None)).compare(_ask())
    assert _code(answer) is RefusalCode.OUTSIDE_RANGE and "neither z nor limits" in answer.text


@given(st.sampled_from(["50", "50.0", " 5e1"]), st.sampled_from(["50", "50.00"]))
def test_a_setting_is_the_same_however_its_number_is_written(wanted, attested):
    doc = document(acquisition__settings={"depth_mm": 40, "gain_dB": wanted})
    signed = dataclasses.replace(ATTESTATION, settings=(("gain_dB", attested),))
    assert isinstance(_set(doc, attestations=(signed,)).compare(_ask()), Comparison)
    other = dataclasses.replace(ATTESTATION, settings=(("gain_dB", "51"),))
    assert _code(_set(doc, attestations=(other,)).compare(_ask())) is RefusalCode.SETTINGS_DIFFER


def test_a_reference_of_pixels_compressed_with_loss_is_not_for_others():
    doc = document(acquisition__pixel_chain={"lossy_allowed": True, "lossless_allowed": False})
    assert _code(_set(doc).compare(_ask())) is RefusalCode.SETTINGS_DIFFER
    assert isinstance(_set(doc).compare(_ask(device=dataclasses.replace(DEVICE, lossy=True))), Comparison)


@pytest.mark.parametrize(("field", "value"), [("software_versions", ("9",)), ("spacing_mm", (0.2, 0.2))])
def test_what_appears_in_the_images_after_the_signature_suspends_it_too(field, value):
    free = document(acquisition__software_versions=None)
    bare = dataclasses.replace(DEVICE, **{field: () if field == "software_versions" else None})
    signed = dataclasses.replace(ATTESTATION, device=bare)
    assert isinstance(_set(free, attestations=(signed,)).compare(_ask(device=bare)), Comparison)
    answer = _set(free, attestations=(signed,)).compare(_ask(device=dataclasses.replace(bare, **{field: value})))
    assert _code(answer) is RefusalCode.SUSPENDED and "not in the image" in answer.text


def test_another_view_is_refused_and_the_remedy_names_the_right_one():
    answer = _set(DOCUMENT).compare(_ask(view=View.LONGITUDINAL))
    assert _code(answer) is RefusalCode.NO_REFERENCE and "transverse view" in answer.remedy


def test_the_error_of_repeated_measurement_makes_z_less_sure_and_nothing_else():
    plain, repeated = (_set(document(model__measurement_error_sd=e)).compare(_ask()) for e in (None, 3.0))
    assert isinstance(plain, Comparison) and isinstance(repeated, Comparison)
    assert repeated.z_sd == pytest.approx(math.hypot(plain.z_sd, 3.0 / plain.sd))
    assert (repeated.z, repeated.upper_limit) == (plain.z, plain.upper_limit)


_sizes = st.one_of(st.floats(-100, 100), st.floats(-1e200, 1e200))
_shapes = st.one_of(
    st.fixed_dictionaries(
        {
            "model__family": st.just("normal_linear"),
            "model__response_transform": st.sampled_from(["identity", "log", "sqrt", "boxcox"]),
        }
    ),
    st.just({"model__family": "lms", "model__z_definition": None}),
)


@given(
    shape=_shapes,
    coefficients=st.tuples(_sizes, _sizes),
    power=st.floats(-3, 3),
    sd=st.floats(1e-6, 1e6),
    question=_questions,
)
def test_whatever_a_document_says_a_question_has_an_answer_of_finite_numbers(shape, coefficients, power, sd, question):
    middle, slope = coefficients
    terms = [{"name": "intercept", "coef": middle}, {"name": "age_y", "center": 50, "coef": slope}]
    size = 4 if shape["model__family"] == "lms" else 2
    cov = [[1e-4 * (i == j) for i in range(size)] for j in range(size)]
    doc = document(
        **shape, model__terms=terms, model__cov=cov, model__residual_sd=sd, model__boxcox_lambda=power,
        validity__max_leverage=None,
    )  # fmt: skip
    asked = dataclasses.replace(question, quantity="muscle_echo_intensity", structure="biceps_brachii", unit="[arb'U]")
    for device, view in ((DEVICE, View.TRANSVERSE), (question.device, question.view)):
        answer = _set(doc).compare(dataclasses.replace(asked, site=None, device=device, view=view))
        if isinstance(answer, Comparison):
            numbers = (answer.z, answer.z_sd, answer.sd, answer.expected, answer.lower_limit, answer.upper_limit)
            assert all(number is None or math.isfinite(number) for number in numbers)
            assert any(number is not None for number in (answer.z, answer.lower_limit, answer.upper_limit))
        else:
            assert answer.text and answer.remedy
