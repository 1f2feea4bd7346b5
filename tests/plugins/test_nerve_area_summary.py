"""What the areas of an exam say together."""

from __future__ import annotations

import pickle
import re
import zlib
from dataclasses import replace

import numpy as np
import pytest

from plugins.contract import (
    Acquisition,
    ArrayFrames,
    Box,
    Clip,
    Comparison,
    Finding,
    FrameRef,
    Measurement,
    NoReferences,
    Region,
    RegionOrigin,
    RegionShape,
    Result,
    Scope,
    Side,
    Spacing,
    Summary,
    TissueRegion,
    View,
)
from plugins.nerve_area import NerveSummary, codes, flags
from plugins.nerve_area.protocols import PROTOCOLS, VERIFIED

OUTLINE = ((10.0, 10.0), (30.0, 10.0), (30.0, 25.0), (10.0, 25.0), (10.0, 10.0))
TISSUE = TissueRegion(Box(0, 0, 60, 50), Spacing(0.1, 0.1))
SEVERITY = re.compile(r"\b(mild|moderate|severe|grade|diagnos\w*)\b", re.IGNORECASE)


def result(
    structure: str,
    site: str,
    mm2: float,
    limit: float | None = None,
    side=Side.RIGHT,
    *,
    mean=None,
    label="",
    outline=OUTLINE,
) -> Result:
    """One nerve at one site, as the plugin reports it."""
    uid = f"1.2.{zlib.crc32(f'{structure} {site} {side}'.encode())}"
    drawn = Region(RegionShape.POLYGON, outline, RegionOrigin.REGIONS_FILE, label=label)
    clip = Clip(uid, "1.2", ArrayFrames(np.zeros((50, 60), np.uint8)), (TISSUE,), drawn=(drawn,))
    compared = None if limit is None else Comparison(
        "ref", "1", "h", "published-unverified", "Somebody 2021", upper_limit=limit, expected=mean,
        limits="97.5th percentile", outside="above" if mm2 > limit else None,
    )  # fmt: skip
    area = Measurement("area", codes.STATED_AREA, mm2, "mm2", comparison=compared)
    image = FrameRef(uid)
    finding = Finding(image, outline, (area,), Scope.ACQUISITION, (image,))
    acquisition = Acquisition(structure, side, site, View.TRANSVERSE, (clip,))
    return Result("nerve_area", "0.1.0", acquisition, (finding,))


def conclude(*results: Result, earlier=(), **parameters):
    conclusions = NerveSummary(**parameters).summarise(results, earlier, NoReferences())
    return {conclusion.name: conclusion for conclusion in conclusions}


def pattern(*results: Result) -> str:
    return conclude(*results)["enlargement_pattern"].observations[0].value.value


def test_nothing_without_areas():
    assert NerveSummary().summarise((), (), NoReferences()) == ()
    assert isinstance(NerveSummary(), Summary)
    assert pickle.loads(pickle.dumps(NerveSummary())) == NerveSummary()  # noqa: S301


def test_wrist_against_forearm_needs_the_same_side():
    wrist = result("median_nerve", "wrist", 14.0)
    found = conclude(wrist, result("median_nerve", "forearm", 7.0))["wrist_forearm_right"]
    assert [m.value for m in found.measurements] == [pytest.approx(2.0), pytest.approx(7.0)]
    other = conclude(wrist, result("median_nerve", "forearm", 7.0, side=Side.LEFT))
    assert not any(name.startswith("wrist_forearm") for name in other)


def test_side_to_side_of_the_same_site():
    found = conclude(result("ulnar_nerve", "elbow", 12.0), result("ulnar_nerve", "elbow", 8.0, side=Side.LEFT))[
        "side_to_side_ulnar_nerve_elbow"
    ]
    assert [m.value for m in found.measurements] == [pytest.approx(1.5), pytest.approx(4.0)]
    assert "Kerasnoudis 2013" in found.source
    assert "within 1.70" in found.text


