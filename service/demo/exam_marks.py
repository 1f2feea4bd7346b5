"""What a sonographer draws: an ellipse around the nerve, a trace of each muscle; as a viewer stores them.

A Grayscale Softcopy Presentation State (PS3.3 A.33.1) for each series, with graphic annotations in image pixels.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from highdicom.pr import (
    AnnotationUnitsValues,
    GraphicAnnotation,
    GraphicLayer,
    GraphicObject,
    GraphicTypeValues,
    GrayscaleSoftcopyPresentationState,
)
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset

from service.demo.exam_files import derived_uid
from service.demo.simulator.tissue import Places

_DONE = datetime.datetime(2026, 1, 5, 9, 20, tzinfo=datetime.UTC)
TRACE_INSET = 0.94
"""A trace for echo intensity stays inside the fascia: its radius is this share of the true outline's."""


@dataclass(frozen=True, slots=True)
class Marked:
    """One image, the true outline in it, and how it is marked: ``ellipse`` or ``trace``."""

    image: Dataset
    outline: Places
    how: str


def marks_dataset(marked: Sequence[Marked], seed: int, name: str) -> Dataset:
    """The marks of the images of one study, as a hand would lay them: near the truth, not on it.

    Parameters
    ----------
    seed:
        Decides how the hand errs.
    name:
        Tells this object from the exam's other ones.
    """
    rng = np.random.default_rng(seed + 97)
    images = [one.image for one in marked]
    layer = GraphicLayer("MARKS", 1, "sonographer's marks")
    state = GrayscaleSoftcopyPresentationState(
        referenced_images=images,
        series_instance_uid=derived_uid(seed, f"series {name}"),
        series_number=990,
        sop_instance_uid=derived_uid(seed, name),
        instance_number=1,
        manufacturer="nmus simulator",
        manufacturer_model_name="Simulated linear",
        software_versions="1",
        device_serial_number="SIM-1",
        content_label="MARKS",
        content_description="Marks of the sonographer",
        graphic_annotations=[
            GraphicAnnotation([one.image], layer, graphic_objects=[_graphic(one, rng)]) for one in marked
        ],
        graphic_layers=[layer],
        concept_name=CodedConcept("113000", "DCM", "Of Interest"),
        content_creator_name="",
    )
    state.Laterality = images[0].Laterality
    _freeze(state)
    return state


def _graphic(one: Marked, rng: np.random.Generator) -> GraphicObject:
    points = np.asarray(one.outline[:-1], float)
    if one.how == "ellipse":
        return GraphicObject(GraphicTypeValues.ELLIPSE, _ellipse(points, rng), AnnotationUnitsValues.PIXEL)
    return GraphicObject(GraphicTypeValues.POLYLINE, _trace(points, rng), AnnotationUnitsValues.PIXEL)


def _ellipse(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Four axis ends; a hand errs by 4 % of the axes and one pixel in place."""
    low, high = points.min(axis=0), points.max(axis=0)
    centre = (low + high) / 2 + rng.normal(0, 1.0, 2)
    half = (high - low) / 2 * rng.normal(1, 0.04, 2)
    return np.asarray(np.round(centre + half * np.array([(-1, 0), (1, 0), (0, -1), (0, 1)]), 2))


def _trace(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A closed line of every second point, inside the fascia, wavering slowly by about one per cent."""
    centre = points.mean(axis=0)
    turn = np.linspace(0, 2 * np.pi, len(points), endpoint=False)
    waver = sum(rng.normal(0, 0.006) * np.cos(order * turn + rng.uniform(0, 2 * np.pi)) for order in (2, 3, 4))
    traced = (centre + (points - centre) * (TRACE_INSET + np.asarray(waver))[:, None])[::2]
    closed: np.ndarray = np.vstack([traced, traced[:1]])
    return np.asarray(np.round(closed, 2))


def _freeze(state: Dataset) -> None:
    """The same seed gives the same bytes: highdicom writes the present moment into these."""
    day, moment = _DONE.strftime("%Y%m%d"), _DONE.strftime("%H%M%S")
    for element in state.iterall():
        if element.keyword in ("InstanceCreationDate", "PresentationCreationDate", "ContentDate"):
            element.value = day
        elif element.keyword in ("InstanceCreationTime", "PresentationCreationTime", "ContentTime"):
            element.value = moment
        elif element.keyword == "ContributionDateTime":
            element.value = day + moment
