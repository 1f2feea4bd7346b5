"""Analyses: pure functions from ultrasound images to measurements, with the contract that third parties write to."""

from __future__ import annotations

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
"""onnxruntime's published builds report to their maker unless this stands before they are loaded. Nothing of a hospital
leaves it without its knowledge, so there is no way to turn it on here."""
