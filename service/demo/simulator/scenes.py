"""Random cine scenes of a named kind: what an analysis of fasciculations is trained, tried and tested on.

A kind and a seed give one scene. Tissue, scanner and twitches vary over more than one laboratory's range; each kind
adds one disturbance, ``hard`` adds several. ``passive`` and ``active`` move so much that nothing can be said of them;
``restless`` moves for six to nine tenths of its time, with pauses between.
"""

from __future__ import annotations

import numpy as np

from plugins.images import Box
from service.demo.simulator.cine import Cine, Faults
from service.demo.simulator.disturbances import DISTURBANCES, always
from service.demo.simulator.motion import Motion, Twitch
from service.demo.simulator.speckle import Picture
from service.demo.simulator.tissue import LongitudinalMuscle, TransverseMuscle

Random = np.random.Generator

ASSESSABLE = ("quiet", "drift", "artery", "breathing", "contraction", "tremor", "jerk", "compression", "hard")
MOVING = ("passive", "active", "restless")


def scene(
    kind: str,
    seed: int,
    duration_s: float = 20.0,
    per_minute: float = 20.0,
    *,
    wide: bool = True,
    picture: Picture | None = None,
) -> Cine:
    """A random scene.

    Parameters
    ----------
    kind:
        One of ``ASSESSABLE`` or ``MOVING``.
    seed:
        Decides everything else.
    duration_s:
        Length of the clip.
    per_minute:
        Mean rate of fasciculations; 0 for a scene without.
    wide:
        Scanner and twitch vary; else 25 frames a second and 0.1 mm pixels.
    picture:
        A given picture in place of a random one.

    Returns
    -------
    Cine
        To be given to ``frames`` and ``twitches``.
    """
    rng = np.random.default_rng([seed, sum(map(ord, kind)), 5])
    drawn = _picture(rng) if wide else Picture()
    picture = picture or drawn
    tissue = _tissue(rng, picture)
    motions: list[Motion] = [*_twitches(rng, tissue, duration_s, per_minute)]
    motions += [motion for make in DISTURBANCES[kind] for motion in make(rng, picture, duration_s)]
    if wide:
        motions += always(rng, picture)
    return Cine(
        tissue=tissue,
        picture=picture,
        motions=tuple(motions),
        frame_rate_hz=float(rng.choice([20, 25, 25, 30, 30, 40, 50])) if wide else 25.0,
        duration_s=duration_s,
        faults=_faults(rng) if wide else Faults(jpeg_quality=90),
        seed=seed,
        pitch_mm=0.22,
    )


def _picture(rng: Random) -> Picture:
    """Depth 24 to 42 mm on 300 to 380 rows, with black around."""
    side = int(rng.integers(300, 381))
    wide = int(rng.integers(320, 441))
    left, top = int(rng.integers(0, 640 - wide)), int(rng.integers(0, 480 - side))
    return Picture(
        box=Box(left, top, left + wide, top + side),
        spacing_mm=float(rng.uniform(0.08, 0.11)),
        reference_db=float(rng.uniform(-42, -32)),
        dynamic_range_db=float(rng.uniform(55, 70)),
    )


def _tissue(rng: Random, picture: Picture) -> TransverseMuscle | LongitudinalMuscle:
    """A muscle that fills a good part of the picture, across or along."""
    fat = float(rng.uniform(2, 7))
    thick = float(min(rng.uniform(11, 22), picture.depth_mm - fat - 6))
    if rng.random() < 0.4:
        return LongitudinalMuscle(
            upper_mm=fat + 1.6,
            lower_mm=fat + 1.6 + thick,
            slope=float(rng.uniform(-0.04, 0.04)),
            pennation_rad=float(rng.uniform(0.05, 0.4)),
            fat_mm=fat,
            echo_db=float(rng.uniform(-11, -3)),
            width_mm=picture.width_mm,
            texture=float(rng.uniform(0.5, 1.4)),
        )
    wide = float(rng.uniform(0.7, 0.95) * picture.width_mm)
    middle = (picture.width_mm / 2 + float(rng.uniform(-2, 2)), fat + 2 + thick / 2)
    bone = (middle[0] + float(rng.uniform(-9, 9)), middle[1] + thick / 2 + float(rng.uniform(2, 9)))
    return TransverseMuscle(
        centre_mm=middle,
        size_mm=(wide, thick),
        squareness=float(rng.uniform(2.0, 3.2)),
        fat_mm=fat,
        echo_db=float(rng.uniform(-11, -3)),
        attenuation_db_cm=float(rng.uniform(0, 1.5)),
        bone_mm=bone if rng.random() < 0.7 else None,
        central_aponeurosis=bool(rng.random() < 0.3),
        texture=float(rng.uniform(0.5, 1.4)),
    )


def _twitches(
    rng: Random, tissue: TransverseMuscle | LongitudinalMuscle, duration_s: float, per_minute: float
) -> list[Twitch]:
    """Fasciculations at random times, at least 0.3 s from start to start, from a few motor units that come again."""
    if per_minute <= 0:
        return []
    points = np.array(tissue.outline_mm)
    low, high = points.min(axis=0), points.max(axis=0)
    units = [
        (
            float(rng.uniform(low[0] + 0.15 * (high[0] - low[0]), high[0] - 0.15 * (high[0] - low[0]))),
            float(rng.uniform(low[1] + 0.2 * (high[1] - low[1]), high[1] - 0.2 * (high[1] - low[1]))),
            float(rng.uniform(0, 2 * np.pi)),
            bool(rng.random() < 0.3),
            (float(rng.uniform(4, 12)), float(rng.uniform(3, 7))),
        )
        for _ in range(int(rng.integers(1, 6)))
    ]
    made: list[Twitch] = []
    time = float(rng.exponential(60 / per_minute))
    while time < duration_s - 0.6:
        x, z, angle, pinch, width = units[int(rng.integers(len(units)))]
        made.append(
            Twitch(
                start_s=time,
                duration_s=float(rng.uniform(0.12, 0.5)),
                centre_mm=(x, z),
                peak_mm=float(np.exp(rng.uniform(np.log(0.1), np.log(1.2)))),
                width_mm=width,
                angle_rad=angle + float(rng.normal(0, 0.15)),
                rise_share=float(rng.uniform(0.25, 0.5)),
                pinch=pinch,
            )
        )
        time += 0.3 + float(rng.exponential(max(60 / per_minute - 0.3, 0.2)))
    return made


def _faults(rng: Random) -> Faults:
    """Noise, smoothing over time, JPEG, and now and then a lost or doubled frame."""
    return Faults(
        noise=float(np.exp(rng.uniform(np.log(0.004), np.log(0.06)))),
        persistence=float(rng.choice([0.0, 0.0, 0.2, 0.4])),
        lost_share=float(rng.choice([0.0, 0.0, 0.01])),
        doubled_share=float(rng.choice([0.0, 0.0, 0.05])),
        jpeg_quality=int(rng.choice([75, 85, 90, 95])),
    )
