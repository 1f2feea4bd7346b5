"""Real cine without fasciculations, as far as packages hold any: never a count, whatever moves in it.

pydicom carries a second of SonoSite colour Doppler, pydicom-data four seconds of epicardial ultrasound (skipped where
it is not installed). ``training/public_cine.py`` judges more, which has to be fetched; README.md says what came of it.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pydicom
import pytest

from plugins.contract import Acquisition, ArrayFrames, Clip, NoReferences, NotAssessable, ReasonCode
from plugins.fasciculation import Fasciculation
from service.analyse.exam import read_exam

SECOND = Path(pydicom.__file__).parent / "data" / "test_files" / "examples_ybr_color.dcm"


def outcome_of(clip: Clip, acquisition: Acquisition) -> NotAssessable:
    named = replace(acquisition, structure="biceps_brachii", clips=(clip,))
    (outcome,) = Fasciculation().analyse(named, NoReferences())
    assert isinstance(outcome, NotAssessable), outcome
    return outcome


def read(path: Path) -> tuple[Clip, Acquisition]:
    (acquisition,) = read_exam([str(path)], ()).acquisitions
    return acquisition.clips[0], acquisition


def test_a_second_is_too_short_to_say_anything() -> None:
    assert outcome_of(*read(SECOND)).code is ReasonCode.TOO_SHORT


def test_a_beating_heart_is_no_muscle_that_fasciculates() -> None:
    """The same second, played to and fro for twenty."""
    clip, acquisition = read(SECOND)
    once = np.stack(list(clip.frames.stream()))
    assert len(once) == 30
    frames = ArrayFrames(np.concatenate([once, once[::-1]] * 10))
    times = tuple(index / 30 for index in range(frames.count))
    longer = replace(clip, frames=frames, frame_times_s=times, duration_s=None, cine_rate_hz=None)
    assert outcome_of(longer, acquisition).code is ReasonCode.MOTION


def test_epicardial_cine_is_not_assessable() -> None:
    found = find_spec("data_store")
    if found is None or found.origin is None:
        pytest.skip("pydicom-data is not installed")
    path = Path(found.origin).parent / "data" / "color3d_jpeg_baseline.dcm"
    assert outcome_of(*read(path)).code is ReasonCode.MOTION
