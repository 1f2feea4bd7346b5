"""The written report of a study as PDF: what a clinician reads, files and forwards. The same work, the same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import BytesIO

import simplejpeg
from pydicom import Dataset
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, Image, KeepTogether, PageBreak, PageTemplate, Spacer

from service.report.document_parts import WIDTH, Sources, concluded, doubted, made_by, measured, missing, who
from service.report.document_style import (
    BOLD,
    HEADING,
    MUTED,
    REGULAR,
    SMALL,
    STRONG,
    TITLE,
    paragraph,
    register_fonts,
)
from service.report.pictures import Shown
from service.report.source import NAME, VERSION
from service.report.values import Content, Making

_MARGIN = 36.0
_FOOT = 26.0
_PICTURE_HEIGHT = 322.0
"""Two pictures a page."""
_MOST_PICTURES = 40
"""A file that mail systems still take; the others are in the PACS, and the report says so."""
_QUALITY = 85


def document(content: Content, header: Dataset, shown: Iterable[Shown], making: Making) -> bytes:
    """The PDF file.

    Parameters
    ----------
    header:
        Of one image of the study, for patient and exam.
    shown:
        Pictures to print, taken one by one.
    """
    register_fonts()
    buffer = BytesIO()
    width, height = A4
    template = BaseDocTemplate(
        buffer,
        pagesize=A4,
        title="Neuromuscular ultrasound report",
        author=NAME,
        creator=f"{NAME} {VERSION}",
        lang="en",
        invariant=1,
        pageCompression=1,
    )
    frame = Frame(_MARGIN, _MARGIN + _FOOT, width - 2 * _MARGIN, height - 2 * _MARGIN - _FOOT, 0, 0, 0, 0)
    template.addPageTemplates([PageTemplate("page", [frame])])
    numbered = _numbered(_foot(header, making))
    template.build([*_story(content, header, making), *_pictures(shown)], canvasmaker=numbered)
    return buffer.getvalue()


def _story(content: Content, header: Dataset, making: Making) -> Iterator[Flowable]:
    sources = Sources()
    yield paragraph("Quantitative neuromuscular ultrasound", TITLE)
    yield paragraph(_standing(making), SMALL)
    yield Spacer(0, 5)
    yield who(header)
    yield from measured(content.results, sources)
    yield from concluded(content)
    yield from doubted(content.results)
    yield from missing(content)
    yield from made_by(content, sources)


def _standing(making: Making) -> str:
    """What the report is, and what it is not."""
    use = {"PRODUCT": "", "SERVICE": "Service use. "}.get(making.plan.content_qualification, "For research use. ")
    where = f"{making.plan.organisation} · " if making.plan.organisation else ""
    amended = f" Version {making.moment.generation}; it replaces earlier ones." if making.moment.generation > 1 else ""
    return (
        f"{where}Made automatically on {making.moment.time:%Y-%m-%d %H:%M} UTC and not verified by a person. {use}"
        f"Measurements and comparisons with named references; no diagnosis.{amended}"
    )


def _pictures(shown: Iterable[Shown]) -> Iterator[Flowable]:
    left_out = 0
    for number, one in enumerate(shown):
        if number >= _MOST_PICTURES:
            left_out += 1
            continue
        if number == 0:
            yield PageBreak()
            yield paragraph("Pictures", HEADING)
        picture = one.draw()
        coded = simplejpeg.encode_jpeg(picture, quality=_QUALITY, colorsubsampling="444")
        rows, columns = picture.shape[:2]
        scale = min(WIDTH / columns, _PICTURE_HEIGHT / rows)
        image = Image(BytesIO(coded), columns * scale, rows * scale)
        yield KeepTogether([paragraph(one.title, STRONG), image, Spacer(0, 6)])
    if left_out:
        yield paragraph(f"{left_out} more pictures are in the archive.", SMALL)


def _foot(header: Dataset, making: Making) -> str:
    name = str(header.get("PatientName", "")).partition("=")[0].replace("^", " ").strip()
    who_it_is = " · ".join(part for part in (name, str(header.get("PatientID", ""))) if part)
    return f"{who_it_is} · {NAME} {VERSION} · {making.moment.time:%Y-%m-%d}".lstrip(" ·")


def _numbered(foot: str) -> type[Canvas]:
    """A canvas that writes "page 2 of 5" at the foot, which is known only when all pages are made."""

    class Numbered(Canvas):  # type: ignore[misc]
        def __init__(self, *arguments: object, **more: object) -> None:
            super().__init__(*arguments, **more)
            self._kept: list[dict[str, object]] = []

        def showPage(self) -> None:  # noqa: N802 - reportlab's name
            self._kept.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            for number, page in enumerate(self._kept, 1):
                self.__dict__.update(page)
                self._foot(number, len(self._kept))
                super().showPage()
            super().save()

        def _foot(self, number: int, count: int) -> None:
            self.setFont(REGULAR, 7.6)
            self.setFillColor(MUTED)
            self.drawString(_MARGIN, _MARGIN, foot)
            self.setFont(BOLD, 7.6)
            self.drawRightString(A4[0] - _MARGIN, _MARGIN, f"page {number} of {count}")

    return Numbered
