"""Simulated stills with known fasciae: point scatterers, a Gaussian pulse, log compression.

Speckle from many random scatterers per resolution cell, convolved with a separable complex pulse, envelope and
60 dB log compression: the linear model of Field II (Jensen 1996) reduced to a shift-invariant pulse.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from plugins.echogenicity.training.augment import Sample, kept
from plugins.images import Box

Rows = npt.NDArray[np.float64]
Random = np.random.Generator
HEIGHT, WIDTH = 400, 380
SUPPRESSED_DB = 60.0


@dataclass(frozen=True)
class Still:
    """One simulated picture; lines in rows by pixel edges, one value per column."""

    grey: npt.NDArray[np.uint8]
    superficial: Rows
    deep: Rows
    half_width: float


def still(random: Random) -> Still:
    """Skin and fat, a first muscle between two fasciae, a second below, with pennate streaks."""
    scale = random.uniform(6.5, 13.0)  # pixels per millimetre
    columns = np.arange(WIDTH) + 0.5
    place = columns / WIDTH - 0.5
    top = HEIGHT * random.uniform(0.03, 0.30)
    thick = HEIGHT * random.uniform(0.15, min(0.62, 0.93 - top / HEIGHT))
    superficial = top + HEIGHT * (random.normal(0, 0.03) * place + random.normal(0, 0.03) * (place**2 - 0.08))
    deep = top + thick + HEIGHT * (random.normal(0, 0.10) * place + random.normal(0, 0.06) * (place**2 - 0.08))
    deep = np.maximum(deep, superficial + 0.08 * HEIGHT)
    half = scale * random.uniform(0.30, 0.55)
    depth = np.arange(HEIGHT)[:, np.newaxis] + 0.5
    muscle = 0.45 * np.exp(random.normal(0, 0.35))
    amplitude = np.where(
        depth < superficial, random.uniform(0.3, 1.5), np.where(depth < deep, muscle, random.uniform(0.35, 0.8))
    )
    inside = (depth > superficial) & (depth < deep)
    amplitude = amplitude * _streaks(random, scale, inside, random.uniform(6, 30) * random.choice([-1, 1]))
    amplitude = amplitude * _streaks(random, scale, depth > deep, random.uniform(0, 15) * random.choice([-1, 1]))
    amplitude = amplitude * _streaks(random, scale, depth < superficial, 0.0, strength=random.uniform(0, 1.0))
    amplitude = _with_skin(random, scale, amplitude, superficial)
    specular = np.zeros((HEIGHT, WIDTH))
    for line in (superficial, deep, *_further(random, deep, superficial, scale)):
        flicker = np.clip(1 + 0.5 * cv2.GaussianBlur(random.normal(0, 6, (1, WIDTH)), (0, 0), 14)[0], 0.3, 1.6)
        profile = np.exp(-0.5 * ((depth - line) / (0.6 * half)) ** 2) * flicker
        amplitude, specular = amplitude + random.uniform(2, 6) * profile, specular + random.uniform(1.0, 4.0) * profile
    grey = imaged(amplitude, scale, random, attenuation_db=random.uniform(-2, 12), specular=specular)
    return Still(grey, superficial, deep, half)


def imaged(
    amplitude: npt.NDArray[np.float64],
    scale: float,
    random: Random,
    attenuation_db: float,
    specular: npt.NDArray[np.float64] | None = None,
) -> npt.NDArray[np.uint8]:
    """B-mode of a scatterer amplitude map: complex noise under a Gaussian pulse, envelope, log compression.

    ``specular`` adds what smooth surfaces return in phase: no speckle of its own.
    """
    shape = amplitude.shape
    axial, lateral = 0.10 * scale * random.uniform(0.8, 1.6), 0.22 * scale * random.uniform(0.8, 1.8)
    field = [cv2.GaussianBlur(amplitude * random.normal(0, 1, shape), (0, 0), lateral, None, axial) for _ in range(2)]
    if specular is not None:
        field[0] = field[0] + 0.25 * cv2.GaussianBlur(specular, (0, 0), lateral, None, axial)
    envelope = np.hypot(*field)
    fall = 10 ** (-attenuation_db / 20 * np.linspace(0, 1, shape[0]))[:, np.newaxis]
    envelope = envelope * fall
    reference = np.quantile(envelope, 0.997)
    level = 20 * np.log10(np.maximum(envelope / reference, 1e-6))
    span = random.uniform(40, SUPPRESSED_DB)
    return np.clip(255 * np.clip(1 + level / span, 0, 1) ** random.uniform(1.0, 2.2), 0, 255).astype(np.uint8)


def _with_skin(
    random: Random, scale: float, amplitude: npt.NDArray[np.float64], superficial: Rows
) -> npt.NDArray[np.float64]:
    """Mostly a bright dermis of 0.8 to 2.2 mm, sometimes under gel: its lower side is a line, but no fascia."""
    depth = np.arange(HEIGHT)[:, np.newaxis] + 0.5
    gel = scale * random.uniform(0, 0.8) if random.random() < 0.3 else 0.0
    skin = gel + scale * random.uniform(0.8, 2.2)
    if random.random() < 0.3 or skin + scale > superficial.min():
        return amplitude
    bright = amplitude.max() * random.uniform(0.4, 1.0) if random.random() < 0.5 else random.uniform(1.2, 3.0)
    return np.where(depth < gel, 0.03, np.where(depth < skin, bright, amplitude))


def _further(random: Random, deep: Rows, superficial: Rows, scale: float) -> list[Rows]:
    """Fasciae that are not the answer: below the muscle, at the skin, and within fat that is thick enough."""
    lines = []
    if random.random() < 0.6:
        lines.append(
            deep + HEIGHT * random.uniform(0.12, 0.4) + HEIGHT * random.normal(0, 0.05) * np.linspace(-0.5, 0.5, WIDTH)
        )
    if random.random() < 0.5:
        lines.append(superficial * 0 + HEIGHT * random.uniform(0.0, 0.02))
    room = float(superficial.min()) / scale
    if room > 4.0 and random.random() < 0.4:
        lines.append(superficial * 0 + scale * random.uniform(2.0, room - 1.5))
    return lines


def _streaks(
    random: Random, scale: float, where: npt.NDArray[np.bool_], angle: float, strength: float = 2.5
) -> npt.NDArray[np.float64]:
    """Perimysium: noise stretched along the fibres; ``angle`` in degrees against the horizontal."""
    size, coarse = 2 * max(HEIGHT, WIDTH), 8
    noise = random.normal(0, 1, (size, size // coarse)).astype(np.float32)
    noise = cv2.GaussianBlur(
        noise, (0, 0), random.uniform(2.0, 6.0) * scale / coarse, None, random.uniform(0.12, 0.25) * scale
    )
    noise = cv2.resize(noise, (size, size), interpolation=cv2.INTER_LINEAR)
    noise = noise / max(float(noise.std()), 1e-9)
    turn = cv2.getRotationMatrix2D((size / 2, size / 2), angle, 1.0)
    turned = cv2.warpAffine(noise, turn, (size, size))[size // 4 :, size // 4 :][:HEIGHT, :WIDTH]
    return np.where(where, 1 + strength * np.clip(turned - 0.8, 0, 2.5), 1.0)


def samples(count: int, seed: int = 7) -> list[Sample]:
    """Simulated stills ready for the same warps as real ones."""
    random = np.random.default_rng(seed)
    made = []
    for number in range(count):
        one = still(random)
        lines = np.stack((one.superficial, one.deep, one.superficial + one.half_width, one.deep - one.half_width))
        made.append(kept(-1 - number, one.grey, Box(0, 0, WIDTH, HEIGHT), lines))
    return made
