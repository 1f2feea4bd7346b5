"""Judge each fold's two networks on the blocks they never saw, with the code that will run:

``python -m plugins.echogenicity.training.evaluate --runs runs-a runs-b --out cases.json``
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from plugins.echogenicity.borders import CENTRAL
from plugins.echogenicity.region.contact import in_sight, squeezed
from plugins.echogenicity.region.decoding import Reading, readings
from plugins.echogenicity.region.field import field_mask, field_of_view
from plugins.echogenicity.region.geometry import COLUMNS, ROWS, Layer, Rows, outline_of
from plugins.echogenicity.region.network import maps_of, session, unmarked_field, views_of
from plugins.echogenicity.region.tracing import traced
from plugins.echogenicity.training import negatives, simulate, truth
from plugins.echogenicity.training.export import export
from plugins.images import Box

Row = dict[str, Any]
Networks = Sequence[onnxruntime.InferenceSession]
"""One for each view."""
RIGHT = 0.02
"""A line is right when its median distance from the true one is under this share of the picture's height."""

SIMULATED = 40
"""Simulated stills judged with each network."""


def read(grey: npt.NDArray[np.uint8], networks: Networks) -> tuple[Box, tuple[Reading, ...]]:
    """Field and readings, as ``locate`` makes them."""
    unmarked = np.zeros(grey.shape, bool)
    box = field_of_view(grey, unmarked, None)
    field, mask = unmarked_field(grey, unmarked, box), field_mask(grey, unmarked, box)
    found = readings(maps_of(views_of(grey, unmarked, box), networks))
    working = squeezed(field)
    return box, tuple(replace(one, layer=in_sight(traced(one.layer, field), mask, working)) for one in found)


def in_picture(rows: Rows, box: Box, width: int) -> Rows:
    """A line for every column of the picture; NaN outside the field."""
    columns = box.column0 + (np.arange(COLUMNS) + 0.5) * (box.column1 - box.column0) / COLUMNS
    at = np.arange(width) + 0.5
    line = np.interp(at, columns, box.row0 + rows * (box.row1 - box.row0) / ROWS)
    line[(at < box.column0) | (at > box.column1)] = np.nan
    return line


def _measured(layer: Layer, box: Box, width: int) -> npt.NDArray[np.bool_]:
    """The columns of the picture that thickness is read from: the middle of those that the layer is seen in."""
    first, stop = (box.column0 + edge * (box.column1 - box.column0) / COLUMNS for edge in (layer.first, layer.stop))
    away = np.abs(np.arange(width) + 0.5 - (first + stop) / 2)
    return np.asarray(away <= CENTRAL * (stop - first) / 2)


def judged(case: truth.Case, networks: Networks) -> Row:
    """All that is asked of one picture."""
    box, found = read(case.grey, networks)
    layer, evidence = found[0].layer, found[0].evidence
    height, width = case.grey.shape
    upper, lower = in_picture(layer.superficial, box, width), in_picture(layer.deep, box, width)
    off = [float(np.nanmedian(np.abs(a - b))) for a, b in ((upper, case.superficial), (lower, case.deep))]
    shared = np.isfinite(case.superficial) & np.isfinite(case.deep) & _measured(layer, box, width)
    true = float(np.mean((case.deep - case.superficial)[shared]))
    mine = float(np.mean((lower - upper)[shared]))
    return {
        "number": case.number,
        "fold": case.fold,
        "narrow": case.narrow,
        "off": off,
        "height": height,
        "right": max(off) < RIGHT * height,
        "thickness": mine,
        "true_thickness": true,
        "grey_difference": truth.mean_inside(case.grey, layer_outline(found[0], box)) - mean_between(case),
        "evidence": asdict(evidence),
        "others_right": [_is_right(other, case, box) for other in found[1:]],
    }


def simulated(fold: int, networks: Networks) -> list[Row]:
    """Simulated stills that training never drew, with thick skin and septa in fat: harder on purpose than real ones."""
    random = np.random.default_rng(1000 + fold)
    rows: list[Row] = []
    for number in range(SIMULATED):
        one = simulate.still(random)
        box, found = read(one.grey, networks)
        pairs = ((found[0].layer.superficial, one.superficial), (found[0].layer.deep, one.deep))
        height, width = one.grey.shape
        off = [float(np.nanmedian(np.abs(in_picture(line, box, width) - true))) for line, true in pairs]
        rows.append(
            {
                "number": 30_000 + SIMULATED * fold + number,
                "fold": fold,
                "simulated_right": max(off) < RIGHT * height,
                "evidence": asdict(found[0].evidence),
            }
        )
    return rows


def exported(weights: Path) -> onnxruntime.InferenceSession:
    """A network as it will run; exported beside its weights where that has not been done since."""
    onnx = weights.with_suffix(".onnx")
    if not onnx.exists() or onnx.stat().st_mtime < weights.stat().st_mtime:
        export(weights, onnx)
    return session(onnx)


def layer_outline(reading: Reading, box: Box) -> npt.NDArray[np.float64]:
    """The outline as an array of points."""
    return np.array(outline_of(reading.layer, box))


def mean_between(case: truth.Case) -> float:
    """Mean grey level strictly between the lines as drawn."""
    rows = np.arange(case.grey.shape[0])[:, np.newaxis] + 0.5
    with np.errstate(invalid="ignore"):
        inside = (rows > case.inner_top) & (rows < case.inner_bottom)
    return float(case.grey[inside].mean())


def _is_right(reading: Reading, case: truth.Case, box: Box) -> bool:
    pairs = ((reading.layer.superficial, case.superficial), (reading.layer.deep, case.deep))
    return all(
        np.nanmedian(np.abs(in_picture(rows, box, case.grey.shape[1]) - true)) < RIGHT * case.grey.shape[0]
        for rows, true in pairs
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="a folder for each view's network")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    rows: list[Row] = []
    for weights in sorted(given.runs[0].glob("fold-[0-9]*.pt")):
        kept_out = frozenset(int(fold) for fold in weights.stem.removeprefix("fold-").split("+"))
        networks = [exported(folder / weights.name) for folder in given.runs]
        mine = [judged(case, networks) for case in truth.cases() if case.fold in kept_out]
        rows += mine
        for number, grey in negatives.transverse(kept_out, held_out=True):
            _, found = read(grey, networks)
            fold = number // negatives.BLOCK % truth.FOLDS
            rows.append({"number": 10_000 + number, "fold": fold, "evidence": asdict(found[0].evidence)})
        rows += simulated(min(kept_out), networks)
        print(f"{weights.stem}: {sum(row['right'] for row in mine)} of {len(mine)} right", flush=True)
    given.out.write_text(json.dumps(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
