"""The ellipse that a sonographer lays around the nerve, as the presentation state that a scanner or viewer stores."""

from __future__ import annotations

import datetime

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


def marks_dataset(image: Dataset, outline: Places, seed: int) -> Dataset:
    """A Grayscale Softcopy Presentation State with one ellipse, as a hand would lay it: near the truth, not on it.

    Parameters
    ----------
    image:
        The image marked.
    outline:
        True outline as (column, row).
    seed:
        Decides how the hand errs: 4 % of the axes, one pixel in place.
    """
    rng = np.random.default_rng(seed + 97)
    points = np.asarray(outline[:-1], float)
    centre = (points.min(axis=0) + points.max(axis=0)) / 2 + rng.normal(0, 1.0, 2)
    half = (points.max(axis=0) - points.min(axis=0)) / 2 * rng.normal(1, 0.04, 2)
    ends = centre + half * np.array([(-1, 0), (1, 0), (0, -1), (0, 1)])  # major axis first, as DICOM has it
    layer = GraphicLayer("MARKS", 1, "sonographer's marks")
    ellipse = GraphicObject(GraphicTypeValues.ELLIPSE, np.round(ends, 2), AnnotationUnitsValues.PIXEL)
    state = GrayscaleSoftcopyPresentationState(
        referenced_images=[image],
        series_instance_uid=derived_uid(seed, "series marks"),
        series_number=990,
        sop_instance_uid=derived_uid(seed, "marks"),
        instance_number=1,
        manufacturer="nmus simulator",
        manufacturer_model_name="Simulated linear",
        software_versions="1",
        device_serial_number="SIM-1",
        content_label="MARKS",
        content_description="Ellipse around the nerve",
        graphic_annotations=[GraphicAnnotation([image], layer, graphic_objects=[ellipse])],
        graphic_layers=[layer],
        concept_name=CodedConcept("113000", "DCM", "Of Interest"),
        content_creator_name="",
    )
    state.Laterality = image.Laterality
    _freeze(state)
    return state


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
