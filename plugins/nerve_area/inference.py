"""The trained network, run by ONNX Runtime on one thread; loaded once per process, when first asked."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from plugins.nerve_area.crops import FloatImage

if TYPE_CHECKING:
    import onnxruntime

WEIGHTS = Path(__file__).with_name("weights.onnx")
LIMIT = 6.0
"""Logits are cut here: beyond a probability of 0.25 % or 99.75 % the network's certainty says nothing more."""

SEEDED, ANY_NERVE, VESSEL = 0, 1, 2
"""Planes of the output: the nerve that the seed marks, all nerves, vessels."""


def logits(inputs: FloatImage) -> FloatImage:
    """Log odds of the three output planes, shape (n, 3, SIDE, SIDE), for inputs of shape (n, 4, SIDE, SIDE)."""
    session = _session()
    answer = session.run(None, {session.get_inputs()[0].name: inputs.astype(np.float32)})[0]
    limited: FloatImage = np.clip(np.asarray(answer, np.float32), -LIMIT, LIMIT)
    return limited


def probability(log_odds: FloatImage) -> FloatImage:
    """The logistic function."""
    return np.asarray(1 / (1 + np.exp(-log_odds)), np.float32)


@lru_cache(maxsize=1)
def _session() -> onnxruntime.InferenceSession:
    # imported here: an exam without nerves should not pay for it
    import onnxruntime  # noqa: PLC0415

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(WEIGHTS), options, providers=["CPUExecutionProvider"])
