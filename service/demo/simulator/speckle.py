"""From scatterers to a B-mode picture: a Gaussian point spread function in IQ, envelope, logarithm, grey levels.

Scatterers lie on a jittered grid and have complex Gaussian amplitudes, so that the sum over a resolution cell is
itself complex Gaussian and the envelope Rayleigh distributed, even with few scatterers in a cell (Goodman 1975:
mean over SD of the envelope is 1.91). Reading the envelope between grid points fills its nulls: 1.8 to 2.1 is reached.
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


def scattered(echo: Echo, picture: Picture, rng: np.random.Generator, pitch_mm: float = 0.16) -> Scatterers:
    """Scatterers of a tissue, one in every cell of ``pitch_mm``, jittered within it."""
    columns = int((picture.width_mm + 2 * MARGIN_MM) / pitch_mm)
    rows = int((picture.depth_mm + 2 * MARGIN_MM) / pitch_mm)
    jitter = rng.random((2, rows, columns), dtype=np.float32)
    x = ((np.arange(columns, dtype=np.float32)[np.newaxis] + jitter[0]) * np.float32(pitch_mm) - MARGIN_MM).ravel()
    z = ((np.arange(rows, dtype=np.float32)[:, np.newaxis] + jitter[1]) * np.float32(pitch_mm) - MARGIN_MM).ravel()
    level = echo(x, z) * np.float32(np.sqrt(0.5))
    draw = rng.standard_normal((4, x.size), dtype=np.float32)
    here = ((draw[0] + 1j * draw[1]) * level).astype(np.complex64)
    ahead = ((draw[2] + 1j * draw[3]) * level).astype(np.complex64)
    return Scatterers(x, z, here, ahead)


def envelope(x_mm: Floats, z_mm: Floats, amplitude: Complexes, picture: Picture, probe: Probe) -> Floats:
    """Envelope of the echo on the picture's tissue box, shape (rows, columns) of that box.

    Each scatterer is spread over the four nearest points of a grid finer than the pulse, times
    ``exp(4 pi i z / wavelength)``, and the grid is convolved with the two Gaussians. The result is scaled so that
    tissue of amplitude 1.0 has a mean intensity of 1.0 whatever the density of scatterers.
    """
    step_x, step_z = probe.lateral_sigma_mm / 1.3, probe.axial_sigma_mm / 1.3
    pad = 4
    width = int(np.ceil(picture.width_mm / step_x)) + 2 * pad
    height = int(np.ceil(picture.depth_mm / step_z)) + 2 * pad
    turn = z_mm * np.float32(4 * np.pi / probe.wavelength_mm)
    # cosine and sine apart: numpy has vector code for them, but not for the complex exponential
    phased = amplitude * (np.cos(turn) + 1j * np.sin(turn))
    iq = _splat(x_mm / step_x + pad - 0.5, z_mm / step_z + pad - 0.5, phased, (height, width))
    sigma_x, sigma_z = probe.lateral_sigma_mm / step_x, probe.axial_sigma_mm / step_z
    spread = cv2.GaussianBlur(iq, (0, 0), sigmaX=sigma_x, sigmaY=sigma_z, borderType=cv2.BORDER_CONSTANT)
    density = x_mm.size * step_x * step_z / float(np.ptp(x_mm) * np.ptp(z_mm))
    gain = np.float32(1.0 / _intensity_gain(sigma_x, sigma_z, density))
    size = np.asarray(cv2.magnitude(spread[..., 0], spread[..., 1]), np.float32) * gain
    return _resample(size, picture, pad, step_x, step_z)


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


def _resample(size: Floats, picture: Picture, pad: int, step_x: float, step_z: float) -> Floats:
    """The grid's values at the centres of the picture's pixels."""
    box, spacing = picture.box, picture.spacing_mm
    columns = ((np.arange(box.column1 - box.column0) + 0.5) * spacing / step_x + pad - 0.5).astype(np.float32)
    rows = ((np.arange(box.row1 - box.row0) + 0.5) * spacing / step_z + pad - 0.5).astype(np.float32)
    # a scale and a shift: warpAffine maps destination pixels back to the grid
    back = np.array([[spacing / step_x, 0, columns[0]], [0, spacing / step_z, rows[0]]], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(size, back, (columns.size, rows.size), flags=flags), np.float32)
