"""A small U-Net: additive skips, four levels."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F  # noqa: N812
from torch import nn

CHANNELS = (16, 32, 64, 96)
INPUTS = 4
OUTPUTS = 3


class Block(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.a = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.na = nn.BatchNorm2d(outputs)
        self.b = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.nb = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return F.relu(self.nb(self.b(F.relu(self.na(self.a(x))))))


class SeededNet(nn.Module):
    """In: standardised crop, soft seed, mode, log aspect. Out: logits of seeded nerve, all nerves, vessels."""

    def __init__(self, channels=CHANNELS):
        super().__init__()
        before = (INPUTS, *channels[:-1])
        self.down = nn.ModuleList(Block(i, o) for i, o in zip(before, channels, strict=True))
        up = list(reversed(channels))
        self.across = nn.ModuleList(nn.Conv2d(i, o, 1) for i, o in pairwise(up))
        self.up = nn.ModuleList(Block(o, o) for o in up[1:])
        self.drop = nn.Dropout2d(0.15)
        self.head = nn.Conv2d(channels[0], OUTPUTS, 1)

    def forward(self, x):
        kept = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else F.max_pool2d(x, 2))
            kept.append(x)
        x = self.drop(kept.pop())
        for across, block in zip(self.across, self.up, strict=True):
            x = F.interpolate(across(x), scale_factor=2.0, mode="bilinear", align_corners=False)
            x = block(x + kept.pop())
        return self.head(x)
