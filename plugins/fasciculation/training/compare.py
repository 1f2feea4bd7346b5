"""Ways to see motion, compared on the same clips: each with the threshold that suits it best over all of them.

    python plugins/fasciculation/training/compare.py SECONDS SEEDS...

Frame difference and Gaussian mixture (Harding 2016, Bibbings 2019) give an active area per frame; sparse and dense
flow and block phase correlation give a displacement per block, which goes through the same affine fit and the same
out-and-back score as the plugin's own. No classifier is used, except in the last line.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import cv2
import numpy as np
from scipy.signal import find_peaks

from plugins.contract import ArrayFrames, Box, Clip, Spacing, TissueRegion
from plugins.fasciculation.candidates import candidates
from plugins.fasciculation.evaluate import matches
from plugins.fasciculation.flow import steps
from plugins.fasciculation.grid import Grid, grid_of
from plugins.fasciculation.judge import verdicts
from plugins.fasciculation.stretch import field_of
from service.demo.simulator import frame_times_s, frames, twitches
from service.demo.simulator.scenes import scene

SCENES = (("quiet", 40), ("drift", 40), ("artery", 40), ("tremor", 40), ("hard", 40), ("hard", 0))
Scored = list[tuple[float, float]]
"""(peak time, strength) of every candidate."""


def changed(work: list[np.ndarray]) -> Iterator[int]:
    """Indices of frames that differ from the one before."""
    yield from (
        at for at in range(1, len(work)) if cv2.norm(work[at], work[at - 1], cv2.NORM_L1) > 0.02 * work[at].size
    )


def by_area(areas: np.ndarray, times: np.ndarray) -> Scored:
    """Peaks of an active area at least 0.15 s apart, by height over the median."""
    rate = 1 / float(np.median(np.diff(times)))
    base = areas - np.median(areas)
    found, _ = find_peaks(base, height=0, distance=max(1, round(0.15 * rate)))
    return [(float(times[at]), float(base[at])) for at in found]


def frame_difference(work: list[np.ndarray], times: np.ndarray, grid: Grid) -> Scored:
    areas = [0.0] + [
        float((cv2.blur(cv2.absdiff(work[at], work[at - 1]), (5, 5)) > 12).mean()) for at in range(1, len(work))
    ]
    return by_area(np.array(areas), times)


def mixture(work: list[np.ndarray], times: np.ndarray, grid: Grid) -> Scored:
    model = cv2.createBackgroundSubtractorMOG2(history=50, varThreshold=16, detectShadows=False)
    areas = [float(cv2.medianBlur(model.apply(frame), 5).mean()) / 255 for frame in work]
    areas[:10] = [0.0] * 10
    return by_area(np.array(areas), times)


def by_flow(flow_of: Callable[[np.ndarray, np.ndarray, Grid], np.ndarray]) -> Callable:
    def method(work: list[np.ndarray], times: np.ndarray, grid: Grid) -> Scored:
        kept = list(changed(work))
        flow = np.stack([flow_of(work[at - 1], work[at], grid) for at in kept])
        texture = texture_of(work[len(work) // 2], grid)
        return by_score(flow, texture, times[[0, *kept]], grid)

    return method


def texture_of(frame: np.ndarray, grid: Grid) -> np.ndarray:
    smooth = cv2.GaussianBlur(frame.astype(np.float32), (5, 5), 0.8)
    size = (grid.blocks[1], grid.blocks[0])
    parts = [cv2.Sobel(smooth, cv2.CV_32F, *way, ksize=3, scale=1 / 8) ** 2 for way in ((1, 0), (0, 1))]
    return np.minimum(*(cv2.resize(part, size, interpolation=cv2.INTER_AREA) for part in parts))


def by_score(flow: np.ndarray, texture: np.ndarray, times: np.ndarray, grid: Grid) -> Scored:
    field = field_of(flow.astype(np.float32), texture, times.astype(np.float32), grid)
    return [(each.peak_s, each.height_mm) for each in candidates(field)]


def dense(before: np.ndarray, after: np.ndarray, grid: Grid, flow=cv2.DISOpticalFlow_create(0)) -> np.ndarray:  # noqa: B008
    return cv2.resize(flow.calc(before, after, None), (grid.blocks[1], grid.blocks[0]), interpolation=cv2.INTER_AREA)


def farneback(before: np.ndarray, after: np.ndarray, grid: Grid) -> np.ndarray:
    flow = cv2.calcOpticalFlowFarneback(before, after, None, 0.5, 2, 13, 2, 5, 1.1, 0)
    return cv2.resize(flow, (grid.blocks[1], grid.blocks[0]), interpolation=cv2.INTER_AREA)


def sparse(before: np.ndarray, after: np.ndarray, grid: Grid) -> np.ndarray:
    column, row = np.meshgrid(np.arange(grid.blocks[1]) * 8 + 3.5, np.arange(grid.blocks[0]) * 8 + 3.5)
    points = np.stack([column, row], axis=-1).reshape(-1, 1, 2).astype(np.float32)
    moved, _, _ = cv2.calcOpticalFlowPyrLK(before, after, points, None, winSize=(15, 15), maxLevel=2)
    return (moved - points).reshape(*grid.blocks, 2)


def phase(before: np.ndarray, after: np.ndarray, grid: Grid) -> np.ndarray:
    """Phase correlation of 16 x 16 windows on every block, sub-pixel by a parabola through the peak."""
    window = np.outer(np.hanning(18)[1:-1], np.hanning(18)[1:-1]).astype(np.float32)
    pads = [np.pad(frame.astype(np.float32), 4, mode="edge") for frame in (before, after)]
    stacks = [np.lib.stride_tricks.sliding_window_view(pad, (16, 16))[::8, ::8] * window for pad in pads]
    one, two = (np.fft.rfft2(stack - stack.mean(axis=(2, 3), keepdims=True)) for stack in stacks)
    cross = two * np.conj(one)
    surface = np.fft.irfft2(cross / (np.abs(cross) + 1e-3), s=(16, 16))
    high, wide = surface.shape[:2]
    at = surface.reshape(high, wide, -1).argmax(axis=2)
    row, column = at // 16, at % 16
    here = np.ogrid[:high, :wide]
    out = np.empty((high, wide, 2), np.float32)
    for axis, (place, pick) in enumerate(
        (
            (column, lambda n: surface[here[0], here[1], row, n % 16]),
            (row, lambda n: surface[here[0], here[1], n % 16, column]),
        )
    ):
        left, middle, right = pick(place - 1), pick(place), pick(place + 1)
        shift = 0.5 * (left - right) / np.minimum(left - 2 * middle + right, -1e-6)
        out[..., axis] = np.where(place > 8, place - 16, place) + np.clip(shift, -0.5, 0.5)
    return np.clip(out, -3, 3)[: grid.blocks[0], : grid.blocks[1]]


def plugin_flow(work: list[np.ndarray], times: np.ndarray, grid: Grid) -> Scored:
    found = own_steps(work, grid)
    at = times[[0, *(step.frame for step in found)]]
    return by_score(np.stack([s.flow for s in found]), np.mean([s.texture for s in found], axis=0), at, grid)


def plugin_whole(work: list[np.ndarray], times: np.ndarray, grid: Grid) -> Scored:
    found = own_steps(work, grid)
    at = times[[0, *(step.frame for step in found)]].astype(np.float32)
    field = field_of(np.stack([s.flow for s in found]), np.mean([s.texture for s in found], axis=0), at, grid)
    each = candidates(field)
    return [(one.peak_s, verdict.confidence) for one, verdict in zip(each, verdicts(each), strict=True)]


def own_steps(work: list[np.ndarray], grid: Grid) -> list:
    """The plugin's own, on pictures that are already reduced."""
    same = replace(grid, box=Box(0, 0, grid.work[1], grid.work[0]))
    return list(steps(work, same))


