"""Overlays show what was measured, keep out of the corners, and stay the same object while they show the same."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file

from plugins.codes import AREA, ECHOGENICITY, MEAN
from plugins.contract import (
    Acquisition,
    Action,
    Box,
    Chart,
    Comparison,
    Conclusion,
    Finding,
    Flag,
    FrameRef,
    HeatMap,
    Line,
    LineRole,
    Measurement,
    NotAssessable,
    OverlayClip,
    Page,
    Panel,
    ReasonCode,
    Refusal,
    RefusalCode,
    Result,
    Scope,
    Series,
    Side,
    Spacing,
    TissueRegion,
    View,
)
from service.analyse.read import Image as ReadImage
from service.analyse.read import read_file
from service.report.canvas import Canvas, _lay
from service.report.captions import of_finding, value
from service.report.figures import BAR, Field, draw_heat_map
from service.report.letters import font, width_of
from service.report.png import png_copy
from service.report.render import HEIGHT, WIDTH, Caption, _clip_canvas, _places, overlay
from service.report.secondary_capture import secondary_captures
from service.report.source import header
from service.report.stencil import Stencil
from service.report.values import Content, Making, Moment, Plan, Previous

NOW = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
CINE = Path(get_testdata_file("examples_ybr_color.dcm"))
OUTLINE = ((150.0, 60.0), (300.0, 60.0), (300.0, 200.0), (150.0, 200.0), (150.0, 60.0))
COMPARED = Comparison(
    "biceps", "1.0.0", "abc", "synthetic-test", "invented volunteers, n=120", z=2.4, percentile=99.2,
    expected=60.0, sd=8.0, upper_limit=76.0, limits="mean + 2 SD", outside="above",
)  # fmt: skip
MEAN_GREY = Measurement(
    "echo_intensity_mean", ECHOGENICITY, 78.36, "[arb'U]", MEAN, uncertainty=2.14, comparison=COMPARED
)

# highdicom warns of the scanner's own one-word patient name; service.report.assemble silences it for every report
pytestmark = pytest.mark.filterwarnings("ignore:The string:UserWarning")


@pytest.fixture(scope="module")
def clip():
    read = read_file(CINE)
    assert isinstance(read, ReadImage)
    return replace(read.clip, regions=(TissueRegion(Box(84, 31, 320, 240), Spacing(0.5, 0.5)),))


@pytest.fixture
def finding(clip):
    at = FrameRef(clip.sop_instance_uid, 4)
    return Finding(at, OUTLINE, (MEAN_GREY,), flags=(Flag("cut-off", Action.WARN, "A part lies outside the picture."),),
                   region_origin="found in the image", confidence=0.9,
                   lines=(Line(((160.0, 80.0), (160.0, 190.0)), LineRole.MEASURE, "55 mm"),))  # fmt: skip


def content(clip, *outcomes, conclusions=()):
    acquisition = Acquisition("biceps_brachii", Side.LEFT, None, View.TRANSVERSE, (clip,))
    return Content("1.2.3", (Result("echogenicity", "0.1.0", acquisition, tuple(outcomes)),), tuple(conclusions))


def make(told, folder, generation=1, previous=(), plan=None):
    folder.mkdir(exist_ok=True)
    making = Making(plan or Plan(), Moment(NOW.replace(minute=generation), generation), folder, tuple(previous))
    return secondary_captures(told, {str(dcmread(CINE, stop_before_pixels=True).SOPInstanceUID): header(CINE)}, making)


def test_an_overlay_is_a_capture_of_its_study_that_names_its_source(clip, finding, tmp_path) -> None:
    (made,) = make(content(clip, finding), tmp_path)
    dataset, source = dcmread(tmp_path / made.file), dcmread(CINE, stop_before_pixels=True)
    assert dataset.SOPClassUID == made.sop_class_uid == "1.2.840.10008.5.1.4.1.1.7"
    assert dataset.StudyInstanceUID == source.StudyInstanceUID
    assert dataset.PatientID == source.PatientID
    assert dataset.Manufacturer == "nmus"
    assert dataset.BurnedInAnnotation == "YES"
    assert dataset.ContentQualification == "RESEARCH"
    assert dataset.LossyImageCompression == "01"
    reference = dataset.SourceImageSequence[0]
    assert (reference.ReferencedSOPInstanceUID, reference.ReferencedFrameNumber) == (source.SOPInstanceUID, 5)
    assert any(item.get("Manufacturer") == "SonoSite, Inc." for item in dataset.ContributingEquipmentSequence)
    assert dataset.pixel_array.shape == (HEIGHT, WIDTH, 3)


def test_a_png_copy_shows_the_same_picture(clip, finding, tmp_path) -> None:
    (made,) = make(content(clip, finding), tmp_path)
    png_copy(tmp_path / made.file, tmp_path / "copy.png")
    assert np.array_equal(np.array(Image.open(tmp_path / "copy.png")), dcmread(tmp_path / made.file).pixel_array)


def test_the_outline_is_drawn_where_it_lies(clip) -> None:
    bare = overlay(clip, 0, (), Caption(""))
    drawn = overlay(clip, 0, (Line(OUTLINE),), Caption(""))
    changed = np.argwhere((bare != drawn).any(axis=2))
    # the region of 236 × 209 pixels fills the picture's height of 772 at this scale, in the middle of its width
    scale = (HEIGHT - 252) / 209
    left = (WIDTH - round(236 * scale)) / 2
    expected = [(60 - 31) * scale, (200 - 31) * scale, left + (150 - 84) * scale, left + (300 - 84) * scale]
    found = [changed[:, 0].min(), changed[:, 0].max(), changed[:, 1].min(), changed[:, 1].max()]
    assert np.allclose(found, expected, atol=5)


def test_the_corners_stay_as_the_image_is(clip, finding) -> None:
    """Viewers write into the four corners: a caption, however long, adds nothing there."""
    long = Caption("word " * 40, ("word " * 60,), ("word " * 90,), ("word " * 90,), "word " * 12)
    difference = (overlay(clip, 0, (), Caption("")) != overlay(clip, 0, (), long)).any(axis=2)
    assert difference.any()
    assert not difference[:, : WIDTH // 7].any()
    assert not difference[:, -(WIDTH // 7) :].any()
    assert not difference[: HEIGHT // 2].any()


@pytest.mark.parametrize(
    ("number", "spread", "words"),
    [
        (86.98, 1.83, "87.0 ± 1.8"),
        (6.188, 0.0981, "6.19 ± 0.10"),
        (-32.8, 2.9, "-32.8 ± 2.9"),
        (9.9, 4e-4, "9.90 ± 0.0004"),
    ],
)
def test_a_value_and_its_spread_have_the_same_decimals(finding, number, spread, words) -> None:
    measurement = replace(finding.measurements[0], value=number, uncertainty=spread)
    assert value(measurement).endswith(words)


def test_a_doubt_that_does_not_fit_whole_is_left_to_the_report(clip) -> None:
    def drawn(*flags: str) -> np.ndarray:
        return overlay(clip, 0, (), Caption("title", ("value " * 25,), (), flags))

    doubt, other = "doubt " * 25, "other " * 25
    assert (drawn(doubt, doubt) != drawn(doubt, other)).any()
    # with a third there is room for the first and the hint at the report, and not for half of the second
    assert (drawn(doubt, doubt, doubt) == drawn(doubt, other, doubt)).all()
    assert (drawn(doubt, doubt, doubt) != drawn(other, doubt, doubt)).any()


def test_the_caption_says_value_comparison_with_its_source_and_every_doubt(clip, finding) -> None:
    result = content(clip, finding).results[0]
    caption = of_finding(result, finding, None, "")
    assert caption.title == "Left biceps brachii · transverse"
    assert caption.values == ("Echogenicity (mean) 78.4 ± 2.1",)
    assert caption.comparison[0] == (
        "Echogenicity: z +2.4, percentile 99.2, expected 60 ± 8, above mean + 2 SD · "
        "invented volunteers, n=120 (synthetic-test)"
    )
    assert caption.flags == ("A part lies outside the picture.",)
    assert "confidence 90%" in caption.comparison[-1]


def test_a_value_that_was_not_compared_says_why(clip, finding) -> None:
    refused = Refusal(RefusalCode.NO_REFERENCE, "no reference for this device", "collect one")
    bare = replace(finding, measurements=(replace(MEAN_GREY, comparison=refused),))
    caption = of_finding(content(clip, bare).results[0], bare, None, "")
    assert caption.comparison[0] == "Echogenicity: not compared, no reference for this device"


@pytest.mark.parametrize(
    ("number", "unit", "words"),
    [
        (9.6, "mm2", "Area 9.6 mm²"),
        (14.0, "{counts}", "Area 14"),
        (0.0123, "1", "Area 0.0123"),
        (12345.6, "mm", "Area 12346 mm"),
    ],
)
def test_values_are_written_as_people_read_them(number: float, unit: str, words: str) -> None:
    assert value(Measurement("x", AREA, number, unit)) == words


def test_the_values_of_all_images_stand_on_the_image_they_rest_on(clip, finding) -> None:
    whole = replace(finding, scope=Scope.ACQUISITION, averaged_over=(finding.image,) * 3)
    caption = of_finding(content(clip, finding).results[0], finding, whole, "")
    assert caption.values[0].startswith("All 3 images: Echogenicity")


def test_the_same_work_gives_the_same_bytes(clip, finding, tmp_path) -> None:
    (one,), (other,) = make(content(clip, finding), tmp_path / "a"), make(content(clip, finding), tmp_path / "b")
    assert one == other
    assert (tmp_path / "a" / one.file).read_bytes() == (tmp_path / "b" / other.file).read_bytes()


def test_an_unchanged_picture_stays_the_same_object_in_a_later_generation(clip, finding, tmp_path) -> None:
    (one,) = make(content(clip, finding), tmp_path / "a")
    before = [Previous(one.key, tmp_path / "a" / one.file)]
    (other,) = make(content(clip, finding), tmp_path / "b", generation=2, previous=before)
    assert other == one
    assert (tmp_path / "b" / other.file).read_bytes() == (tmp_path / "a" / one.file).read_bytes()


def test_a_changed_picture_is_a_new_object_after_the_old_one_in_its_series(clip, finding, tmp_path) -> None:
    (one,) = make(content(clip, finding), tmp_path / "a")
    changed = replace(finding, measurements=(replace(MEAN_GREY, value=80.0),))
    before = [Previous(one.key, tmp_path / "a" / one.file)]
    (other,) = make(content(clip, changed), tmp_path / "b", generation=2, previous=before)
    assert (other.key, other.series_instance_uid) == (one.key, one.series_instance_uid)
    assert other.sop_instance_uid != one.sop_instance_uid
    assert other.instance_number > one.instance_number


def test_candidates_of_what_was_not_assessed_are_shown(clip, tmp_path) -> None:
    refusal = NotAssessable(ReasonCode.NEEDS_REGION, "two look alike", "mark one", FrameRef(clip.sop_instance_uid),
                            (Line(OUTLINE, LineRole.ALTERNATIVE, "A"),))  # fmt: skip
    (made,) = make(content(clip, refusal), tmp_path)
    assert "overlay" in made.key
    silent = replace(refusal, lines=())
    assert make(content(clip, silent), tmp_path) == []


def a_page(clip, title="Fasciculations"):
    heat = HeatMap(np.array([[0, 1], [np.nan, 2]], np.float32), Box(150, 60, 300, 200), "displacement", "mm", 0, 2)
    chart = Chart("When", "time (s)", "", (Series("raster", (1.0, 2.5), (0.0, 0.0)),), ("event",))
    every = (
        Series("band", (0, 1, 2), (0, 0, 0), (1, 2, 1), "band"), Series("line", (0, 1, 2), (0, 1, 3), label="line"),
        Series("points", (1,), (2,), label="points"), Series("bars", (0, 1), (1, -1), label="bars"),
        Series("limit", (), (2.5,), label="limit"),
    )  # fmt: skip
    at = FrameRef(clip.sop_instance_uid, 3)
    panels = (
        Panel("Where", at, None, (Line(OUTLINE),), heat), Panel(chart=chart),
        Panel("How much", chart=Chart("", "x", "y (mm)", every)), Panel("Words", text=("a line", "b " * 90)),
        Panel("Elsewhere", FrameRef("9.9.9")), Panel("Nothing", chart=Chart("", "x", "y", ())),
    )  # fmt: skip
    return Page(title, panels, ("a note",))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 6])
def test_pages_of_any_number_of_panels_are_drawn(clip, finding, tmp_path, count: int) -> None:
    sheet = replace(a_page(clip), panels=a_page(clip).panels[:count])
    made = make(content(clip, replace(finding, pages=(sheet,))), tmp_path)
    assert [one.key.split("|")[-2] for one in made] == ["overlay", "page"]
    drawn = dcmread(tmp_path / made[1].file).pixel_array
    assert drawn.shape == (1200, 1600, 3)
    assert len(np.unique(drawn[..., 0])) > 10


def test_a_colour_bar_hides_nothing_of_the_picture() -> None:
    """A heat map that is nil everywhere leaves the picture, darkened evenly, and the bar stands under it."""
    canvas = Canvas(400, 400)
    field = Field(20, 20, 300, 300, Box(0, 0, 100, 100))
    draw_heat_map(canvas, field, HeatMap(np.zeros((4, 4), np.float32), Box(0, 0, 100, 100), "moved", "mm", 0.0, 1.0))
    assert len(np.unique(canvas.pixels[20:320, 20:320].reshape(-1, 3), axis=0)) == 1
    under = canvas.pixels[320 : 320 + BAR, 20:320]
    assert len(np.unique(under.reshape(-1, 3), axis=0)) > 50
    assert (canvas.pixels[320 + BAR :] == canvas.pixels[-1, -1]).all()


@pytest.mark.parametrize(("columns", "down"), [(1, 4), (2, 2), (3, 2), (None, 2)])
def test_a_page_keeps_to_the_columns_it_asks_for(columns: int | None, down: int) -> None:
    places = list(_places(4, 100.0, 1100.0, columns))
    assert len({place.y for place in places}) == down
    assert len({place.x for place in places}) == (columns or 2)


def test_a_conclusions_page_is_drawn_without_a_result_of_its_own(clip, finding, tmp_path) -> None:
    conclusion = Conclusion("sides", "Sides", "left only", evidence=(finding.image,), pages=(a_page(clip, "Sides"),))
    made = make(content(clip, finding, conclusions=[conclusion]), tmp_path)
    assert [one.title for one in made] == ["Left biceps brachii · transverse", "Sides"]


@pytest.mark.parametrize(
    ("columns", "rows", "row_mm", "field"),
    [
        (640, 480, 0.1, (640, 480)),
        (200, 100, 0.1, (400, 200)),
        (1920, 1080, 0.1, (960, 540)),
        (640, 480, 0.2, (640, 960)),
    ],
)
def test_an_overlay_clip_shows_the_image_in_its_own_pixels(columns, rows, row_mm, field) -> None:
    """Unless it has very few or very many of them, or they are not square."""
    canvas, shown = _clip_canvas(Box(10, 20, 10 + columns, 20 + rows), Spacing(row_mm, 0.1))
    assert (shown.width, shown.height) == field
    height, width, _ = canvas.pixels.shape
    assert width == max(field[0], 560)
    assert shown.x >= 0 and shown.x + shown.width <= width and shown.y + shown.height + 66 <= height


@pytest.mark.parametrize("words", ["Echo intensity 63.2, z = +1.2 (95 %)", "Überprüfung · fi ffl AVATo", ""])
@pytest.mark.parametrize(("size", "bold"), [(15, False), (24, False), (34, True)])
def test_the_letters_of_a_line_are_as_wide_as_the_line(words: str, size: int, bold: bool) -> None:
    assert width_of(words, size, bold=bold) == pytest.approx(font(size, bold=bold).getlength(words), abs=0.01)


def test_text_covers_what_lies_under_it_as_far_as_its_letters_do() -> None:
    under = np.random.default_rng(1).integers(0, 256, (30, 60, 3), np.uint8)
    mask = np.random.default_rng(2).integers(0, 256, (20, 80), np.uint8)
    drawn, colour = under.copy(), np.array((245, 190, 84))
    _lay(drawn, mask, -10, 5, tuple(colour))
    share = mask[:, 10:70, np.newaxis] / 255
    assert np.abs(drawn[5:25].astype(float) - (under[5:25] * (1 - share) + colour * share)).max() <= 0.51
    assert (drawn[:5] == under[:5]).all() and (drawn[25:] == under[25:]).all()


def test_a_stencil_draws_what_was_drawn_on_any_picture() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.line([(20.3, 12.7), (90.1, 60.2), (30, 70)], (64, 214, 255), width=2.5, edge=1)
        canvas.text((60, 40), "12.3 mm", 18, (245, 247, 250), anchor="ma", edge=2)

    drawn = Canvas(120, 80)
    drawn.pixels[:] = np.random.default_rng(3).integers(0, 256, (80, 120, 3), np.uint8)
    before = drawn.pixels.copy()
    laid = before.copy()
    draw(drawn)
    Stencil(120, 80, draw).lay(laid)
    assert np.abs(drawn.finished().astype(int) - laid).max() <= 2, "rounded once, where each stroke rounds"
    assert (laid != before).any(axis=2).mean() < 0.5


def test_an_overlay_clip_is_a_cine_at_its_own_pace(clip, finding, tmp_path) -> None:
    at = FrameRef(clip.sop_instance_uid)
    wanted = OverlayClip(at, 5, 12, (Line(OUTLINE),), ((6, Line(((200.0, 100.0),), LineRole.MARK)),), "Twitch")
    made = make(content(clip, replace(finding, overlay_clip=wanted)), tmp_path)[-1]
    dataset = dcmread(tmp_path / made.file)
    assert dataset.SOPClassUID == made.sop_class_uid == "1.2.840.10008.5.1.4.1.1.7.4"
    assert (dataset.NumberOfFrames, float(dataset.FrameTime)) == (7, pytest.approx(33.333))
    assert dataset.FrameIncrementPointer == 0x00181063
    assert float(dataset.LossyImageCompressionRatio) > 3
    frames = dataset.pixel_array
    assert frames.shape == (7, 354 + 66, 560, 3)  # 236 × 209 pixels of tissue, brought to 400 columns
    marked = np.abs(frames[1].astype(int) - frames[0]).max(axis=2)
    assert marked.max() > 100


ALLOWED = (
    "would be needed to build DICOMDIR",  # empty Type 2 values of the scanner's own file
    "Value dubious for this VR - (0x0010,0x0010)",  # the scanner's own way to write an anonymous name
)


def problems(path: Path) -> list[str]:
    said = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False).stderr
    lines = [line for line in said.splitlines() if line.startswith(("Error", "Warning"))]
    return [line for line in lines if not any(known in line for known in ALLOWED)]


@pytest.mark.acceptance
@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is not installed")
def test_dciodvfy_finds_no_error_in_stills_and_cines(clip, finding, tmp_path) -> None:
    wanted = OverlayClip(FrameRef(clip.sop_instance_uid), 0, 3, (Line(OUTLINE),), (), "Twitch")
    made = make(content(clip, replace(finding, overlay_clip=wanted, pages=(a_page(clip),))), tmp_path)
    assert len(made) == 3
    assert {one.file: problems(tmp_path / one.file) for one in made} == {one.file: [] for one in made}


def test_source_headers_may_lack_all_that_is_not_needed(clip, finding, tmp_path) -> None:
    bare, whole = Dataset(), header(CINE)
    for keyword in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Rows", "Columns"):
        bare[keyword] = whole[keyword]
    bare.file_meta = whole.file_meta
    path = tmp_path / "bare.dcm"
    bare.save_as(path, enforce_file_format=True)
    making = Making(Plan(), Moment(NOW, 1), tmp_path)
    (made,) = secondary_captures(content(clip, finding), {clip.sop_instance_uid: header(path)}, making)
    assert dcmread(tmp_path / made.file).PatientID == ""
