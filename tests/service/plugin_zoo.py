"""Plugins that behave in every way a plugin can. Imported by name in child processes."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass

import numpy as np

from plugins.codes import ECHOGENICITY, MEAN
from plugins.contract import (
    Acquisition,
    ArrayFrames,
    Clip,
    Conclusion,
    Declined,
    Finding,
    FrameRef,
    Measurement,
    ReasonCode,
    Side,
    View,
)


def acquisition(structure="biceps_brachii", count=1, uid="1.2.3"):
    pixels = np.full((40, 60), 80, np.uint8)
    clips = tuple(
        Clip(f"{uid}.{number}", "1.2", ArrayFrames(pixels), name=f"image {number}") for number in range(1, count + 1)
    )
    return Acquisition(structure, Side.LEFT, None, View.TRANSVERSE, clips)


def finding(one: Acquisition, value=80.0, outline=((5, 5), (50, 5), (50, 30), (5, 5)), **fields):
    measurement = Measurement("echo_intensity_mean", ECHOGENICITY, value, "[arb'U]", derivation=MEAN)
    known = {"image": FrameRef(one.clips[0].sop_instance_uid), "outline": outline, "measurements": (measurement,)}
    return Finding(**{**known, **fields})


@dataclass(frozen=True)
class Zoo:
    """``behaviour`` says what it does."""

    behaviour: str = "well"
    name: str = "zoo"
    version: str = "1.0.0"
    value: float = 80.0

    def declines(self, one: Acquisition) -> Declined | None:
        if self.behaviour == "declines":
            return Declined(ReasonCode.NOT_APPLICABLE, "not for me", "nothing")
        if self.behaviour == "declines with a reason":
            return Declined(ReasonCode.NO_CALIBRATION, "no calibration", "calibrate")
        if self.behaviour == "raises in declines":
            raise RuntimeError("DOE^JANE")
        return None

    def analyse(self, one: Acquisition, references: object) -> object:
        match self.behaviour:
            case "raises":
                raise ValueError("DOE^JANE")
            case "hangs":
                while True:
                    pass
            case "dies":
                os.kill(os.getpid(), signal.SIGKILL)
            case "nothing":
                return []
            case "nonsense":
                return 42
            case "foreign object":
                return [object()]
            case "open outline":
                return [finding(one, outline=((5, 5), (50, 5), (50, 30), (6, 6)))]
            case "outside":
                return [finding(one, outline=((5, 5), (61, 5), (50, 30), (5, 5)))]
            case "other image":
                return [finding(one, image=FrameRef("9.9.9"))]
            case "frame 7":
                return [finding(one, image=FrameRef(one.clips[0].sop_instance_uid, 7))]
            case "confident":
                return [finding(one, confidence=1.5)]
            case "twice":
                return [finding(one, measurements=finding(one).measurements * 2)]
        return [finding(one, self.value)]


@dataclass(frozen=True)
class Sum:
    """A summary; ``behaviour`` says what it does."""

    behaviour: str = "well"
    name: str = "sum"
    version: str = "1.0.0"

    def summarise(self, results: object, earlier: object, references: object) -> object:
        if self.behaviour == "raises":
            raise KeyError("DOE^JANE")
        return [Conclusion(self.name, "count", f"{len(results)} results")]