METHODS: dict[str, Callable] = {
    "frame difference": frame_difference,
    "Gaussian mixture (MOG2)": mixture,
    "dense inverse search, ultrafast": by_flow(dense),
    "Farnebäck": by_flow(farneback),
    "sparse pyramidal Lucas-Kanade": by_flow(sparse),
    "phase correlation of blocks": by_flow(phase),
    "block Lucas-Kanade (plugin)": plugin_flow,
    "block Lucas-Kanade and classifier": plugin_whole,
}


def main() -> None:
    cv2.setNumThreads(1)
    seconds, seeds = float(sys.argv[1]), [int(word) for word in sys.argv[2:]]
    results: dict[str, list] = {name: [] for name in METHODS}
    spent = dict.fromkeys(METHODS, 0.0)
    count = 0
    for kind, rate in SCENES:
        for seed in seeds:
            cine = scene(kind, seed, seconds, rate)
            spacing = Spacing(cine.picture.spacing_mm, cine.picture.spacing_mm)
            empty = ArrayFrames(np.zeros((1, cine.picture.rows, cine.picture.columns), np.uint8))
            grid = grid_of(Clip("1", "1", empty, (TissueRegion(cine.picture.box, spacing),)))
            work = [grid.reduced(frame) for frame in frames(cine)]
            times, truth = np.array(frame_times_s(cine)), twitches(cine)
            count += len(work)
            for name, method in METHODS.items():
                begun = time.process_time()
                results[name].append((f"{kind}{'' if rate else ', none'}", method(work, times, grid), truth))
                spent[name] += time.process_time() - begun
            print(kind, rate, seed, flush=True)
    for name, clips in results.items():
        show(name, clips, 1000 * spent[name] / count)


def show(name: str, clips: list, cost_ms: float) -> None:
    strengths = sorted({strength for _, scored, _ in clips for _, strength in scored})
    grid = np.quantile(strengths, np.linspace(0, 1, 200)) if strengths else [0.0]
    best = max((figures(clips, level) for level in grid), key=lambda found: found[0])
    print(f"{name:36s} F1 {best[0]:.2f} P {best[1]:.2f} R(>=0.3 mm) {best[2]:.2f} {cost_ms:.2f} ms/frame | {best[3]}")


def figures(clips: list, level: float) -> tuple[float, float, float, str]:
    total, by_kind = np.zeros(4), {}
    for kind, scored, truth in clips:
        kept = [peak for peak, strength in scored if strength >= level]
        pairs = matches([event.peak_s for event in truth], kept, 0.15)
        big = [at for at, event in enumerate(truth) if event.peak_mm >= 0.3]
        found = sum(1 for at, _ in pairs if at in big)
        row = np.array([len(pairs), len(kept), found, len(big)], float)
        total += row
        by_kind[kind] = by_kind.get(kind, 0) + row
    precision, recall = total[0] / max(total[1], 1), total[2] / max(total[3], 1)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    text = "; ".join(
        f"{kind} {int(row[1])} alarms"
        if kind.endswith("none")
        else f"{kind} {row[0] / max(row[1], 1):.2f}/{row[2] / max(row[3], 1):.2f}"
        for kind, row in by_kind.items()
    )
    return f1, precision, recall, text


if __name__ == "__main__":
    main()
