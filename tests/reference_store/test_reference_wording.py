"""Refusals name what was to be compared in the words of the field."""

from __future__ import annotations

import pytest

from reference_store import anatomy
from reference_store.units import UNIT_OF
from reference_store.wording import measured, site_name, structure_name


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (("nerve_csa", "ulnar_nerve", "wrist"), "cross-sectional area of the ulnar nerve (wrist)"),
        (("muscle_echo_intensity", "biceps_brachii"), "echo intensity of the biceps brachii"),
        (("nerve_csa", "c5_root"), "cross-sectional area of the C5 nerve root"),
        (("speed", "tail", "left_tip"), "speed of the tail (left tip)"),
    ],
)
def test_a_question_in_words(asked, words):
    assert measured(*asked) == words


def test_no_key_of_ours_reaches_a_sentence():
    assert all("_" not in structure_name(one.key) for one in anatomy.structures())
    assert all("_" not in site_name(one.key) for one in anatomy.sites())
    assert all("_" not in measured(one, "biceps_brachii") for one in UNIT_OF)
    assert site_name("guyon_canal") == "Guyon canal"
