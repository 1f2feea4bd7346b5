"""Doubts about a muscle's values, declared as data: what each does, and the sentence it puts into the report.

Every pitfall of muscle ultrasound that the literature names and that images, settings or the request can tell is
here. ``BLOCK_Z`` keeps the value from being compared; ``BLOCK_NORMAL`` keeps anything from calling it normal.
"""

from __future__ import annotations

from plugins.contract import Action, Flag, RefusalCode

WIJNTJES = "Wijntjes 2021"

# What one image can tell
NO_SPACING = Flag(
    "no_spacing",
    Action.WARN,
    "The image states no single pixel spacing here: lengths, areas and texture are not given.",
    "A region without calibration, or one that lies over two calibrated regions, has no millimetres.",
    "PS3.3 C.8.5.5 US Region Calibration",
)
SLANTED = Flag(
    "fascia_slanted",
    Action.WARN,
    "The fascia lies slanted to the beam: echo intensity falls with tilt; scan again with the probe square to it.",
    "Two degrees of tilt lowered echo intensity by 5 to 10 % while thickness changed by less than 1 %.",
    f"{WIJNTJES}; Dankel 2020; limit 5° is a proposal",
)
FAINT_DEEP_BORDER = Flag(
    "deep_border_faint",
    Action.WARN,
    "The echo of the deep border is faint: the beam was oblique, or the muscle swallowed it.",
    "",
    f"{WIJNTJES}; limit is a proposal",
)
DEEP_REGION = Flag(
    "deep_region",
    Action.BLOCK_NORMAL,
    "The muscle lies deep or under another muscle: it may look darker than it is, and a low value does not exclude "
    "disease.",
    "",
    f"{WIJNTJES}; limit 3 cm is a proposal",
)
THICK_FAT = Flag(
    "thick_subcutaneous_tissue",
    Action.WARN,
    "Thick subcutaneous tissue darkens the muscle beneath it; no correction was applied.",
    "Published corrections hold for one scanner each and are not applied across devices.",
    f"{WIJNTJES}; Müller 2021; limit 2 cm is a proposal",
)
ATTENUATION = Flag(
    "attenuation",
    Action.BLOCK_NORMAL,
    "The muscle is much brighter at its surface than in its depth: its mean hides this; see the superficial third.",
    "",
    f"Shklyar 2015; {WIJNTJES}; limit is a proposal",
)
FAT_LIKE = Flag(
    "architecture_lost",
    Action.BLOCK_NORMAL,
    "The muscle is as bright as the subcutaneous fat and shows hardly any fascicles: architecture may be lost "
    "throughout, and a value within reference limits must not reassure.",
    "A wholly fatty muscle can look evenly grey and score within the limits.",
    f"{WIJNTJES}; Mul 2018; limits are proposals",
)
SATURATED = Flag(
    "saturated",
    Action.WARN,
    "Many pixels are at the lowest or highest grey level: gain or dynamic range cut the values off.",
    "",
    "proposal: more than 10 % at 0 or more than 2 % at 255",
)
CUT_OFF = Flag(
    "muscle_cut_off",
    Action.WARN,
    "The muscle reaches the edge of the field of view: its cross-sectional area is not given.",
)
SMALL_REGION = Flag(
    "small_region",
    Action.WARN,
    "The measured region is small: its mean varies more between repeats than that of a larger one.",
    "",
    "Caresio 2015; limit is a proposal",
)
REGION_AT_FASCIA = Flag(
    "region_at_fascia",
    Action.WARN,
    "The drawn region touches the fascia, whose bright echo raises the mean.",
    "",
    "Caresio 2015; limit 2 pixels is a proposal",
)
COLOUR_LEFT_OUT = Flag(
    "colour_left_out",
    Action.WARN,
    "Coloured pixels (marks or text) lie in the region; they were left out, and texture is not given.",
)
LOSSY = Flag(
    "lossy_compression",
    Action.WARN,
    "The image was compressed with loss: grey levels are near the scanner's but not exactly so, and texture is not "
    "given.",
    "",
    "PS3.3 C.7.6.1.1.5 Lossy Image Compression",
)
FRAME_OF_CINE = Flag(
    "frame_of_cine",
    Action.WARN,
    "The value was read from the calmest frame of a clip, not from a still image.",
)
REGION_BY_POINT = Flag(
    "region_by_point",
    Action.WARN,
    "The outline was found around a point that a person set: look at it before the value is used.",
)
REGION_UNTRIED = Flag(
    "region_untried",
    Action.WARN,
    "The outline was found by a search whose accuracy was judged on muscles of the calf, thigh and shin only.",
    "The published pictures that it was judged on show no other muscle: look at the outline before the value is used.",
)
NO_BACKSTOP = Flag(
    "no_backstop",
    Action.WARN,
    "No bone lies behind this muscle: its deep echo is not used, and a four-grade visual scale does not apply.",
    "",
    WIJNTJES,
)

