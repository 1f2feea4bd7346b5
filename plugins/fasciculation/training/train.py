"""Train the classifier of candidates and write classifier.json beside the plugin.

    python plugins/fasciculation/training/train.py FOLDER [--write]

The printed tables are cross-validated, over seeds and over stills: of clips that the networks of their fold did not
see.
"""

from __future__ import annotations

import json
import sys
from multiprocessing import Pool
from pathlib import Path

import cv2
import numpy as np
import torch
from dataset import FOLDS, NAMES, ClipData, load
from report import names_table, table
from semi import HELD_OUT

from plugins.fasciculation.features import FEATURES
from plugins.fasciculation.judge import network
from plugins.fasciculation.plugin import Fasciculation

HIDDEN = 64
NETWORKS = 3
ROUNDS = 800


def arrays(clips: list[ClipData]) -> tuple[np.ndarray, np.ndarray]:
    rows = [
        (each.features, name) for clip in clips for each, name in zip(clip.found, clip.names, strict=True) if name >= 0
    ]
    return np.stack([row[0] for row in rows]), np.array([row[1] for row in rows])


def fit(features: np.ndarray, names: np.ndarray, seed: int) -> dict:
    torch.manual_seed(seed)
    mean, scale = features.mean(axis=0), features.std(axis=0) + 1e-6
    inputs = torch.tensor(np.clip((features - mean) / scale, -4, 4), dtype=torch.float32)
    wanted = torch.tensor(names)
    net = torch.nn.Sequential(
        torch.nn.Linear(len(FEATURES), HIDDEN), torch.nn.Tanh(), torch.nn.Linear(HIDDEN, len(NAMES))
    )
    # twitches and everything else weigh the same, the kinds of everything else by the root of their number
    count = np.bincount(names, minlength=len(NAMES)).astype(float)
    weight = np.where(count > 0, 1 / np.sqrt(np.maximum(count, 1)), 0)
    weight[0] = (weight[1:] * count[1:]).sum() / max(count[0], 1)
    loss_of = torch.nn.CrossEntropyLoss(weight=torch.tensor(weight, dtype=torch.float32))
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-2, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, ROUNDS)
    for _ in range(ROUNDS):
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


def trained(known: tuple[np.ndarray, np.ndarray]) -> list[dict]:
    """Networks that differ in their beginning, from features and names."""
    torch.set_num_threads(1)
    return [fit(*known, seed) for seed in range(NETWORKS)]


def predict(models: list[dict], clip: ClipData) -> np.ndarray:
    """Shares of every name for every candidate, mean of the networks, as the plugin takes it."""
    if not clip.found:
        return np.zeros((0, len(NAMES)))
    features = np.stack([each.features for each in clip.found])
    return np.mean([network(model).shares(features) for model in models], axis=0)


def write(models: list[dict]) -> None:
    rounded = json.loads(json.dumps(models), parse_float=lambda text: round(float(text), 4))
    stored = {"names": NAMES, "features": FEATURES, "networks": rounded}
    path = Path(__file__).parents[1] / "classifier.json"
    path.write_text(json.dumps(stored, separators=(",", ":")) + "\n", "utf-8")


def main() -> None:
    cv2.setNumThreads(1)
    files = sorted(Path(sys.argv[1]).glob("*.npz"))
    clips = []
    with Pool() as pool:
        for clip in pool.imap(load, files, chunksize=4):
            clips.append(clip)
            if len(clips) % 100 == 0:
                print(len(clips), "of", len(files), "clips", flush=True)
    clips = [clip for clip in clips if clip.seed < HELD_OUT]
    print(len(clips), "clips,", sum(len(clip.found) for clip in clips), "candidates")
    writing = "--write" in sys.argv
    parts = [[clip for clip in clips if clip.fold != fold] for fold in range(FOLDS)]
    with Pool() as pool:
        made = pool.imap(trained, [arrays(part) for part in ([clips, *parts] if writing else parts)])
        if writing:
            write(next(made))
        folds = list(made)
    shares = [predict(folds[clip.fold], clip) for clip in clips]
    usual = Fasciculation().threshold
    for threshold in (usual - 0.15, usual, usual + 0.1):
        table(clips, shares, threshold)
    names_table(clips, shares, usual)


if __name__ == "__main__":
    main()
