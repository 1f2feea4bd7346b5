"""Random training crops: a case, a target in it, a deformation, a seed as a reader would set it, a crop."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from plugins.nerve_area import suggestion
from plugins.nerve_area.crops import CALIPER_SPAN, SIDE, planes
from plugins.nerve_area.training.dataset import Case, ellipse_of, noisy
from plugins.nerve_area.training.simulate import simulated

PATCH = 128
UNMARKED_SHARE = 0.25
PICTURE_MM = 38.0
"""Width that is taken for every picture: that of the probe."""


class Warp:
    """A random smooth map from a target's own coordinates (half major axis = 1, centre = 0) into the picture."""

    def __init__(self, rng, ellipse):
        angle, stretch = rng.normal() * 0.14, np.exp(rng.normal() * 0.12)
        c, s = np.cos(angle), np.sin(angle)
        shear = np.array([[1, rng.normal() * 0.07], [0, 1]])
        self.linear = np.array([[c, -s], [s, c]]) @ shear @ np.diag([stretch, 1 / stretch])
        if rng.random() < 0.5:
            self.linear[:, 0] = -self.linear[:, 0]
        self.origin, self.unit = ellipse[:2], max(ellipse[2], 8.0)
        self.field = rng.normal(size=(2, 11, 11)).astype(np.float32) * rng.uniform(0, 0.09)

    def source(self, x, y):
        """Picture indices (column, row) for coordinates x, y of any shape."""
        # one node of the elastic field every 1.2 half axes, still at the rim of the field
        u, v = (np.clip(q / 1.2 + 5, 0, 10).astype(np.float32) for q in (x, y))
        x, y = x + cv2.remap(self.field[0], u, v, cv2.INTER_CUBIC), y + cv2.remap(self.field[1], u, v, cv2.INTER_CUBIC)
        column = (self.linear[0, 0] * x + self.linear[0, 1] * y) * self.unit + self.origin[0] - 0.5
        row = (self.linear[1, 0] * x + self.linear[1, 1] * y) * self.unit + self.origin[1] - 0.5
        return column.astype(np.float32), row.astype(np.float32)

    def patch(self, mask):
        """The target in a patch that reaches two units from its centre."""
        axis = (np.arange(PATCH) + 0.5) / PATCH * 4 - 2
        x, y = np.meshgrid(axis, axis)
        return cv2.remap(np.ascontiguousarray(mask, np.uint8) * 255, *self.source(x, y), cv2.INTER_LINEAR) > 127

    def crop(self, arrays, seed, half):
        """Arrays in the crop of a seed given in the target's coordinates."""
        axis = (np.arange(SIDE) + 0.5) / SIDE * 2 - 1
        u, v = np.meshgrid(axis * half[0], axis * half[1])
        c, s = np.cos(seed[4]), np.sin(seed[4])
        where = self.source(seed[0] + c * u - s * v, seed[1] + s * u + c * v)
        return [cv2.remap(a, *where, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT) for a in arrays]


def recoloured(rng, grey):
    """Gain, gamma, time gain, contrast, blur, speckle: what settings change between scanners."""
    x = grey.astype(np.float32) / 255
    x = np.clip(x, 0, 1) ** np.exp(rng.normal() * 0.3)
    ramp = np.linspace(-1, 1, SIDE, dtype=np.float32)
    x = x * np.exp(rng.normal() * 0.2 * ramp[:, None] + rng.normal() * 0.1 * ramp[None])
    if rng.random() < 0.35:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.4, 1.5))
    if rng.random() < 0.4:
        noise = rng.normal(size=(SIDE, SIDE)).astype(np.float32)
        noise = cv2.GaussianBlur(noise, (0, 0), rng.uniform(0.6, 2), None, rng.uniform(0.5, 1.2))
        x = x * np.exp(rng.uniform(0, 0.35) * noise / noise.std())
    x = x * np.exp(rng.normal() * 0.3) + rng.normal() * 0.02
    return np.clip(x, 0, 1) * 255


