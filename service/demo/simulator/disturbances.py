"""What moves in a scene besides twitches: disturbances of every kind, drawn at random within a wide range."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from service.demo.simulator.motion import Contraction, Motion, Pulse, Tremor
from service.demo.simulator.probe_motion import Breathing, Compression, Drift, Jerk, PassiveMovement
from service.demo.simulator.speckle import Picture

Random = np.random.Generator


def always(rng: Random, picture: Picture) -> list[Motion]:
    """What every limb under a hand-held probe does: it pulses a little all over, and the hand is never quite still."""
    away = (float(rng.uniform(0, 1) * picture.width_mm), float(rng.uniform(0.5, 1.3) * picture.depth_mm))
    beat = Pulse(
        away,
        float(rng.uniform(0.8, 1.6)),
        float(rng.uniform(0.01, 0.04)),
        15.0,
        1.5,
        0.04,
        seed=int(rng.integers(1 << 30)),
    )
    return [
        beat,
        Drift(float(rng.uniform(0.02, 0.1)), 0.001, float(rng.uniform(0.02, 0.08)), seed=int(rng.integers(1 << 30))),
    ]


def _drift(rng: Random, picture: Picture, duration_s: float) -> list[Motion]:
    return [
        Drift(
            sd_mm=float(rng.uniform(0.3, 0.8)),
            tilt_sd_rad=float(rng.uniform(0.002, 0.01)),
            out_of_plane_sd_mm=float(rng.uniform(0.05, 0.3)),
            seed=int(rng.integers(1 << 30)),
        )
    ]


def _artery(rng: Random, picture: Picture, duration_s: float) -> list[Motion]:
    place = (float(rng.uniform(4, picture.width_mm - 4)), float(rng.uniform(7, picture.depth_mm - 4)))
    return [
        Pulse(
            place,
            rate_hz=float(rng.uniform(0.8, 1.7)),
            peak_mm=float(rng.uniform(0.15, 0.5)),
            reach_mm=float(rng.uniform(2, 5)),
            radius_mm=float(rng.uniform(0.8, 2)),
            irregular=float(rng.uniform(0.01, 0.06)),
            phase=float(rng.random()),
            seed=int(rng.integers(1 << 30)),
        )
    ]


def _breathing(rng: Random, picture: Picture, duration_s: float) -> list[Motion]:
    return [
        Breathing(
            rate_hz=float(rng.uniform(0.17, 0.4)),
            shift_mm=float(rng.uniform(0.4, 1.8)),
            shear=float(rng.uniform(-0.05, 0.05)),
            phase=float(rng.random()),
            out_mm=float(rng.uniform(0, 0.3)),
        )
    ]


def _contraction(rng: Random, picture: Picture, duration_s: float) -> list[Motion]:
    return [
        Contraction(
            start_s=float(rng.uniform(0.2, 0.7) * duration_s),
            hold_s=float(rng.uniform(0.6, 2.0)),
            centre_mm=_somewhere(rng, picture),
            size_mm=(float(rng.uniform(18, 34)), float(rng.uniform(9, 18))),
            peak_mm=float(rng.uniform(0.8, 2.5)),
            ramp_s=float(rng.uniform(0.25, 0.7)),
        )
    ]


def _somewhere(rng: Random, picture: Picture) -> tuple[float, float]:
    """Not too near the picture's edges."""
    return float(rng.uniform(0.3, 0.7) * picture.width_mm), float(rng.uniform(0.3, 0.6) * picture.depth_mm)


def _tremor(rng: Random, picture: Picture, duration_s: float) -> list[Motion]:
    length = float(rng.uniform(1.5, 4))
    return [
        Tremor(
            start_s=float(rng.uniform(0, duration_s - length)),
            duration_s=length,
            centre_mm=_somewhere(rng, picture),
            size_mm=(float(rng.uniform(12, 26)), float(rng.uniform(7, 14))),
            rate_hz=float(rng.uniform(5.5, 10)),
            sd_mm=float(rng.uniform(0.06, 0.2)),
            seed=int(rng.integers(1 << 30)),
        )
    ]


