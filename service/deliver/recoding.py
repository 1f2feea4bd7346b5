"""Captures in the transfer syntax that a destination wants. Lossless, so that the object stays the same object.

Captures are made in JPEG baseline; stills without loss once any destination wants them in a way of its own:
compressed without loss, or uncompressed because it shows no JPEG. What is made here is written
beside the scratch files, sent, and removed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import simplejpeg
from pydicom import dcmread
from pydicom.encaps import generate_frames
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGBaseline8Bit, JPEGLSLossless, RLELossless

from service.deliver.answers import Answer, Fate, Peer
from service.ledger import Outgoing
from service.objects import Lying

STILL, CLIP = "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.7.4"
SYNTAXES = {
    "rle": str(RLELossless),
    "jpeg-ls": str(JPEGLSLossless),
}
"""Setting to transfer syntax of stills. JPEG Lossless (process 14) and JPEG 2000 are not among them: of what is
installed only GDCM writes them, and its Python binding was seen to crash the process while doing so."""
_ENCODERS = {str(RLELossless): "pydicom", str(JPEGLSLossless): "pyjpegls"}
_LONGEST_BYTES = 2_000_000_000
"""Of a clip without compression; more would not fit what many archives take for one object."""


class Recoding:
    """A way to a destination on which captures change their transfer syntax; everything else goes as it lies.

    Parameters
    ----------
    captures:
        ``uncompressed``, or a key of :data:`SYNTAXES`.
    """

    def __init__(self, peer: Peer, captures: str, lying: Lying) -> None:
        self._peer = peer
        self._captures = captures
        self._lying = lying

    def get_ready(self) -> None:
        """As the way beneath does."""
        self._peer.get_ready()

    def rest(self, *, at_once: bool = False) -> None:
        """As the way beneath does."""
        self._peer.rest(at_once=at_once)

    def send(self, objects: Sequence[Outgoing]) -> Iterator[tuple[Outgoing, Answer]]:
        """Recode what needs it, send all, answer for the objects that were given."""
        folder = self._lying / "scratch"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        changed: dict[int, Outgoing] = {}
        refused: dict[int, Answer] = {}
        originals = {one.id: one for one in objects}
        try:
            for one in objects:
                syntax = self._wanted(one)
                if syntax is None:
                    changed[one.id] = one
                    continue
                target = folder / f"recoded-{one.id}-{one.attempt}.dcm"
                told = _recoded(self._lying / one.path, target, syntax)
                if told:
                    refused[one.id] = Answer(Fate.HELD, told)
                    continue
                path = f"scratch/{target.name}"
                changed[one.id] = replace(one, path=path, transfer_syntax_uid=syntax, size=target.stat().st_size)
            for number, answer in refused.items():
                yield originals[number], answer
            for sent, answer in self._peer.send(list(changed.values())):
                yield originals[sent.id], answer
        finally:
            for one in objects:
                (folder / f"recoded-{one.id}-{one.attempt}.dcm").unlink(missing_ok=True)

    def _wanted(self, one: Outgoing) -> str | None:
        """The transfer syntax that this object is to have, or ``None`` for the one it has."""
        if self._captures == "uncompressed":
            return str(ExplicitVRLittleEndian) if one.transfer_syntax_uid == JPEGBaseline8Bit else None
        is_plain_still = one.sop_class_uid == STILL and one.transfer_syntax_uid == ExplicitVRLittleEndian
        return SYNTAXES[self._captures] if is_plain_still else None


def _recoded(source: Path, target: Path, syntax: str) -> str:
    """Write the object in another transfer syntax; a text where that cannot be."""
    if syntax == ExplicitVRLittleEndian:
        return _uncompressed(source, target)
    dataset = dcmread(source)
    length = dataset.Rows * dataset.Columns * dataset.SamplesPerPixel
    before = dataset.PixelData[:length]
    dataset.compress(UID(syntax), encoding_plugin=_ENCODERS[syntax], generate_instance_uid=False)
    dataset.save_as(target, enforce_file_format=True)
    if dcmread(target).pixel_array.tobytes() != before:
        return f"did not come back the same from transfer syntax {syntax}; set the destination's captures to another"
    return ""


def _uncompressed(source: Path, target: Path) -> str:
    """A JPEG clip as plain RGB, frame by frame: a long one never lies in memory whole."""
    dataset = dcmread(source)
    frames = int(dataset.get("NumberOfFrames", 1))
    length = int(dataset.Rows) * int(dataset.Columns) * 3 * frames
    if length > _LONGEST_BYTES:
        return "is too long without compression; let the destination take JPEG baseline (captures = 'as made')"
    coded = dataset.PixelData
    del dataset.PixelData
    dataset.PhotometricInterpretation, dataset.PlanarConfiguration = "RGB", 0
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(target, enforce_file_format=True)
    with target.open("ab") as file:
        file.write(struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, length + length % 2))
        for frame in generate_frames(coded, number_of_frames=frames):
            file.write(np.ascontiguousarray(simplejpeg.decode_jpeg(frame, colorspace="RGB")).tobytes())
        file.write(b"\0" * (length % 2))
    return ""