class Samples(torch.utils.data.IterableDataset):
    """Endless random crops from the given cases and a pool of simulated pictures."""

    def __init__(self, cases, seed, simulated_share=(0.6, 0.12), fading=16_000, pool=300):
        self.seed, self.shares, self.fading, self.drawn = seed, simulated_share, fading, 0
        rng = np.random.default_rng(seed + 1)
        self.real = [self.described(c.image, c.components(1), c.components(2), c.group) for c in cases]
        self.made = []
        for _ in range(pool):
            image, labels = simulated(rng)
            case = Case("simulated", image, labels)
            self.made.append(self.described(image, case.components(1), case.components(2), 0))
        groups = np.array([r["group"] for r in self.real])
        counts = {g: (groups == g).sum() for g in set(groups.tolist())}
        weight = np.array(
            [max(1, len(r["nerves"])) ** 0.7 / counts[g] for r, g in zip(self.real, groups.tolist(), strict=True)]
        )
        self.weight = weight / weight.sum()

    @staticmethod
    def described(image, nerves, vessels, group):
        def union(masks):
            return np.any(masks, axis=0) if masks else np.zeros(image.shape, bool)

        free = ~(union(nerves) | union(vessels)) & (image > 8)
        free = cv2.erode(free.astype(np.uint8), np.ones((25, 25)))
        return {
            "nerves": nerves, "vessels": vessels, "group": group, "free": np.argwhere(free)[::7],
            "arrays": [image, union(nerves).astype(np.uint8) * 255, union(vessels).astype(np.uint8) * 255],
        }  # fmt: skip

    def __iter__(self):
        info = torch.utils.data.get_worker_info()
        rng = np.random.default_rng([self.seed, info.id if info else 0])
        while True:
            sample = self.draw(rng)
            if sample is not None:
                yield sample

    def draw(self, rng):
        # simulated nerves first: they teach what an outline is, the real ones then what a nerve looks like
        first, last = self.shares
        self.drawn += 1
        if rng.random() < max(last, first - (first - last) * self.drawn / max(1, self.fading)):
            item = self.made[rng.integers(len(self.made))]
        else:
            item = self.real[rng.choice(len(self.real), p=self.weight)]
        if rng.random() < UNMARKED_SHARE:
            return self.unmarked(rng, item)
        kind = rng.random()
        if kind < 0.12 and item["vessels"]:
            target, wanted = item["vessels"][rng.integers(len(item["vessels"]))], False
        elif kind < 0.18 or not item["nerves"]:
            return self.elsewhere(rng, item)
        else:
            target, wanted = item["nerves"][rng.integers(len(item["nerves"]))], True
        warp = Warp(rng, ellipse_of(target))
        patch = warp.patch(target)
        if patch.sum() < 60:
            return None
        ellipse = ellipse_of(patch)
        ellipse[:2] -= PATCH / 2
        ellipse[:4] *= 4 / PATCH
        return self.cropped(rng, item, warp, target, ellipse, wanted)

    def elsewhere(self, rng, item):
        """A seed where there is neither nerve nor vessel: nothing must be outlined."""
        if not len(item["free"]):
            return None
        row, column = item["free"][rng.integers(len(item["free"]))]
        major = np.exp(rng.uniform(np.log(14), np.log(60)))
        aspect = rng.uniform(0.4, 1)
        warp = Warp(rng, np.array([column, row, major]))
        nothing = np.zeros(item["arrays"][0].shape, bool)
        ellipse = np.array([0, 0, 1, aspect, rng.normal() * 0.4])
        return self.cropped(rng, item, warp, nothing, ellipse, False)

    def unmarked(self, rng, item):
        """A wide crop without a seed: all nerves and vessels are asked for, and no seeded nerve."""
        rows, columns = item["arrays"][0].shape
        half = suggestion.HALF_MM * np.exp(rng.normal() * 0.2) * columns / PICTURE_MM
        middle = rng.uniform((0, 0), (columns, rows))
        if item["nerves"] and rng.random() < 0.6:
            target = item["nerves"][rng.integers(len(item["nerves"]))]
            middle = ellipse_of(target)[:2] + rng.uniform(-0.9, 0.9, 2) * half
        warp = Warp(rng, np.array([middle[0], middle[1], half]))
        grey, nerves, vessels = warp.crop(item["arrays"], np.zeros(5), (1.0, 1.0))
        truth = np.stack([np.zeros_like(nerves), nerves, vessels]).astype(np.float32) / 255
        return torch.from_numpy(planes(recoloured(rng, grey), "unmarked", 0.0)), torch.from_numpy(truth)

    def cropped(self, rng, item, warp, target, ellipse, wanted):  # noqa: PLR0917
        caliper = rng.random() < 0.5
        if caliper:
            harder = np.exp(rng.normal() * 0.3)
            seed = noisy(ellipse, rng, 0.10 * harder, 0.12 * harder, 6 * harder)
            half = (CALIPER_SPAN * seed[2], CALIPER_SPAN * seed[3])
        else:
            seed = noisy(ellipse, rng, 0.2 * np.exp(rng.normal() * 0.3), 0, 0)
            side = ellipse[2] * np.exp(rng.uniform(np.log(1.25), np.log(5.0)))
            half = (side, side)
            seed[4] = 0.0
        arrays = [*item["arrays"], target.astype(np.uint8) * 255]
        grey, nerves, vessels, mine = warp.crop(arrays, seed, half)
        mine = mine if wanted else np.zeros_like(mine)
        truth = np.stack([mine, nerves, vessels]).astype(np.float32) / 255
        crop = recoloured(rng, grey)
        return torch.from_numpy(
            planes(crop, "caliper" if caliper else "point", np.log(half[0] / half[1]))
        ), torch.from_numpy(truth)
