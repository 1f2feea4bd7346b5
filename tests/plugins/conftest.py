"""Makers of muscle images with known truth, shared by the tests of the muscle analysis."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from plugins.contract import (
    Acquisition,
    ArrayFrames,
    Box,
    Clip,
    Device,
    NoReferences,
    Region,
    RegionOrigin,
    RegionShape,
    Side,
    Spacing,
    Subject,
    TissueRegion,
    View,
)
from plugins.echogenicity import Echogenicity

ROWS, COLUMNS = 300, 400
MARGIN = 20
"""Black picture around the field."""


def layers(
    *,
    skin: float = 150,
    fat: float = 100,
    muscle: float = 60,
    deep: float = 60,
    fascia: float = 200,
    border: float = 210,
    fat_px: int = 50,
    muscle_px: int = 140,
    slope: float = 0.0,
    attenuation: float = 0.0,
    grain: float = 12.0,
    streaks: float = 20.0,
    seed: int = 0,
) -> np.ndarray:
    """A picture of flat layers: skin, fat, fascia, streaky muscle, deep border. Grey levels and pixels as given.

    ``slope`` is rows per column, ``attenuation`` grey levels lost from the muscle's top to its bottom.
    """
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[:ROWS, :COLUMNS].astype(float)
    depth = row - MARGIN - slope * (column - COLUMNS / 2)
    picture = np.full((ROWS, COLUMNS), deep)
    top, bottom = fat_px, fat_px + muscle_px
    inside = (depth >= top) & (depth < bottom)
    wave = streaks * (np.sin(depth / 3.0 + rng.uniform(0, 6)) > 0.6)
    picture = np.where(inside, muscle + wave - attenuation * (depth - top) / muscle_px + attenuation / 2, picture)
    picture = np.where(depth < top - 6, fat, picture)
    picture = np.where((depth >= top - 6) & (depth < top), fascia, picture)
    picture = np.where((depth >= bottom) & (depth < bottom + 6), border, picture)
    picture = np.where(row - MARGIN < 12, skin, picture)
    picture = picture + rng.normal(0, grain, picture.shape)
    field = (row >= MARGIN) & (row < ROWS - MARGIN) & (column >= MARGIN) & (column < COLUMNS - MARGIN)
    return np.where(field, picture.clip(1, 254), 0).astype(np.uint8)


def outline(fat_px: int = 50, muscle_px: int = 140, slope: float = 0.0, inset: int = 30) -> tuple:
    """The muscle of ``layers`` as a closed polygon."""
    left, right = MARGIN + inset, COLUMNS - MARGIN - inset
    top = {c: MARGIN + fat_px + slope * (c - COLUMNS / 2) for c in (left, right)}
    corners = ((left, top[left]), (right, top[right]), (right, top[right] + muscle_px), (left, top[left] + muscle_px))
    return (*corners, corners[0])


class MuscleMaker:
    """Builds clips and acquisitions; every argument has a default, so that a test names only what matters."""

    field = Box(MARGIN, MARGIN, COLUMNS - MARGIN, ROWS - MARGIN)
    layers = staticmethod(layers)
    outline = staticmethod(outline)

    def clip(
        self,
        pixels: np.ndarray | None = None,
        *,
        points: tuple | None = None,
        structure: str | None = "biceps_brachii",
        spacing: Spacing | None = Spacing(0.1, 0.1),  # noqa: B008 - frozen
        uid: str = "1.2.3",
        device: Device = Device(),  # noqa: B008 - frozen
        colour: np.ndarray | None = None,
        drawn: tuple[Region, ...] | None = None,
    ) -> Clip:
        """One still or cine of the default muscle, its contour drawn and named."""
        if drawn is None:
            drawn = (Region(RegionShape.POLYGON, points or outline(), RegionOrigin.REGIONS_FILE, structure=structure),)
        regions = () if spacing is None else (TissueRegion(self.field, spacing),)
        frames = ArrayFrames(layers() if pixels is None else pixels, colour)
        return Clip(uid, "1.2", frames, regions, drawn=drawn, device=device)

    def acquisition(
        self,
        *clips: Clip,
        structure: str | None = "biceps_brachii",
        side: Side = Side.LEFT,
        view: View = View.LONGITUDINAL,
        **more: object,
    ) -> Acquisition:
        """The clips as an acquisition."""
        return Acquisition(structure, side, None, view, clips or (self.clip(structure=structure),), **more)

    def analyse(self, *clips: Clip, references=None, plugin=None, **kwargs: object) -> list:
        """The plugin's outcomes for the clips."""
        acquisition = self.acquisition(*clips, **kwargs)
        return list((plugin or Echogenicity()).analyse(acquisition, references or NoReferences()))


@pytest.fixture(scope="session")
def muscle() -> MuscleMaker:
    """The maker of muscle images."""
    return MuscleMaker()


@pytest.fixture(scope="session")
def value() -> Callable[..., float]:
    """Reads one measurement of a finding by its name."""

    def read(finding: object, name: str) -> float:
        return next(m.value for m in finding.measurements if m.name == name)

    return read


@pytest.fixture(scope="session")
def adult() -> Subject:
    """A subject that raises no flag."""
    return Subject(40, "F", 170, 65)
