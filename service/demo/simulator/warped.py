"""Semi-simulated cine: a real or simulated still, warped by the same motions, with new noise in every frame.

The speckle is a scanner's own and moves with the tissue, but never decorrelates, and nothing new comes into the plane:
easier than life in that, harder in texture. Tissue comes from beyond the picture's edge as far as the still goes there
(``margin_px``); from beyond the still's edge that edge is repeated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from plugins.images import Grey
from service.demo.simulator.cine import Faults, recorded, schedule
from service.demo.simulator.motion import Motion
from service.demo.simulator.speckle import Floats

_COARSE = 5
"""Motion is smooth: it is computed at every fifth pixel."""


@dataclass(frozen=True, slots=True)
class WarpedCine:
    """A still that is made to move. Of ``faults`` all but the noise apply."""

    still: Grey = field(compare=False, repr=False)
    spacing_mm: float
    motions: Sequence[Motion] = ()
    frame_rate_hz: float = 25.0
    duration_s: float = 10.0
    faults: Faults = Faults()
    grain: float = 2.0
    """SD of the new noise in every frame, in grey levels, smoothed to the size of speckle."""
    seed: int = 0
    margin_px: int = 0
    """So much of the still on every side is not shown: it comes in when the tissue moves."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of a frame."""
        return self.still.shape[0] - 2 * self.margin_px, self.still.shape[1] - 2 * self.margin_px


def warped_frames(cine: WarpedCine) -> Iterator[Grey]:
    """The frames one after the other."""
    rng = np.random.default_rng(cine.seed)
    high, wide = cine.shape
    across, down = np.meshgrid(np.arange(wide, dtype=np.float32), np.arange(high, dtype=np.float32))
    coarse = (-(-high // _COARSE), -(-wide // _COARSE))
    z, x = (
        ((place.ravel() + 0.5) * np.float32(_COARSE * cine.spacing_mm)).astype(np.float32)
        for place in np.indices(coarse, np.float32)
    )
    modes = [mode for motion in cine.motions for mode in motion.modes(x, z)]
    noise = _noise(cine, rng)
    before: Floats | None = None
    shown: Grey | None = None
    for time_s, copy in schedule(cine.seed, cine.duration_s, cine.frame_rate_hz, cine.faults):
        if copy and shown is not None:
            yield shown
            continue
        dx, dz = np.zeros_like(x), np.zeros_like(z)
        for along, deep, course in modes:
            share = np.float32(course(time_s))
            if abs(share) > 1e-5:
                dx, dz = dx + share * along, dz + share * deep
        scale = np.float32(1 / cine.spacing_mm)
        # tissue now at a place was at that place minus its displacement, to first order
        full = [
            cv2.resize(part.reshape(coarse) * scale, (coarse[1] * _COARSE, coarse[0] * _COARSE))[:high, :wide]
            for part in (dx, dz)
        ]
        back = (across + cine.margin_px - full[0], down + cine.margin_px - full[1])
        level = cv2.remap(cine.still, *back, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
        level = level + noise[int(rng.integers(len(noise)))]
        keep = np.float32(cine.faults.persistence)
        before = level if before is None or keep == 0 else keep * before + (1 - keep) * level
        shown = recorded(np.clip(before, 0, 255).astype(np.uint8), cine.faults.jpeg_quality)
        yield shown


def _noise(cine: WarpedCine, rng: np.random.Generator) -> list[Floats]:
    """A dozen fields of smoothed noise."""
    fields = []
    for _ in range(12):
        noise = rng.standard_normal(cine.shape, dtype=np.float32)
        noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), 1.0), np.float32)
        fields.append(noise * np.float32(cine.grain / max(float(noise.std()), 1e-6)))
    return fields
