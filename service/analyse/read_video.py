"""Frames of MPEG-2, H.264 and HEVC, from a DICOM file or from a video file as it lies.

The decoder is the FFmpeg that OpenCV's wheels bundle under the LGPL. (PyAV's wheels bundle x264 and x265, which are
GPL, so it is no dependency here.) Only streams that begin like a known container are handed to it: FFmpeg would also
open play lists, which name other files and addresses.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from pydicom.encaps import generate_fragments

from plugins.contract import Grey, Mask, ReasonCode
from service.analyse.read_layout import LOSSY_COLOUR_TOLERANCE, Layout, open_file
from service.errors import Unanalysable

_STARTS = (b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3", b"\x00\x00\x00\x01", b"\x00\x00\x01\x67", b"\x00\x00\x01\x40")
"""MPEG-2 program and elementary stream; H.264 and HEVC byte streams."""
_TRANSPORT_PACKET = 188


@dataclass(frozen=True, slots=True)
class VideoFrames:
    """``plugins.contract.Frames`` over a video: picklable, holds no open file.

    A video decodes from its beginning: a single late frame costs all frames before it, a stream costs each once.
    """

    path: str
    count: int
    shape: tuple[int, int]
    layout: Layout | None = field(default=None, repr=False)
    """Of the DICOM file that holds the stream; ``None`` for a video file."""

    def grey(self, index: int) -> Grey:
        """One frame as grey levels.

        Raises
        ------
        Unanalysable
            When the video ends earlier or cannot be decoded.
        """
        return _luminance(next(self._pictures(index, index + 1)))

    def coloured(self, index: int) -> Mask:
        """Where the channels differ by more than compression makes them differ."""
        picture = next(self._pictures(index, index + 1)).astype(np.int16)
        return np.asarray(picture.max(axis=2) - picture.min(axis=2) > LOSSY_COLOUR_TOLERANCE, np.bool_)

    def stream(self, start: int = 0, stop: int | None = None) -> Iterator[Grey]:
        """Frames in order, one in memory at a time.

        Raises
        ------
        Unanalysable
            When the video ends earlier than its header says, or cannot be decoded.
        """
        for picture in self._pictures(start, self.count if stop is None else min(stop, self.count)):
            yield _luminance(picture)

    def _pictures(self, start: int, stop: int) -> Iterator[npt.NDArray[np.uint8]]:
        with _file_of(self.path, self.layout) as path:
            capture = _opened(path)
            try:
                for index in range(start):
                    if not capture.grab():
                        raise _bad(f"the video ends after {index} of {self.count} frames")
                for index in range(start, stop):
                    there, picture = capture.read()
                    if not there:
                        raise _bad(f"the video ends after {index} of {self.count} frames")
                    if picture.shape[:2] != self.shape:
                        raise _bad("the video has another size than the header says")
                    yield picture
            finally:
                capture.release()


def dicom_video(path: Path | str, layout: Layout) -> VideoFrames:
    """The frames of an MPEG object; the header's size and count are held against the stream when it is decoded."""
    return VideoFrames(str(Path(path).absolute()), layout.frames, (layout.rows, layout.columns), layout)


def video_file(path: Path) -> tuple[VideoFrames, float | None]:
    """A video file's frames, counted by going through them, and its frames per second if it says so.

    Raises
    ------
    Unanalysable
        When it is no video that can be decoded.
    """
    _refuse_unknown(path)
    capture = _opened(path)
    try:
        rate = float(capture.get(cv2.CAP_PROP_FPS))
        shape = (int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)), int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)))
        count = 0
        while capture.grab():  # the container's own count is an estimate in many files
            count += 1
    finally:
        capture.release()
    if not count:
        raise _bad("the video holds no frame")
    return VideoFrames(str(path.absolute()), count, shape), rate if 0 < rate < 1000 else None


@contextmanager
def _file_of(path: str, layout: Layout | None) -> Iterator[Path]:
    """The bare stream as a file: FFmpeg wants to seek in it."""
    if layout is None:
        yield Path(path)
        return
    with open_file(path) as file, tempfile.NamedTemporaryFile(prefix="nmus-video-") as stream:
        file.seek(layout.offset)
        try:
            fragments = generate_fragments(file)
            next(fragments, b"")  # the offset table, empty for a video
            for fragment in fragments:
                stream.write(fragment)
        except (ValueError, EOFError, KeyError) as error:
            raise _bad("the video's fragments cannot be read") from error
        stream.flush()
        _refuse_unknown(Path(stream.name))
        yield Path(stream.name)


def _refuse_unknown(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(_TRANSPORT_PACKET + 1)
    transport = len(head) > _TRANSPORT_PACKET and head[0] == head[_TRANSPORT_PACKET] == 0x47
    if not (head.startswith(_STARTS) or head[4:8] == b"ftyp" or transport):
        raise _bad("the video is in no container that is known here")


def _opened(path: Path) -> cv2.VideoCapture:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    if not capture.isOpened():
        raise _bad("the video cannot be decoded")
    return capture


def _luminance(picture: npt.NDArray[np.uint8]) -> Grey:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)


def _bad(text: str) -> Unanalysable:
    return Unanalysable(text, ReasonCode.UNREADABLE.value, "send the clip again, or as JPEG frames")
