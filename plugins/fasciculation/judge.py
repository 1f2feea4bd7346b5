"""From a candidate's features to what it most likely was: networks learned from simulated scenes, averaged."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

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
class Network:
    """One hidden layer."""

    mean: Floats
    scale: Floats
    layers: tuple[tuple[Floats, Floats], ...]

    def shares(self, features: Floats) -> Floats:
        """Probability of every name, shape (candidates, names)."""
        signal = np.clip((features - self.mean) / self.scale, -4, 4)
        for index, (weight, bias) in enumerate(self.layers):
            signal = signal @ weight + bias
            if index < len(self.layers) - 1:
                signal = np.tanh(signal)
        signal = np.exp(signal - signal.max(axis=1, keepdims=True))
        return np.asarray(signal / signal.sum(axis=1, keepdims=True), np.float32)


def verdicts(found: list[Candidate]) -> list[Verdict]:
    """Judge all candidates of a clip: the mean of what the networks say."""
    if not found:
        return []
    names, networks = _trained()
    features = np.stack([each.features for each in found])
    share = np.mean([network.shares(features) for network in networks], axis=0)
    first = names.index(FASCICULATION)
    others = share.copy()
    others[:, first] = -1
    return [
        Verdict(float(row[first]), names[int(other)]) for row, other in zip(share, others.argmax(axis=1), strict=True)
    ]


@cache
def _trained() -> tuple[tuple[str, ...], tuple[Network, ...]]:
    """The names and the weights that lie beside this file.

    Raises
    ------
    ValueError
        When they were trained on other features than these.
    """
    stored = json.loads(files("plugins.fasciculation").joinpath("classifier.json").read_text("utf-8"))
    if tuple(stored["features"]) != FEATURES:
        raise ValueError("classifier.json was trained on other features; run training/train.py again")
    return tuple(stored["names"]), tuple(network(each) for each in stored["networks"])


def network(stored: dict[str, Any]) -> Network:
    """One network as ``classifier.json`` keeps it: mean, scale and layers."""
    return Network(
        np.array(stored["mean"], np.float32),
        np.array(stored["scale"], np.float32),
        tuple(
            (np.array(layer["weight"], np.float32), np.array(layer["bias"], np.float32)) for layer in stored["layers"]
        ),
    )