def test_variability_along_and_between_nerves():
    found = conclude(
        result("median_nerve", "wrist", 10.0), result("median_nerve", "mid_arm", 8.0),
        result("ulnar_nerve", "elbow", 9.0), result("ulnar_nerve", "forearm", 3.0),
    )  # fmt: skip
    assert found["intranerve_median_nerve_right"].measurements[0].value == pytest.approx(1.25)
    assert found["intranerve_ulnar_nerve_right"].measurements[0].value == pytest.approx(3.0)
    assert "above 2.55" in found["intranerve_ulnar_nerve_right"].text
    assert found["internerve"].measurements[0].value == pytest.approx(3.0 / 1.25)


def test_entrapment_ratio_and_swelling_against_the_nearest_normal_site():
    found = conclude(
        result("ulnar_nerve", "medial_epicondyle", 15.0, 11.0), result("ulnar_nerve", "forearm", 5.0, 9.0),
        result("ulnar_nerve", "mid_arm", 7.0, 11.0),
    )  # fmt: skip
    assert found["entrapment_ratio_ulnar_nerve_right"].measurements[0].value == pytest.approx(15 / 6)
    assert found["swelling_ulnar_nerve_right_medial_epicondyle"].measurements[0].value in (
        pytest.approx(15 / 5),
        pytest.approx(15 / 7),
    )


def test_patterns():
    wrist, forearm = result("median_nerve", "wrist", 16.0, 13.0), result("median_nerve", "forearm", 6.0, 10.0)
    elbow = result("ulnar_nerve", "medial_epicondyle", 14.0, 11.0)
    assert pattern(forearm) == codes.NO_ENLARGEMENT.value
    assert pattern(wrist, forearm) == codes.FOCAL_AT_ENTRAPMENT.value
    assert pattern(wrist, forearm, elbow) == codes.MULTIPLE_ENTRAPMENT.value
    big_forearm = result("median_nerve", "forearm", 14.0, 10.0)
    assert pattern(wrist, big_forearm, result("ulnar_nerve", "mid_arm", 7.0, 11.0)) == codes.MULTIFOCAL.value


def test_one_enlarged_site_away_from_entrapment_is_no_multifocal_pattern():
    big_forearm = result("median_nerve", "forearm", 14.0, 10.0)
    assert pattern(big_forearm) == codes.ONE_SITE.value
    alone = conclude(big_forearm)["enlargement_pattern"].text
    assert "multifocal" not in alone
    assert "others not" not in alone
    among = conclude(big_forearm, result("ulnar_nerve", "mid_arm", 7.0, 11.0))["enlargement_pattern"]
    assert among.observations[0].value == codes.ONE_SITE
    assert "others not" in among.text


def test_a_uniform_pattern_takes_every_site_and_little_variability():
    def exam(last: float):
        return (
            result("median_nerve", "forearm", 20.0, 10.0, mean=6.3),
            result("median_nerve", "mid_arm", 22.0, 15.0, mean=9.3),
            result("ulnar_nerve", "arterial_split", 18.0, 9.0, mean=5.7),
            result("ulnar_nerve", "mid_arm", last, 11.0, mean=6.4),
        )

    assert pattern(*exam(20.0)) == codes.UNIFORM.value
    assert pattern(*exam(50.0)) == codes.MULTIFOCAL.value  # 50 / 18 exceeds the variability of healthy ulnar nerves
    assert "diffuse" in conclude(*exam(20.0))["protocol_zaidman"].text


def test_without_comparison_the_pattern_is_not_evaluable():
    assert not conclude(result("median_nerve", "wrist", 16.0))["enlargement_pattern"].evaluable


def test_an_area_above_one_limit_alone_says_that_other_sites_are_missing():
    text = conclude(result("median_nerve", "wrist", 16.0, 13.0))["enlargement_pattern"].text
    assert "not excluded" in text


