"""What the fork server imports and reads once, so that every child starts warm. Nothing here may start a thread.

What takes long and no child needs at once, a first analysis and report with all their tables, waits until somebody asks
for it: then the server is ready sooner, and makes them while nothing is to be done.

A child that had to import the libraries, read the catalogue and open a font by itself would take two seconds for what
takes it thirty milliseconds.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import selectors
import signal
import sys
import tempfile
import traceback
import warnings
from pathlib import Path
from types import FrameType

# One analysis, one core: the machine is shared with the listener, and results must not depend on thread counts.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import cv2  # noqa: E402
import numpy as np  # noqa: E402
import onnxruntime  # noqa: E402, F401 - importing starts no thread; sessions are opened in the children
import pydicom  # noqa: E402, F401
import scipy.ndimage  # noqa: E402
import scipy.optimize  # noqa: E402
import scipy.stats  # noqa: E402, F401
import simplejpeg  # noqa: E402, F401
import skimage.feature  # noqa: E402
import skimage.measure  # noqa: E402

import plugins.builtin  # noqa: E402, F401
import service.analyse.exam  # noqa: E402, F401
from reference_store import anatomy, store  # noqa: E402
from service.analyse.child_side import REHEARSE  # noqa: E402

# What a plugin starts and leaves behind becomes a child of the fork server, where it is found and ended.
_PR_SET_CHILD_SUBREAPER = 36
ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
warnings.filterwarnings("ignore", message="forkserver: waitpid returned unexpected pid")

cv2.setNumThreads(1)
store.bundled()
anatomy.recognise("biceps brachii left transverse")
# scikit-image loads its parts when they are first used
skimage.measure.regionprops(skimage.measure.label(np.eye(4, dtype=np.uint8)))
skimage.feature.structure_tensor(np.eye(8))


REHEARSALS = ("service.analyse.rehearsal", "service.report.rehearsal")
"""By name: analyses know nothing of reports. Each is given what the one before it made."""
_TIMES = 3
"""Python makes code that has run a few times faster, and children inherit it so."""


def _rehearse(_number: int, frame: FrameType | None) -> None:
    """Only while the server waits to be asked for a child; whoever asks for this asks again until it has begun.

    In the midst of a fork locks are held (of logging, of thread pools) that a rehearsal takes: it would wait for ever.
    """
    if frame is None or frame.f_code is not selectors.DefaultSelector.select.__code__:
        return
    signal.signal(REHEARSE, signal.SIG_IGN)
    with tempfile.TemporaryDirectory() as folder:
        _each("rehearse", Path(folder))
        for _ in range(_TIMES - 1):
            _each("practise", Path(folder))
    gc.collect()
    gc.freeze()  # or each child's first collection would touch, and so copy, all that it shares with the others


def practise(folder: Path) -> None:
    """What a child does while it stands ready, so that the memory that analyses and reports write to is its own.

    Parameters
    ----------
    folder:
        In which to write; its parent removes it.
    """
    if REHEARSALS[0] in sys.modules:  # else the server has not rehearsed, and a child would do all of that first
        _each("practise", folder)


def _each(what: str, folder: Path) -> None:
    made: object = ()
    for module in REHEARSALS:
        try:
            made = getattr(importlib.import_module(module), what)(folder, made)
        except Exception:  # noqa: BLE001 - children must go on, if slower; what is rehearsed is of nobody
            traceback.print_exc()


signal.signal(REHEARSE, _rehearse)
