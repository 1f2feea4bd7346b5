"""Counting fasciculations in a clip of 60 s: time on one core and memory, beside OpenCV's own motion of that file.

Every line decodes the same DICOM file (640 x 480, 30 frames a second, JPEG baseline) in a process of its own with one
thread, one after the other, several times; medians of CPU time. ``decoding alone`` decodes whole pictures; nmus asks
the decoder for pictures of half the size, in which it sees motion. MOG2 is the Gaussian mixture of Harding 2016 and
Bibbings 2019; dense inverse search runs at half size, as the prototype did. Both give a picture of motion only: no
events, no names, no timing.

Frames weigh 67 kB, or 90 kB for comparison. Stills of muscle from real scanners weigh 40, 51, 62 and 88 kB a picture of
640 x 480 at JPEG qualities of 75, 85, 90 and 95 (mean of 30 stills of muscle_longitudinal). Memory is measured for
clips of 10, 60 and 180 s. Goals 11 and 12.

    python tests/benchmarks/bench_fasciculation.py [REPEATS]
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

SECONDS, RATE_HZ = 60, 30
LENGTHS_S = (10, 60, 180)
USUAL_KB, HEAVY_KB = 67, 90
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
TIMES_REAL, MEMORY_MB = 15, 300


def write_clips(folder: Path) -> dict[tuple[int, int], Path]:
    """Five simulated seconds, played to and fro until the clip is as long as asked: {(kB a frame, seconds): file}."""
    import numpy as np
    from pydicom.encaps import encapsulate

    from plugins.images import Box
    from service.demo.exam_files import Shot, derived_uid, shot_dataset
    from service.demo.simulator import Faults, Picture, frames
    from service.demo.simulator.scenes import scene

    picture = Picture(box=Box(60, 20, 600, 460), spacing_mm=0.09)
    cine = scene("hard", 77, 5.0, 20, picture=picture)
    cine = replace(cine, frame_rate_hz=float(RATE_HZ), faults=Faults(noise=0.01, jpeg_quality=75, persistence=0.2))
    shot = Shot(
        "clip.dcm", "biceps_brachii", "left", "transverse", "Biceps brachii", cine.tissue, picture,
        ("C49.9", "Biceps"), cine=replace(cine, duration_s=0.2),
    )  # fmt: skip
    dataset = shot_dataset(shot, 1, 1, derived_uid(1, "study"))
    still = [np.ascontiguousarray(frame)[..., np.newaxis] for frame in frames(cine)]
    files = {}
    for kilobytes, seconds in ((HEAVY_KB, SECONDS), *((USUAL_KB, length) for length in LENGTHS_S)):
        coded = weighing(still, kilobytes)
        whole = [*coded, *reversed(coded)]
        count = seconds * RATE_HZ
        dataset.NumberOfFrames, dataset.EffectiveDuration = count, str(seconds)
        dataset.PixelData = encapsulate([whole[at % len(whole)] for at in range(count)])
        files[kilobytes, seconds] = folder / f"clip{kilobytes}kB{seconds}s.dcm"
        dataset.save_as(files[kilobytes, seconds], enforce_file_format=True)
    return files


def weighing(pictures: list, kilobytes: int) -> list[bytes]:
    """The pictures as JPEG at the quality at which they weigh most nearly so much on average."""
    import simplejpeg

    def mean_kb(quality: int) -> float:
        some = pictures[::15]
        return sum(len(simplejpeg.encode_jpeg(each, quality, colorspace="GRAY")) for each in some) / len(some) / 1000

    quality = min(range(40, 99), key=lambda each: abs(mean_kb(each) - kilobytes))
    coded = [simplejpeg.encode_jpeg(each, quality, colorspace="GRAY") for each in pictures]
    print(f"{len(coded)} pictures of {sum(map(len, coded)) / len(coded) / 1000:.1f} kB, JPEG quality {quality}")
    return coded


def pictures(path: str) -> Iterator[object]:
    from service.analyse.exam import read_exam

    (acquisition,) = read_exam([path], ()).acquisitions
    yield from acquisition.clips[0].frames.stream()


def nmus(path: str) -> str:
    from plugins.contract import NoReferences
    from plugins.fasciculation import Fasciculation
    from service.analyse.exam import read_exam

    (acquisition,) = read_exam([path], ()).acquisitions
    (finding,) = Fasciculation().analyse(acquisition, NoReferences())
    return f"{len(getattr(finding, 'events', ()))} events"


def decoding(path: str) -> str:
    return f"{sum(1 for _ in pictures(path))} frames"


def mixture(path: str) -> str:
    import cv2

    model = cv2.createBackgroundSubtractorMOG2(detectShadows=False)
    return f"{sum(float(cv2.mean(model.apply(frame))[0]) for frame in pictures(path)):.0f}"


def dense(path: str) -> str:
    import cv2

    flow, before, total = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST), None, 0.0
    for frame in pictures(path):
        half = cv2.resize(frame, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        if before is not None:
            total += float(cv2.norm(flow.calc(before, half, None)))
        before = half
    return f"{total:.0f}"


WAYS: dict[str, Callable[[str], str]] = {
    "decoding alone": decoding,
    "nmus": nmus,
    "DIS flow at half size": dense,
    "MOG2": mixture,
}


def child(name: str, path: str) -> None:
    """One way in this process: CPU seconds without imports, peak memory with them."""
    import cv2

    import plugins.fasciculation
    import service.analyse.exam

    assert plugins.fasciculation and service.analyse.exam
    cv2.setNumThreads(1)
    imports = peak_mb()
    begun = time.process_time()
    said = WAYS[name](path)
    print(json.dumps({"cpu_s": time.process_time() - begun, "peak_mb": peak_mb(), "imports_mb": imports, "said": said}))


def peak_mb() -> float:
    """High-water mark of this process alone; getrusage would count what the parent was before."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1000


