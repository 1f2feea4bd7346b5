"""Two muscles in one picture: the echo of one against the other, free of device and settings.

In inclusion body myositis the flexor digitorum profundus is brighter than the flexor carpi ulnaris beside it, and the
medial gastrocnemius brighter than the soleus (Noto 2014; Nodera 2016; Leeuwenberg 2020). Both must be drawn in the
same image, each drawing naming its muscle.
"""

from __future__ import annotations

from plugins.contract import Acquisition, Clip, RegionShape
from plugins.echogenicity.intensity import histogram_of, intensity_of
from plugins.echogenicity.scene import Scene
from plugins.outlines import RegionInvalid, mask_of, outline_of

NEIGHBOURS = {
    "flexor_digitorum_profundus": "flexor_carpi_ulnaris",
    "flexor_carpi_ulnaris": "flexor_digitorum_profundus",
    "gastrocnemius_medialis": "soleus",
    "soleus": "gastrocnemius_medialis",
}
BRIGHTER_WHEN_AFFECTED = frozenset({"flexor_digitorum_profundus", "gastrocnemius_medialis"})


def neighbour_difference(clip: Clip, scene: Scene, acquisition: Acquisition) -> float | None:
    """Mean grey level of the muscle less that of its neighbour; ``None`` where the neighbour was not drawn."""
    name = NEIGHBOURS.get(acquisition.structure or "")
    drawn = [
        region
        for region in clip.drawn
        if name is not None
        and region.structure == name
        and region.frame == scene.chosen.frame
        and region.shape in (RegionShape.POLYGON, RegionShape.ELLIPSE, RegionShape.BOX)
    ]
    for region in drawn:
        try:
            outline = outline_of(region, clip.frames.shape)
        except RegionInvalid:
            continue
        if outline is None:
            continue
        mask = mask_of(outline, clip.frames.shape) & ~scene.coloured & ~scene.mask
        if mask.any():
            own = intensity_of(histogram_of(scene.grey, scene.used)).mean
            return own - intensity_of(histogram_of(scene.grey, mask)).mean
    return None