def test_a_nerve_in_parts_enters_no_ratio_and_no_rule():
    forearm = result("median_nerve", "forearm", 7.0)
    whole = result("median_nerve", "wrist", 14.0)
    finding = whole.outcomes[0]
    parts = replace(whole, outcomes=(replace(finding, flags=(flags.TWO_PARTS,)),))
    assert {"wrist_forearm_right", "protocol_cts_dutch_11"} <= set(conclude(whole, forearm))
    said = conclude(parts, forearm)
    assert not any(name.startswith(("wrist_forearm", "entrapment", "protocol_cts")) for name in said)
    assert "nerve_map" in said


def test_a_map_begins_at_zero_and_plots_nothing_where_nothing_has_a_limit():
    chart, figures = conclude(result("median_nerve", "wrist", 16.0, 13.0))["nerve_map"].pages[0].panels
    assert min(x for series in chart.chart.series for x in series.x) == 0
    assert "16.0 (above); limit 13.0" in figures.text[0]
    (alone,) = conclude(result("median_nerve", "wrist", 16.0))["nerve_map"].pages[0].panels
    assert alone.chart is None
    assert "16.0; not compared" in alone.text[0]


def test_recalled_rules_are_off_until_confirmed():
    wrist = result("median_nerve", "wrist", 10.5)
    assert "protocol_cts_10" not in conclude(wrist)
    assert "protocol_cts_10" not in conclude(wrist, protocols=("cts_10",))
    assert conclude(wrist, confirmed=("cts_10",))["protocol_cts_10"].text.startswith("met")
    assert conclude(wrist)["protocol_cts_dutch_11"].text.startswith("not met")
    assert {p.key for p in PROTOCOLS if p.recalled}.isdisjoint(VERIFIED)


def test_rules_are_selectable_and_unknown_ones_refused():
    wrist = result("median_nerve", "wrist", 12.0)
    assert not any(name.startswith("protocol_") for name in conclude(wrist, protocols=()))
    with pytest.raises(ValueError, match="no_such_rule"):
        NerveSummary(protocols=("no_such_rule",))


def test_a_rule_is_asked_only_when_its_images_are_there():
    short = (result("median_nerve", "forearm", 11.0), result("median_nerve", "mid_arm", 12.0))
    assert "protocol_cin_goedee" not in conclude(*short)
    found = conclude(*short, result("upper_trunk", "root_or_trunk", 7.0))["protocol_cin_goedee"]
    assert found.text.startswith("met")
    assert "67.3" in found.text


def test_every_rule_names_its_source_and_nothing_speaks_of_severity():
    results = [
        result(structure, site, mm2, limit, side, mean=limit / 1.5)
        for side in (Side.LEFT, Side.RIGHT)
        for structure, site, mm2, limit in (
            ("median_nerve", "wrist", 18.0, 13.0), ("median_nerve", "forearm", 12.0, 10.0),
            ("median_nerve", "distal_forearm", 7.0, 10.0), ("median_nerve", "mid_arm", 16.0, 15.0),
            ("ulnar_nerve", "wrist", 5.0, 8.0), ("ulnar_nerve", "elbow", 12.0, 11.0),
            ("ulnar_nerve", "forearm", 6.0, 9.0),
            ("ulnar_nerve", "mid_arm", 8.0, 11.0), ("radial_nerve", "spiral_groove", 8.0, 11.0),
            ("sural_nerve", "mid_calf", 2.0, 3.0), ("c5_root", "cervical_root", 10.0, 7.7),
            ("upper_trunk", "root_or_trunk", 9.0, 22.0),
        )
    ]  # fmt: skip
    everything = conclude(*results, confirmed=tuple(p.key for p in PROTOCOLS if p.recalled))
    asked = [c for name, c in everything.items() if name.startswith("protocol_")]
    assert len(asked) >= 13
    assert all(c.source for c in asked)
    for conclusion in everything.values():
        assert not SEVERITY.search(conclusion.text), conclusion.text
        for chart in (panel.chart for page in conclusion.pages for panel in page.panels if panel.chart):
            assert all(len(series.x) == len(series.y) for series in chart.series)


def verdict(key: str, *results: Result) -> str | None:
    """What one rule says of an exam: its text, or nothing."""
    found = conclude(*results, protocols=(key,), confirmed=(key,)).get(f"protocol_{key}")
    return None if found is None else found.text.split(":")[0]


