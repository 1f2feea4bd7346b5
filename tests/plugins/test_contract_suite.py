"""The contract, tested over every built-in plugin and summary with the same images."""

from __future__ import annotations

import dataclasses
import math
import pickle
from collections.abc import Iterator

import numpy as np
import pytest

from plugins.builtin import BUILTIN, SUMMARIES
from plugins.contract import (
    Acquisition,
    ArrayFrames,
    Box,
    Clip,
    Conclusion,
    Declined,
    Finding,
    Frames,
    Grey,
    Mask,
    Measurement,
    NoReferences,
    NotAssessable,
    Plugin,
    ReasonCode,
    Region,
    RegionOrigin,
    RegionShape,
    Result,
    Side,
    Spacing,
    Summary,
    TissueRegion,
    View,
    parameters,
)
from reference_store import anatomy

STRUCTURES = {
    "muscle": ("biceps_brachii", "transverse", None),
    "muscle along": ("tibialis_anterior", "longitudinal", None),
    "nerve": ("median_nerve", "transverse", "wrist"),
    "vessel": (next(each.key for each in anatomy.structures("vessel")), "transverse", None),
    "unknown": (None, "unknown", None),
}
NAMES = [plugin.name for plugin in BUILTIN]


def picture(seed: int) -> np.ndarray:
    """Speckle with a bright-rimmed dark ellipse and two bright lines: something for every plugin to look at."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[:240, :320]
    level = rng.rayleigh(40, (240, 320))
    radius = np.hypot((column - 160) / 40, (row - 120) / 24)
    level = np.where(radius < 1, level * 0.5, level) + 90 * np.exp(-(((radius - 1.05) / 0.08) ** 2))
    level += 120 * np.exp(-(((row - 60) / 3.0) ** 2)) + 120 * np.exp(-(((row - 190) / 3.0) ** 2))
    return level.clip(0, 255).astype(np.uint8)


def moving(seed: int, frames: int) -> np.ndarray:
    """The picture with a little noise that is new in every frame, as any scanner's has."""
    rng = np.random.default_rng(seed)
    still = picture(seed).astype(np.int16)
    return np.stack([(still + rng.integers(-3, 4, still.shape)).clip(0, 255).astype(np.uint8) for _ in range(frames)])


def clips(structure: str | None, count: int = 2, frames: int = 1, drawn: bool = True) -> tuple[Clip, ...]:
    ends = ((120.0, 120.0), (200.0, 120.0), (160.0, 96.0), (160.0, 144.0))
    region = Region(RegionShape.ELLIPSE, ends, RegionOrigin.SCANNER, structure=structure)
    tissue = (TissueRegion(Box(0, 0, 320, 240), Spacing(0.1, 0.1)),)
    return tuple(
        Clip(
            f"1.2.{k}", "1.2", ArrayFrames(moving(k, frames)), tissue,
            frame_times_s=tuple(n / 16 for n in range(frames)) if frames > 1 else None,
            drawn=(region,) if drawn else (),
        )
        for k in range(count)
    )  # fmt: skip


def acquisition(kind: str, **kwargs: object) -> Acquisition:
    structure, view, site = STRUCTURES[kind]
    return Acquisition(structure, Side.LEFT, site, View(view), clips(structure, **kwargs))


def cases() -> Iterator[tuple[str, dict[str, object]]]:
    for kind in STRUCTURES:
        yield kind, {}
        yield kind, {"drawn": False}
    yield "muscle", {"frames": 6, "count": 1}
    yield "muscle", {"frames": 150, "count": 1}


@pytest.fixture(scope="module")
def outcomes() -> dict[str, list[tuple[Acquisition, list]]]:
    """Every plugin's answers to every case it does not decline, worked out once."""
    found: dict[str, list[tuple[Acquisition, list]]] = {}
    for plugin in BUILTIN:
        for kind, more in cases():
            given = acquisition(kind, **more)
            if plugin.declines(given) is None:
                found.setdefault(plugin.name, []).append((given, list(plugin.analyse(given, NoReferences()))))
    return found


class Undecodable:
    """Frames that fail the test when anything asks for a pixel."""

    count, shape = 40, (240, 320)

    def grey(self, index: int) -> Grey:
        raise AssertionError("declines() decoded pixels")

    def coloured(self, index: int) -> Mask:
        raise AssertionError("declines() decoded pixels")

    def stream(self, start: int = 0, stop: int | None = None) -> Iterator[Grey]:
        raise AssertionError("declines() decoded pixels")