def _jerk(rng: Random, picture: Picture, duration_s: float) -> list[Motion]:
    return [
        Jerk(
            start_s=float(rng.uniform(0.05, 0.9) * duration_s),
            shift_mm=(float(rng.uniform(-2.5, 2.5)), float(rng.uniform(-0.8, 0.8))),
            rise_s=float(rng.uniform(0.08, 0.25)),
            back_after_s=float(rng.uniform(0.1, 0.5)) if rng.random() < 0.5 else None,
            out_mm=float(rng.uniform(0, 0.5)),
        )
        for _ in range(int(rng.integers(1, 4)))
    ]


def _compression(rng: Random, picture: Picture, duration_s: float) -> list[Motion]:
    return [
        Compression(
            start_s=float(rng.uniform(0.1, 0.7) * duration_s),
            hold_s=float(rng.uniform(0.5, 3)),
            strain=float(rng.uniform(0.02, 0.1)),
            ramp_s=float(rng.uniform(0.4, 1.2)),
        )
    ]


def _passive(rng: Random, picture: Picture, duration_s: float) -> list[Motion]:
    return [
        PassiveMovement(
            slide_mm=float(rng.uniform(3, 8)),
            turn_s=float(rng.uniform(1.0, 2.5)),
            layer_mm=float(rng.uniform(0.4, 0.8) * picture.depth_mm),
            seed=int(rng.integers(1 << 30)),
        )
    ]


def _active(rng: Random, picture: Picture, duration_s: float) -> list[Motion]:
    """Contraction after contraction, with tremor inside."""
    made: list[Motion] = []
    time = float(rng.uniform(0, 0.6))
    place = (float(rng.uniform(0.35, 0.65) * picture.width_mm), float(rng.uniform(0.3, 0.55) * picture.depth_mm))
    size = (float(rng.uniform(22, 34)), float(rng.uniform(12, 18)))
    while time < duration_s:
        ramp, hold = float(rng.uniform(0.4, 0.9)), float(rng.uniform(0.1, 0.5))
        made.append(Contraction(time, hold, place, size, float(rng.uniform(1.2, 3.0)), ramp))
        time += 2 * ramp + hold + float(rng.uniform(0, 0.4))
    made.append(Tremor(0, duration_s, place, size, float(rng.uniform(6, 10)), 0.1, int(rng.integers(1 << 30))))
    return made


def _restless(rng: Random, picture: Picture, duration_s: float) -> list[Motion]:
    """A joint that is turned for 60 to 90 % of the time, with pauses of 0.5 s or more."""
    (moved,) = _passive(rng, picture, duration_s)
    still_s = (1 - float(rng.uniform(0.6, 0.9))) * duration_s
    pauses = int(rng.integers(1, max(2, min(4, int(still_s / 0.5) + 1))))
    cuts = np.sort(rng.uniform(0, duration_s - still_s, pauses))
    each = still_s / pauses
    rests = tuple((float(cut + at * each), float(cut + (at + 1) * each)) for at, cut in enumerate(cuts))
    assert isinstance(moved, PassiveMovement)  # noqa: S101 - narrows the type
    return [replace(moved, rests_s=rests)]


_Make = Callable[[Random, Picture, float], list[Motion]]
DISTURBANCES: dict[str, tuple[_Make, ...]] = {
    "quiet": (),
    "drift": (_drift,),
    "artery": (_artery,),
    "breathing": (_breathing,),
    "contraction": (_contraction,),
    "tremor": (_tremor,),
    "jerk": (_jerk,),
    "compression": (_compression,),
    "hard": (_drift, _artery, _contraction),
    "passive": (_passive,),
    "active": (_active,),
    "restless": (_restless,),
}
"""Of every kind of scene."""
