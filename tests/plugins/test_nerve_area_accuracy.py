"""Accuracy on real nerves of the test block, never trained or tuned on; skipped where the pictures are absent."""

from __future__ import annotations

import numpy as np
import pytest

from plugins.nerve_area import tracing
from plugins.nerve_area.confidence import confidence
from plugins.outlines import mask_of

training = pytest.importorskip("plugins.nerve_area.training.dataset", reason="the wheel holds no training code")
evaluate = pytest.importorskip("plugins.nerve_area.training.evaluate", reason="the wheel holds no training code")

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not training.data_folder().is_dir(), reason="the nerve pictures are not here"),
]
NERVES = 40


@pytest.fixture(scope="module")
def cases():
    return training.load()


@pytest.fixture(scope="module")
def block(cases):
    return [case for case in cases if case.fold == -1 and not case.copy]


def test_the_test_block_shares_no_picture_with_the_folds(cases):
    test_groups = {case.group for case in cases if case.fold == -1}
    assert test_groups
    assert test_groups.isdisjoint(case.group for case in cases if case.fold >= 0)


def test_calipers_on_real_nerves(block):
    """Dice against the seed's own, area error and confidence of one seed a nerve; the README has the full figures."""
    rng = np.random.default_rng(7)
    own, found, area, sure = [], [], [], []
    for case in block:
        spacing = evaluate.spacing_of(case)
        for truth in case.whole_nerves():
            seed = evaluate.in_mm(training.noisy(training.ellipse_of(truth), rng), spacing)
            ring = mask_of(seed.ring(spacing), truth.shape)
            trace = tracing.from_ellipse(case.image, spacing, seed)
            mask = mask_of(trace.outline, truth.shape) if trace else np.zeros_like(truth)
            own.append(evaluate.dice(ring, truth))
            found.append(evaluate.dice(mask, truth))
            area.append(abs(mask.sum() / truth.sum() - 1))
            sure.append(confidence(trace.features, "caliper") if trace else 0.0)
    found = np.array(found)
    assert len(found) >= NERVES
    assert np.median(found) > 0.87
    assert np.median(found) > np.median(own) + 0.01
    assert np.median(area) < 0.14
    assert evaluate.auc(found >= 0.8, sure) > 0.75


def test_a_point_on_a_real_vessel_gives_no_area(block):
    """At the plugin's own threshold for points; under 3 % of the vessels."""
    answered = vessels = 0
    for case in block:
        spacing = evaluate.spacing_of(case)
        for mask in case.components(2):
            x, y = training.ellipse_of(mask)[:2] * spacing.row_mm
            trace = tracing.from_point(case.image, spacing, (float(x), float(y)), tracing.POINT_HALF_MM)
            vessels += 1
            answered += trace is not None and trace.vessel <= 0.5 and confidence(trace.features, "point") >= 0.6
    assert vessels > 40
    assert answered / vessels < 0.03
