"""One image measured: grey levels inside the chosen region, and every figure that the image allows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from plugins.contract import (
    Acquisition,
    Clip,
    Flag,
    FrameRef,
    Line,
    LineRole,
    NotAssessable,
    ReasonCode,
)
from plugins.echogenicity import pitfalls
from plugins.echogenicity.borders import thickness_lines
from plugins.echogenicity.chosen import Chosen, with_muscle
from plugins.echogenicity.depth import DepthFigures
from plugins.echogenicity.figures import figures_of, lies_at_skin
from plugins.echogenicity.intensity import histogram_of, intensity_of
from plugins.echogenicity.limits import Limits
from plugins.echogenicity.maps import LocalMap
from plugins.echogenicity.neighbours import neighbour_difference
from plugins.echogenicity.scene import Scene, scene_of

MOST_COLOURED = 0.25
"""Share of coloured pixels above which a region is taken for Doppler, not for a region with a mark in it."""

FEWEST_LEVELS = 4.0
"""Range of grey levels, 5th to 95th percentile, of a region that shows tissue at all: speckle has tens, a frame that
was lost, a screen's background or a picture without contact has none."""


@dataclass(frozen=True, slots=True)
class ImageValues:
    """What was measured in one image, before anything is averaged or compared."""

    clip: Clip = field(compare=False, repr=False)
    chosen: Chosen
    values: dict[str, float]
    """By the names of ``measures.MEASURES``; what is undefined is not there."""
    flags: tuple[Flag, ...] = ()
    lines: tuple[Line, ...] = ()
    depth: DepthFigures | None = None
    local: LocalMap | None = None

    @property
    def image(self) -> FrameRef:
        """The frame that was measured."""
        return FrameRef(self.clip.sop_instance_uid, self.chosen.frame)

    @property
    def from_cine(self) -> bool:
        """Whether the image is a frame of a clip."""
        return self.clip.frames.count > 1


def measure_image(clip: Clip, chosen: Chosen, acquisition: Acquisition, limits: Limits) -> ImageValues | NotAssessable:
    """Measure one frame inside its region."""
    grey, coloured = clip.frames.grey(chosen.frame), clip.frames.coloured(chosen.frame)
    chosen = with_muscle(chosen, clip, grey, coloured, acquisition)
    scene = scene_of(clip, chosen, grey, coloured, acquisition)
    if lies_at_skin(scene):
        if chosen.muscle == chosen.outline:
            return _at_skin(clip, chosen)
        chosen = replace(chosen, muscle=None, superficial=(), deep=(), confidence=None)
        scene = scene_of(clip, chosen, grey, coloured, acquisition)
    refused = _refused(clip, scene)
    if refused is not None:
        return refused
    found = figures_of(scene, bool(clip.device.lossy))
    values = dict(found.values)
    difference = neighbour_difference(clip, scene, acquisition)
    if difference is not None:
        values["neighbour_difference"] = difference
    raised = pitfalls.of_image(clip, scene, values, limits)
    return ImageValues(clip, chosen, values, raised, _lines(scene, values), found.depth, found.local)


def _at_skin(clip: Clip, chosen: Chosen) -> NotAssessable:
    """The refusal of what the search found at the skin, with the outline as a candidate that a person may reject."""
    return NotAssessable(
        ReasonCode.NEEDS_REGION,
        "no region was drawn, and the upper line that was found is the skin: this may not be the muscle named",
        "check the structure's name, and draw the muscle's contour on the scanner, in the viewer, or in a regions file",
        FrameRef(clip.sop_instance_uid, chosen.frame),
        tuple(Line(other, LineRole.ALTERNATIVE) for other in (chosen.outline, *chosen.alternatives)),
        chosen.confidence,
    )


def _refused(clip: Clip, scene: Scene) -> NotAssessable | None:
    """Why a region cannot be measured at all: it holds no pixel, lies under colour, or shows nothing."""
    chosen, inside = scene.chosen, int(scene.mask.sum())
    image = FrameRef(clip.sop_instance_uid, chosen.frame)
    if inside == 0:
        return NotAssessable(
            ReasonCode.REGION_INVALID, "the region holds no pixel centre", "draw a larger region", image
        )
    share = float((scene.mask & scene.coloured).sum()) / inside
    if share > MOST_COLOURED or (chosen.tissue is not None and chosen.tissue.colour):
        return NotAssessable(
            ReasonCode.COLOUR_DOPPLER,
            f"{share:.0%} of the region is coloured: grey levels under colour are not the tissue's",
            "send the image without colour Doppler or coloured overlays",
            image,
            (Line(chosen.outline, LineRole.ALTERNATIVE),),
        )
    grey = intensity_of(histogram_of(scene.grey, scene.used))
    if grey.p95 - grey.p5 < FEWEST_LEVELS:
        return NotAssessable(
            ReasonCode.IMAGE_QUALITY,
            f"nine tenths of the region lie between grey levels {grey.p5:.0f} and {grey.p95:.0f}: it shows no tissue",
            "check that the frame that was drawn in shows the muscle; raise the gain, use more gel",
            image,
            (Line(chosen.outline, LineRole.ALTERNATIVE),),
        )
    return None


def _lines(scene: Scene, values: dict[str, float]) -> tuple[Line, ...]:
    """What the overlay shows beside the outline: thickness, fasciae, and what else might have been meant."""
    lines: list[Line] = []
    if "muscle_thickness" in values and scene.borders is not None and scene.spacing is not None:
        lines += thickness_lines(scene.borders, scene.spacing, f"{values['muscle_thickness']:.1f} mm")
    if scene.chosen.muscle is not None and scene.chosen.muscle != scene.chosen.outline:
        lines.append(Line(scene.chosen.muscle, LineRole.GUIDE, "muscle"))
    lines += [Line(line, LineRole.GUIDE) for line in (scene.chosen.superficial, scene.chosen.deep) if line]
    lines += [Line(other, LineRole.ALTERNATIVE) for other in scene.chosen.alternatives]
    return tuple(lines)
