"""Fit the confidence: ``python -m plugins.nerve_area.training.calibrate ROWS.json [ROWS.json ...]``.

Rows come from ``evaluate`` on nerves that the network was not trained on. Good means Dice 0.8 or more; seeds on
vessels and elsewhere are bad by definition. Ridge logistic regression by Newton's method; the figure printed is
cross-validated over groups of pictures.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from plugins.nerve_area.training.evaluate import auc

RIDGE = 6.0
FEATURES = {
    "caliper": ("rim", "seed_overlap", "contrast", "vessel", "log_area_ratio", "any_nerve"),
    "point": ("any_nerve", "first_stage", "certainty", "first_agreement", "agreement", "vessel"),
    "found": ("certainty", "any_nerve", "inside", "rim", "cover"),
}
"""Chosen forward on the first development fold: with all of them the cross-validated figures were lower."""


def design(rows, mode):
    names = list(FEATURES[mode])
    x = np.array([[r["features"][n] for n in names] for r in rows])
    good = np.array([r["kind"] == "nerve" and r["dice"] >= 0.8 for r in rows])
    return names, x, good


def fitted(x, good):
    """Weights, means and deviations; the constant is not shrunk."""
    mean, sd = x.mean(0), x.std(0) + 1e-6
    z = np.column_stack([np.ones(len(x)), (x - mean) / sd])
    w = np.zeros(z.shape[1])
    ridge = RIDGE * np.eye(len(w))
    ridge[0, 0] = 0
    for _ in range(30):
        p = 1 / (1 + np.exp(-z @ w))
        w += np.linalg.solve(z.T * (p * (1 - p)) @ z + ridge, z.T @ (good - p) - ridge @ w)
    return w, mean, sd


def scores(model, x):
    w, mean, sd = model
    return 1 / (1 + np.exp(-(w[0] + (x - mean) / sd @ w[1:])))


def main(*sources):
    rows = [r for source in sources for r in json.loads(Path(source).read_text()) if r["answered"]]
    out = {}
    for mode in FEATURES:
        mine = [r for r in rows if r["mode"] == mode]
        names, x, good = design(mine, mode)
        group = np.array([r["group"] for r in mine]) % 5
        nerve = np.array([r["kind"] == "nerve" for r in mine])
        held = np.empty(len(mine))
        for k in range(5):
            held[group == k] = scores(fitted(x[group != k], good[group != k]), x[group == k])
        w, mean, sd = fitted(x, good)
        print(
            mode,
            len(mine),
            f"good {good.mean():.2f}",
            f"AUC nerves {auc(good[nerve], held[nerve]):.3f} all {auc(good, held):.3f}",
        )
        for threshold in (0.2, 0.3, 0.4, 0.5, 0.7):
            kept = held >= threshold
            shares = [float(kept[good].mean()), float(kept[nerve & ~good].mean()), float(kept[~nerve].mean())]
            print(f"  at {threshold}: kept good {shares[0]:.2f}, bad nerves {shares[1]:.2f}, no nerve {shares[2]:.2f}, "
                  f"precision {float(good[kept].mean()):.2f}")  # fmt: skip
        out[mode] = {"constant": [round(w[0], 4), 0.0, 1.0]}
        for name, weight, m, s in zip(names, w[1:], mean, sd, strict=True):
            out[mode][name] = [round(float(v), 4) for v in (weight, m, s)]
    target = Path(__file__).parents[1] / "confidence.json"
    target.write_text(json.dumps(out, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