def measured(name: str, path: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--child", name, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **ONE_THREAD})
    return json.loads(done.stdout.splitlines()[-1])


def main() -> int:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with tempfile.TemporaryDirectory() as scratch:
        files = write_clips(Path(scratch))
        fast = timed(files[HEAVY_KB, SECONDS], HEAVY_KB, ["decoding alone", "nmus"], repeats)
        fast = timed(files[USUAL_KB, SECONDS], USUAL_KB, list(WAYS), repeats) and fast
        grown = {length: measured("nmus", files[USUAL_KB, length]) for length in LENGTHS_S}
    for length, run in grown.items():
        print(f"peak memory of {length:3} s: {run['peak_mb']:.0f} MB, of which imports {run['imports_mb']:.0f} MB")
    small = max(run["peak_mb"] for run in grown.values()) < MEMORY_MB
    print(f"goal 12, under {MEMORY_MB} MB: {'reached' if small else 'MISSED'}")
    return 0 if fast and small else 1


def timed(path: Path, kilobytes: int, names: list[str], repeats: int) -> bool:
    """Print a table of ways over one file, taken in turns; whether nmus reached the goal."""
    runs = {name: [] for name in names}
    for _ in range(repeats):
        for name in names:
            runs[name].append(measured(name, path))
    middle = {name: statistics.median(run["cpu_s"] for run in rows) for name, rows in runs.items()}
    print(f"\n{SECONDS} s, {kilobytes} kB a frame    CPU s  x real time  / nmus  peak MB")
    for name, seconds in middle.items():
        peak = max(run["peak_mb"] for run in runs[name])
        print(f"{name:24} {seconds:5.2f} {SECONDS / seconds:12.1f} {seconds / middle['nmus']:7.2f} {peak:8.0f}")
    fast = SECONDS / middle["nmus"] >= TIMES_REAL
    print(f"{runs['nmus'][0]['said']}; goal 11, at least {TIMES_REAL} x real time: {'reached' if fast else 'MISSED'}")
    return fast


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3])
    else:
        sys.exit(main())