@pytest.mark.parametrize(("mm2", "said"), [(10.5, "met"), (10.4, "not met")])
def test_a_stated_wrist_circumference_sets_its_limit(mm2, said):
    """0.88 × 16.5 cm − 4.0 = 10.52 mm²."""
    labelled = result("median_nerve", "wrist", mm2 + 0.03, label="Nerve; Wrist circumference: 16,5 cm")
    assert verdict("cts_wrist_circumference", labelled) == said


def test_without_a_plausible_circumference_the_rule_is_not_asked():
    for label in ("", "wrist circumference 165 cm", "wrist 16.5 cm"):
        assert verdict("cts_wrist_circumference", result("median_nerve", "wrist", 14.0, label=label)) is None


def test_thresholds_in_common_use_are_three_recalled_rules():
    wrist = result("median_nerve", "wrist", 11.0)
    assert [verdict(f"cts_{n}", wrist) for n in (10, 11, 12)] == ["met", "met", "not met"]
    assert {"cts_10", "cts_11", "cts_12"}.isdisjoint(VERIFIED)


def test_ulnar_nerve_at_the_epicondyle():
    assert verdict("une_9_7", result("ulnar_nerve", "medial_epicondyle", 9.7)) == "met"
    assert verdict("une_9_7", result("ulnar_nerve", "medial_epicondyle", 9.6)) == "not met"
    assert verdict("une_9_7", result("ulnar_nerve", "cubital_tunnel_inlet", 12.0)) is None


@pytest.mark.parametrize(("wrist", "said"), [(7.0, "met"), (8.1, "not met"), (17.9, "not met"), (18.1, "met")])
def test_wrist_to_forearm_ratio_outside_a_range(wrist, said):
    pair = result("median_nerve", "wrist", wrist), result("median_nerve", "forearm", 10.0)
    assert verdict("wrist_forearm_noto", *pair) == said


def test_entrapment_ratio_below_one_and_above():
    low = result("ulnar_nerve", "elbow", 9.0), result("ulnar_nerve", "forearm", 10.0)
    assert (verdict("entrapment_ratio_below_1", *low), verdict("entrapment_ratio_1_4", *low)) == ("met", "not met")


def test_variability_rules_at_mean_and_two_deviations():
    """Limits 2.55 along the ulnar nerve, 2.50 between nerves, 2.26 in the plexus, 1.29 between the median nerves."""
    elbow, forearm = result("ulnar_nerve", "elbow", 26.0), result("ulnar_nerve", "forearm", 10.0)
    assert verdict("intranerve_kerasnoudis", elbow, forearm) == "met"
    assert verdict("internerve_kerasnoudis", elbow, forearm) is None
    median = result("median_nerve", "wrist", 10.0), result("median_nerve", "forearm", 10.0)
    assert verdict("internerve_kerasnoudis", elbow, forearm, *median) == "met"
    roots = result("c5_root", "cervical_root", 5.0), result("c6_root", "cervical_root", 11.4)
    assert verdict("intraplexus_kerasnoudis", *roots) == "met"
    assert verdict("intraplexus_kerasnoudis", roots[0]) is None
    left = result("median_nerve", "wrist", 13.1, side=Side.LEFT)
    assert verdict("side_to_side_kerasnoudis", median[0], left) == "met"


UPSA = (
    ("median_nerve", "mid_arm"), ("median_nerve", "antecubital_fossa"), ("median_nerve", "forearm"),
    ("ulnar_nerve", "mid_arm"), ("ulnar_nerve", "forearm"), ("tibial_nerve", "popliteal_fossa"),
    ("tibial_nerve", "ankle"), ("common_fibular_nerve", "popliteal_fossa"),
)  # fmt: skip


