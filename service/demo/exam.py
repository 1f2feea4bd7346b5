"""A simulated exam with known truth: stills of three muscles and a nerve and a fasciculation cine, as DICOM files.

The nerve comes with an ellipse and the biceps with a trace in presentation states, as sonographers lay them; the
tibialis anterior is left to the analysis.

Anatomy is told in the ways that scanners tell it: biceps and median nerve by Primary Anatomic Structure Sequence, the
tibialis anterior by its Series Description alone. The patient is invented. The same seed gives the same bytes.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from plugins.images import Box
from service.demo.exam_files import Shot, derived_uid, shot_dataset
from service.demo.exam_marks import Marked, marks_dataset
from service.demo.simulator import (
    Cine,
    Drift,
    LongitudinalMuscle,
    NerveScene,
    Picture,
    Pulse,
    TransverseMuscle,
    Twitch,
    Twitched,
    twitches,
)
from service.demo.simulator.tissue import Places

MARKED = {"median_nerve": "ellipse", "biceps_brachii": "trace"}
"""What the sonographer has marked, and how."""
_MUSCLE = Picture()
_NERVE = Picture(spacing_mm=0.06, box=Box(20, 30, 620, 450))


@dataclass(frozen=True, slots=True)
class FileTruth:
    """What is known of one file because it was put there."""

    file: str
    sop_instance_uid: str
    structure: str
    side: str
    view: str
    site: str | None
    spacing_mm: float
    outline: Places
    """Closed polygon as (column, row)."""
    thickness_mm: float | None = None
    area_mm2: float | None = None
    echo_db: float | None = None
    """Level of the structure's own tissue against the simulator's reference tissue."""
    frames: int = 1
    frame_rate_hz: float | None = None
    twitches: tuple[Twitched, ...] = ()


@dataclass(frozen=True, slots=True)
class Truth:
    """The truth of a whole exam."""

    study_instance_uid: str
    patient_id: str
    seed: int
    files: tuple[FileTruth, ...]


def write_exam(folder: Path, seed: int, shots: int | None = None) -> Truth:
    """Write the exam's files and ``truth.json`` into a folder, which is made if it is not there.

    Parameters
    ----------
    folder:
        Where to write; files of the same names are replaced.
    seed:
        Decides speckle, twitches and all UIDs.
    shots:
        Only so many, in the order of acquisition; the first three are stills of the left biceps.

    Returns
    -------
    Truth
        What the analyses should find, also written as ``truth.json``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    study = derived_uid(seed, "study")
    known: list[FileTruth] = []
    marked: dict[str, list[Marked]] = {}
    for number, shot in enumerate(itertools.islice(exam_shots(seed), shots), start=1):
        dataset = shot_dataset(shot, seed, number, study)
        dataset.save_as(folder / shot.file, enforce_file_format=True)
        known.append(_known(shot, dataset))
        how = None if shot.cine else MARKED.get(shot.structure)
        if how:
            marked.setdefault(f"{shot.structure}_{shot.side}", []).append(Marked(dataset, known[-1].outline, how))
    for name, images in marked.items():
        marks_dataset(images, seed, f"marks {name}").save_as(folder / f"marks_{name}.dcm", enforce_file_format=True)
    truth = Truth(study, "NMUS-DEMO", seed, tuple(known))
    (folder / "truth.json").write_text(json.dumps(asdict(truth), indent=1) + "\n", encoding="utf-8")
    return truth


def exam_shots(seed: int) -> Iterator[Shot]:
    """Every file of the exam in the order of acquisition."""
    biceps = TransverseMuscle()
    biceps_codes = {"left": ("7:629", "Left biceps brachii"), "right": ("7:630", "Right biceps brachii")}
    for side, echo_db in (("left", -8.0), ("right", -4.0)):
        tissue = replace(biceps, echo_db=echo_db)
        for repeat in (1, 2, 3):
            yield Shot(
                f"biceps_{side}_{repeat}.dcm", "biceps_brachii", side, "transverse",
                f"Biceps brachii {side} transverse", tissue, code=biceps_codes[side],
            )  # fmt: skip
    tibialis = TransverseMuscle(
        (16.0, 15.0), (27.0, 18.0), fat_mm=2.8, bone_mm=(36.0, 17.0), central_aponeurosis=True, echo_db=-7.0
    )
    for repeat in (1, 2, 3):
        yield Shot(
            f"tibialis_right_{repeat}.dcm", "tibialis_anterior", "right", "transverse",
            "Tibialis anterior right transverse", tibialis,
        )  # fmt: skip
    yield Shot(
        "tibialis_right_long.dcm", "tibialis_anterior", "right", "longitudinal",
        "Tibialis anterior right longitudinal", LongitudinalMuscle(),
    )  # fmt: skip
    yield Shot(
        "median_wrist_left.dcm", "median_nerve", "left", "transverse", "Median nerve wrist left transverse",
        NerveScene(), _NERVE, ("7:121", "Left median nerve"), "wrist",
    )  # fmt: skip
    yield Shot(
        "biceps_left_cine.dcm", "biceps_brachii", "left", "transverse", "Biceps brachii left fasciculation",
        biceps, code=biceps_codes["left"], cine=_cine(biceps, seed),
    )  # fmt: skip


def _cine(tissue: TransverseMuscle, seed: int) -> Cine:
    """Ten seconds of muscle with four to six fasciculations, a hand that drifts a little and a small artery."""
    rng = np.random.default_rng(seed + 41)
    starts = np.cumsum(rng.uniform(1.2, 2.2, 6))
    middle, size = tissue.centre_mm, tissue.size_mm
    inside = tuple(
        Twitch(
            start_s=float(start),
            duration_s=float(rng.uniform(0.18, 0.36)),
            centre_mm=(
                float(middle[0] + rng.uniform(-0.3, 0.3) * size[0]),
                float(middle[1] + rng.uniform(-0.25, 0.25) * size[1]),
            ),
            peak_mm=float(rng.uniform(0.45, 0.9)),
            width_mm=(float(rng.uniform(5, 9)), float(rng.uniform(4, 6))),
            angle_rad=float(rng.uniform(0, 2 * np.pi)),
        )
        for start in starts
        if start < 9.3
    )
    artery = Pulse((36.5, 30.0), rate_hz=1.1, peak_mm=0.2, reach_mm=2.5, seed=seed)
    drift = Drift(sd_mm=0.2, tilt_sd_rad=0.002, out_of_plane_sd_mm=0.05, seed=seed)
    return Cine(tissue, _MUSCLE, (*inside, artery, drift), seed=seed)


def _known(shot: Shot, dataset: Dataset) -> FileTruth:
    """The truth of one file, in the picture's own coordinates."""
    tissue: Any = shot.tissue
    extra: Mapping[str, Any] = {}
    if shot.cine:
        extra = {
            "frames": int(dataset.NumberOfFrames),
            "frame_rate_hz": shot.cine.frame_rate_hz,
            "twitches": twitches(shot.cine),
        }
    return FileTruth(
        file=shot.file,
        sop_instance_uid=str(dataset.SOPInstanceUID),
        structure=shot.structure,
        side=shot.side,
        view=shot.view,
        site=shot.site,
        spacing_mm=shot.picture.spacing_mm,
        outline=tuple(shot.picture.point(x, z) for x, z in shot.tissue.outline_mm),
        thickness_mm=getattr(tissue, "thickness_mm", None),
        area_mm2=getattr(tissue, "area_mm2", None),
        echo_db=getattr(tissue, "echo_db", None),
        **extra,
    )
