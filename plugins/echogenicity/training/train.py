"""Train the network: ``python -m plugins.echogenicity.training.train --fold 0 --out runs`` (``--fold all`` to ship)."""

from __future__ import annotations

import argparse
import copy
import json
import time
from pathlib import Path

import numpy as np
import torch

from plugins.echogenicity.training import augment, negatives, simulate, truth
from plugins.echogenicity.training.model import Network, loss_of

BATCH = 8
SIMULATED, NEGATIVE = 0.15, 0.10
"""Shares of simulated pictures and of pictures without a muscle lengthwise."""
NARROW_WEIGHT = 3.0
"""How much oftener a narrow field is drawn: they are a seventh of the pictures and half of the errors."""
PEAK_RATE = 2e-3


def batch_of(
    pools: dict[str, list[augment.Sample]], random: np.random.Generator
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """One batch of random views and their truth."""
    views, truths = [], []
    for _ in range(BATCH):
        draw = random.random()
        pool = pools["simulated" if draw < SIMULATED else "negative" if draw < SIMULATED + NEGATIVE else "real"]
        weights = np.array([sample.weight for sample in pool])
        sample = pool[int(random.choice(len(pool), p=weights / weights.sum()))]
        view, lines = augment.warped(sample, random)
        views.append(augment.standardised(augment.recoloured(view, random)))
        truths.append(augment.truth_maps(lines, sample.nothing))
    stacked = {key: torch.from_numpy(np.stack([one[key] for one in truths])) for key in truths[0]}
    return torch.from_numpy(np.stack(views)[:, np.newaxis]), stacked


def pools_for(kept_out: frozenset[int], dropped: set[int]) -> dict[str, list[augment.Sample]]:
    """Training pictures: all real cases outside the fold, simulated ones, and pictures without a muscle."""
    real = [
        augment.sample_of(case, NARROW_WEIGHT if case.narrow else 1.0)
        for case in truth.cases()
        if case.fold not in kept_out and case.number not in dropped
    ]
    return {"real": real, "simulated": simulate.samples(200), "negative": negatives.samples(kept_out)}


def train(
    kept_out: frozenset[int],
    out: Path,
    *,
    steps: int,
    seed: int,
    dropped: set[int],
    start: Path | None = None,
    peak: float = PEAK_RATE,
) -> None:
    """Train and write ``fold-N.pt`` (averaged weights) and a log.

    ``start``: weights to go on from. They must come from a training that left out the same folds, or more.
    """
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    pools = pools_for(kept_out, dropped)
    name = "+".join(map(str, sorted(kept_out))) or "all"
    network = Network().to(memory_format=torch.channels_last)
    if start is not None:
        network.load_state_dict(torch.load(start, weights_only=True))
    averaged = copy.deepcopy(network)
    optimiser = torch.optim.AdamW(network.parameters(), lr=peak, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, peak, total_steps=steps, pct_start=0.08)
    began, running = time.monotonic(), 0.0
    for step in range(steps):
        views, maps = batch_of(pools, random)
        network.train()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = network(views.to(memory_format=torch.channels_last))
        loss = loss_of(logits.float(), maps)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        optimiser.step()
        schedule.step()
        keep = min(0.997, (1 + step) / (10 + step))
        _average(averaged, network, keep)
        running = loss.item() if step == 0 else 0.98 * running + 0.02 * loss.item()
        if step % 50 == 49:
            print(
                json.dumps(
                    {
                        "fold": name,
                        "step": step + 1,
                        "loss": round(running, 4),
                        "seconds": round(time.monotonic() - began),
                    }
                ),
                flush=True,
            )
            torch.save(averaged.state_dict(), out / f"fold-{name}.pt")
    torch.save(averaged.state_dict(), out / f"fold-{name}.pt")


def _average(averaged: Network, network: Network, keep: float) -> None:
    """Move the averaged weights; counters and running statistics are averaged or copied alike."""
    with torch.no_grad():
        for mean, now in zip(averaged.state_dict().values(), network.state_dict().values(), strict=True):
            if mean.dtype.is_floating_point:
                mean.mul_(keep).add_(now, alpha=1 - keep)
            else:
                mean.copy_(now)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fold", required=True, help="folds kept out: 0, or 2+3, or all to ship")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--drop", default="", help="file numbers left out of training, separated by commas")
    parser.add_argument("--start", type=Path, help="weights of an earlier training without the same folds")
    parser.add_argument("--rate", type=float, default=PEAK_RATE, help="highest learning rate; lower to go on gently")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    given.out.mkdir(parents=True, exist_ok=True)
    kept_out = frozenset() if given.fold == "all" else frozenset(int(fold) for fold in given.fold.split("+"))
    dropped = {int(n) for n in given.drop.split(",") if n}
    train(
        kept_out,
        given.out,
        steps=given.steps,
        seed=given.seed,
        dropped=dropped,
        start=given.start,
        peak=given.rate,
    )


if __name__ == "__main__":
    main()
