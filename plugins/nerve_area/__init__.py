"""Cross-sectional area of peripheral nerves, in mm², and what the areas of an exam say together."""

from __future__ import annotations

from plugins.nerve_area.plugin import NerveArea
from plugins.nerve_area.summary import NerveSummary

__all__ = ["NerveArea", "NerveSummary"]
