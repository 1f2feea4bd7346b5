"""The nerve plugin on images whose answer is known."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy import ndimage

from plugins.contract import (
    Acquisition,
    ArrayFrames,
    Box,
    Clip,
    Comparison,
    Finding,
    NoReferences,
    NotAssessable,
    ReasonCode,
    Refusal,
    RefusalCode,
    Region,
    RegionOrigin,
    RegionShape,
    Scope,
    Side,
    Spacing,
    TissueRegion,
    View,
)
from plugins.nerve_area import NerveArea

SHAPE = (300, 360)
STEP = 0.07
TISSUE = TissueRegion(Box(0, 0, 360, 300), Spacing(STEP, STEP))
CENTRE = (180.0, 120.0)


def picture(seed: int = 0, half: tuple[float, float] = (32.0, 20.0)) -> np.ndarray:
    """Developed speckle: dark fascicles between bright septa in a bright rim that begins outside the border."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]] + 0.5
    echo = np.full(SHAPE, 0.35)
    x, y = (columns - CENTRE[0]) / half[0], (rows - CENTRE[1]) / half[1]
    echo[np.hypot((columns - CENTRE[0]) / (half[0] + 5), (rows - CENTRE[1]) / (half[1] + 5)) < 1] = 1.6
    echo[np.hypot(x, y) < 1] = 0.8
    for u, v in ((0, 0), (0.5, 0.1), (-0.5, 0.1), (0.25, 0.5), (-0.25, 0.5), (0.25, -0.5), (-0.25, -0.5)):
        echo[np.hypot(columns - CENTRE[0] - u * half[0], rows - CENTRE[1] - v * half[1]) < 6] = 0.12
    field = [ndimage.gaussian_filter(rng.normal(size=SHAPE) * echo, (0.9, 1.8)) for _ in range(2)]
    decibel = 20 * np.log10(np.hypot(*field) * np.sqrt(1.6) + 1e-4)
    return (255 * (decibel + 50) / 55).clip(13, 255).astype(np.uint8)


def ellipse(half: tuple[float, float] = (32.0, 20.0), centre: tuple[float, float] = CENTRE, **kwargs) -> Region:
    (c, r), (a, b) = centre, half
    points = ((c - a, r), (c + a, r), (c, r - b), (c, r + b))
    return Region(RegionShape.ELLIPSE, points, RegionOrigin.PRESENTATION_STATE, **kwargs)


def caliper(*points: tuple[float, float]) -> Region:
    return Region(RegionShape.CALIPER, points, RegionOrigin.SCANNER)


CALIPERS = (
    caliper((CENTRE[0] - 32, CENTRE[1]), (CENTRE[0] + 32, CENTRE[1])),
    caliper((CENTRE[0], CENTRE[1] - 20), (CENTRE[0], CENTRE[1] + 20)),
)
POINT = Region(RegionShape.POINT, (CENTRE,), RegionOrigin.REVIEW)


def clip(*drawn: Region, pixels=None, regions=(TISSUE,), uid="1.2.3", colour=None) -> Clip:
    return Clip(uid, "1.2", ArrayFrames(picture() if pixels is None else pixels, colour), regions, drawn=drawn)


def analyse(*clips: Clip, structure="median_nerve", site="wrist", view=View.TRANSVERSE, references=None, **parameters):
    acquisition = Acquisition(structure, Side.RIGHT, site, view, clips)
    return NerveArea(**parameters).analyse(acquisition, references or NoReferences())


def value(finding: Finding, name: str) -> float:
    return next(m.value for m in finding.measurements if m.name == name)


def reason(outcomes) -> ReasonCode:
    assert len(outcomes) == 1
    assert isinstance(outcomes[0], NotAssessable)
    assert outcomes[0].remedy
    return outcomes[0].code


def test_a_drawn_ellipse_is_measured_as_drawn():
    image, total = analyse(clip(ellipse()))
    expected = np.pi * 32 * 20 * STEP**2
    assert value(image, "area") == pytest.approx(expected, rel=0.005)
    assert value(image, "long_axis") == pytest.approx(64 * STEP, rel=0.01)
    assert value(image, "short_axis") == pytest.approx(40 * STEP, rel=0.01)
    assert value(image, "flattening") == pytest.approx(1.6, rel=0.01)
    assert value(image, "distance_to_skin") == pytest.approx(100 * STEP, abs=0.1)
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]] + 0.5
    inside = np.hypot((columns - CENTRE[0]) / 32, (rows - CENTRE[1]) / 20) < 1
    assert value(image, "echo_intensity_mean") == pytest.approx(picture()[inside].mean(), abs=0.5)
    assert image.region_origin == "drawn: presentation state, ellipse"
    assert total.scope is Scope.ACQUISITION
    assert value(total, "image_count") == 1
    assert total.pages


