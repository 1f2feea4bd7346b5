"""How the written report looks: fonts, paragraphs, tables. A4, for a screen and for a printer without colour."""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file, files
from xml.sax.saxutils import escape

from reportlab.lib.colors import Color, HexColor
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Paragraph, Table, TableStyle

INK, MUTED, RULE, SHADE = HexColor("#1b1f24"), HexColor("#57606a"), HexColor("#c9d1d9"), HexColor("#f3f5f7")
ALERT = HexColor("#9a3b00")
"""For what lies outside a limit; the words say so too."""
REGULAR, BOLD = "NmusRegular", "NmusBold"
_FACES = {REGULAR: "SourceSansPro-Regular.ttf", BOLD: "SourceSansPro-Bold.ttf"}


@cache
def register_fonts() -> None:
    """Make the fonts known; they are embedded as far as they are used."""
    for name, file in _FACES.items():
        with as_file(files("font_source_sans_pro").joinpath("files", file)) as path:
            pdfmetrics.registerFont(TTFont(name, str(path)))
    pdfmetrics.registerFontFamily(REGULAR, normal=REGULAR, bold=BOLD, italic=REGULAR, boldItalic=BOLD)


def _style(name: str, size: float, colour: Color = INK, *, bold: bool = False, before: float = 0) -> ParagraphStyle:
    return ParagraphStyle(
        name,
        fontName=BOLD if bold else REGULAR,
        fontSize=size,
        leading=size * 1.28,
        textColor=colour,
        spaceBefore=before,
        spaceAfter=1.5,
        keepWithNext=before > 0,
    )


TITLE = _style("title", 17, bold=True)
HEADING = _style("heading", 11.5, bold=True, before=9)
BODY = _style("body", 9)
STRONG = _style("strong", 9, bold=True)
SMALL = _style("small", 7.6, MUTED)
CELL = _style("cell", 8.4)
CELL_BOLD = _style("cell bold", 8.4, bold=True)
CELL_ALERT = _style("cell alert", 8.4, ALERT, bold=True)
CELL_MUTED = _style("cell muted", 7.6, MUTED)


def paragraph(text: str, style: ParagraphStyle = BODY) -> Paragraph:
    """A paragraph of plain text: nothing in it is taken for markup, for it may be what somebody typed."""
    return Paragraph(escape(text).replace("\n", "<br/>"), style)


def ruled(rows: list[list[object]], widths: list[float], *, heading: bool = True) -> Table:
    """A table with thin rules, its heading repeated on every page."""
    table = Table(rows, colWidths=widths, repeatRows=1 if heading else 0)
    style: list[tuple[object, ...]] = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, RULE),
        ("LEFTPADDING", (0, 0), (-1, -1), 3),
        ("RIGHTPADDING", (0, 0), (-1, -1), 3),
        ("TOPPADDING", (0, 0), (-1, -1), 1.8),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2.2),
    ]
    if heading:
        style += [("BACKGROUND", (0, 0), (-1, 0), SHADE), ("LINEABOVE", (0, 0), (-1, 0), 0.8, INK)]
    table.setStyle(TableStyle(style))
    return table
