"""How tissue and probe move: every motion is a sum of modes, each a displacement per scatterer times a course in time.

A twitch is the truth to be found; the others are what it must not be confused with. Displacements are in millimetres,
``x`` to the right, ``z`` into depth. The linear superposition holds for motions that are small against the tissue.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from service.demo.simulator.speckle import Floats

Course = Callable[[float], float]
Mode = tuple[Floats, Floats, Course]
"""Displacement along x and z where the course is 1.0, and the course over time (s)."""


class Motion(Protocol):
    """Something that moves tissue."""

    def modes(self, x_mm: Floats, z_mm: Floats) -> Sequence[Mode]:
        """The modes at these resting places."""
        ...

    def out_of_plane_mm(self, time_s: float) -> float:
        """How far this motion has carried the plane out of itself."""
        ...


@dataclass(frozen=True, slots=True)
class _InPlane:
    """A motion that stays in the plane."""

    def out_of_plane_mm(self, time_s: float) -> float:
        """Nothing."""
        return 0.0


@dataclass(frozen=True, slots=True)
class Twitch(_InPlane):
    """A fasciculation: part of a muscle moves quickly and comes back, the return slower than the rise."""

    start_s: float
    duration_s: float
    centre_mm: tuple[float, float]
    """(x, z)."""
    peak_mm: float
    width_mm: tuple[float, float] = (6.0, 4.0)
    """Full width at half maximum along x and z."""
    angle_rad: float = 0.0
    """Direction of the displacement; 0 is to the right, half pi into depth."""
    rise_share: float = 0.4
    """Share of the duration until the peak."""
    pinch: bool = False
    """Tissue on both sides moves towards the centre instead of one way."""

    @property
    def peak_s(self) -> float:
        """Time of the largest displacement."""
        return self.start_s + self.rise_share * self.duration_s

    def modes(self, x_mm: Floats, z_mm: Floats) -> Sequence[Mode]:
        """A Gaussian bell of displacement; its largest value is ``peak_mm``."""
        across = (x_mm - self.centre_mm[0]) / (self.width_mm[0] / 2.355)
        deep = (z_mm - self.centre_mm[1]) / (self.width_mm[1] / 2.355)
        bell = np.exp(-0.5 * (across**2 + deep**2)).astype(np.float32)
        if self.pinch:
            # an odd bell u exp(-u^2/2) has its largest value exp(-1/2) at u = 1
            along = across * np.float32(np.cos(self.angle_rad)) + deep * np.float32(np.sin(self.angle_rad))
            bell = (-along * bell * np.float32(np.exp(0.5))).astype(np.float32)
        dx = bell * np.float32(self.peak_mm * np.cos(self.angle_rad))
        dz = bell * np.float32(self.peak_mm * np.sin(self.angle_rad))
        return ((dx, dz, self._course),)

    def _course(self, time_s: float) -> float:
        """Half a cosine up, half a cosine down."""
        share = (time_s - self.start_s) / self.duration_s
        if not 0 < share < 1:
            return 0.0
        if share < self.rise_share:
            return 0.5 - 0.5 * float(np.cos(np.pi * share / self.rise_share))
        return 0.5 + 0.5 * float(np.cos(np.pi * (share - self.rise_share) / (1 - self.rise_share)))


def wander(seed: int, slowest_s: float, fastest_s: float, waves: int = 6) -> Course:
    """A smooth irregular course of SD about 1: a few sines of random period and phase."""
    rng = np.random.default_rng(seed)
    rate = 1 / np.exp(rng.uniform(np.log(fastest_s), np.log(slowest_s), waves))
    phase = rng.uniform(0, 2 * np.pi, waves)
    scale = np.sqrt(2 / waves)
    return lambda time_s: float(scale * np.sin(2 * np.pi * rate * time_s + phase).sum())


@dataclass(frozen=True, slots=True)
class Pulse(_InPlane):
    """An artery: its surroundings are pushed away from it at every beat."""

    centre_mm: tuple[float, float]
    rate_hz: float = 1.15
    peak_mm: float = 0.35
    reach_mm: float = 4.0
    radius_mm: float = 1.2
    irregular: float = 0.03
    """SD of the beat to beat interval over its mean."""
    phase: float = 0.0
    seed: int = 0

    def modes(self, x_mm: Floats, z_mm: Floats) -> Sequence[Mode]:
        """Away from the centre, falling off beyond the wall."""
        dx, dz = x_mm - self.centre_mm[0], z_mm - self.centre_mm[1]
        far = np.sqrt(dx**2 + dz**2) + np.float32(1e-3)
        size = np.where(far < self.radius_mm, far / self.radius_mm, np.exp(-(far - self.radius_mm) / self.reach_mm))
        size = (size * self.peak_mm / far).astype(np.float32)
        return ((dx * size, dz * size, self._course),)

    def _course(self, time_s: float) -> float:
        """Systolic rise in an eighth of the beat, slow fall with a dicrotic shoulder."""
        rng = np.random.default_rng(self.seed)
        intervals = (1 + self.irregular * rng.standard_normal(400)) / self.rate_hz
        beats = np.cumsum(intervals) - (1 + self.phase) / self.rate_hz
        last = int(np.searchsorted(beats, time_s)) - 1
        if last < 0:
            return 0.0
        share = float((time_s - beats[last]) / intervals[min(last + 1, intervals.size - 1)])
        rise = smooth_step(share / 0.14)
        fall = float(np.exp(-max(share - 0.14, 0) / 0.22)) + 0.15 * float(np.exp(-(((share - 0.45) / 0.07) ** 2)))
        return rise * fall


@dataclass(frozen=True, slots=True)
class Contraction:
    """Voluntary contraction: the muscle shortens and thickens over a second and lets go again."""

    start_s: float
    hold_s: float
    centre_mm: tuple[float, float]
    size_mm: tuple[float, float] = (26.0, 14.0)
    peak_mm: float = 1.8
    ramp_s: float = 0.4
    out_mm: float = 0.8

    def modes(self, x_mm: Floats, z_mm: Floats) -> Sequence[Mode]:
        """Shortening along x, thickening along z, over a broad bell."""
        across = (x_mm - self.centre_mm[0]) / (self.size_mm[0] / 2)
        deep = (z_mm - self.centre_mm[1]) / (self.size_mm[1] / 2)
        bell = np.exp(-0.5 * (across**2 + deep**2)).astype(np.float32)
        dx = (np.float32(0.6) - across) * bell * np.float32(self.peak_mm)
        dz = deep * bell * np.float32(0.5 * self.peak_mm)
        return ((dx, dz, self._course),)

    def _course(self, time_s: float) -> float:
        end = self.start_s + self.ramp_s + self.hold_s
        return smooth_step((time_s - self.start_s) / self.ramp_s) - smooth_step((time_s - end) / self.ramp_s)

    def out_of_plane_mm(self, time_s: float) -> float:
        """New fibres come into the plane."""
        return self.out_mm * self._course(time_s)


@dataclass(frozen=True, slots=True)
class Tremor(_InPlane):
    """Contraction pseudotremor: irregular rhythmic motion of much of the muscle while it is lightly active."""

    start_s: float
    duration_s: float
    centre_mm: tuple[float, float]
    size_mm: tuple[float, float] = (18.0, 9.0)
    rate_hz: float = 8.0
    sd_mm: float = 0.12
    seed: int = 0

    def modes(self, x_mm: Floats, z_mm: Floats) -> Sequence[Mode]:
        """Two neighbouring bells with courses of their own, so that the motion is not one stiff shift."""
        made: list[Mode] = []
        for part, (side, angle) in enumerate(((-0.25, 0.3), (0.25, 1.3))):
            across = (x_mm - self.centre_mm[0] - side * self.size_mm[0]) / (self.size_mm[0] / 2.355)
            deep = (z_mm - self.centre_mm[1]) / (self.size_mm[1] / 2.355)
            bell = np.exp(-0.5 * (across**2 + deep**2)).astype(np.float32) * np.float32(self.sd_mm)
            made.append((bell * np.float32(np.cos(angle)), bell * np.float32(np.sin(angle)), self._course(part)))
        return made

    def _course(self, part: int) -> Course:
        wave = wander(self.seed * 2 + part, 1.3 / self.rate_hz, 0.75 / self.rate_hz)
        end = self.start_s + self.duration_s

        def course(time_s: float) -> float:
            if not self.start_s < time_s < end:
                return 0.0
            return wave(time_s) * smooth_step((time_s - self.start_s) / 0.3) * smooth_step((end - time_s) / 0.3)

        return course


def smooth_step(share: float) -> float:
    """0 up to 0, 1 from 1 on, half a cosine between."""
    return 0.5 - 0.5 * float(np.cos(np.pi * min(max(share, 0.0), 1.0)))
