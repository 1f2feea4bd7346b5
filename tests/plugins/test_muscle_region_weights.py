"""The weights are those the card describes, and fit the runtime and the repository."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from plugins.echogenicity.region import network


def test_the_digests_on_the_card_are_the_files() -> None:
    assert len(network.card().files) == len(network.VIEWS)
    for name, digest in network.card().files:
        content = (network.WEIGHTS / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest
        assert len(content) < 4_000_000


def test_the_card_holds_a_threshold_that_can_be_reached() -> None:
    card = network.card()
    constant, slope = card.coefficients
    assert slope > 0
    assert 0.5 < card.threshold < 1 / (1 + np.exp(-constant))


def test_a_damaged_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(network.WEIGHTS, tmp_path / "weights")
    damaged = tmp_path / "weights" / network.card().files[-1][0]
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(bytes(content))
    monkeypatch.setattr(network, "WEIGHTS", tmp_path / "weights")
    network.session.cache_clear()
    try:
        with pytest.raises(ValueError, match="card"):
            network.shipped()
    finally:
        network.session.cache_clear()


def test_the_networks_answer_any_number_of_pictures() -> None:
    for one in network.shipped():
        for count in (1, 4):
            answer = one.run(None, {"picture": np.zeros((count, 1, 256, 128), np.float32)})[0]
            assert answer.shape == (count, 5, 256, 128)
            assert np.isfinite(answer).all()


def test_two_networks_that_were_trained_apart_are_two() -> None:
    assert len({digest for _, digest in network.card().files}) == len(network.VIEWS)


def test_the_model_card_names_data_licence_and_digest() -> None:
    text = (network.WEIGHTS / "MODEL_CARD.md").read_text(encoding="utf-8")
    for needed in (
        "njcronin/DL_Track",
        "Apache-2.0",
        "usgra-seg",
        "CC-BY-4.0",
        *(digest for _, digest in network.card().files),
    ):
        assert needed in text
