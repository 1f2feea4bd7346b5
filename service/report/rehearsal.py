"""One small report, made and thrown away when the fork server starts, so that every child starts with all of it loaded.

pydicom reads its dictionaries when it first needs them, Pillow its fonts: together a tenth of a second, which the child
of each study would spend anew. Importing this module does it once. It starts no thread.
"""

from __future__ import annotations

import gc
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundImageStorage

from plugins.codes import ECHOGENICITY, MEAN
from plugins.contract import (
    Acquisition,
    ArrayFrames,
    Chart,
    Clip,
    Comparison,
    Finding,
    FrameRef,
    Measurement,
    NotAssessable,
    Page,
    Panel,
    ReasonCode,
    Result,
    Series,
    Side,
    View,
)
from service.report.assemble import reports
from service.report.values import Content, Making, Moment, Plan

_UID, _SIZE = "2.25.1", 64
_OUTLINE = ((8.0, 8.0), (56.0, 8.0), (56.0, 56.0), (8.0, 56.0), (8.0, 8.0))
_POPULATION = Comparison(
    "rehearsal", "1", "0", "synthetic-test", "nobody", z=0.0, expected=1.0, sd=1.0, upper_limit=3.0
)


def rehearse() -> None:
    """Make a report and an overlay of an image without content, and remove them."""
    with tempfile.TemporaryDirectory() as name:
        practise(Path(name))


def practise(folder: Path) -> None:
    """The same in a folder that somebody else removes."""
    clip = Clip(_UID, _UID, ArrayFrames(np.zeros((_SIZE, _SIZE), np.uint8)))
    acquisition = Acquisition("biceps_brachii", Side.LEFT, None, View.TRANSVERSE, (clip,))
    image = FrameRef(_UID)
    chart = Chart("", "", "", (Series("line", (0.0, 1.0), (0.0, 1.0)),))
    finding = Finding(
        image,
        _OUTLINE,
        (Measurement("mean", ECHOGENICITY, 1.0, "[arb'U]", MEAN, comparison=_POPULATION),),
        pages=(Page("", (Panel(image=image), Panel(chart=chart), Panel(text=("",)))),),
    )
    refusal = NotAssessable(ReasonCode.NOT_APPLICABLE, "", "", image)
    content = Content(_UID, (Result("rehearsal", "1", acquisition, (finding, refusal)),))
    _source().save_as(folder / "source", enforce_file_format=True)
    making = Making(Plan(), Moment(datetime(2000, 1, 1, tzinfo=UTC), 1), folder)
    reports(content, {_UID: folder / "source"}, making)


def _source() -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.Modality = UltrasoundImageStorage, "US"
    dataset.StudyInstanceUID = dataset.SeriesInstanceUID = dataset.SOPInstanceUID = _UID
    dataset.Rows = dataset.Columns = _SIZE
    return dataset


rehearse()
gc.collect()
gc.freeze()  # or each child's first collection would touch, and so copy, all that it shares with the others
