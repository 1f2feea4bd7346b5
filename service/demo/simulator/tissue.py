"""Simulated anatomy with known truth: a muscle across and along its fibres, and a nerve across.

Echo amplitudes are relative to the reference tissue (1.0 is 0 dB); muscle, fat and fascia levels follow their usual
order in B-mode: fascia and bone brightest, fat between, healthy muscle dark. Outlines are in millimetres (x, z).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from plugins.images import Grey
from service.demo.simulator.speckle import (
    MARGIN_MM,
    Echo,
    Floats,
    Picture,
    Probe,
    envelope,
    grey,
    placed,
    scattered,
)

Places = tuple[tuple[float, float], ...]
_STEP_MM = 0.08
"""Grid of the echo map: finer than the pulse."""


class Tissue(Protocol):
    """A scene that can be imaged."""

    @property
    def outline_mm(self) -> Places:
        """The structure of interest as a closed polygon."""
        ...

    def echo(self, width_mm: float, depth_mm: float, rng: np.random.Generator) -> Echo:
        """Echo amplitude as a function of place."""
        ...


@dataclass(frozen=True, slots=True)
class TransverseMuscle:
    """A muscle belly across its fibres: skin, fat, fascia, belly with perimysium, a second muscle, bone with shadow."""

    centre_mm: tuple[float, float] = (20.0, 14.5)
    size_mm: tuple[float, float] = (31.0, 16.0)
    """Full width and thickness of the belly."""
    squareness: float = 2.6
    """Exponent of the super-ellipse: 2 is an ellipse, more is fuller."""
    fat_mm: float = 4.0
    echo_db: float = -8.0
    """Level of the belly against the reference tissue."""
    attenuation_db_cm: float = 0.6
    """Loss that time-gain compensation did not take away, per centimetre of depth inside the belly."""
    bone_mm: tuple[float, float] | None = (20.0, 31.0)
    """Top of the bone's arc; everything under it lies in shadow."""
    bone_radius_mm: float = 8.0
    central_aponeurosis: bool = False
    texture: float = 1.0
    """How much perimysium there is; 0 is plain speckle."""

    @property
    def outline_mm(self) -> Places:
        """The belly's inner border."""
        angle = np.linspace(0, 2 * np.pi, 73)
        power = 2 / self.squareness
        across = np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** power * self.size_mm[0] / 2
        deep = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** power * self.size_mm[1] / 2
        points = [
            (float(self.centre_mm[0] + a), float(self.centre_mm[1] + d)) for a, d in zip(across, deep, strict=True)
        ]
        return (*points[:-1], points[0])

    @property
    def thickness_mm(self) -> float:
        """Thickness through the middle."""
        return self.size_mm[1]

    def echo(self, width_mm: float, depth_mm: float, rng: np.random.Generator) -> Echo:
        """The whole scene."""
        x, z = grid(width_mm, depth_mm)
        level = layers(x, z, self.fat_mm, rng)
        ring = self._ring(x, z)
        inside = ring < 1
        muscle = db(self.echo_db) * perimysium(x.shape, rng, 9, 3.0 * self.texture, long=2.2)
        deep = np.clip(z - (self.centre_mm[1] - self.size_mm[1] / 2), 0, self.size_mm[1]) / 10
        muscle = muscle * db(-self.attenuation_db_cm * deep)
        other = db(self.echo_db + 2.0) * perimysium(x.shape, rng, 9, 3.0 * self.texture, long=2.2)
        below = z > self.fat_mm + 1.6
        level = np.where(below, other, level)
        level = np.where(inside, muscle, level)
        off = away(ring)
        level = level + db(11.0) * np.exp(-0.5 * ((off - 0.3) / 0.28) ** 2)
        if self.central_aponeurosis:
            line = self.centre_mm[1] + 0.10 * (x - self.centre_mm[0])
            level = level + np.where(inside, db(9.0) * np.exp(-0.5 * ((z - line) / 0.3) ** 2), 0)
        if self.bone_mm is not None:
            level = _bone(level, x, z, self.bone_mm, self.bone_radius_mm)
        return sampled(level.astype(np.float32))

    def _ring(self, x: Floats, z: Floats) -> Floats:
        """Super-elliptic radius: 1 on the outline."""
        across = np.abs((x - self.centre_mm[0]) / (self.size_mm[0] / 2)) ** self.squareness
        deep = np.abs((z - self.centre_mm[1]) / (self.size_mm[1] / 2)) ** self.squareness
        return np.asarray((across + deep) ** (1 / self.squareness), np.float32)


@dataclass(frozen=True, slots=True)
class LongitudinalMuscle:
    """A pennate muscle along its fibres between two aponeuroses, and a deeper muscle."""

    upper_mm: float = 6.0
    lower_mm: float = 22.0
    slope: float = 0.02
    """Depth of the lower aponeurosis gained per mm along the picture."""
    pennation_rad: float = 0.28
    fat_mm: float = 4.4
    echo_db: float = -8.0
    attenuation_db_cm: float = 0.6
    width_mm: float = 40.0
    texture: float = 1.0

    @property
    def outline_mm(self) -> Places:
        """Between the inner borders of the two aponeuroses over the whole width."""
        left, right = self.lower_mm, self.lower_mm + self.slope * self.width_mm
        corner = (0.0, self.upper_mm)
        return (corner, (self.width_mm, self.upper_mm), (self.width_mm, right), (0.0, left), corner)

    @property
    def thickness_mm(self) -> float:
        """Distance of the aponeuroses in the middle of the picture, straight down."""
        return self.lower_mm + self.slope * self.width_mm / 2 - self.upper_mm

    def echo(self, width_mm: float, depth_mm: float, rng: np.random.Generator) -> Echo:
        """The whole scene."""
        x, z = grid(width_mm, depth_mm)
        level = layers(x, z, self.fat_mm, rng)
        lower = self.lower_mm + self.slope * x
        streaks = _fascicles(x, z, self.pennation_rad, rng, 4.0 * self.texture)
        deep = np.clip(z - self.upper_mm, 0, self.lower_mm - self.upper_mm) / 10
        muscle = db(self.echo_db) * streaks * db(-self.attenuation_db_cm * deep)
        other = db(self.echo_db + 2.0) * _fascicles(x, z, -0.5 * self.pennation_rad, rng, 3.0 * self.texture)
        level = np.where(z > self.upper_mm - 0.5, muscle, level)
        level = np.where(z > lower, other, level)
        level = level + db(12.0) * np.exp(-0.5 * ((z - (self.upper_mm - 0.45)) / 0.30) ** 2)
        level = level + db(11.0) * np.exp(-0.5 * ((z - (lower + 0.45)) / 0.32) ** 2)
        return sampled(level.astype(np.float32))


