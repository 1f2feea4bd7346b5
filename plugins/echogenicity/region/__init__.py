"""Where the muscle is: field of view, fasciae, the choice of the right two, and how sure that choice is."""

from __future__ import annotations

from plugins.echogenicity.region.field import field_mask, field_of_view
from plugins.echogenicity.region.locate import locate
from plugins.echogenicity.region.located import NEEDS_A_REGION, Located

__all__ = ["NEEDS_A_REGION", "Located", "field_mask", "field_of_view", "locate"]