def test_a_circle_is_round():
    image, _ = analyse(clip(ellipse((30.0, 30.0))))
    assert value(image, "circularity") == pytest.approx(1.0, abs=0.005)
    assert value(image, "perimeter") == pytest.approx(2 * np.pi * 30 * STEP, rel=0.005)


def test_spacing_doubled_is_area_fourfold_and_lengths_twofold():
    double = TissueRegion(TISSUE.box, Spacing(2 * STEP, 2 * STEP))
    one, two = analyse(clip(ellipse()))[0], analyse(clip(ellipse(), regions=(double,)))[0]
    assert value(two, "area") == pytest.approx(4 * value(one, "area"))
    for name in ("perimeter", "long_axis", "short_axis", "distance_to_skin"):
        assert value(two, name) == pytest.approx(2 * value(one, name))


def test_calipers_spacing_doubled_is_area_fourfold():
    """The caliper's search is in the ellipse's own frame: scale changes nothing in what the network sees."""
    double = TissueRegion(TISSUE.box, Spacing(2 * STEP, 2 * STEP))
    lenient = {"min_confidence": 0.0}
    one = analyse(clip(*CALIPERS), structure="tibial_nerve", site="ankle", **lenient)[0]
    two = analyse(clip(*CALIPERS, regions=(double,)), structure="tibial_nerve", site="ankle", **lenient)[0]
    assert value(two, "area") == pytest.approx(4 * value(one, "area"), rel=1e-6)


def test_the_area_is_compared_once_over_the_repeated_images():
    asked = []

    class Store:
        def compare(self, question):
            asked.append(question)
            return Comparison("id", "1", "hash", "published-unverified", "Somebody 2021", upper_limit=13.0)

    outcomes = analyse(clip(ellipse()), clip(ellipse((30.0, 20.0)), uid="1.2.4"), references=Store())
    areas = [value(each, "area") for each in outcomes]
    assert areas[2] == pytest.approx((areas[0] + areas[1]) / 2)
    assert [q.quantity for q in asked] == ["nerve_csa"]
    assert asked[0].value == pytest.approx(areas[2])
    assert (asked[0].structure, asked[0].site, asked[0].side) == ("median_nerve", "wrist", Side.RIGHT)
    area = next(m for m in outcomes[2].measurements if m.name == "area")
    assert isinstance(area.comparison, Comparison)
    assert area.uncertainty == pytest.approx(abs(areas[0] - areas[1]) / np.sqrt(2))
    assert "Somebody 2021" in " ".join(outcomes[2].pages[0].panels[0].text)


def test_an_outline_beats_an_ellipse_beats_calipers_beats_a_point():
    square = Region(RegionShape.POLYGON, ((160, 100), (200, 100), (200, 140), (160, 140)), RegionOrigin.SEGMENTATION)
    assert analyse(clip(POINT, *CALIPERS, ellipse(), square))[0].region_origin == "drawn: segmentation, outline"
    assert "ellipse" in analyse(clip(POINT, *CALIPERS, ellipse()))[0].region_origin
    assert "calipers" in analyse(clip(POINT, *CALIPERS), min_confidence=0.0)[0].region_origin


def test_a_page_tells_a_drawn_outline_from_one_that_was_found():
    def text(*drawn):
        return analyse(clip(*drawn), min_confidence=0.0)[-1].pages[0].panels[0].text

    assert "outline drawn: presentation state, ellipse" in text(ellipse())
    found = next(line for line in text(*CALIPERS) if line.startswith("outline"))
    assert found.startswith("outline found from ")
    assert found.endswith(", calipers")


def test_a_drawing_that_names_another_structure_is_left_alone():
    assert reason(analyse(clip(ellipse(structure="ulnar_nerve")))) is ReasonCode.NEEDS_REGION


def test_the_area_that_the_source_states_is_carried_and_held_against_ours():
    image, _ = analyse(clip(ellipse(area_mm2=12.5)))
    assert value(image, "area_stated") == 12.5
    assert "stated_area_differs" in {flag.name for flag in image.flags}


def statement(area: float, structure: str | None = "median_nerve", frame: int = 0) -> Region:
    return Region(
        RegionShape.STATEMENT, (), RegionOrigin.STRUCTURED_REPORT, frame, structure, "Cross-sectional area", area
    )


def test_an_area_that_a_report_states_of_the_image_stands_beside_ours_named_as_such():
    image = analyse(clip(*CALIPERS, statement(9.9)))[0]
    assert value(image, "area_stated") == 9.9
    assert "area_stated" not in [
        m.name for m in analyse(clip(*CALIPERS, statement(9.9, "ulnar_nerve")))[0].measurements
    ]
    two = analyse(clip(*CALIPERS, statement(9.9), statement(7.0)))[0]
    assert "area_stated" not in [m.name for m in two.measurements], "which of the two is meant, nobody can say"


