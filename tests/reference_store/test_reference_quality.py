"""Phantom measurement, control charts, the watch over patients' values, reminders."""

from __future__ import annotations

import dataclasses
import json
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_store.comparison import Comparison, Question, Refusal, RefusalCode
from reference_store.patient_watch import PatientValue, watch
from reference_store.phantom import PhantomRule, PhantomValues, measure
from reference_store.quality import Level, PhantomRow, QualityLog, chart
from reference_store.quality_page import page
from reference_store.reminders import reminders
from reference_store.store import Store, load
from reference_store.synthetic import ATTESTATION, DEVICE, raw_document
from reference_store.values import Side, Subject, View

SCANNER = ("EXAMPLE", "SYNTH-1", "0001")
FIRST = date(2026, 1, 1)


def _speckle(seed: int, level: float = 90.0, decay: float = 0.0, width: int = 5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    kernel = np.ones(width) / width
    noise = rng.normal(size=(400, 300 + width - 1))
    noise = np.apply_along_axis(lambda row: np.convolve(row, kernel, "valid"), 1, noise) * np.sqrt(width) * 12
    return np.clip(level + noise - decay * np.arange(400)[:, np.newaxis], 0, 255)


def test_brightness_noise_decay_and_speckle_are_what_was_put_in():
    found = measure(_speckle(1, 100.0, decay=0.1), (0.1, 0.2))
    assert found.levels == pytest.approx((90, 80, 70), abs=1.0) and found.mean == pytest.approx(80, abs=0.7)
    assert found.slope_per_cm == pytest.approx(-10, abs=0.6)
    assert found.sd == pytest.approx(12, rel=0.06) and found.saturated < 0.001
    # white noise along depth: one pixel; a running mean of five has a triangular covariance, half at 2.5 pixels
    assert found.speckle_mm[1] == pytest.approx(5 * 0.2, rel=0.15) and found.speckle_mm[0] < 0.15


@given(st.floats(1, 40))
def test_brighter_by_k_is_brighter_by_k(k):
    image = np.full((60, 60), 100.0) + np.arange(60)[:, np.newaxis] / 10
    low, high = measure(image, (0.1, 0.1)), measure(image + k, (0.1, 0.1))
    assert high.mean - low.mean == pytest.approx(k) and high.slope_per_cm == pytest.approx(low.slope_per_cm)


def test_a_saturated_phantom_is_seen_and_a_small_or_coloured_one_refused():
    assert measure(_speckle(2, 300.0), (0.1, 0.1)).saturated > 0.9
    for shape in ((20, 20), (100, 100, 3)):
        with pytest.raises(ValueError, match="phantom image"):
            measure(np.zeros(shape), (0.1, 0.1))


def test_phantom_exams_are_recognised_by_configured_rules_only():
    facts = {"study_description": "QC phantom", "patient_id": None, "protocol_name": None}
    assert PhantomRule().matched(facts) is None
    assert PhantomRule(study_description="phantom").matched(facts) == "study_description"


def _rows(values: list[float], step: int = 1) -> list[PhantomRow]:
    return [
        PhantomRow(DEVICE, (FIRST + timedelta(days=step * index)).isoformat(), value)
        for index, value in enumerate(values)
    ]


def _quiet(n: int, seed: int = 3, sd: float = 0.5) -> list[float]:
    return list(90 + sd * np.random.default_rng(seed).normal(size=n))


def test_twenty_images_in_one_day_are_no_baseline():
    assert chart(SCANNER, _rows(_quiet(40), step=0)).level is Level.BASELINE
    assert chart(SCANNER, _rows(_quiet(15))).level is Level.BASELINE
    assert chart(SCANNER, _rows(_quiet(20))).level is Level.STEADY


def test_a_sudden_jump_of_half_a_reference_sd_blocks_at_once():
    jumped = chart(SCANNER, _rows([*_quiet(25), 90 + 4.5]), reference_sd=8.0)
    assert jumped.level is Level.BLOCK and "beyond 3 SD" in jumped.text


def test_a_slow_drift_warns_before_it_blocks():
    drift = [90 + 0.12 * step for step in range(60)]
    levels = [chart(SCANNER, _rows([*_quiet(20), *drift[:end]]), 8.0).level for end in range(1, 61)]
    assert Level.WARN in levels and levels[-1] is Level.BLOCK
    first_warn, first_block = levels.index(Level.WARN), levels.index(Level.BLOCK)
    assert first_warn < first_block
    # blocked before the true shift reaches 0.75 reference SD (6 grey levels)
    assert drift[first_block] < 96


def test_false_alarms_of_a_steady_scanner_are_rare_and_never_block():
    alarms = 0
    for seed in range(40):
        one = chart(SCANNER, _rows(_quiet(72, seed)), 8.0)
        alarms += sum(bool(point.signals) for point in one.points[20:])
        assert not any("block" in point.signals for point in one.points)
    assert alarms / (40 * 52) < 0.03


def _values(mean: float) -> PhantomValues:
    return PhantomValues(mean, (mean, mean, mean), 12.0, (0.2, 0.4), -1.0, 0.0)


def _log(folder, values: list[float]) -> QualityLog:
    log = QualityLog(folder)
    for row in _rows(values):
        log.add_phantom(DEVICE, row.on, _values(row.mean))
    return log


ASK = Question(
    "muscle_echo_intensity", 70.0, "[arb'U]", "biceps_brachii", None, Side.LEFT, View.TRANSVERSE,
    Subject(60.0, "F"), DEVICE,
)  # fmt: skip


def test_a_blocked_scanner_compares_nothing_until_a_person_releases_it(tmp_path):
    store = Store(tmp_path)
    store.add([("m.json", json.dumps(raw_document()))])
    store.activate("synthetic.biceps_brachii", by="A", on="2026-01-05")
    store.attest(ATTESTATION)
    log = _log(tmp_path, _quiet(22))
    assert isinstance(load(tmp_path).compare(ASK), Comparison)
    log.add_phantom(DEVICE, "2026-02-01", _values(100.0))
    blocked = load(tmp_path).compare(ASK)
    assert isinstance(blocked, Refusal) and blocked.code is RefusalCode.SUSPENDED and "phantom" in blocked.text
    other = dataclasses.replace(DEVICE, serial_number="0002")
    assert load(tmp_path).compare(dataclasses.replace(ASK, device=other)) != blocked
    log.begin_baseline(DEVICE, "A. Example", "2026-02-02", "new transducer")
    assert load(tmp_path).compare(ASK).code is RefusalCode.SUSPENDED
    log.release(DEVICE, "A. Example", "2026-02-03", "eight volunteers rescanned, mean z 0.1")
    assert isinstance(load(tmp_path).compare(ASK), Comparison)


def test_the_watch_sees_a_shift_of_patients_and_not_chance():
    rng = np.random.default_rng(4)
    normal = rng.normal(0, 0.8, 100)
    assert not watch(SCANNER, list(normal)).warns
    assert watch(SCANNER, list(normal + 0.6)).warns
    assert watch(SCANNER, [1.0] * 10).median is None
    warned = sum(watch(SCANNER, list(rng.normal(0, 0.8, 100))).warns for _ in range(300))
    assert warned / 300 < 0.03


def test_patients_rows_lead_back_to_nobody(tmp_path):
    log = QualityLog(tmp_path)
    made = [
        PatientValue(f"k{number}", SCANNER, "2026-01-05", "biceps_brachii", 0.5 + number / 100, number % 2 == 0)
        for number in range(40)
    ]
    log.add_patients(made)
    log.add_patients(made[:5])
    [one] = log.watches()
    assert one.n == 20
    row = json.loads((tmp_path / "patients.jsonl").read_text().splitlines()[0])
    assert set(row) == {"key", "scanner", "on", "structure", "z", "normal"}


def test_reminders_say_what_is_due_and_nothing_else(tmp_path):
    store = Store(tmp_path)
    store.add([("m.json", json.dumps(raw_document()))])
    assert reminders(store, date(2026, 1, 10)) == ()
    store.activate("synthetic.biceps_brachii", by="A", on="2026-01-05")
    store.attest(ATTESTATION)
    assert any("no phantom" in text for text in reminders(store, date(2026, 1, 10)))
    _log(tmp_path, _quiet(22))
    assert reminders(store, date(2026, 1, 23)) == ()
    assert any("phantom image" in text for text in reminders(store, date(2026, 2, 10)))
    assert any("older than a year" in text for text in reminders(store, date(2027, 2, 10)))


def test_the_page_draws_every_measurement(tmp_path):
    log = _log(tmp_path, [*_quiet(22), 96.0])
    drawn = page(log.charts())
    assert drawn.count("<circle") == 23 and "block" in drawn and "<script" not in drawn