# What the repeated images tell together
FEW_IMAGES = Flag(
    "few_images",
    Action.WARN,
    "Fewer images were averaged than are usual: the value carries the spread of single images.",
    "",
    "Marzola 2025",
)
UNEVEN_REPEATS = Flag(
    "uneven_repeats",
    Action.WARN,
    "Echo intensity differs much between the repeated images: the probe was probably tilted differently; scan again.",
    "",
    f"{WIJNTJES}; Dankel 2020; limit 8 % is a proposal",
)
SETTINGS_DIFFER = Flag(
    "settings_differ_between_images",
    Action.BLOCK_Z,
    "The repeated images were not taken with the same device and settings: their average is not compared.",
    "Echo intensity is bound to device, transducer, preset and depth.",
    WIJNTJES,
)
PRESET_UNKNOWN = Flag(
    "preset_unknown",
    Action.WARN,
    "The images do not name the scanner's preset: whether gain, compression and grey map were the usual ones cannot be "
    "told.",
    "They are no DICOM attributes; a preset that the site locked stands for them. One decibel of gain moves echo "
    "intensity by about two grey levels.",
    "Scafoglieri 2024",
)

# What subject and request tell
INFANT = Flag(
    "under_three_years",
    Action.WARN,
    "Under three years of age muscle ultrasound misses more: a low value does not exclude disease.",
    "",
    WIJNTJES,
)
OLD_TIBIALIS = Flag(
    "tibialis_anterior_over_eighty",
    Action.WARN,
    "Over eighty years of age the tibialis anterior is often bright without disease.",
    "",
    WIJNTJES,
)
UNUSUAL_BMI = Flag(
    "unusual_body_mass_index",
    Action.WARN,
    "The body mass index lies outside what reference groups usually span.",
    "",
    f"{WIJNTJES}; limits 18.5 and 30 are a proposal",
)
METABOLIC_QUESTION = Flag(
    "metabolic_question",
    Action.WARN,
    "The question is a metabolic myopathy: muscle ultrasound finds only 25 to 46 % of them.",
    "",
    WIJNTJES,
)
RECENT_LESION = Flag(
    "recent_lesion",
    Action.WARN,
    "The question is a recent or mild nerve lesion: within the first months a normal muscle does not exclude it.",
    "",
    WIJNTJES,
)
MYOSITIS_QUESTION = Flag(
    "myositis_question",
    Action.WARN,
    "The question is myositis: for oedema ultrasound is much less sensitive than fat-suppressed MRI.",
    "",
    WIJNTJES,
)

# What the reference store refused
REFERENCE_SETTINGS = Flag(
    "reference_of_other_settings",
    Action.BLOCK_Z,
    "There is a reference, but not for this device, preset or depth: the raw value is given alone.",
    "",
    WIJNTJES,
)
OUTSIDE_REFERENCE = Flag(
    "outside_reference_range",
    Action.BLOCK_Z,
    "Age or body measures lie outside of those the reference was made from.",
    "",
    WIJNTJES,
)
COVARIATE_MISSING = Flag(
    "covariate_missing",
    Action.BLOCK_Z,
    "The reference needs age, sex, height or weight, and the images do not state it.",
)
REFERENCE_SUSPENDED = Flag(
    "reference_suspended",
    Action.BLOCK_Z,
    "The reference is suspended until the device is verified again (software update or phantom check).",
)
OF_REFUSAL = {
    RefusalCode.SETTINGS_DIFFER: REFERENCE_SETTINGS,
    RefusalCode.OUTSIDE_RANGE: OUTSIDE_REFERENCE,
    RefusalCode.LEVERAGE: OUTSIDE_REFERENCE,
    RefusalCode.COVARIATE_MISSING: COVARIATE_MISSING,
    RefusalCode.SUSPENDED: REFERENCE_SUSPENDED,
}

# What the whole exam tells; see summary.py
BACKGROUND_EFFECT = Flag(
    "background_effect",
    Action.WARN,
    "A neighbouring muscle differs by more than two z-scores: beside a bright muscle one looks darker to the eye.",
    "",
    f"{WIJNTJES}; limit 2 is a proposal",
)
MANY_COMPARISONS = Flag(
    "many_comparisons",
    Action.WARN,
    "Several muscles were compared: some exceed a limit by chance; the chance is printed beside the count.",
)

ALL = tuple(value for value in list(globals().values()) if isinstance(value, Flag))
"""Every flag declared here."""
