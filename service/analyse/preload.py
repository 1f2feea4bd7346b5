"""What the fork server imports and reads once, so that every child starts warm. Nothing here may start a thread.

A child that had to import the libraries, read the catalogue and open a font by itself would take two seconds for what
takes it thirty milliseconds.
"""

from __future__ import annotations

import os

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
from reference_store import anatomy  # noqa: E402

cv2.setNumThreads(1)
anatomy.recognise("biceps brachii left transverse")
# scikit-image loads its parts when they are first used
skimage.measure.regionprops(skimage.measure.label(np.eye(4, dtype=np.uint8)))
skimage.feature.structure_tensor(np.eye(8))
