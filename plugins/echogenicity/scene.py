"""Everything about one frame that several figures need, worked out once."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from plugins.contract import Acquisition, Box, Clip, Grey, Mask, Point, Spacing, View
from plugins.echogenicity.borders import CENTRAL, Borders, Rows, borders_of, skin_rows
from plugins.echogenicity.chosen import Chosen
from plugins.echogenicity.muscles import lies_under_another
from plugins.echogenicity.region import field_mask, field_of_view
from plugins.outlines import mask_of

EDGE_PX = 4
"""A contour nearer than this to the edge of the field of view was cut off by it."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One frame with its region; arrays have the picture's shape unless said otherwise."""

    grey: Grey = field(compare=False, repr=False)
    coloured: Mask = field(compare=False, repr=False)
    mask: Mask = field(compare=False, repr=False)
    """Pixels of the measured region."""
    chosen: Chosen
    spacing: Spacing | None
    view: View
    structure: str | None
    field_box: Box
    field_mask: Mask = field(compare=False, repr=False)
    """Field of view within ``field_box``."""
    borders: Borders | None = None
    """Of the whole muscle, where that is known."""
    skin: Rows | None = field(default=None, compare=False, repr=False)
    """Row of the skin's surface for every column of the picture, where the field of view tells it; NaN beside it."""

    @property
    def used(self) -> Mask:
        """Pixels that are measured: inside, and not coloured."""
        return self.mask & ~self.coloured

    @property
    def superficial(self) -> tuple[Point, ...]:
        """The superficial fascia: as found, else the upper border of the whole muscle over its central width.

        In cross-section that is the middle third, since the border curves away from the skin at the sides.
        """
        return self.chosen.superficial or self._border(top=True)

    @property
    def deep(self) -> tuple[Point, ...]:
        """The deep fascia: as found, else the lower border of the whole muscle over its central width."""
        return self.chosen.deep or self._border(top=False)

    @property
    def under_skin(self) -> bool:
        """Whether the tissue above the muscle is subcutaneous, and no other muscle."""
        return self.structure is not None and not lies_under_another(self.structure)

    @property
    def wholly_seen(self) -> bool:
        """Whether the muscle's outline lies inside the field of view, clear of its edge."""
        if self.chosen.muscle is None or self.chosen.superficial:
            return False
        size = 2 * EDGE_PX + 1
        framed = cv2.copyMakeBorder(self.field_mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
        inner = cv2.erode(framed, np.ones((size, size), np.uint8))[1:-1, 1:-1]
        rows, columns = inner.shape
        for column, row in self.chosen.muscle:
            at_row, at_column = int(row) - self.field_box.row0, int(column) - self.field_box.column0
            if not (0 <= at_row < rows and 0 <= at_column < columns and inner[at_row, at_column]):
                return False
        return True

    def _border(self, top: bool) -> tuple[Point, ...]:
        if self.borders is None:
            return ()
        part = self.borders.central(1 / 3 if self.view is View.TRANSVERSE else CENTRAL)
        rows = part.top if top else part.bottom
        return tuple((float(column), float(row)) for column, row in zip(part.columns, rows, strict=True))


def scene_of(clip: Clip, chosen: Chosen, grey: Grey, coloured: Mask, acquisition: Acquisition) -> Scene:
    """The scene of one frame; cost is that of the field of view, a few milliseconds."""
    tissue = chosen.tissue
    box, seen = chosen.seen or _field(grey, coloured, tissue.box if tissue is not None else None)
    borders = borders_of(chosen.muscle) if chosen.muscle is not None else None
    return Scene(
        grey=grey,
        coloured=coloured,
        mask=mask_of(chosen.outline, clip.frames.shape),
        chosen=chosen,
        spacing=tissue.spacing if tissue is not None else None,
        view=acquisition.view,
        structure=acquisition.structure,
        field_box=box,
        field_mask=seen,
        borders=borders,
        skin=_skin(grey, seen, box),
    )


def _field(grey: Grey, coloured: Mask, tissue: Box | None) -> tuple[Box, Mask]:
    box = field_of_view(grey, coloured, tissue)
    return box, field_mask(grey, coloured, box)


def _skin(grey: Grey, seen: Mask, box: Box) -> Rows | None:
    """Skin rows for every picture column that the field holds."""
    held = np.flatnonzero(seen.any(axis=0))
    found = skin_rows(grey, seen, (held + box.column0).astype(np.float64) + 0.5, box.row0, box.column0)
    if found is None:
        return None
    rows = np.full(grey.shape[1], np.nan)
    rows[held + box.column0] = found
    return rows
