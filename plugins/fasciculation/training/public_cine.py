"""What the plugin says of real cine that two packages on PyPI hold: none of it shows a muscle, none a fasciculation.

    pip download --no-deps --no-binary itk-pocus itk-pocus==0.3.2 && tar xzf itk-pocus-0.3.2.tar.gz
    python plugins/fasciculation/training/public_cine.py itk-pocus-0.3.2/tests/data [PIECE_SECONDS]

Clips of Butterfly, Clarius, SonoQue, SonoSite and Interson probes (ITKPOCUS, Apache-2.0, Kitware and Duke University):
phantoms, gel pads and air scanned by hand, one eye, and one phantom with the probe held still. Boxes leave out rulers
and text; lengths by the rulers in the pictures. Each is judged whole, then in pieces, so that quiet parts of a restless
clip are judged, too; the last also with ``minimum_s`` of 5 s, because it is shorter than the 8 s that a negative needs.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from plugins.contract import (
    Acquisition,
    ArrayFrames,
    Box,
    Clip,
    NotAssessable,
    Side,
    Spacing,
    TissueRegion,
    View,
)
from plugins.fasciculation.assess import assess
from plugins.fasciculation.plugin import Fasciculation


@dataclass(frozen=True)
class Video:
    """Where a file shows tissue, and mm per pixel."""

    name: str
    box: Box
    spacing_mm: float


VIDEOS = (
    Video("butterfly-mean-crop.mp4", Box(84, 116, 682, 978), 2 / 34.7),
    Video("butterfly-ocular-phantom.mp4", Box(82, 203, 688, 891), 2 / 34.7),
    Video("butterfly-vsync.mp4", Box(83, 116, 683, 978), 2 / 34.7),
    Video("clarius-ocular-phantom.mp4", Box(264, 87, 960, 873), 40 / 788),
    Video("clarius-ocular-short.mp4", Box(264, 87, 960, 873), 40 / 788),
    Video("sonoque-mean-crop.MOV", Box(590, 50, 1230, 1380), 0.04),
    Video("sonosite-anon-eye1-video.mp4", Box(350, 44, 690, 630), 5 / 66),
)


INTERSON_HEAD = 1272
"""Bytes before the first frame; 17 frames a second and 50 mm are what they say."""


def clip_of(folder: Path, video: Video) -> Clip:
    """The tissue part of a video, grey, with the times at which its frames are shown."""
    file, box = cv2.VideoCapture(str(folder / video.name)), video.box
    pictures, times = [], []
    while (read := file.read())[0]:
        grey = cv2.cvtColor(read[1], cv2.COLOR_BGR2GRAY)
        pictures.append(grey[box.row0 : box.row1, box.column0 : box.column1])
        times.append(file.get(cv2.CAP_PROP_POS_MSEC) / 1000)
    stack = np.stack(pictures)
    region = TissueRegion(Box(0, 0, *stack.shape[:0:-1]), Spacing(video.spacing_mm, video.spacing_mm))
    return Clip("1.2.3", "1.2", ArrayFrames(stack), (region,), frame_times_s=tuple(times))


def interson(folder: Path) -> Clip:
    """The raw clip of a still probe: lines of 1024 samples over 50 mm, 127 of them over 38 mm; 110 show something."""
    data = np.fromfile(folder / "interson-video.cine", np.uint8)
    lines = data[INTERSON_HEAD : INTERSON_HEAD + 128 * 127 * 1024].reshape(128, 127, 1024)
    size = (round(110 * 38 / 127 / 0.1), 500)
    pictures = np.stack([cv2.resize(each[2:112].T, size, interpolation=cv2.INTER_AREA) for each in lines])
    region = TissueRegion(Box(0, 0, *size), Spacing(0.1, 0.1))
    times = tuple(float(each) for each in np.arange(128) / 17)
    return Clip("1.2.3", "1.2", ArrayFrames(pictures), (region,), frame_times_s=times)


def piece(clip: Clip, start_s: float, length_s: float) -> Clip:
    """A part of a clip as a clip of its own."""
    times = np.asarray(clip.frame_times_s)
    inside = np.flatnonzero((times >= start_s) & (times < start_s + length_s))
    pictures = np.stack([clip.frames.grey(int(index)) for index in inside])
    return replace(
        clip,
        frames=ArrayFrames(pictures),
        frame_times_s=tuple(times[inside] - times[inside[0]]),
    )


def said_of(clip: Clip, minimum_s: float = 8.0) -> tuple[str, int, float]:
    """In words, events counted, and seconds observed; nothing observed where there is no answer."""
    plugin = Fasciculation(minimum_s=minimum_s)
    said = assess(clip, Acquisition("biceps_brachii", Side.RIGHT, None, View.TRANSVERSE, (clip,)), plugin)
    if isinstance(said, NotAssessable):
        return f"{said.code.value}: {said.text}", 0, 0.0
    counted, seen = len(said.seen.accepted), said.seen
    return f"{counted} events in {seen.observed_s:.1f} of {seen.span_s:.1f} s", counted, seen.observed_s


def main() -> None:
    cv2.setNumThreads(1)
    folder, length_s = Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 10.0
    wrong, observed_s = 0, 0.0
    for video in VIDEOS:
        clip = clip_of(folder, video)
        last = clip.frame_times_s[-1]
        print(f"{video.name}: {clip.frames.count} frames, {last:.1f} s: {said_of(clip)[0]}")
        for start in np.arange(0, last - 0.5 * length_s, length_s):
            words, counted, seen_s = said_of(piece(clip, start, length_s))
            wrong, observed_s = wrong + counted, observed_s + seen_s
            print(f"    {start:.0f} to {start + length_s:.0f} s: {words}")
    still = interson(folder)
    for least_s in (8.0, 5.0):
        print(f"interson-video.cine, at least {least_s:g} s: {said_of(still, least_s)[0]}")
    print(f"in pieces: {wrong} events counted in {observed_s:.1f} s that could be judged")


if __name__ == "__main__":
    main()
