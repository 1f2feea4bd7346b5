"""Muscle: echo intensity, thickness, texture and patterns."""

from __future__ import annotations

from plugins.echogenicity.plugin import Echogenicity

__all__ = ["Echogenicity"]
