"""Fasciculations in muscle cine: see README.md."""

from __future__ import annotations

from plugins.fasciculation.exam import FasciculationExam
from plugins.fasciculation.plugin import Fasciculation

__all__ = ["Fasciculation", "FasciculationExam"]
