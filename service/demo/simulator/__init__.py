"""A small ultrasound simulator with known truth: scatterers, a point spread function in IQ, tissue and its motion.

Linear model (Meunier and Bertrand 1995; Garcia 2022 for the scatterer form): every scatterer adds one Gaussian pulse
with the phase of its depth; the picture is the logarithm of the envelope. Speckle therefore moves, deforms and
decorrelates with the tissue. No refraction, reverberation or non-linear propagation.
"""

from __future__ import annotations

from service.demo.simulator.cine import Cine, Faults, Twitched, frame_times_s, frames, twitches
from service.demo.simulator.motion import Contraction, Motion, Pulse, Tremor, Twitch
from service.demo.simulator.nerve import NerveScene
from service.demo.simulator.probe_motion import Breathing, Compression, Drift, Jerk, PassiveMovement
from service.demo.simulator.speckle import Picture, Probe, Scatterers, envelope, grey, scattered
from service.demo.simulator.tissue import (
    LongitudinalMuscle,
    Tissue,
    TransverseMuscle,
    still,
)

__all__ = [
    "Breathing",
    "Cine",
    "Compression",
    "Contraction",
    "Drift",
    "Faults",
    "Jerk",
    "LongitudinalMuscle",
    "Motion",
    "NerveScene",
    "PassiveMovement",
    "Picture",
    "Probe",
    "Pulse",
    "Scatterers",
    "Tissue",
    "TransverseMuscle",
    "Tremor",
    "Twitch",
    "Twitched",
    "envelope",
    "frame_times_s",
    "frames",
    "grey",
    "scattered",
    "still",
    "twitches",
]
