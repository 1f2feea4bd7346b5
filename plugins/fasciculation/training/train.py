"""Train the classifier of candidates and write classifier.json beside the plugin.

    python plugins/fasciculation/training/train.py FOLDER [--write]

Cross-validated over seeds first: the printed table is of clips that the network of their fold did not see. What is
written stands beside the first network of classifier.json: the plugin takes the mean of what both say.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from dataset import NAMES, ClipData, load
from report import table

from plugins.fasciculation.features import FEATURES

torch.set_num_threads(1)
HIDDEN = 24


def arrays(clips: list[ClipData]) -> tuple[np.ndarray, np.ndarray]:
    rows = [
        (each.features, name) for clip in clips for each, name in zip(clip.found, clip.names, strict=True) if name >= 0
    ]
    return np.stack([row[0] for row in rows]), np.array([row[1] for row in rows])


def fit(features: np.ndarray, names: np.ndarray, seed: int = 0) -> dict:
    torch.manual_seed(seed)
    mean, scale = features.mean(axis=0), features.std(axis=0) + 1e-6
    inputs = torch.tensor(np.clip((features - mean) / scale, -4, 4))
    wanted = torch.tensor(names)
    net = torch.nn.Sequential(
        torch.nn.Linear(len(FEATURES), HIDDEN), torch.nn.Tanh(), torch.nn.Linear(HIDDEN, len(NAMES))
    )
    # twitches and everything else weigh the same, the kinds of everything else by the root of their number
    count = np.bincount(names, minlength=len(NAMES)).astype(float)
    weight = np.where(count > 0, 1 / np.sqrt(np.maximum(count, 1)), 0)
    weight[0] = (weight[1:] * count[1:]).sum() / max(count[0], 1)
    loss_of = torch.nn.CrossEntropyLoss(weight=torch.tensor(weight, dtype=torch.float32))
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-2, weight_decay=3e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 600)
    for _ in range(600):
        optimiser.zero_grad()
        loss = loss_of(net(inputs + 0.05 * torch.randn_like(inputs)), wanted)
        loss.backward()
        optimiser.step()
        schedule.step()
    layers = [
        {"weight": net[at].weight.detach().numpy().T.tolist(), "bias": net[at].bias.detach().numpy().tolist()}
        for at in (0, 2)
    ]
    return {"mean": mean.tolist(), "scale": scale.tolist(), "layers": layers}


def predict(model: dict, features: np.ndarray) -> np.ndarray:
    signal = np.clip((features - np.array(model["mean"])) / np.array(model["scale"]), -4, 4)
    hidden = np.tanh(signal @ np.array(model["layers"][0]["weight"]) + np.array(model["layers"][0]["bias"]))
    out = hidden @ np.array(model["layers"][1]["weight"]) + np.array(model["layers"][1]["bias"])
    out = np.exp(out - out.max(axis=1, keepdims=True))
    return out / out.sum(axis=1, keepdims=True)


def main() -> None:
    clips = [load(path) for path in sorted(Path(sys.argv[1]).glob("*.npz"))]
    clips = [clip for clip in clips if clip.seed < 5000]
    features, names = arrays(clips)
    print(len(clips), "clips", {name: int((names == at).sum()) for at, name in enumerate(NAMES)})
    shares: dict[int, np.ndarray] = {}
    for fold in range(5):
        inside = [clip for clip in clips if clip.seed % 5 != fold]
        if len(inside) == len(clips):
            continue
        model = fit(*arrays(inside))
        for at, clip in enumerate(clips):
            if clip.seed % 5 == fold:
                shares[at] = (
                    predict(model, np.stack([each.features for each in clip.found]))
                    if clip.found
                    else np.zeros((0, len(NAMES)))
                )
    for threshold in (0.3, 0.5, 0.7, 0.85):
        table(clips, shares, threshold)
    if "--write" in sys.argv:
        model = fit(features, names)
        rounded = json.loads(json.dumps(model), parse_float=lambda text: round(float(text), 5))
        path = Path(__file__).parents[1] / "classifier.json"
        first = json.loads(path.read_text("utf-8"))["networks"][:1]
        stored = {"names": NAMES, "features": FEATURES, "networks": [*first, rounded]}
        path.write_text(json.dumps(stored) + "\n", "utf-8")


if __name__ == "__main__":
    main()
