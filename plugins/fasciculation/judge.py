"""From a candidate's features to what it most likely was: a softmax over names, learned from simulated scenes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from plugins.fasciculation.candidates import Candidate
from plugins.fasciculation.features import FEATURES
from plugins.fasciculation.grid import Floats

FASCICULATION = "fasciculation"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a candidate was taken for."""

    confidence: float
    """Probability that it is a fasciculation."""
    likely: str
    """The most probable name other than fasciculation."""


@dataclass(frozen=True, slots=True)
class _Network:
    """One hidden layer."""

    names: tuple[str, ...]
    mean: Floats
    scale: Floats
    layers: tuple[tuple[Floats, Floats], ...]


def verdicts(found: list[Candidate]) -> list[Verdict]:
    """Judge all candidates of a clip."""
    if not found:
        return []
    network = _network()
    signal = (np.stack([each.features for each in found]) - network.mean) / network.scale
    signal = np.clip(signal, -4, 4)
    for index, (weight, bias) in enumerate(network.layers):
        signal = signal @ weight + bias
        if index < len(network.layers) - 1:
            signal = np.tanh(signal)
    signal = np.exp(signal - signal.max(axis=1, keepdims=True))
    share = signal / signal.sum(axis=1, keepdims=True)
    first = network.names.index(FASCICULATION)
    others = share.copy()
    others[:, first] = -1
    return [
        Verdict(float(row[first]), network.names[int(other)])
        for row, other in zip(share, others.argmax(axis=1), strict=True)
    ]


@cache
def _network() -> _Network:
    """The weights that lie beside this file.

    Raises
    ------
    ValueError
        When they were trained on other features than these.
    """
    stored = json.loads(files("plugins.fasciculation").joinpath("classifier.json").read_text("utf-8"))
    if tuple(stored["features"]) != FEATURES:
        raise ValueError("classifier.json was trained on other features; run training/train.py again")
    return _Network(
        tuple(stored["names"]),
        np.array(stored["mean"], np.float32),
        np.array(stored["scale"], np.float32),
        tuple(
            (np.array(layer["weight"], np.float32), np.array(layer["bias"], np.float32)) for layer in stored["layers"]
        ),
    )