def test_the_pattern_sum_score_counts_one_and_two_points_and_needs_every_site():
    areas = [12.0, 12.0, 12.0, 16.0, 16.0, 8.0, 8.0, 8.0]  # limit 10: three of one point, two of two
    exam = [result(nerve, site, mm2, 10.0) for (nerve, site), mm2 in zip(UPSA, areas, strict=True)]
    found = conclude(*exam, confirmed=("upss",))["protocol_upss"]
    assert found.text.startswith("met: UPSA 7 of 16, UPSB not complete")
    assert found.measurements[0].value == 7
    assert verdict("upss", *exam[1:]) is None
    assert verdict("upss", result("median_nerve", "mid_arm", 9.0, 10.0), *exam[1:]) == "not met"
    assert "upss" not in VERIFIED


def test_pages_show_both_sides_at_one_scale_and_the_map():
    found = conclude(
        result("ulnar_nerve", "elbow", 12.0, 11.0), result("ulnar_nerve", "elbow", 8.0, 11.0, side=Side.LEFT)
    )["nerve_map"]
    chart, pair = found.pages[0].panels[0].chart, found.pages[1].panels
    assert chart is not None
    assert chart.y_names == ("Ulnar nerve, Elbow",)
    assert {s.label: s.x for s in chart.series}["right"] == (pytest.approx(100 * 12 / 11),)
    assert pair[0].crop == pair[1].crop
    assert found.pages[1].columns == 2, "a right side stands beside its left"
    assert [panel.title[:18] for panel in pair] == ["Ulnar nerve right,", "Ulnar nerve left, "]
    assert [panel.text for panel in pair] == [("upper limit 11.0 mm²: above",), ("upper limit 11.0 mm²: within",)]


def test_the_map_names_every_site_its_limit_and_each_source_once():
    found = conclude(
        result("median_nerve", "wrist", 12.0, 11.0), result("median_nerve", "wrist", 9.0, 11.0, side=Side.LEFT),
        result("median_nerve", "forearm", 8.0, 10.0), result("ulnar_nerve", "elbow", 7.0),
    )["nerve_map"]  # fmt: skip
    chart, figures = found.pages[0].panels
    assert chart.chart.y_names == (
        "Median nerve, Wrist", "Median nerve, Middle of the forearm", "Ulnar nerve, Elbow (no limit)",
    )  # fmt: skip
    assert figures.text == (
        "Median nerve, Wrist: right 12.0 (above), left 9.0; limit 11.0",
        "Median nerve, Middle of the forearm: right 8.0; limit 10.0",
        "Ulnar nerve, Elbow: right 7.0; not compared",
        "",
        "Limits: Somebody 2021.",
    )


def test_a_large_exam_takes_several_maps_and_loses_no_site():
    places = [
        (nerve, site)
        for nerve in ("median_nerve", "ulnar_nerve", "radial_nerve", "musculocutaneous_nerve")
        for site in ("wrist", "forearm", "elbow", "mid_arm", "axilla")
    ]
    found = conclude(*(result(nerve, site, 8.0, 10.0) for nerve, site in places))["nerve_map"]
    rows = [name for page in found.pages for name in page.panels[0].chart.y_names]
    assert len(found.pages) == 2
    assert len(set(rows)) == len(places)


@pytest.mark.parametrize("place", [(1, 1), (39, 1), (1, 34), (20, 15)])
def test_a_nerve_at_the_edge_keeps_the_scale_of_its_other_side(place):
    column, row = place
    corner = tuple((column + x, row + y) for x, y in ((0.0, 0.0), (20.0, 0.0), (20.0, 15.0), (0.0, 15.0), (0.0, 0.0)))
    boxes = [panel.crop for panel in conclude(
        result("ulnar_nerve", "elbow", 12.0, 11.0, outline=corner),
        result("ulnar_nerve", "elbow", 8.0, 11.0, side=Side.LEFT),
    )["nerve_map"].pages[1].panels]  # fmt: skip
    sizes = {(box.column1 - box.column0, box.row1 - box.row0) for box in boxes}
    assert len(sizes) == 1
    assert all(box.column0 >= 0 and box.row0 >= 0 and box.column1 <= 60 and box.row1 <= 50 for box in boxes)
