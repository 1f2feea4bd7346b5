"""How pages are headed, alike in all analyses."""

from __future__ import annotations

from plugins.contract import Acquisition, Side, View
from reference_store import anatomy


def title_of(acquisition: Acquisition) -> str:
    """What a page is headed with: muscle, side, site and view, as far as known."""
    name = anatomy.structure(acquisition.structure).name if acquisition.structure else "Unknown structure"
    parts = [name]
    if acquisition.side is not Side.UNKNOWN:
        parts.append(acquisition.side.value)
    if acquisition.site:
        parts.append(acquisition.site.replace("_", " "))
    if acquisition.view is not View.UNKNOWN:
        parts.append(acquisition.view.value)
    return ", ".join(parts)
