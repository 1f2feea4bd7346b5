"""A last look through what is about to leave: is any word that identifies the source still in it?

A word is looked for as one. Patients' numbers stand by chance among the digits of any measurement, and *Long* is a name
as well as an axis; so the neighbours of a short word count, and codes of public schemes are not looked at: nobody's
name is in them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

from pydicom import Dataset, dcmread

_CODED = ("CodeValue", "LongCodeValue", "CodeMeaning", "CodingSchemeDesignator")
_PUBLIC = frozenset({"DCM", "SCT", "SRT", "UCUM", "MDC", "FMA", "LN", "NCIt", "UMLS", "RADLEX", "IBSI", "99NMUS"})
_LONG = 7
"""Letters from which a word is no chance anywhere."""


def left_in(path: Path, words: Iterable[str], pseudonym: str) -> int:
    """How many of the words are in a file.

    Parameters
    ----------
    pseudonym:
        What stands for the patient; it may begin like a name.
    """
    raw = (_searched(path) if path.suffix == ".dcm" else path.read_bytes()).replace(pseudonym.encode(), b"")
    return sum(1 for word in words if pattern(word).search(raw))


def pattern(word: str) -> re.Pattern[bytes]:
    """How a word is looked for: by itself if it is short and of one kind, else anywhere."""
    exact = re.escape(word.encode("utf-8", "replace"))
    if word.isascii() and word.isdigit():
        return re.compile(rb"(?<![0-9.])" + exact + rb"(?![0-9]|\.[0-9])")
    if word.isascii() and word.isalpha() and len(word) < _LONG:
        return re.compile(rb"(?<![A-Za-z_])" + exact + rb"(?![A-Za-z_])")
    return re.compile(exact)


def _searched(path: Path) -> bytes:
    """A DICOM file without pixels and public codes."""
    dataset = dcmread(path)
    if "PixelData" in dataset:
        del dataset.PixelData
    _strip(dataset)
    made = BytesIO()
    dataset.save_as(made, enforce_file_format=True)
    return made.getvalue()


def _strip(dataset: Dataset) -> None:
    if str(dataset.get("CodingSchemeDesignator", "")) in _PUBLIC:
        for keyword in _CODED:
            if keyword in dataset:
                delattr(dataset, keyword)
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                _strip(item)