@pytest.mark.parametrize("plugin", BUILTIN, ids=NAMES)
class TestPlugin:
    def test_it_is_a_plugin_with_a_stable_name(self, plugin: Plugin):
        assert isinstance(plugin, Plugin)
        assert plugin.name.isidentifier()
        assert plugin.name == plugin.name.lower()
        assert len(plugin.version.split(".")) == 3

    def test_it_is_a_frozen_dataclass_whose_fields_are_parameters(self, plugin: Plugin):
        assert dataclasses.is_dataclass(plugin)
        assert parameters(plugin)
        with pytest.raises((dataclasses.FrozenInstanceError, AttributeError)):
            plugin.name = "other"

    def test_it_is_picklable_and_equal_afterwards(self, plugin: Plugin):
        assert pickle.loads(pickle.dumps(plugin)) == plugin  # noqa: S301

    def test_it_declines_without_decoding_pixels(self, plugin: Plugin):
        for kind in STRUCTURES:
            given = acquisition(kind)
            blind = dataclasses.replace(
                given, clips=tuple(dataclasses.replace(clip, frames=Undecodable()) for clip in given.clips)
            )
            answer = plugin.declines(blind)
            assert answer is None or isinstance(answer, Declined)
            if answer is not None:
                assert answer.text
                assert answer.remedy or answer.code is ReasonCode.NOT_APPLICABLE

    def test_it_declines_what_is_unknown_and_takes_something(self, plugin: Plugin):
        assert plugin.declines(acquisition("unknown")) is not None
        many = [acquisition(kind, **more) for kind, more in cases()]
        assert any(plugin.declines(given) is None for given in many)

    def test_it_says_something_of_whatever_it_takes(self, plugin: Plugin, outcomes):
        for _, given in outcomes[plugin.name]:
            assert given
            assert all(isinstance(outcome, Finding | NotAssessable) for outcome in given)

    def test_it_is_deterministic(self, plugin: Plugin, outcomes):
        for given, before in outcomes[plugin.name][:3]:
            assert list(plugin.analyse(given, NoReferences())) == before

    def test_it_does_not_write_to_frames(self, plugin: Plugin):
        for kind, more in cases():
            given = acquisition(kind, **more)
            if plugin.declines(given) is not None:
                continue
            frames: list[Frames] = [clip.frames for clip in given.clips]
            for each in frames:
                each.pixels.setflags(write=False)
            before = [each.pixels.copy() for each in frames]
            plugin.analyse(given, NoReferences())
            assert all((each.pixels == kept).all() for each, kept in zip(frames, before, strict=True))

    def test_its_outcomes_are_picklable(self, plugin: Plugin, outcomes):
        for _, given in outcomes[plugin.name]:
            assert pickle.loads(pickle.dumps(given)) == given  # noqa: S301

    def test_every_measurement_is_coded_defined_and_has_a_unit(self, plugin: Plugin, outcomes):
        for finding in findings(outcomes[plugin.name]):
            names = [measurement.name for measurement in finding.measurements]
            assert len(set(names)) == len(names)
            for measurement in finding.measurements:
                check_measurement(measurement)

    def test_every_outline_is_closed_and_inside_its_frame(self, plugin: Plugin, outcomes):
        for finding in findings(outcomes[plugin.name]):
            assert len(finding.outline) >= 4
            assert finding.outline[0] == finding.outline[-1]
            for column, row in finding.outline:
                assert 0 <= column <= 320
                assert 0 <= row <= 240

    def test_every_image_it_speaks_of_was_given(self, plugin: Plugin, outcomes):
        for given, answers in outcomes[plugin.name]:
            known = {clip.sop_instance_uid: clip.frames.count for clip in given.clips}
            for outcome in answers:
                images = [outcome.image, *getattr(outcome, "averaged_over", ())]
                for image in (each for each in images if each is not None):
                    assert 0 <= image.frame < known[image.sop_instance_uid]

    def test_every_refusal_has_its_reason_and_remedy(self, plugin: Plugin, outcomes):
        for _, answers in outcomes[plugin.name]:
            for outcome in answers:
                if isinstance(outcome, NotAssessable):
                    assert outcome.text
                    assert outcome.remedy

    def test_confidence_is_a_share_and_lines_are_finite(self, plugin: Plugin, outcomes):
        for _, answers in outcomes[plugin.name]:
            for outcome in answers:
                assert outcome.confidence is None or 0 <= outcome.confidence <= 1
                for line in outcome.lines:
                    assert all(math.isfinite(value) for point in line.points for value in point)

    def test_pages_hold_at_most_six_panels(self, plugin: Plugin, outcomes):
        for _, answers in outcomes[plugin.name]:
            for page in (page for outcome in answers for page in outcome.pages):
                assert page.title
                assert 1 <= len(page.panels) <= 6


def test_names_are_unique():
    assert len({*NAMES, *(summary.name for summary in SUMMARIES)}) == len(NAMES) + len(SUMMARIES)


@pytest.mark.parametrize("summary", SUMMARIES, ids=[summary.name for summary in SUMMARIES])
class TestSummary:
    def test_it_is_a_summary(self, summary: Summary):
        assert isinstance(summary, Summary)
        assert pickle.loads(pickle.dumps(summary)) == summary  # noqa: S301

    def test_it_concludes_from_any_results_deterministically(self, summary: Summary, outcomes):
        results = [
            Result(plugin.name, plugin.version, given, tuple(answers))
            for plugin in BUILTIN
            for given, answers in outcomes[plugin.name]
        ]
        first = list(summary.summarise(results, (), NoReferences()))
        assert first == list(summary.summarise(results, (), NoReferences()))
        assert pickle.loads(pickle.dumps(first)) == first  # noqa: S301
        for conclusion in first:
            assert isinstance(conclusion, Conclusion)
            assert conclusion.title
            assert conclusion.text
            for measurement in conclusion.measurements:
                check_measurement(measurement)

    def test_an_empty_exam_is_no_error(self, summary: Summary):
        assert all(isinstance(each, Conclusion) for each in summary.summarise([], (), NoReferences()))


def findings(answers: list[tuple[Acquisition, list]]) -> Iterator[Finding]:
    return (outcome for _, given in answers for outcome in given if isinstance(outcome, Finding))


def check_measurement(measurement: Measurement) -> None:
    assert measurement.name
    assert measurement.code.value
    assert measurement.code.scheme
    assert measurement.unit
    assert measurement.definition
    assert math.isfinite(measurement.value)
    assert measurement.uncertainty is None or measurement.uncertainty >= 0