def still(tissue: Tissue, picture: Picture, seed: int, probe: Probe | None = None) -> Grey:
    """One B-mode picture of a scene; another seed is another place in the same tissue."""
    probe = probe or Probe()
    rng = np.random.default_rng(seed)
    points = scattered(tissue.echo(picture.width_mm, picture.depth_mm, rng), picture, rng)
    size = envelope(points.x_mm, points.z_mm, points.amplitude, picture, probe)
    noise = rng.standard_normal((2, *size.shape), dtype=np.float32) * np.float32(0.004)
    return placed(grey(cv2.magnitude(size + noise[0], noise[1]), picture), picture)


def db(level: float | npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Decibels to amplitude."""
    return np.asarray(10 ** (np.asarray(level, np.float32) / 20), np.float32)


def grid(width_mm: float, depth_mm: float) -> tuple[Floats, Floats]:
    """Places of the echo map, margins included."""
    x = np.arange(-MARGIN_MM, width_mm + MARGIN_MM, _STEP_MM, dtype=np.float32)
    z = np.arange(-MARGIN_MM, depth_mm + MARGIN_MM, _STEP_MM, dtype=np.float32)
    wide, deep = np.meshgrid(x, z)
    return wide, deep


def away(radius: Floats) -> Floats:
    """Distance to the line where ``radius`` is 1, in mm, to first order; negative inside."""
    down, right = np.gradient(radius, _STEP_MM)
    return np.asarray((radius - 1) / np.maximum(np.hypot(down, right), 1e-3), np.float32)


def sampled(level: Floats) -> Echo:
    """A map as a function of place, nearest value."""

    def echo(x_mm: Floats, z_mm: Floats) -> Floats:
        column = np.clip(((x_mm + MARGIN_MM) / _STEP_MM).astype(np.int32), 0, level.shape[1] - 1)
        row = np.clip(((z_mm + MARGIN_MM) / _STEP_MM).astype(np.int32), 0, level.shape[0] - 1)
        return np.asarray(level[row, column], np.float32)

    return echo


def layers(x: Floats, z: Floats, fat_mm: float, rng: np.random.Generator) -> Floats:
    """Gel, skin, fat with septa."""
    septa = perimysium(x.shape, rng, 6, 3.0, long=6.0)
    level = np.where(z < 0, db(-30.0), np.where(z < 1.4, db(7.0), db(-2.0) * septa))
    fascia = np.exp(-0.5 * ((z - (fat_mm + 1.2)) / 0.22) ** 2)
    return np.asarray(level + db(8.0) * fascia, np.float32)


def perimysium(shape: tuple[int, int], rng: np.random.Generator, size: float, gain: float, long: float) -> Floats:
    """Bright streaks in a dark field: the positive tail of smoothed noise, ``long`` times wider than high."""
    noise = rng.standard_normal(shape).astype(np.float32)
    noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), sigmaX=size * long / 2, sigmaY=size / 3), np.float32)
    noise /= noise.std()
    return np.asarray(0.8 + gain * np.clip(noise - 1.1, 0, 1.6), np.float32)


def _fascicles(x: Floats, z: Floats, angle: float, rng: np.random.Generator, gain: float) -> Floats:
    """Long streaks at an angle to the picture's rows."""
    height, width = x.shape
    plain = rng.standard_normal((height * 2, width * 2)).astype(np.float32)
    plain = np.asarray(cv2.GaussianBlur(plain, (0, 0), sigmaX=70, sigmaY=2.4), np.float32)
    turn = cv2.getRotationMatrix2D((float(width), float(height)), float(np.degrees(angle)), 1.0)
    turned = cv2.warpAffine(plain, turn, (width * 2, height * 2), flags=cv2.INTER_LINEAR)
    part = turned[height // 2 : height // 2 + height, width // 2 : width // 2 + width]
    part = part / part.std()
    return np.asarray(0.75 + gain * np.clip(part - 0.9, 0, 1.6), np.float32)


def _bone(level: Floats, x: Floats, z: Floats, top_mm: tuple[float, float], radius_mm: float) -> Floats:
    """A bright arc and the shadow it throws straight down."""
    across = (x - top_mm[0]) / radius_mm
    arc = top_mm[1] + radius_mm * (1 - np.sqrt(np.clip(1 - across**2, 0, 1)))
    under = (np.abs(across) < 1) & (z > arc)
    shade = db(-3.0 - 14.0 * np.clip(z - arc, 0, 2.5))
    level = np.where(under, level * shade, level)
    line = np.where(np.abs(across) < 0.95, np.exp(-0.5 * ((z - arc) / 0.35) ** 2), 0)
    return np.asarray(level + db(22.0) * line, np.float32)
