"""Train: ``python -m plugins.nerve_area.training.train NAME FOLD MINUTES [START.pt]``, writes ``NAME.pt``.

``FOLD`` is the fold left out for validation, or ``all`` to train on all three. AdamW, warm-up and cosine, bfloat16
where the processor computes in it, moving average of the weights. ``MINUTES`` are of processor time, without that of
the process that makes samples. With ``START`` the training goes on from those weights with a lower peak. The test block
is never trained on.
"""

from __future__ import annotations

import copy
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812

from plugins.nerve_area.training.dataset import load
from plugins.nerve_area.training.network import CHANNELS, SeededNet
from plugins.nerve_area.training.samples import Samples

BATCH = 32
PEAK = 3e-3


def loss_of(logits, truth, unmarked):
    """Cross-entropy of all planes, the seeded nerve's rim counted thrice, and its overlap (soft Dice).

    Crops without a seed, ``unmarked`` of shape (n,), count by the planes of all nerves and vessels alone.
    """
    entropy = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    mine = truth[:, :1]
    rim = F.max_pool2d(mine, 7, 1, 3) - (1 - F.max_pool2d(1 - mine, 7, 1, 3))
    seeded = (entropy[:, :1] * (1 + 2 * rim)).mean()
    weight = 0.25 + 2 * unmarked
    others = (entropy[:, 1:].mean((2, 3)).sum(1) * weight).mean()
    p, t = torch.sigmoid(logits[:, 0]), truth[:, 0]
    area = t.sum((1, 2))
    dice = 1 - (2 * (p * t).sum((1, 2)) + 20) / (p.sum((1, 2)) + area + 20)
    overlap = (dice * (1 - unmarked)).mean()
    nerves, there = torch.sigmoid(logits[:, 1]), truth[:, 1]
    found = 1 - (2 * (nerves * there).sum((1, 2)) + 20) / (nerves.sum((1, 2)) + there.sum((1, 2)) + 20)
    return seeded + others + 0.7 * overlap + 0.7 * (found * unmarked).mean(), overlap.item()


def main(name, fold, minutes, start_from=None, channels=CHANNELS):
    torch.set_num_threads(1)
    seed = int.from_bytes(Path(name).name.encode()) % 100_003
    torch.manual_seed(seed)
    cases = [c for c in load() if c.fold >= 0 and str(c.fold) != fold]
    samples = Samples(cases, seed, fading=0 if start_from else 16_000)
    loader = torch.utils.data.DataLoader(samples, BATCH, num_workers=1, prefetch_factor=6)
    net = SeededNet(channels)
    if start_from:
        net.load_state_dict(torch.load(start_from), strict=False)
    peak = PEAK / 2 if start_from else PEAK
    net = net.to(memory_format=torch.channels_last)
    average = copy.deepcopy(net)
    optimiser = torch.optim.AdamW(net.parameters(), PEAK, weight_decay=0.02)
    start, running = time.process_time(), 0.0
    for step, (x, truth) in enumerate(loader):
        share = (time.process_time() - start) / (60 * minutes)
        if share >= 1:
            break
        rate = peak * min(1, (step + 1) / 100) * max(0.003, 0.5 * (1 + torch.cos(torch.tensor(share * 3.14159)).item()))
        for group in optimiser.param_groups:
            group["lr"] = rate
        # emulated bfloat16 is ten times slower than single precision
        with torch.autocast("cpu", torch.bfloat16, enabled=torch.cpu._is_avx512_bf16_supported()):
            logits = net(x.contiguous(memory_format=torch.channels_last))
        loss, overlap = loss_of(logits.float(), truth, (x[:, 1].amax((1, 2)) == 0).float())
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimiser.step()
        keep = min(0.998, step / (step + 20))
        with torch.no_grad():
            for a, b in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
                a.mul_(keep).add_(b, alpha=1 - keep) if a.is_floating_point() else a.copy_(b)
        running = 0.99 * running + 0.01 * overlap if step else overlap
        if step % 100 == 99:
            spent = f"{time.process_time() - start:.0f} s of work"
            print(f"step {step} {spent}, 1 - Dice {running:.4f} rate {rate:.5f}", flush=True)
            torch.save(average.state_dict(), f"{name}.pt")
    torch.save(average.state_dict(), f"{name}.pt")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), *sys.argv[4:])
