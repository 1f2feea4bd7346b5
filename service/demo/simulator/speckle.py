"""From scatterers to a B-mode picture: a Gaussian point spread function in IQ, envelope, logarithm, grey levels.

Scatterers lie on a lattice, a little jittered, and have complex Gaussian amplitudes. Every pixel is then a sum of
complex Gaussians whose weights are the same everywhere, so that the speckle is fully developed: the envelope is
Rayleigh distributed and the intensity exponential, nulls included (Goodman 1975), however few scatterers lie in a
resolution cell. The echo is computed at the pixels' own centres; an envelope read between grid points has no nulls.
Lateral position ``x`` and depth ``z`` are in millimetres from the left end and the face of the probe.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from plugins.images import Box, Grey

Floats = npt.NDArray[np.float32]
Complexes = npt.NDArray[np.complex64]
Echo = Callable[[Floats, Floats], Floats]
"""Root mean square echo amplitude at points (x, z) in mm; 1.0 is the reference tissue."""

MARGIN_MM = 4.0
"""Tissue beyond the picture's edges, so that motion brings speckle in and not emptiness."""
AXIAL_PITCH = 0.55
"""Distance of scatterers in depth over that across: the pulse is about so much shorter than the beam is wide."""
JITTER = 0.4
"""Share of its cell in which a scatterer may lie; more makes the speckle's weights uneven, none leaves a lattice."""
FINE = 1.3
"""Grid points per SD of pulse and beam, at least, when scatterers are spread over the grid."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A linear probe with a Gaussian pulse of the same width at every depth (dynamic focus in both directions)."""

    frequency_mhz: float = 9.0
    cycles: float = 2.2
    f_number: float = 2.0
    sound_mm_us: float = 1.54

    @property
    def wavelength_mm(self) -> float:
        """Wavelength in tissue."""
        return self.sound_mm_us / self.frequency_mhz

    @property
    def axial_sigma_mm(self) -> float:
        """SD of the pulse in depth: its full width at half maximum is half the pulse's length."""
        return self.cycles * self.wavelength_mm / 2 / 2.355

    @property
    def lateral_sigma_mm(self) -> float:
        """SD of the beam across: its full width at half maximum is wavelength times f-number."""
        return self.f_number * self.wavelength_mm / 2.355


@dataclass(frozen=True, slots=True)
class Picture:
    """Where the tissue lies in the picture and how amplitude becomes grey."""

    rows: int = 480
    columns: int = 640
    box: Box = Box(120, 40, 520, 440)
    spacing_mm: float = 0.1
    dynamic_range_db: float = 60.0
    reference_db: float = -38.0
    """Level of the reference tissue (amplitude 1.0) under white, in decibels."""

    @property
    def width_mm(self) -> float:
        """Lateral extent of the tissue region."""
        return (self.box.column1 - self.box.column0) * self.spacing_mm

    @property
    def depth_mm(self) -> float:
        """Depth of the tissue region."""
        return (self.box.row1 - self.box.row0) * self.spacing_mm

    def point(self, x_mm: float, z_mm: float) -> tuple[float, float]:
        """Place in tissue to (column, row) with the pixel-edge convention."""
        return self.box.column0 + x_mm / self.spacing_mm, self.box.row0 + z_mm / self.spacing_mm


@dataclass(frozen=True, slots=True)
class Scatterers:
    """Point scatterers at rest. Arrays have one value a scatterer."""

    x_mm: Floats
    z_mm: Floats
    amplitude: Complexes
    ahead: Complexes
    """Amplitudes one elevational correlation length further on: what comes in when the plane moves out of plane."""


def scattered(echo: Echo, picture: Picture, rng: np.random.Generator, pitch_mm: float = 0.2) -> Scatterers:
    """Scatterers of a tissue, ``pitch_mm`` apart across and ``AXIAL_PITCH`` of that in depth, jittered by a quarter.

    Up to 1.6 SD of pulse and beam (0.23 mm for the default probe) the weights of the sum vary by less than 4 %.
    """
    deep_mm = AXIAL_PITCH * pitch_mm
    columns = int((picture.width_mm + 2 * MARGIN_MM) / pitch_mm)
    rows = int((picture.depth_mm + 2 * MARGIN_MM) / deep_mm)
    jitter = JITTER * rng.random((2, rows, columns), dtype=np.float32)
    x = ((np.arange(columns, dtype=np.float32)[np.newaxis] + jitter[0]) * np.float32(pitch_mm) - MARGIN_MM).ravel()
    z = ((np.arange(rows, dtype=np.float32)[:, np.newaxis] + jitter[1]) * np.float32(deep_mm) - MARGIN_MM).ravel()
    level = echo(x, z) * np.float32(np.sqrt(0.5))
    draw = rng.standard_normal((4, x.size), dtype=np.float32)
    here = ((draw[0] + 1j * draw[1]) * level).astype(np.complex64)
    ahead = ((draw[2] + 1j * draw[3]) * level).astype(np.complex64)
    return Scatterers(x, z, here, ahead)


