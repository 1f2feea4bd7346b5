"""What the fork server imports once, so that every child starts warm. Nothing here may start a thread."""

from __future__ import annotations

import os

# One analysis, one core: the machine is shared with the listener, and results must not depend on thread counts.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import cv2  # noqa: E402
import highdicom  # noqa: E402, F401
import pydicom  # noqa: E402, F401
import scipy.ndimage  # noqa: E402, F401

import plugins.builtin  # noqa: E402, F401

cv2.setNumThreads(1)
