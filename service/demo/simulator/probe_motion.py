"""What moves the whole picture: the hand that holds the probe, breathing, and a limb that someone else moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from service.demo.simulator.motion import Mode, smooth_step, wander
from service.demo.simulator.speckle import Floats


@dataclass(frozen=True, slots=True)
class Drift:
    """The hand that holds the probe: slow irregular shift, tilt and slide out of plane."""

    sd_mm: float = 0.5
    tilt_sd_rad: float = 0.006
    out_of_plane_sd_mm: float = 0.15
    slowest_s: float = 12.0
    fastest_s: float = 2.5
    seed: int = 0

    def modes(self, x_mm: Floats, z_mm: Floats) -> Sequence[Mode]:
        """Shift along x, shift along z, rotation about the middle of the probe's face."""
        one, none = np.ones_like(x_mm), np.zeros_like(x_mm)
        courses = [wander(self.seed * 4 + part, self.slowest_s, self.fastest_s) for part in range(3)]
        middle = np.float32((x_mm.min() + x_mm.max()) / 2)
        return (
            (one * np.float32(self.sd_mm), none, courses[0]),
            (none, one * np.float32(0.5 * self.sd_mm), courses[1]),
            (-z_mm * np.float32(self.tilt_sd_rad), (x_mm - middle) * np.float32(self.tilt_sd_rad), courses[2]),
        )

    def out_of_plane_mm(self, time_s: float) -> float:
        """Slow slide."""
        return self.out_of_plane_sd_mm * wander(self.seed * 4 + 3, self.slowest_s, self.fastest_s)(time_s)


@dataclass(frozen=True, slots=True)
class Jerk:
    """The probe is knocked: everything shifts at once and stays, or comes back."""

    start_s: float
    shift_mm: tuple[float, float] = (1.5, 0.4)
    rise_s: float = 0.12
    back_after_s: float | None = None
    out_mm: float = 0.2

    def modes(self, x_mm: Floats, z_mm: Floats) -> Sequence[Mode]:
        """One shift of the whole picture."""
        one = np.ones_like(x_mm)
        return ((one * np.float32(self.shift_mm[0]), one * np.float32(self.shift_mm[1]), self._course),)

    def _course(self, time_s: float) -> float:
        up = smooth_step((time_s - self.start_s) / self.rise_s)
        down = (
            0.0 if self.back_after_s is None else smooth_step((time_s - self.start_s - self.back_after_s) / self.rise_s)
        )
        return up - down

    def out_of_plane_mm(self, time_s: float) -> float:
        """The knock also turns the probe a little."""
        return self.out_mm * self._course(time_s)


@dataclass(frozen=True, slots=True)
class Breathing:
    """Slow shift and shear of everything, deeper tissue further."""

    rate_hz: float = 0.25
    shift_mm: float = 0.8
    shear: float = 0.02
    phase: float = 0.0
    out_mm: float = 0.1

    def modes(self, x_mm: Floats, z_mm: Floats) -> Sequence[Mode]:
        """One mode: shift plus shear with depth."""
        along = np.float32(self.shift_mm) + np.float32(self.shear) * z_mm
        return ((along, np.full_like(x_mm, 0.3 * self.shift_mm), self._course),)

    def _course(self, time_s: float) -> float:
        angle = 2 * np.pi * (self.rate_hz * time_s + self.phase)
        return 0.5 * float(np.sin(angle)) + 0.12 * float(np.sin(2 * angle + 0.7))

    def out_of_plane_mm(self, time_s: float) -> float:
        """Breathing also moves the plane."""
        return self.out_mm * self._course(time_s)


@dataclass(frozen=True, slots=True)
class Compression:
    """The probe presses in and lets go: tissue is squeezed towards the depth."""

    start_s: float
    hold_s: float
    strain: float = 0.06
    ramp_s: float = 0.8

    def modes(self, x_mm: Floats, z_mm: Floats) -> Sequence[Mode]:
        """Towards the probe in proportion to depth, and a little sideways."""
        middle = np.float32((x_mm.min() + x_mm.max()) / 2)
        return ((np.float32(0.3 * self.strain) * (x_mm - middle), -np.float32(self.strain) * z_mm, self._course),)

    def _course(self, time_s: float) -> float:
        end = self.start_s + self.ramp_s + self.hold_s
        return smooth_step((time_s - self.start_s) / self.ramp_s) - smooth_step((time_s - end) / self.ramp_s)

    def out_of_plane_mm(self, time_s: float) -> float:
        """Pressing rarely stays in plane."""
        return 0.2 * self._course(time_s)


@dataclass(frozen=True, slots=True)
class PassiveMovement:
    """A joint is turned by someone else: layers slide over each other nearly all the time, millimetres a second."""

    slide_mm: float = 4.0
    turn_s: float = 1.6
    layer_mm: float = 18.0
    """Depth below which tissue stays with the bone."""
    seed: int = 0
    rests_s: tuple[tuple[float, float], ...] = ()
    """(start, end) of every pause in which the limb is held as it lies."""

    def modes(self, x_mm: Floats, z_mm: Floats) -> Sequence[Mode]:
        """Sliding that ends at the deep fascia, and a bulge that goes with it."""
        sliding = (1 / (1 + np.exp((z_mm - self.layer_mm) / 1.2))).astype(np.float32)
        bulge = np.sin(np.pi * np.clip(z_mm / self.layer_mm, 0, 1)).astype(np.float32)
        return ((np.float32(self.slide_mm) * sliding, np.float32(0.15 * self.slide_mm) * bulge, self._course),)

    def _course(self, time_s: float) -> float:
        moved_s = time_s - sum(_eased(time_s - start) - _eased(time_s - end) for start, end in self.rests_s)
        return 0.5 * wander(self.seed, 1.6 * self.turn_s, 0.8 * self.turn_s, 3)(moved_s)

    def out_of_plane_mm(self, time_s: float) -> float:
        """The limb turns under the probe."""
        return 0.35 * self.slide_mm * self._course(time_s)


def _eased(since_s: float, stop_s: float = 0.2) -> float:
    """Time lost since a limb began to come to rest: integral of a smooth step that takes ``stop_s``."""
    share = min(max(since_s / stop_s, 0.0), 1.0)
    return stop_s * (0.5 * share - float(np.sin(np.pi * share)) / (2 * np.pi)) + max(since_s - stop_s, 0.0)
