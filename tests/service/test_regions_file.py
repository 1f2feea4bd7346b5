"""Regions come from files that people write: each shape is read exactly, each mistake is named."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.contract import RegionOrigin, RegionShape
from service.analyse.regions import read_regions
from service.errors import Misconfigured


def _read(tmp_path, document):
    path = tmp_path / "regions.json"
    path.write_text(json.dumps(document))
    return read_regions(path)


def test_every_shape_is_read(tmp_path):
    regions = _read(
        tmp_path,
        {
            "regions": [
                {"file": "a.dcm", "frame": 2, "polygon": [[0, 0], [4, 0], [4, 3]], "label": "x"},
                {"file": "b.png", "ellipse": {"centre": [10, 20], "axes": [8, 4], "angle_deg": 90}},
                {"box": [1, 2, 5, 9]},
                {"caliper": [[1, 1], [1, 7]]},
                {"sop_instance_uid": "1.2.3", "point": [3.5, 4.5], "structure": "median_nerve"},
            ]
        },
    )
    shapes = [one.region.shape for one in regions]
    assert shapes == [
        RegionShape.POLYGON,
        RegionShape.ELLIPSE,
        RegionShape.BOX,
        RegionShape.CALIPER,
        RegionShape.POINT,
    ]
    assert regions[0].region.points == ((0, 0), (4, 0), (4, 3), (0, 0))
    assert regions[0].region.frame == 2
    assert all(one.region.origin is RegionOrigin.REGIONS_FILE for one in regions)
    top, bottom, *_ = regions[1].region.points
    assert top == pytest.approx((10, 16))
    assert bottom == pytest.approx((10, 24))
    assert regions[4].region.structure == "median_nerve"


def test_a_region_finds_its_file(tmp_path):
    by_name, by_uid, anywhere = _read(
        tmp_path,
        [{"file": "a.dcm", "point": [1, 1]}, {"sop_instance_uid": "1.2", "point": [1, 1]}, {"point": [1, 1]}],
    )
    assert by_name.belongs_to(Path("/x/a.dcm"), "9.9")
    assert not by_name.belongs_to(Path("/x/b.dcm"), "9.9")
    assert by_uid.belongs_to(Path("b"), "1.2")
    assert not by_uid.belongs_to(Path("b"), "1.3")
    assert anywhere.belongs_to(Path("b"), "1.3")


def test_geojson_is_read(tmp_path):
    (region,) = _read(
        tmp_path,
        {
            "type": "FeatureCollection",
            "features": [
                {
                    "type": "Feature",
                    "properties": {"file": "a.dcm", "frame": 1},
                    "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [2, 0], [2, 2], [0, 0]]]},
                }
            ],
        },
    )
    assert region.file == "a.dcm"
    assert region.region.points == ((0, 0), (2, 0), (2, 2), (0, 0))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"file": "a"}, "no shapes"),
        ({"point": [1, 1], "box": [0, 0, 1, 1]}, "2 shapes"),
        ({"point": [1, "x"]}, "where a number belongs"),
        ({"point": [1, True]}, "where a number belongs"),
        ({"polygon": [[0, 0], [1, 1]]}, "at least 3"),
        ({"box": [5, 5, 1, 9]}, "no area"),
        ({"caliper": [[0, 0], [1, 1], [2, 2]]}, "two points"),
        ({"ellipse": {"centre": [1, 1]}}, "axes"),
        ({"ellipse": {"centre": [1, 1], "axes": [0, 2]}}, "above 0"),
        ({"point": [1, 1], "frame": -1}, "frames count from 0"),
        ({"point": [1, 1], "colour": "red"}, "'colour' is not known"),
    ],
)
def test_a_mistake_is_named_with_its_entry(tmp_path, entry, message):
    with pytest.raises(Misconfigured, match=message) as error:
        _read(tmp_path, {"regions": [{"point": [0, 0]}, entry]})
    assert "entry 2" in str(error.value)


@pytest.mark.parametrize("document", [{}, "text", {"regions": [1]}, 3])
def test_another_document_is_refused(tmp_path, document):
    with pytest.raises(Misconfigured):
        _read(tmp_path, document)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(Misconfigured, match="cannot be read"):
        read_regions(tmp_path / "none.json")


@given(
    column=st.floats(-500, 500),
    row=st.floats(-500, 500),
    axes=st.tuples(st.floats(1, 400), st.floats(1, 400)),
    angle=st.floats(-360, 360),
)
def test_an_ellipse_keeps_its_axes(tmp_path_factory, column, row, axes, angle):
    (found,) = _read(
        tmp_path_factory.mktemp("r"),
        [{"ellipse": {"centre": [column, row], "axes": list(axes), "angle_deg": angle}}],
    )
    a, b, c, d = found.region.points
    assert math.dist(a, b) == pytest.approx(max(axes))
    assert math.dist(c, d) == pytest.approx(min(axes))
    assert ((a[0] + b[0]) / 2, (a[1] + b[1]) / 2) == pytest.approx((column, row), abs=1e-6)
