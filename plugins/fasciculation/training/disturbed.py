"""Simulated clips whose pictures change for other reasons than motion, judged by the plugin.

    python plugins/fasciculation/training/disturbed.py FILE FIRST_SEED COUNT RATE_PER_MINUTE SECONDS [KIND ...]

One JSON line a clip and disturbance is added to FILE; the table over all of FILE is printed at the end.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from heldout import clip_of, found_in

from plugins.contract import Acquisition, ArrayFrames, Box, NotAssessable, Side, View
from plugins.fasciculation.assess import assess
from plugins.fasciculation.plugin import Fasciculation
from service.demo.simulator import twitches

KINDS = ("quiet", "drift", "breathing")
JPEG_QUALITY = 90
WHITE = 255


@dataclass(frozen=True)
class Moment:
    """A frame's number and time, and where the tissue lies in it."""

    number: int
    time_s: float
    box: Box


Disturbance = Callable[[np.ndarray, Moment], np.ndarray]
"""Of a picture in uint8, which it may draw into; what it gives back may be of another type."""


def seldom(every: int, change: Disturbance) -> Disturbance:
    """In one frame of so many."""
    return lambda grey, at: change(grey, at) if at.number % every == every // 2 else grey


def written(grey: np.ndarray, at: Moment, text: str) -> np.ndarray:
    place = (at.box.column0 + 20, at.box.row1 - 20)
    return cv2.putText(grey, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, WHITE, 1, cv2.LINE_AA)


def ticks(grey: np.ndarray, at: Moment) -> np.ndarray:
    """A scale and a mark of the focus on tissue that moves under them."""
    right = at.box.column1 - 1
    for row in range(at.box.row0 + 10, at.box.row1, 10):
        cv2.line(grey, (right - (13 if row % 50 == 0 else 5), row), (right, row), 210, 1)
    focus = np.array(
        [[right - 17, at.box.row0 + 150], [right - 25, at.box.row0 + 145], [right - 25, at.box.row0 + 155]]
    )
    return cv2.fillPoly(grey, [focus], 230)


def bar(grey: np.ndarray, at: Moment) -> np.ndarray:
    """One that grows with the time."""
    low, left = at.box.row1 - 8, at.box.column0 + 10
    return cv2.rectangle(grey, (left, low - 6), (left + round(10 * at.time_s), low), 220, -1)


def trace(grey: np.ndarray, at: Moment) -> np.ndarray:
    """An electrocardiogram, drawn over once in 5 s."""
    wide = at.box.column1 - at.box.column0 - 20
    place = np.arange(wide)
    behind_s = (at.time_s % 5 - 5 * place / wide) % 5
    phase = ((at.time_s - behind_s) % 0.87) / 0.87
    high = sum(
        size * np.exp(-(((phase - middle) / width) ** 2))
        for size, middle, width in ((22, 0.3, 0.02), (-6, 0.34, 0.015), (5, 0.6, 0.06))
    )
    points = np.stack([at.box.column0 + 10 + place, at.box.row1 - 30 - high], axis=1).astype(np.int32)
    for part in np.split(place, np.flatnonzero(np.diff(behind_s > 4.8)) + 1):
        if behind_s[part[0]] <= 4.8:
            cv2.polylines(grey, [points[part]], False, WHITE, 1, cv2.LINE_AA)
    return grey


def deeper_gain(grey: np.ndarray, at: Moment) -> np.ndarray:
    """The lower half is turned up by 60 % within 4 s."""
    share = np.clip((at.time_s - 4) / 4, 0, 1)
    return grey * (1 + 0.6 * share * (np.linspace(0, 1, len(grey))[:, np.newaxis] > 0.5))


DISTURBED: dict[str, Disturbance] = {
    "as it is": lambda grey, _: grey,
    "black frame, one in 75": seldom(75, lambda grey, _: np.zeros_like(grey)),
    "white frame, one in 75": seldom(75, lambda grey, _: np.full_like(grey, WHITE)),
    "lighter frame (12 %), one in 50": seldom(50, lambda grey, _: 1.12 * grey),
    "flicker of 6 %": lambda grey, at: grey * (1.06 if at.number % 2 else 0.94),
    "flicker of 8 grey levels": lambda grey, at: grey + 8.0 * (at.number % 2),
    "gain up by 40 % at 6 s": lambda grey, at: grey * (1.4 if at.time_s > 6 else 1),
    "deep gain up by 60 % from 4 to 8 s": deeper_gain,
    "scale and focus mark": ticks,
    "clock": lambda grey, at: written(grey, at, f"{int(at.time_s) // 60:02}:{int(at.time_s) % 60:02}"),
    "hundredths of seconds": lambda grey, at: written(grey, at, f"{at.time_s:06.2f} s"),
    "number of the frame": lambda grey, at: written(grey, at, f"{at.number + 1}"),
    "growing bar": bar,
    "sweeping trace": trace,
}


def recorded(grey: np.ndarray) -> np.ndarray:
    coded = cv2.imencode(".jpg", grey.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    return cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE)


def judged(kind: str, seed: int, per_minute: float, duration_s: float) -> list[dict]:
    """What the plugin says of one clip in every disturbance."""
    cine, clip = clip_of(kind, seed, per_minute, duration_s)
    truth = [asdict(twitch) for twitch in twitches(cine)]
    rows = []
    for name, change in DISTURBED.items():
        shown = [
            recorded(change(frame.copy(), Moment(number, time_s, cine.picture.box)))
            for number, (frame, time_s) in enumerate(zip(clip.frames.stream(), clip.frame_times_s, strict=True))
        ]
        other = type(clip)("1.2.3", "1.2", ArrayFrames(np.stack(shown)), clip.regions, clip.frame_times_s)
        said = assess(
            other, Acquisition("biceps_brachii", Side.RIGHT, None, View.TRANSVERSE, (other,)), Fasciculation()
        )
        row = {"disturbance": name, "kind": kind, "seed": seed, "truth": truth}
        if isinstance(said, NotAssessable):
            rows.append({**row, "reason": said.code.value})
            continue
        found = found_in(said, truth, cine)
        right = sum(1 for event in found["events"] if event["accepted"] and event["truly"] == "fasciculation")
        wrong = sum(1 for event in found["events"] if event["accepted"]) - right
        rows.append({**row, "observed_s": found["observed_s"], "right": right, "wrong": wrong})
    return rows


def table(rows: list[dict]) -> str:
    lines = ["| disturbance | not assessable | counted rightly | counted wrongly |", "|---|---|---|---|"]
    for name in DISTURBED:
        own = [row for row in rows if row["disturbance"] == name]
        seen = [row for row in own if "reason" not in row]
        minutes = sum(row["observed_s"] for row in seen) / 60
        true = sum(len(row["truth"]) for row in seen)
        right, wrong = sum(row["right"] for row in seen), sum(row["wrong"] for row in seen)
        lines.append(
            f"| {name} | {len(own) - len(seen)} of {len(own)} | {right} of {true} | {wrong} in {minutes:.1f} min |"
        )
    return "\n".join(lines)


def main() -> None:
    cv2.setNumThreads(1)
    file, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    per_minute, seconds = float(sys.argv[4]), float(sys.argv[5])
    for seed in range(first, first + count):
        for kind in sys.argv[6:] or KINDS:
            with file.open("a", encoding="utf-8") as out:
                out.writelines(json.dumps(row) + "\n" for row in judged(kind, seed, per_minute, seconds))
            print(kind, seed, flush=True)
    print(table([json.loads(line) for line in file.read_text("utf-8").splitlines()]))


if __name__ == "__main__":
    main()
