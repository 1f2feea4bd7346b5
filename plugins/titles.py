"""How pages are headed, alike in all analyses."""

from __future__ import annotations

from plugins.contract import Acquisition, Side, View
from reference_store import anatomy


def title_of(acquisition: Acquisition) -> str:
    """What a page is headed with: muscle, side, site and view, as far as known."""
    parts = [_name(acquisition.structure)]
    if acquisition.side is not Side.UNKNOWN:
        parts.append(acquisition.side.value)
    if acquisition.site:
        parts.append(acquisition.site.replace("_", " "))
    if acquisition.view is not View.UNKNOWN:
        parts.append(acquisition.view.value)
    return ", ".join(parts)


def _name(structure: str | None) -> str:
    """The catalogue's name; the key itself where a plugin of others has one that is not in it."""
    if structure is None:
        return "Unknown structure"
    try:
        return anatomy.structure(structure).name
    except KeyError:
        return structure
