"""Which scanner a decision is about: described in a small JSON file, or read from an image that it made."""

from __future__ import annotations

import argparse
from pathlib import Path

from reference_store.attestation import described
from reference_store.files import FileError, read_object
from reference_store.values import Device


def add_scanner(parser: argparse.ArgumentParser) -> None:
    """Add the two ways of naming a scanner."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--device", type=Path, metavar="FILE", help="JSON of the scanner, see the docs")
    which.add_argument("--image", type=Path, metavar="FILE", help="a DICOM image that it made with this preset")


def scanner_of(args: argparse.Namespace) -> Device:
    """The scanner. Raises ``FileError`` naming file and field."""
    if args.image is not None:
        return _from_image(args.image)
    return described(read_object(args.device, "a scanner's description"), args.device.name)


def _from_image(path: Path) -> Device:
    from service.analyse.read import Image, read_file  # noqa: PLC0415 - loads the DICOM libraries

    image = read_file(path)
    if not isinstance(image, Image):
        raise FileError(path.name, "whole file", getattr(image, "text", "holds drawings, not an image"))
    device = image.clip.device
    if not device.manufacturer or not device.model:
        raise FileError(path.name, "whole file", "the image names no manufacturer and model")
    return device
