"""Pictures for the reading station: the plain overlay of one finding, pages of panels, frames of an overlay clip.

Viewers write patient and study into the four corners of every image. Nothing of ours stands there: captions and scale
bars keep to the middle, and the lower strip is empty at both its ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from plugins.contract import Box, Clip, FrameRef, Frames, Grey, Line, OverlayClip, Page, Panel, Point, Spacing
from service.report.canvas import AMBER, FAINT, MUTED, SURFACE, WHITE, Canvas, Picture, Place
from service.report.charts import draw_chart
from service.report.figures import BAR, Field, draw_heat_map, draw_image, draw_lines, draw_scale_bar, fit
from service.report.letters import wrapped
from service.report.stencil import Stencil

WIDTH, HEIGHT = 1280, 1024
_STRIP = 252
"""Height of the caption under an overlay."""
_MORE_HEIGHT = 24
"""Room that is kept for saying that not all could be written."""
_MIDDLE = 0.66
"""Share of the width that captions may use: the corners belong to the viewer."""
PAGE_WIDTH, PAGE_HEIGHT = 1600, 1200
_CLIP_IMAGE = (400, 960)
"""Fewest columns of an image in an overlay clip, and its most columns and rows."""
_CLIP_WIDTH = 560
"""Fewest columns of an overlay clip: its words are legible then, and keep to the middle."""
_CLIP_STRIP = 66


@dataclass(frozen=True, slots=True)
class Caption:
    """What is written under an overlay, most important first."""

    title: str
    values: tuple[str, ...] = ()
    comparison: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    footer: str = ""


def overlay(clip: Clip, frame: int, lines: Sequence[Line], caption: Caption) -> Picture:
    """One frame with drawings and a caption, shape (1024, 1280, 3)."""
    canvas = Canvas(WIDTH, HEIGHT)
    crop, spacing = shown_part(clip, [point for line in lines for point in line.points])
    field = fit(crop, spacing, Place(0, 0, WIDTH, HEIGHT - _STRIP))
    draw_image(canvas, field, clip.frames.grey(frame))
    draw_lines(canvas, field, lines)
    draw_scale_bar(canvas, field, spacing)
    _draw_caption(canvas, caption)
    return canvas.finished()


def shown_part(clip: Clip, points: Sequence[Point]) -> tuple[Box, Spacing | None]:
    """The tissue region around what is drawn, else the whole picture: banners and rulers are left away."""
    region = clip.region_of(points) if points else clip.tissue
    rows, columns = clip.frames.shape
    if region is None:
        return Box(0, 0, columns, rows), clip.tissue.spacing if clip.tissue else None
    return region.box, region.spacing


def _draw_caption(canvas: Canvas, caption: Caption) -> None:
    width, middle, y = WIDTH * _MIDDLE, WIDTH / 2, HEIGHT - _STRIP + 14.0
    bottom = HEIGHT - 34
    blocks = [(wrapped(caption.title, 31, width, bold=True, lines=1), 31, WHITE, True)]
    kinds = ((caption.values, 24, WHITE), (caption.flags, 20, AMBER), (caption.comparison, 20, MUTED))
    for texts, size, colour in kinds:
        blocks += [(wrapped(text, size, width, lines=2), size, colour, False) for text in texts]
    for number, (lines, size, colour, bold) in enumerate(blocks, 1):
        needed = size * (1.27 * len(lines) - 0.02) + (0 if number == len(blocks) else _MORE_HEIGHT)
        if y + needed > bottom:
            # never half a sentence
            canvas.text((middle, y), "… more in the structured report", 19, AMBER, anchor="ma")
            break
        for words in lines:
            canvas.text((middle, y), words, size, colour, bold=bold, anchor="ma")
            y += size * 1.27
    canvas.text((middle, HEIGHT - 10), caption.footer, 17, MUTED, anchor="ms")


Source = Callable[[FrameRef], Clip | None]
"""The clip that holds a frame, or ``None`` when it is not at hand."""


def page(shown: Page, source: Source, footer: str) -> Picture:
    """A page of up to six panels, shape (1200, 1600, 3)."""
    canvas = Canvas(PAGE_WIDTH, PAGE_HEIGHT)
    width = PAGE_WIDTH * _MIDDLE
    for line in wrapped(shown.title, 34, width, bold=True, lines=1):
        canvas.text((PAGE_WIDTH / 2, 26), line, 34, WHITE, bold=True, anchor="ma")
    notes = [line for text in shown.footer for line in wrapped(text, 19, width, lines=2)][:4]
    top, bottom = 96.0, PAGE_HEIGHT - 52.0 - 25 * len(notes)
    for panel, place in zip(shown.panels, _places(len(shown.panels), top, bottom, shown.columns), strict=False):
        _draw_panel(canvas, panel, source, place)
    for index, line in enumerate(notes):
        canvas.text((PAGE_WIDTH / 2, bottom + 12 + 25 * index), line, 19, MUTED, anchor="ma")
    canvas.text((PAGE_WIDTH / 2, PAGE_HEIGHT - 12), footer, 17, MUTED, anchor="ms")
    return canvas.finished()


def _places(count: int, top: float, bottom: float, columns: int | None = None) -> Iterator[Place]:
    """Rectangles of up to six panels: one; two beside each other; a row of two over the rest; two rows of three.

    With ``columns``, 1 to 3, rows of so many.
    """
    margin, gap = 44.0, 22.0
    rows = {1: [1], 2: [2], 3: [2, 1], 4: [2, 2], 5: [3, 2]}.get(count, [3, 3])
    if columns is not None and 1 <= columns <= 3:
        rows = [columns] * -(-min(count, 6) // columns)
    high = (bottom - top - gap * (len(rows) - 1)) / len(rows)
    for row, across in enumerate(rows):
        wide = (PAGE_WIDTH - 2 * margin - gap * (across - 1)) / across
        for column in range(across):
            yield Place(margin + column * (wide + gap), top + row * (high + gap), wide, high)


def _draw_panel(canvas: Canvas, panel: Panel, source: Source, place: Place) -> None:
    x, y, wide, high = place
    canvas.box(x, y, x + wide, y + high, SURFACE)
    corners = [(x, y), (x + wide, y), (x + wide, y + high), (x, y + high), (x, y)]
    canvas.line(corners, FAINT, width=1)
    title = panel.title or (panel.chart.title if panel.chart else "")
    for line in wrapped(title, 23, wide - 36, bold=True, lines=1):
        canvas.text((x + 18, y + 12), line, 23, WHITE, bold=True)
    top, pad = y + (50 if title else 16), 14
    wide, high = wide - 2 * pad, y + high - top - pad
    if panel.text:
        high = _draw_text(canvas, panel, Place(x + 18, top, wide - 8, high))
    if panel.image is not None:
        clip = source(panel.image)
        if clip is None:
            canvas.text((x + pad + wide / 2, top + high / 2), "image not at hand", 20, MUTED, anchor="mm")
            return
        _draw_figure(canvas, panel, clip, Place(x + pad, top, wide, high))
    elif panel.chart is not None:
        draw_chart(canvas, panel.chart, Place(x + pad, top, wide, high))


def _draw_text(canvas: Canvas, panel: Panel, place: Place) -> float:
    """Lines of text: all of the panel when it has nothing else, else at its foot. Returns the height left above."""
    x, y, wide, high = place
    alone = panel.image is None and panel.chart is None
    apart = 9 if alone else 0  # what stands alone is read item by item
    lines = [
        (27 * at + apart * number, line)
        for at, (number, line) in enumerate(
            (number, line) for number, text in enumerate(panel.text) for line in wrapped(text, 20, wide) or [""]
        )
    ]
    room = high if alone else high * 0.4
    kept = [(down, line) for down, line in lines if down + 27 <= room]
    if len(kept) < len(lines) and kept:
        kept[-1] = (kept[-1][0], "…")
    tall = kept[-1][0] + 27 if kept else 0
    for down, line in kept:
        canvas.text((x, (y if alone else y + high - tall) + down), line, 20, WHITE if alone else MUTED)
    return high - tall - 8


def _draw_figure(canvas: Canvas, panel: Panel, clip: Clip, place: Place) -> None:
    frame = panel.image.frame if panel.image else 0
    crop, spacing = shown_part(clip, [point for line in panel.lines for point in line.points])
    if panel.heat_map is not None:
        place = place._replace(height=place.height - BAR)
    field = fit(panel.crop or crop, spacing, place)
    draw_image(canvas, field, clip.frames.grey(frame))
    if panel.heat_map is not None:
        draw_heat_map(canvas, field, panel.heat_map)
    draw_lines(canvas, field, panel.lines)
    if panel.scale_bar:
        draw_scale_bar(canvas, field, spacing)


def overlay_frames(shown: OverlayClip, clip: Clip, footer: str) -> Iterator[Picture]:
    """The frames of a clip with drawings, one after the other, of one size; each is drawn over the one before it."""
    marked: dict[int, list[Line]] = {}
    for number, line in shown.marks:
        marked.setdefault(number, []).append(line)
    points = [point for line in (*shown.lines, *(line for _, line in shown.marks)) for point in line.points]
    crop, spacing = shown_part(clip, points)
    canvas, field = _clip_canvas(crop, spacing)
    rows, columns, _ = canvas.pixels.shape
    for words in wrapped(shown.caption, 18, columns * _MIDDLE, lines=1):
        canvas.text((columns / 2, rows - _CLIP_STRIP + 6), words, 18, WHITE, anchor="ma")
    for number, words in enumerate(wrapped(footer, 13, columns * _MIDDLE, lines=2)):
        canvas.text((columns / 2, rows - _CLIP_STRIP + 31 + 15 * number), words, 13, MUTED, anchor="ma")
    ground = canvas.finished().copy()

    def draw_same(on: Canvas) -> None:
        draw_lines(on, field, shown.lines)
        draw_scale_bar(on, field, spacing)

    same = Stencil(columns, rows, draw_same)
    for number, grey in enumerate(_frames(clip.frames, shown), shown.start):
        canvas.pixels[:] = ground  # a line may reach beyond the image
        draw_image(canvas, field, grey)
        same.lay(canvas.pixels)
        draw_lines(canvas, field, marked.get(number, []))
        yield canvas.finished()


def _clip_canvas(crop: Box, spacing: Spacing | None) -> tuple[Canvas, Field]:
    """A canvas for an overlay clip, its image in the pixels that it has: the viewer enlarges it as it likes.

    A second of frames that were enlarged here would take more time to make, to send and to keep than all else of a
    study. An image of few pixels is enlarged nevertheless, and one of very many made smaller.
    """
    columns, rows = crop.column1 - crop.column0, crop.row1 - crop.row0
    tall = spacing.row_mm / spacing.column_mm if spacing else 1.0
    scale = min(max(1.0, _CLIP_IMAGE[0] / columns), _CLIP_IMAGE[1] / columns, _CLIP_IMAGE[1] / (rows * tall))
    wide, high = max(round(columns * scale), _CLIP_WIDTH), round(rows * tall * scale)
    return Canvas(wide, high + _CLIP_STRIP), fit(crop, spacing, Place(0, 0, wide, high))


def _frames(frames: Frames, shown: OverlayClip) -> Iterator[Grey]:
    return frames.stream(shown.start, min(shown.stop, frames.count))
