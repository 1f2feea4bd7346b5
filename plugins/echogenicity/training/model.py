"""The network: a small U-Net that answers two line maps, two presence maps and the muscle's area.

After Ronneberger et al. 2015 (U-Net), with additive skips; input one plane of 256 rows by 128 columns, standardised.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

CHANNELS = (16, 32, 48, 64, 96, 128)
OUTPUTS = 5
"""Line of the superficial and of the deep aponeurosis, presence of either, area of the muscle."""


class Block(nn.Sequential):
    """Convolutions of 3 x 3, each normalised: two, and one where the picture is full-sized and time is spent."""

    def __init__(self, inputs: int, outputs: int, depth: int) -> None:
        layers: list[nn.Module] = []
        for _ in range(depth):
            layers += [
                nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(inplace=True),
            ]
            inputs = outputs
        super().__init__(*layers)


class Network(nn.Module):
    """Five logits for every pixel of the working image."""

    def __init__(self, channels: tuple[int, ...] = CHANNELS) -> None:
        super().__init__()
        before = (2, *channels)
        self.down = nn.ModuleList(Block(before[i], n, 2 if i else 1) for i, n in enumerate(channels))
        self.narrow = nn.ModuleList(nn.Conv2d(channels[i + 1], n, 1) for i, n in enumerate(channels[:-1]))
        self.up = nn.ModuleList(Block(n, n, 2 if i else 1) for i, n in enumerate(channels[:-1]))
        self.answer = nn.Conv2d(channels[0], OUTPUTS, 1)

    def forward(self, picture: Tensor) -> Tensor:
        """``picture`` of shape (n, 1, 256, 128) to logits of shape (n, 5, 256, 128)."""
        rows = torch.linspace(-1, 1, picture.shape[2], device=picture.device).view(1, 1, -1, 1)
        x = torch.cat((picture, rows.expand_as(picture)), dim=1)
        kept = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else functional.max_pool2d(x, 2))
            kept.append(x)
        for level in reversed(range(len(self.up))):
            x = functional.interpolate(self.narrow[level](x), scale_factor=2, mode="bilinear", align_corners=False)
            x = self.up[level](x + kept[level])
        return self.answer(x)


def loss_of(logits: Tensor, truth: dict[str, Tensor]) -> Tensor:
    """Cross-entropy of each column's row, distance of the expected row, presence and area.

    ``truth``: ``rows`` (n, 2, columns) line rows in pixel edges, ``seen`` the same shape, 1 where a line is drawn;
    ``known`` (n, 2, columns) 1 where presence is known; ``area`` and ``area_known`` (n, rows, columns) and
    (n, columns); ``presence`` (n, 2, rows, columns).
    """
    lines = functional.log_softmax(logits[:, :2], dim=2)
    index = torch.arange(logits.shape[2], device=logits.device).view(1, 1, -1, 1) + 0.5
    distance = index - truth["rows"].unsqueeze(2)
    target = torch.exp(-0.5 * (distance / 1.5) ** 2)
    target = target / target.sum(dim=2, keepdim=True).clamp_min(1e-6)
    seen = truth["seen"]
    count = seen.sum().clamp_min(1.0)
    cross = (-(target * lines).sum(dim=2) * seen).sum() / count
    expected = (lines.exp() * index).sum(dim=2)
    off = (functional.smooth_l1_loss(expected, truth["rows"], reduction="none", beta=2.0).clamp_max(30) * seen).sum()
    present = functional.binary_cross_entropy_with_logits(
        logits[:, 2:4], truth["presence"], reduction="none", pos_weight=torch.tensor(4.0)
    ).mean(dim=2)
    presence = (present * truth["known"]).sum() / truth["known"].sum().clamp_min(1.0)
    filled = functional.binary_cross_entropy_with_logits(logits[:, 4], truth["area"], reduction="none").mean(dim=1)
    area = (filled * truth["area_known"]).sum() / truth["area_known"].sum().clamp_min(1.0)
    return cross + 0.05 * off / count + 4.0 * presence + 1.0 * area
