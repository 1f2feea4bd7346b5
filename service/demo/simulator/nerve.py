"""A simulated nerve across, with tendons beneath and a vessel beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from service.demo.simulator.speckle import Echo, Floats
from service.demo.simulator.tissue import Places, away, db, grid, layers, perimysium, sampled


@dataclass(frozen=True, slots=True)
class NerveScene:
    """A nerve across: an ellipse with a bright rim and dark fascicles, tendons beneath, a vessel beside."""

    centre_mm: tuple[float, float] = (17.0, 6.5)
    axes_mm: tuple[float, float] = (5.6, 2.3)
    """Full long and short axis of the nerve inside its bright rim."""
    tilt_rad: float = 0.05
    fat_mm: float = 2.6
    fascicles: int = 11
    vessel_mm: tuple[float, float] | None = (26.5, 6.0)
    vessel_radius_mm: float = 1.1
    echo_db: float = -9.0
    """Level inside the fascicles."""

    @property
    def outline_mm(self) -> Places:
        """The ellipse inside the bright rim."""
        angle = np.linspace(0, 2 * np.pi, 73)
        along, across = np.cos(angle) * self.axes_mm[0] / 2, np.sin(angle) * self.axes_mm[1] / 2
        turn = np.cos(self.tilt_rad), np.sin(self.tilt_rad)
        x = self.centre_mm[0] + along * turn[0] - across * turn[1]
        z = self.centre_mm[1] + along * turn[1] + across * turn[0]
        points = [(float(a), float(b)) for a, b in zip(x, z, strict=True)]
        return (*points[:-1], points[0])

    @property
    def area_mm2(self) -> float:
        """Area of the ellipse."""
        return float(np.pi / 4 * self.axes_mm[0] * self.axes_mm[1])

    def echo(self, width_mm: float, depth_mm: float, rng: np.random.Generator) -> Echo:
        """The whole scene."""
        x, z = grid(width_mm, depth_mm)
        level = layers(x, z, self.fat_mm, rng)
        below = z > self.fat_mm + 0.8
        level = np.where(below, db(-3.0) * perimysium(x.shape, rng, 7, 1.5, long=2.0), level)
        for place in _tendons(self.centre_mm, width_mm):
            far = np.hypot((x - place[0]) / 2.4, (z - place[1]) / 1.5)
            level = np.where(far < 1, db(5.0) * perimysium(x.shape, rng, 3, 1.5, long=1.0), level)
        along, across = self._own(x, z)
        radius = np.hypot(along / (self.axes_mm[0] / 2), across / (self.axes_mm[1] / 2))
        inner = np.full_like(x, db(-1.0))
        for place in self._fascicle_places(rng):
            inner = np.where(np.hypot(along - place[0], across - place[1]) < 0.36, db(self.echo_db), inner)
        level = np.where(radius < 1, inner, level)
        off = away(radius)
        level = level + db(8.0) * np.exp(-0.5 * ((off - 0.22) / 0.16) ** 2)
        if self.vessel_mm is not None:
            far = np.hypot(x - self.vessel_mm[0], z - self.vessel_mm[1])
            level = np.where(far < self.vessel_radius_mm, db(-32.0), level)
            level = level + db(4.0) * np.exp(-0.5 * ((far - self.vessel_radius_mm - 0.15) / 0.15) ** 2)
        return sampled(level.astype(np.float32))

    def _own(self, x: Floats, z: Floats) -> tuple[Floats, Floats]:
        """Coordinates along the nerve's own axes."""
        dx, dz = x - self.centre_mm[0], z - self.centre_mm[1]
        turn = np.float32(np.cos(self.tilt_rad)), np.float32(np.sin(self.tilt_rad))
        return dx * turn[0] + dz * turn[1], dz * turn[0] - dx * turn[1]

    def _fascicle_places(self, rng: np.random.Generator) -> list[tuple[float, float]]:
        """Fascicles that do not overlap, as many as fit."""
        places: list[tuple[float, float]] = []
        for _ in range(400):
            place = (
                float(rng.uniform(-0.5, 0.5) * self.axes_mm[0]),
                float(rng.uniform(-0.5, 0.5) * self.axes_mm[1]),
            )
            if np.hypot(place[0] / (self.axes_mm[0] / 2 - 0.4), place[1] / (self.axes_mm[1] / 2 - 0.4)) > 1:
                continue
            if len(places) < self.fascicles and all(np.hypot(place[0] - p[0], place[1] - p[1]) > 0.85 for p in places):
                places.append(place)
        return places


def _tendons(nerve_mm: tuple[float, float], width_mm: float) -> list[tuple[float, float]]:
    """Flexor tendons beneath the nerve."""
    deep = nerve_mm[1] + 4.2
    return [(x, deep + 1.2 * (index % 2)) for index, x in enumerate(np.arange(6.0, width_mm - 3, 5.6))]