def test_a_stated_area_alone_is_quoted_and_never_given_as_ours():
    outcomes = analyse(clip(statement(9.9)))
    assert reason(outcomes) is ReasonCode.NEEDS_REGION
    assert "a report of another product states 9.9 mm²" in outcomes[0].text


def test_without_calibration_no_area():
    assert reason(analyse(clip(ellipse(), regions=()))) is ReasonCode.NO_CALIBRATION


def test_two_regions_and_no_way_to_tell():
    halves = (
        TissueRegion(Box(0, 0, 180, 300), Spacing(0.1, 0.1)),
        TissueRegion(Box(180, 0, 360, 300), Spacing(0.1, 0.1)),
    )
    assert reason(analyse(clip(ellipse(), regions=halves))) is ReasonCode.AMBIGUOUS_CALIBRATION
    assert reason(analyse(clip(regions=halves))) is ReasonCode.AMBIGUOUS_CALIBRATION
    one_side = ellipse((20.0, 15.0), (90.0, 120.0))
    assert isinstance(analyse(clip(one_side, regions=halves))[0], Finding)


def test_without_seed_a_suggestion_at_most():
    (outcome,) = analyse(clip())
    assert outcome.code is ReasonCode.NEEDS_REGION
    assert "mark" in outcome.remedy


def test_a_longitudinal_view_gives_no_area():
    assert reason(analyse(clip(ellipse()), view=View.LONGITUDINAL)) is ReasonCode.WRONG_VIEW


def test_a_nerve_at_the_border_is_cut_off():
    assert reason(analyse(clip(ellipse(centre=(33.0, 120.0))))) is ReasonCode.CUT_OFF


def test_a_bifid_median_needs_both_parts():
    part = ellipse((14.0, 12.0), (165.0, 120.0), label="bifid median, radial part")
    assert reason(analyse(clip(part))) is ReasonCode.BIFID
    other = ellipse((14.0, 12.0), (197.0, 120.0))
    image, total = analyse(clip(part, other))
    assert value(image, "area") == pytest.approx(2 * np.pi * 14 * 12 * STEP**2, rel=0.01)
    assert value(image, "parts") == 2
    area = next(m for m in total.measurements if m.name == "area")
    assert isinstance(area.comparison, Refusal)
    assert area.comparison.code is RefusalCode.BLOCKED


def test_sites_that_are_not_this_nerves():
    assert reason(analyse(clip(ellipse()), site="fibular_head")) is ReasonCode.SITE_UNKNOWN
    assert reason(analyse(clip(ellipse()), site="nowhere")) is ReasonCode.SITE_UNKNOWN
    assert reason(analyse(clip(ellipse()), structure="c7_root", site=None)) is ReasonCode.SITE_UNKNOWN


def test_a_nerve_without_site_is_measured_and_not_compared():
    _, total = analyse(clip(ellipse()), site=None)
    area = next(m for m in total.measurements if m.name == "area")
    assert isinstance(area.comparison, Refusal)


def test_an_area_survives_colour_doppler_only_when_drawn():
    doppler = TissueRegion(TISSUE.box, TISSUE.spacing, colour=True)
    image, _ = analyse(clip(ellipse(), regions=(doppler,)))
    assert "echo_intensity_mean" not in {m.name for m in image.measurements}
    assert reason(analyse(clip(*CALIPERS, regions=(doppler,)))) is ReasonCode.COLOUR_DOPPLER


def test_a_drawing_on_a_frame_that_is_not_there():
    assert reason(analyse(clip(ellipse(frame=5)))) is ReasonCode.REGION_INVALID


@pytest.mark.parametrize("structure", [None, "biceps_brachii", "no_such_thing"])
def test_what_is_no_nerve_is_declined(structure):
    acquisition = Acquisition(structure, Side.LEFT, None, View.TRANSVERSE, (clip(),))
    assert NerveArea().declines(acquisition) is not None


def test_the_plugin_is_picklable_deterministic_and_leaves_the_frames_alone():
    frames = picture()
    before = frames.copy()
    plugin = pickle.loads(pickle.dumps(NerveArea(min_confidence=0.0)))  # noqa: S301
    acquisition = Acquisition("ulnar_nerve", Side.LEFT, "elbow", View.TRANSVERSE, (clip(*CALIPERS, pixels=frames),))
    assert plugin.declines(acquisition) is None
    assert plugin.analyse(acquisition, NoReferences()) == plugin.analyse(acquisition, NoReferences())
    assert (frames == before).all()