def envelope(x_mm: Floats, z_mm: Floats, amplitude: Complexes, picture: Picture, probe: Probe) -> Floats:
    """Envelope of the echo on the picture's tissue box, shape (rows, columns) of that box.

    Each scatterer is spread over the four nearest points of a grid, times ``exp(4 pi i z / wavelength)``, and the grid
    is convolved with the two Gaussians. The grid's points fall on the pixels' centres, or on whole parts of a pixel
    where pixels are coarse against the pulse; nothing is interpolated. The result is scaled so that tissue of
    amplitude 1.0 has a mean intensity of 1.0 whatever the density of scatterers.
    """
    parts_x = max(1, int(np.ceil(FINE * picture.spacing_mm / probe.lateral_sigma_mm)))
    parts_z = max(1, int(np.ceil(FINE * picture.spacing_mm / probe.axial_sigma_mm)))
    step_x, step_z = picture.spacing_mm / parts_x, picture.spacing_mm / parts_z
    sigma_x, sigma_z = probe.lateral_sigma_mm / step_x, probe.axial_sigma_mm / step_z
    pad_x, pad_z = int(4 * sigma_x) + 2, int(4 * sigma_z) + 2
    box = picture.box
    width = (box.column1 - box.column0 - 1) * parts_x + 1
    height = (box.row1 - box.row0 - 1) * parts_z + 1
    turn = z_mm * np.float32(4 * np.pi / probe.wavelength_mm)
    # cosine and sine apart: numpy has vector code for them, but not for the complex exponential
    phased = np.asarray(amplitude * (np.cos(turn) + 1j * np.sin(turn)), np.complex64)
    # the first pixel's centre lies half a pixel into the tissue
    column, row = x_mm / step_x + (pad_x - parts_x / 2), z_mm / step_z + (pad_z - parts_z / 2)
    iq = _splat(column, row, phased, (height + 2 * pad_z, width + 2 * pad_x))
    spread = cv2.GaussianBlur(iq, (0, 0), sigmaX=sigma_x, sigmaY=sigma_z, borderType=cv2.BORDER_CONSTANT)
    spread = np.ascontiguousarray(spread[pad_z : pad_z + height : parts_z, pad_x : pad_x + width : parts_x])
    density = x_mm.size * step_x * step_z / float(np.ptp(x_mm) * np.ptp(z_mm))
    gain = np.float32(1.0 / _intensity_gain(sigma_x, sigma_z, density))
    return np.asarray(cv2.magnitude(spread[..., 0], spread[..., 1]), np.float32) * gain


def grey(size: Floats, picture: Picture) -> Floats:
    """Envelope to grey levels 0 to 255, linear in decibels, not yet rounded."""
    decibels = cv2.log(np.maximum(size, np.float32(1e-6))) * np.float32(20 / np.log(10))
    top = picture.dynamic_range_db
    level: Floats = (decibels + np.float32(picture.reference_db + top)) * np.float32(255 / top)
    return np.clip(level, 0, 255, out=level)


def placed(level: Floats, picture: Picture) -> Grey:
    """Grey levels of the tissue box as a whole black picture."""
    whole = np.zeros((picture.rows, picture.columns), np.uint8)
    box = picture.box
    whole[box.row0 : box.row1, box.column0 : box.column1] = np.rint(level).astype(np.uint8)
    return whole


def _splat(column: Floats, row: Floats, value: Complexes, shape: tuple[int, int]) -> Floats:
    """Spread values bilinearly over the four nearest grid points; real and imaginary part as two channels."""
    height, width = shape
    inside = (column >= 0) & (column < width - 1) & (row >= 0) & (row < height - 1)
    if not inside.all():
        column, row, value = column[inside], row[inside], value[inside]
    left, top = column.astype(np.int32), row.astype(np.int32)
    right, down = column - left, row - top
    base = top * width + left
    # one call for all four corners: bincount's cost is mostly the fresh output
    index = np.concatenate((base, base + 1, base + width, base + width + 1))
    weight = np.concatenate(((1 - right) * (1 - down), right * (1 - down), (1 - right) * down, right * down))
    parts = [np.bincount(index, weight * np.tile(part, 4), height * width) for part in (value.real, value.imag)]
    return np.asarray(cv2.merge([part.reshape(shape).astype(np.float32) for part in parts]), np.float32)


def _intensity_gain(sigma_x: float, sigma_z: float, density: float) -> float:
    """Root of the summed squared weights: bilinear spreading adds a variance of about 1/6 grid step each way."""
    wide_x, wide_z = np.sqrt(sigma_x**2 + 1 / 6), np.sqrt(sigma_z**2 + 1 / 6)
    return float(np.sqrt(density / (4 * np.pi * wide_x * wide_z)))
