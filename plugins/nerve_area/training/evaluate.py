"""Measure the whole search on nerves it was not trained on: ``python -m ...evaluate {0|1|2|test|simulated} [REPEATS]``.

Seeds are the truth's ellipse with Gaussian noise: for a caliper the centre by SD 10 % of each half axis, the axes by
12 %, the angle by 6 degrees; for a point the centre by 20 % of each half axis. The set has no scale: 38 mm, the
width of the probe, is taken for the width of the picture. Intervals are bootstraps over groups of pictures.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from plugins.images import Box, Spacing
from plugins.nerve_area import NerveArea, gates, suggestion, tracing
from plugins.nerve_area.confidence import confidence
from plugins.nerve_area.geometry import Ellipse
from plugins.nerve_area.training.dataset import Case, ellipse_of, load, noisy
from plugins.nerve_area.training.simulate import simulated
from plugins.outlines import mask_of

PROBE_MM = 38.0
ANSWERED = {"caliper": NerveArea().min_confidence, "point": NerveArea().min_confidence_point}


def spacing_of(case):
    """All pictures of the set show the full width of one linear probe."""
    _, _, column0, column1 = case.field()
    step = PROBE_MM / (column1 - column0)
    return Spacing(step, step)


def in_mm(ellipse, spacing):
    x, y, a, b, angle = ellipse
    s = spacing.row_mm
    return Ellipse(x * s, y * s, a * s, b * s, angle)


def dice(a, b):
    return 2 * (a & b).sum() / max(1, a.sum() + b.sum())


def scored(trace, truth, spacing, row):
    if trace is None:
        return row | {"answered": False, "dice": 0.0, "area": -1.0}
    mask = mask_of(trace.outline, truth.shape)
    row |= {"answered": True, "dice": float(dice(mask, truth)), "area": float(mask.sum() / max(1, truth.sum()) - 1)}
    return row | {"vessel": trace.vessel, "parts": trace.parts, "features": trace.features}


def run(cases, repeats=4, seed=0, caliper=(0.10, 0.12, 6.0), point=0.20):
    rng = np.random.default_rng(seed)
    rows = []
    for case in cases:
        spacing = spacing_of(case)
        targets = [("nerve", m) for m in case.whole_nerves()] + [("vessel", m) for m in case.components(2)]
        for index, (kind, truth) in enumerate(targets):
            ellipse = ellipse_of(truth)
            for _ in range(repeats if kind == "nerve" else 1):
                base = {
                    "case": case.name,
                    "group": case.group,
                    "target": index,
                    "kind": kind,
                    "mm2": float(truth.sum() * spacing.area_mm2),
                }
                seed_ellipse = in_mm(noisy(ellipse, rng, *caliper), spacing)
                own = mask_of(seed_ellipse.ring(spacing), truth.shape)
                base |= {"seed_dice": float(dice(own, truth)), "seed_area": float(own.sum() / truth.sum() - 1)}
                start = time.perf_counter()
                trace = tracing.from_ellipse(case.image, spacing, seed_ellipse)
                spent = time.perf_counter() - start
                rows.append(scored(trace, truth, spacing, base | {"mode": "caliper", "s": spent}))
                click = noisy(ellipse, rng, point, 0, 0)[:2] * spacing.row_mm
                start = time.perf_counter()
                trace = tracing.from_point(case.image, spacing, tuple(click.tolist()), tracing.POINT_HALF_MM)
                spent = time.perf_counter() - start
                rows.append(scored(trace, truth, spacing, base | {"mode": "point", "s": spent}))
        rows.extend(elsewhere(case, spacing, rng))
        rows.extend(unmarked(case, spacing))
    return rows


def unmarked(case, spacing):
    """What the picture alone suggests, against the nerve in it that fits best."""
    lit = gates.lit_box(case.image, Box(0, 0, case.image.shape[1], case.image.shape[0]))
    rows = []
    start = time.perf_counter()
    found = suggestion.candidates(case.image, lit, spacing)
    spent = time.perf_counter() - start
    for index, each in enumerate(found):
        mask = mask_of(each.trace.outline, case.image.shape)
        truth = max(case.components(1), key=lambda t: dice(mask, t), default=np.zeros_like(mask))
        base = {
            "case": case.name,
            "group": case.group,
            "target": index,
            "kind": "nerve",
            "seed_dice": 0,
            "seed_area": 0,
        }
        rows.append(scored(each.trace, truth, spacing, base | {"mode": "found", "s": spent}))
    return rows


def elsewhere(case, spacing, rng, count=2):
    """Seeds where there is neither nerve nor vessel: every outline is wrong."""
    nothing = np.zeros(case.image.shape, bool)
    free = cv2.erode(((case.labels == 0) & (case.image > 8)).astype(np.uint8), np.ones((41, 41)))
    places = np.argwhere(free)
    rows = []
    for k in range(count if len(places) else 0):
        row, column = places[rng.integers(len(places))]
        major = np.exp(rng.uniform(np.log(1.5), np.log(5.0)))
        x, y = float(column * spacing.column_mm), float(row * spacing.row_mm)
        seed = Ellipse(x, y, major, major * rng.uniform(0.4, 1.0), rng.normal() * 0.4)
        base = {
            "case": case.name,
            "group": case.group,
            "target": k,
            "kind": "elsewhere",
            "seed_dice": 0,
            "seed_area": 0,
        }
        traces = {
            "caliper": tracing.from_ellipse(case.image, spacing, seed),
            "point": tracing.from_point(case.image, spacing, (x, y), tracing.POINT_HALF_MM),
        }
        for mode, trace in traces.items():
            rows.append(scored(trace, nothing, spacing, base | {"mode": mode, "s": 0.1}))
    return rows


def interval(rows, statistic, rng, draws=1000):
    groups = {}
    for row in rows:
        groups.setdefault(row["group"], []).append(row)
    keys = list(groups)
    values = [statistic([r for k in rng.choice(len(keys), len(keys)) for r in groups[keys[k]]]) for _ in range(draws)]
    return np.percentile(values, [2.5, 97.5])


def auc(good, scores):
    good, scores = np.asarray(good, bool), np.asarray(scores)
    if good.all() or not good.any():
        return float("nan")
    difference = scores[good][:, None] - scores[~good][None]
    return float((difference > 0).mean() + 0.5 * (difference == 0).mean())


def report(rows):
    rng = np.random.default_rng(1)
    statistics = {
        "Dice median": lambda r: np.median([x["dice"] for x in r]),
        "Dice mean": lambda r: np.mean([x["dice"] for x in r]),
        "area error median %": lambda r: 100 * np.median([abs(x["area"]) for x in r]),
        "area bias %": lambda r: 100 * np.median([x["area"] for x in r]),
        "seed Dice median": lambda r: np.median([x["seed_dice"] for x in r]),
        "seed area error median %": lambda r: 100 * np.median([abs(x["seed_area"]) for x in r]),
        "none found %": lambda r: 100 * np.mean([not x["answered"] for x in r]),
    }
    for mode in ("caliper", "point"):
        nerves = [r for r in rows if r["mode"] == mode and r["kind"] == "nerve"]
        print(mode, len({(r["case"], r["target"]) for r in nerves}), "nerves", len(nerves), "seeds")
        for name, statistic in statistics.items():
            low, high = interval(nerves, statistic, rng, 300)
            print(f"  {name}: {statistic(nerves):.3f} ({low:.3f} to {high:.3f})")
        found = [r for r in nerves if r["answered"]]
        sure = [confidence(r["features"], mode) for r in found]
        print(f"  AUC for Dice < 0.8: {auc([r['dice'] >= 0.8 for r in found], sure):.3f}")
        for name in found[0]["features"]:
            print(f"    {name}: {auc([r['dice'] >= 0.8 for r in found], [r['features'][name] for r in found]):.3f}")
        sure_rows = [r for r, c in zip(found, sure, strict=True) if c >= ANSWERED[mode]]
        if sure_rows:
            right = np.mean([r["dice"] >= 0.8 for r in sure_rows])
            error = 100 * np.median([abs(r["area"]) for r in sure_rows])
            print(f"  answered {len(sure_rows)}: Dice 0.8 or more {right:.2f}, area error {error:.1f} %")
        vessels = [r for r in rows if r["mode"] == mode and r["kind"] == "vessel"]
        loud = [r for r in vessels if r["answered"] and r["vessel"] <= 0.5]
        kept = [r for r in loud if confidence(r["features"], mode) >= ANSWERED[mode]]
        print(f"  vessels {len(vessels)}: outlined {len(loud)}, answered {len(kept)}")
        others = [r for r in rows if r["mode"] == mode and r["kind"] == "elsewhere"]
        loud = [r for r in others if r["answered"] and confidence(r["features"], mode) >= ANSWERED[mode]]
        print(f"  elsewhere {len(others)}: outlined {sum(r['answered'] for r in others)}, answered {len(loud)}")
        print(f"  seconds {np.median([r['s'] for r in rows if r['mode'] == mode]):.3f}")


def report_unmarked(rows):
    """How good the first suggestion of a picture is, and what the surest ones are worth."""
    mine = [r for r in rows if r["mode"] == "found"]
    first = [r for r in mine if r["target"] == 0]
    print(f"unmarked: {len(mine)} places in {len(first)} pictures, first touches a nerve (Dice 0.5) in "
          f"{np.mean([r['dice'] >= 0.5 for r in first]):.2f}, any {np.mean([r['dice'] >= 0.5 for r in mine]):.2f}, "
          f"seconds {np.median([r['s'] for r in first]):.3f}")  # fmt: skip
    sure = np.array([confidence(r["features"], "found") for r in mine])
    good = np.array([r["dice"] >= 0.8 for r in mine])
    print(f"  AUC for Dice 0.8: {auc(good, sure):.3f}; at 0.9: {(sure >= 0.9).sum()}, good {good[sure >= 0.9].sum()}")


def curve(cases, seed=2):
    """How the outline from a caliper falls with the seed's noise, one seed a nerve."""
    for times in (0.0, 0.5, 1.0, 1.5, 2.0):
        rng = np.random.default_rng(seed)
        own, found, areas, seed_areas = [], [], [], []
        for case in cases:
            spacing = spacing_of(case)
            for truth in case.whole_nerves():
                drawn = in_mm(noisy(ellipse_of(truth), rng, 0.10 * times, 0.12 * times, 6 * times), spacing)
                ring = mask_of(drawn.ring(spacing), truth.shape)
                own.append(dice(ring, truth))
                seed_areas.append(abs(ring.sum() / truth.sum() - 1))
                trace = tracing.from_ellipse(case.image, spacing, drawn)
                mask = mask_of(trace.outline, truth.shape) if trace else np.zeros_like(truth)
                found.append(dice(mask, truth))
                areas.append(abs(mask.sum() / truth.sum() - 1))
        print(f"noise x {times}: seed Dice {np.median(own):.3f}, area {100 * np.median(seed_areas):.1f} %; "
              f"outline Dice {np.median(found):.3f}, area {100 * np.median(areas):.1f} %", flush=True)  # fmt: skip


def simulated_cases(count=60, seed=987_654):
    """Simulated pictures that no training pool holds."""
    rng = np.random.default_rng(seed)
    return [Case(f"simulated {k}", *simulated(rng), group=k) for k in range(count)]


def main(which, repeats="4", out=""):
    if which == "simulated":
        cases = simulated_cases()
    else:
        fold = -1 if which == "test" else int(which)
        cases = [c for c in load() if c.fold == fold and not c.copy]
    rows = run(cases, int(repeats))
    if out:
        Path(out).write_text(json.dumps(rows), encoding="utf-8")
    report(rows)
    report_unmarked(rows)
    curve(cases)


if __name__ == "__main__":
    main(*sys.argv[1:])
