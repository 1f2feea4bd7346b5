"""Labels of lines stay inside their field and off each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.contract import Box, Line, LineRole
from service.report import figures, render
from service.report.canvas import Canvas
from service.report.letters import width_of

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


@pytest.mark.parametrize("flags", range(8))
def test_a_caption_that_is_too_long_says_so_above_its_footer(flags):
    sentence = "The muscle is much brighter at its surface than in its depth: its mean hides this; see the third."
    caption = render.Caption("Left biceps brachii", ("44 · 16 mm",), ("not compared",), (sentence,) * flags, "nmus")
    canvas = Canvas(render.WIDTH, render.HEIGHT)
    render._draw_caption(canvas, caption)
    *above, footer = canvas._texts
    assert footer.words == "nmus"
    ends = [text.at[1] + text.size * 1.25 for text in above]
    assert max(ends) <= footer.at[1] - footer.size
    assert [one <= other.at[1] + 1 for one, other in zip(ends, above[1:], strict=False)] == [True] * (len(above) - 1)
    written = [text.words for text in above]
    assert ("… more in the structured report" in written) != ("not compared" in written)
