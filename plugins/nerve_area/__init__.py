"""Cross-sectional area of peripheral nerves, in mm²."""

from __future__ import annotations

from plugins.nerve_area.plugin import NerveArea

__all__ = ["NerveArea"]
