"""Simulated cine: a scene, its motions and its faults in; frames, frame times and the truth out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import simplejpeg

from plugins.images import Grey
from service.demo.simulator.motion import Mode, Motion, Twitch
from service.demo.simulator.speckle import (
    Complexes,
    Floats,
    Picture,
    Probe,
    Scatterers,
    envelope,
    grey,
    placed,
    scattered,
)
from service.demo.simulator.tissue import Tissue


@dataclass(frozen=True, slots=True)
class Faults:
    """What scanner, recorder and network do to frames."""

    noise: float = 0.006
    """Electronic noise against the reference tissue's amplitude, new in every frame."""
    persistence: float = 0.0
    """Weight of the previous picture in the next, as scanners smooth over time."""
    lost_share: float = 0.0
    """Share of frames that never arrive: the time step there is doubled."""
    doubled_share: float = 0.0
    """Share of frames shown twice: the second is an exact copy."""
    jpeg_quality: int | None = None


@dataclass(frozen=True, slots=True)
class Cine:
    """A cine to simulate. The same values give the same frames."""

    tissue: Tissue
    picture: Picture = Picture()
    motions: tuple[Motion, ...] = ()
    frame_rate_hz: float = 25.0
    duration_s: float = 10.0
    faults: Faults = Faults()
    probe: Probe = Probe()
    seed: int = 0
    pitch_mm: float = 0.2
    """Distance of scatterers: see ``speckle.scattered``."""


@dataclass(frozen=True, slots=True)
class Twitched:
    """The truth about one fasciculation."""

    start_s: float
    peak_s: float
    duration_s: float
    centre: tuple[float, float]
    """(column, row) in the picture."""
    peak_mm: float
    width_mm: tuple[float, float]


def twitches(cine: Cine) -> tuple[Twitched, ...]:
    """Every fasciculation of a cine in order of time."""
    found = [motion for motion in cine.motions if isinstance(motion, Twitch)]
    return tuple(
        Twitched(
            twitch.start_s,
            twitch.peak_s,
            twitch.duration_s,
            cine.picture.point(*twitch.centre_mm),
            twitch.peak_mm,
            twitch.width_mm,
        )
        for twitch in sorted(found, key=lambda twitch: twitch.start_s)
    )


def frame_times_s(cine: Cine) -> tuple[float, ...]:
    """Start of every recorded frame, from the first."""
    return tuple(time for time, _ in schedule(cine.seed, cine.duration_s, cine.frame_rate_hz, cine.faults))


def frames(cine: Cine) -> Iterator[Grey]:
    """The frames one after the other, shape (rows, columns), uint8."""
    rng = np.random.default_rng(cine.seed)
    points = scattered(
        cine.tissue.echo(cine.picture.width_mm, cine.picture.depth_mm, rng), cine.picture, rng, cine.pitch_mm
    )
    modes = [mode for motion in cine.motions for mode in motion.modes(points.x_mm, points.z_mm)]
    noise = _noise(cine, rng)
    before: Floats | None = None
    shown: Grey | None = None
    for time_s, copy in schedule(cine.seed, cine.duration_s, cine.frame_rate_hz, cine.faults):
        if copy and shown is not None:
            yield shown
            continue
        level = _level(cine, points, modes, time_s, next(noise))
        keep = np.float32(cine.faults.persistence)
        before = level if before is None or keep == 0 else keep * before + (1 - keep) * level
        shown = recorded(placed(before, cine.picture), cine.faults.jpeg_quality)
        yield shown


def schedule(seed: int, duration_s: float, frame_rate_hz: float, faults: Faults) -> list[tuple[float, bool]]:
    """(time, is a copy of the frame before) of every frame that is recorded."""
    count = round(duration_s * frame_rate_hz)
    draw = np.random.default_rng(seed + 7_919).random((2, count))
    lost = draw[0] < faults.lost_share
    copied = draw[1] < faults.doubled_share
    lost[0] = copied[0] = False
    return [(index / frame_rate_hz, bool(copied[index])) for index in range(count) if not lost[index]]


def _level(cine: Cine, points: Scatterers, modes: list[Mode], time_s: float, noise: Floats) -> Floats:
    """One frame's grey levels of the tissue box."""
    x, z = points.x_mm, points.z_mm
    for dx, dz, course in modes:
        share = np.float32(course(time_s))
        if abs(share) > 1e-5:
            x, z = x + share * dx, z + share * dz
    size = envelope(x, z, _slice(cine, points, time_s), cine.picture, cine.probe)
    return grey(cv2.magnitude(size + noise[0], noise[1]), cine.picture)


def _noise(cine: Cine, rng: np.random.Generator) -> Iterator[Floats]:
    """Complex noise for every frame, shape (2, rows, columns): sixteen fields, each time begun at another row."""
    box = cine.picture.box
    shape = (16, 2, box.row1 - box.row0, box.column1 - box.column0)
    fields = rng.standard_normal(shape, dtype=np.float32) * np.float32(cine.faults.noise)
    while True:
        field = fields[rng.integers(shape[0])]
        yield np.roll(field, int(rng.integers(shape[2])), axis=1)


def _slice(cine: Cine, points: Scatterers, time_s: float) -> Complexes:
    """Amplitudes in the plane as it lies now: two stacks, mixed over an elevational correlation length of 1 mm."""
    out = sum(motion.out_of_plane_mm(time_s) for motion in cine.motions)
    if abs(out) < 1e-4:
        return points.amplitude
    angle = np.float32(out * np.pi / 2)
    return np.asarray(points.amplitude * np.cos(angle) + points.ahead * np.sin(angle), np.complex64)


def recorded(frame: Grey, quality: int | None) -> Grey:
    """Through JPEG and back, where the recorder does that."""
    if quality is None:
        return frame
    data = simplejpeg.encode_jpeg(frame[..., np.newaxis], quality=quality, colorspace="GRAY")
    return np.asarray(simplejpeg.decode_jpeg(data, colorspace="GRAY"), np.uint8)[..., 0]
