"""When each flag is raised: for one image, for the repeated images of a muscle, and for what the subject tells."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from plugins.contract import Acquisition, Action, Clip, Flag, Refusal, View
from plugins.echogenicity import flags
from plugins.echogenicity.limits import Limits
from plugins.echogenicity.muscles import lacks_backstop
from plugins.echogenicity.scene import Scene
from plugins.outlines import mask_of

if TYPE_CHECKING:
    from plugins.echogenicity.image import ImageValues

METABOLIC = re.compile(r"metabolic|mitochondri|glycogen|mcardle|pompe|lipid storage", re.I)
RECENT = re.compile(r"recent|acute|weeks?|subacute|neurapraxia|mild|after (surgery|trauma|injury)", re.I)
LESION = re.compile(r"nerve|neuropath|radiculopath|plexopath|palsy|axonal|denervation|lesion", re.I)
MYOSITIS = re.compile(r"myositis|dermatomyositis|inflammatory myopath|o?edema", re.I)


def of_image(clip: Clip, scene: Scene, values: Mapping[str, float], limits: Limits) -> tuple[Flag, ...]:
    """The flags that one image raises."""
    raised = {
        flags.NO_SPACING: scene.spacing is None,
        flags.SLANTED: values.get("fascia_slant", 0.0) > limits.slant_deg,
        flags.FAINT_DEEP_BORDER: values.get("deep_border_contrast", 255.0) < limits.faint_border,
        flags.DEEP_REGION: values.get("region_depth", 0.0) > limits.deep_mm or not scene.under_skin,
        flags.THICK_FAT: values.get("subcutaneous_thickness", 0.0) > limits.fat_mm,
        flags.ATTENUATION: values.get("echo_intensity_thirds_difference", 0.0) > limits.thirds_difference,
        flags.FAT_LIKE: _like_fat(scene.view, values, limits),
        flags.SATURATED: values["fraction_at_0"] > limits.share_at_0_percent
        or values["fraction_at_255"] > limits.share_at_255_percent,
        flags.CUT_OFF: scene.view is View.TRANSVERSE
        and scene.chosen.muscle is not None
        and not scene.chosen.superficial
        and not scene.wholly_seen,
        flags.SMALL_REGION: _small(scene, values, limits),
        flags.REGION_AT_FASCIA: _touches_fascia(scene, limits),
        flags.COLOUR_LEFT_OUT: values["fraction_coloured"] > 0,
        flags.LOSSY: bool(clip.device.lossy),
        flags.FRAME_OF_CINE: clip.frames.count > 1,
        flags.REGION_BY_POINT: scene.chosen.by_point,
        flags.REGION_UNTRIED: scene.chosen.untried,
        flags.NO_BACKSTOP: lacks_backstop(scene.structure or ""),
    }
    return tuple(flag for flag, true in raised.items() if true)


def of_set(images: Sequence[ImageValues], values: Mapping[str, float], limits: Limits) -> tuple[Flag, ...]:
    """The flags of the images, each once, and those that only the set can raise."""
    raised = dict.fromkeys(flag for image in images for flag in image.flags)
    together = {
        flags.FEW_IMAGES: len(images) < limits.images,
        flags.UNEVEN_REPEATS: values.get("echo_intensity_spread", 0.0) > limits.spread_percent,
        flags.SETTINGS_DIFFER: len({image.clip.device for image in images}) > 1,
        flags.PRESET_UNKNOWN: not all(image.clip.device.preset for image in images),
    }
    return (*raised, *(flag for flag, true in together.items() if true))


def of_subject(acquisition: Acquisition, limits: Limits) -> tuple[Flag, ...]:
    """The flags that age, body and the question raise."""
    age, bmi = acquisition.subject.age_years, acquisition.subject.bmi
    question = acquisition.question
    raised = {
        flags.INFANT: age is not None and age < limits.young_years,
        flags.OLD_TIBIALIS: age is not None and age > limits.old_years and acquisition.structure == "tibialis_anterior",
        flags.UNUSUAL_BMI: bmi is not None and not limits.bmi[0] <= bmi <= limits.bmi[1],
        flags.METABOLIC_QUESTION: bool(METABOLIC.search(question)),
        flags.RECENT_LESION: bool(RECENT.search(question) and LESION.search(question)),
        flags.MYOSITIS_QUESTION: bool(MYOSITIS.search(question)),
    }
    return tuple(flag for flag, true in raised.items() if true)


def of_refusal(refusal: Refusal) -> tuple[Flag, ...]:
    """The flag that says why the reference store compared nothing, where it is more than that there is none."""
    flag = flags.OF_REFUSAL.get(refusal.code)
    return (flag,) if flag is not None else ()


def blocking(raised: Sequence[Flag], action: Action) -> Flag | None:
    """The first flag with that action."""
    return next((flag for flag in raised if flag.action is action), None)


def low_anisotropy(view: View, values: Mapping[str, float], limits: Limits) -> bool | None:
    """Whether fascicles are hardly visible; ``None`` where it was not measured or the view is not known."""
    limit = {
        View.TRANSVERSE: limits.low_anisotropy_transverse,
        View.LONGITUDINAL: limits.low_anisotropy_longitudinal,
    }.get(view)
    if limit is None or "anisotropy" not in values:
        return None
    return values["anisotropy"] < limit


def _like_fat(view: View, values: Mapping[str, float], limits: Limits) -> bool:
    ratio = values.get("muscle_to_subcutaneous_ratio")
    if ratio is None or low_anisotropy(view, values, limits) is not True:
        return False
    return abs(ratio - 1) * 100 <= limits.fat_likeness_percent


def _small(scene: Scene, values: Mapping[str, float], limits: Limits) -> bool:
    if "region_area" in values:
        return values["region_area"] < limits.least_area_mm2
    return int(scene.mask.sum()) < limits.least_pixels


def _touches_fascia(scene: Scene, limits: Limits) -> bool:
    """Whether a drawn region reaches within the limit of, or over, the border of the muscle that was found."""
    muscle = scene.chosen.muscle
    if muscle is None or muscle == scene.chosen.outline or scene.borders is None:
        return False
    outside = scene.mask & ~mask_of(muscle, scene.grey.shape)
    if outside.any():
        return True
    borders = scene.borders
    for column, row in scene.chosen.outline:
        at = int(min(max(column - borders.columns[0], 0), len(borders.columns) - 1))
        if row - borders.top[at] < limits.edge_px or borders.bottom[at] - row < limits.edge_px:
            return True
    return False
