"""Doubts about a fasciculation result, declared as data."""

from __future__ import annotations

from dataclasses import replace

from plugins.contract import Action, Flag

SHORT = Flag(
    "short-observation",
    Action.BLOCK_NORMAL,
    "Observed for less than 30 s: fasciculations that come seldom are easily missed.",
    "In 19 patients with ALS the longest interval between two fasciculations was 81 s; two within 60 s were seen with a"
    " probability of 0.9 or more in every muscle.",
    "Noto 2017, optimal scan time; Duarte 2020, meta-analysis",
)
LOW_FRAME_RATE = Flag(
    "low-frame-rate",
    Action.BLOCK_NORMAL,
    "Fewer than 20 different frames per second: twitches of a tenth of a second may fall between two frames.",
    "M-mode shows durations of 0.1 to 0.5 s, shorter in the tongue.",
    "M-mode study of 17 patients, 2018",
)
NO_CALIBRATION = Flag(
    "no-calibration",
    Action.WARN,
    "The file has no calibration: displacement, speed, depth and extent are not given, and small twitches are judged"
    " against the picture's size.",
)
MOTION = Flag(
    "motion",
    Action.BLOCK_NORMAL,
    "Part of the clip moved too much to be judged; that time is not counted as observed.",
)
UNSEEN = Flag(
    "unseen",
    Action.BLOCK_NORMAL,
    "For part of the clip there was no picture of the tissue, or a frozen one; that time is not counted as observed.",
    "The probe lost contact, the scanner was frozen, or frames were lost while the clip was recorded or exported.",
)
DARK_FIELD = Flag(
    "dark-field",
    Action.BLOCK_NORMAL,
    "Part of the field has too little texture to be followed: fasciculations there are not seen.",
    "Raise the gain or reduce the depth, use more gel, avoid bone and vessels.",
)
TIME_BASE = Flag(
    "time-base",
    Action.BLOCK_NORMAL,
    "The frame times and the duration that the file states contradict each other; rates rest on the frame times.",
)
CINE_RATE = Flag(
    "cine-rate",
    Action.WARN,
    "The file asks to be shown at another rate than its frame times say; rates here rest on the frame times.",
    "Right for slow motion; else one of the two is wrong: compare the clip with a clock once.",
)
REPEATED_FRAMES = Flag(
    "repeated-frames",
    Action.WARN,
    "Many frames repeat the one before or show no tissue: the scanner made fewer pictures than the file has frames.",
)
FOOT = Flag(
    "foot-muscle",
    Action.WARN,
    "Intrinsic foot muscles fasciculate in healthy adults: do not count this muscle for a diagnosis.",
    "Fasciculations were found in abductor hallucis of all 50 healthy people of 18 to 25 years.",
    "van der Heijden 1994, doi 10.1016/0168-5597(94)90036-1",
)
CRANIAL = Flag(
    "cranial-muscle",
    Action.WARN,
    "Cranial muscles: swallowing, speech and breath move them, and twitches are shorter than in limbs.",
    "7 of 1090 cranial muscles of controls were positive, none with more than five events.",
    "O'Gorman 2017",
)
WHOLE_FIELD = Flag(
    "whole-field",
    Action.WARN,
    "No muscle was outlined: twitches of neighbouring muscles in the field are counted too.",
)
DOUBTFUL = Flag(
    "doubtful-events",
    Action.WARN,
    "Some events are close calls; look at them before using the count.",
)
NOT_VALIDATED = Flag(
    "not-validated-on-patients",
    Action.WARN,
    "Validated on simulated clips only: no public clip with confirmed fasciculations exists.",
    "Check it with clips of your own: nmus fasciculation evaluate.",
)


def with_number(flag: Flag, text: str) -> Flag:
    """The same flag with this clip's own figure in its sentence."""
    return replace(flag, sentence=f"{flag.sentence} {text}")
