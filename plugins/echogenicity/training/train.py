"""Train the network: ``python -m plugins.echogenicity.training.train --fold 0 --out runs`` (``--fold all`` to ship)."""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from dataclasses import dataclass
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
WARM_UP = 0.06
"""Share of the training over which the learning rate rises; after that it falls as a cosine."""
KEEP, KEEP_FINE = 0.997, 0.99
"""How much of the averaged weights is kept each step: while pictures are coarse or all along, and in the last part."""


def batch_of(
    pools: dict[str, list[augment.Sample]], random: np.random.Generator, *, coarse: bool = False
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """One batch of random views and their truth; ``coarse``: at half the rows and columns, a quarter of the work."""
    views, truths = [], []
    for _ in range(BATCH):
        draw = random.random()
        pool = pools["simulated" if draw < SIMULATED else "negative" if draw < SIMULATED + NEGATIVE else "real"]
        weights = np.array([sample.weight for sample in pool])
        sample = pool[int(random.choice(len(pool), p=weights / weights.sum()))]
        view, lines = augment.warped(sample, random)
        view, maps = augment.recoloured(view, random), augment.truth_maps(lines, sample.nothing)
        if coarse:
            view, maps = augment.halved(view, maps)
        views.append(augment.standardised(view))
        truths.append(maps)
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


@dataclass(frozen=True)
class Plan:
    """How long and how fast: ``steps``, or ``minutes`` of processor time, which others on the machine do not cut."""

    steps: int = 0
    minutes: float = 0.0
    peak: float = PEAK_RATE
    coarse: float = 0.0
    """Share of the training, its first part, on views of half the size: a quarter of the time for each step."""

    def done(self, step: int, seconds: float) -> float:
        """Share of the training that is behind, 0 to 1."""
        return min(1.0, seconds / (60 * self.minutes) if self.minutes else step / self.steps)

    def rate(self, done: float) -> float:
        """Learning rate: a short rise, then a cosine down to a hundredth."""
        if done < WARM_UP:
            return self.peak * (0.04 + 0.96 * done / WARM_UP)
        fall = (done - WARM_UP) / (1 - WARM_UP)
        return self.peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * fall)))


def train(
    kept_out: frozenset[int], out: Path, plan: Plan, *, seed: int, dropped: set[int], start: Path | None = None
) -> None:
    """Train and write ``fold-N.pt`` (averaged weights) and a log.

    ``start``: weights to go on from. They must come from a training that left out the same folds, or more.
    """
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    pools = pools_for(kept_out, dropped)
    network = Network().to(memory_format=torch.channels_last)
    if start is not None:
        network.load_state_dict(torch.load(start, weights_only=True))
    averaged = copy.deepcopy(network)
    optimiser = torch.optim.AdamW(network.parameters(), lr=plan.peak, weight_decay=1e-2)
    target = out / f"fold-{'+'.join(map(str, sorted(kept_out))) or 'all'}.pt"
    began, running, step, done = time.process_time(), 0.0, 0, 0.0
    while done < 1.0:
        coarse = done < plan.coarse
        for group in optimiser.param_groups:
            group["lr"] = plan.rate(done)
        loss = _step(network, optimiser, *batch_of(pools, random, coarse=coarse))
        keep = KEEP_FINE if plan.coarse and not coarse else KEEP
        _average(averaged, network, min(keep, (1 + step) / (10 + step)))
        running = loss if step == 0 else 0.98 * running + 0.02 * loss
        step += 1
        done = plan.done(step, time.process_time() - began)
        if step % 50 == 0 or done >= 1.0:
            print(
                json.dumps(
                    {
                        "fold": target.stem,
                        "step": step,
                        "done": round(done, 3),
                        "coarse": coarse,
                        "loss": round(running, 4),
                        "processor_s": round(time.process_time() - began),
                    }
                ),
                flush=True,
            )
            torch.save(averaged.state_dict(), target)


def _step(
    network: Network, optimiser: torch.optim.Optimizer, views: torch.Tensor, maps: dict[str, torch.Tensor]
) -> float:
    """One step; its loss. In bfloat16 only where the processor computes in it: elsewhere that is eight times slower."""
    network.train()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=torch.cpu._is_avx512_bf16_supported()):
        logits = network(views.to(memory_format=torch.channels_last))
    loss = loss_of(logits.float(), maps)
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
    optimiser.step()
    return loss.item()


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
    parser.add_argument("--minutes", type=float, default=0.0, help="of processor time, instead of steps")
    parser.add_argument("--coarse", type=float, default=0.0, help="first share of the training on views of half size")
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
    plan = Plan(steps=given.steps, minutes=given.minutes, peak=given.rate, coarse=given.coarse)
    train(kept_out, given.out, plan, seed=given.seed, dropped=dropped, start=given.start)


if __name__ == "__main__":
    main()
