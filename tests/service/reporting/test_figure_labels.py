"""Labels of lines stay inside their field and off each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.contract import Box, Line, LineRole
from service.report import figures
from service.report.canvas import Canvas, width_of

FIELD = figures.Field(100, 60, 500, 400, Box(0, 0, 250, 200))


def placed(lines: list[Line]) -> list[tuple[float, float, float, float]]:
    canvas = Canvas(800, 600)
    figures.draw_lines(canvas, FIELD, lines)
    return [(text.at[0], text.at[1] - 11, width_of(text.words, 18), 22) for text in canvas._texts]


def test_two_labels_at_one_place_give_way_to_each_other():
    drawn = [
        Line(((20, 80), (200, 80)), LineRole.MEASURE, "5.7 mm"),
        Line(((20, 90), (120, 60), (180, 80), (119, 80)), LineRole.ALTERNATIVE, "found from the drawing"),
        Line(((100, 20), (120, 140)), LineRole.MEASURE, "2.4 mm"),
    ]
    boxes = placed(drawn)
    assert len(boxes) == 3
    for number, one in enumerate(boxes):
        for other in boxes[number + 1 :]:
            apart = one[0] + one[2] <= other[0] or other[0] + other[2] <= one[0]
            assert apart or abs(one[1] - other[1]) >= 22


points = st.tuples(st.floats(0, 250), st.floats(0, 200))


@given(st.lists(st.tuples(points, points, st.sampled_from(["3 mm", "a much longer label"])), max_size=12))
def test_labels_stay_inside_the_picture(drawn):
    lines = [Line((one, other), LineRole.MEASURE, words) for one, other, words in drawn]
    for x, y, width, height in placed(lines):
        assert FIELD.x <= x
        assert x + width <= FIELD.x + FIELD.width + 1
        assert FIELD.y <= y + 1e-6
        assert y + height <= FIELD.y + FIELD.height + 1e-6


def test_a_label_with_nothing_near_it_stays_at_its_line():
    ((x, y, _, _),) = placed([Line(((20, 80), (60, 80)), LineRole.MEASURE, "8 mm")])
    assert (x, y + 11) == pytest.approx((FIELD.place((40, 80))[0] + 8, FIELD.place((40, 80))[1]))
