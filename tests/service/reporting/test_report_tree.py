"""Each kind of content item, encoded directly, is what highdicom makes of the same content, and reads back."""

from __future__ import annotations

import math
from io import BytesIO

import numpy as np
import pytest
from highdicom import sr
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

from reference_store.values import Code
from service.report import tree
from service.report.encoding import sequence
from service.report.measurement_groups import dense
from service.report.tree import Related

NAME = Code("121106", "DCM", "Comment")
VALUE = Code("24028007", "SCT", "Right")
UNIT = Code("mm2", "UCUM", "square millimeter")
CLASS, INSTANCE = "1.2.840.10008.5.1.4.1.1.6.1", "2.25.123456789"
CONTAINS = sr.RelationshipTypeValues.CONTAINS


def concept(code):
    return sr.CodedConcept(code.value, code.scheme, code.meaning)


def written(holder):
    """What pydicom writes of a data set in Explicit VR Little Endian."""
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_dataset(buffer, holder)
    return buffer.getvalue()


def ours(item):
    """A data set that holds nothing but this item, as it would stand in a document."""
    holder = Dataset()
    holder.SpecificCharacterSet = "ISO_IR 192"
    return written(holder) + sequence(0x0040A730, [item])


def theirs(item):
    """The same of an item that highdicom made."""
    holder = Dataset()
    holder.SpecificCharacterSet = "ISO_IR 192"
    holder.ContentSequence = [item]
    return written(holder)


def read(item):
    return read_dataset(BytesIO(ours(item)), is_implicit_VR=False, is_little_endian=True).ContentSequence[0]


def test_a_text_is_the_same():
    made = sr.TextContentItem(concept(NAME), "größer als 3 mm²", relationship_type=CONTAINS)
    assert ours(tree.text(Related.CONTAINS, NAME, "größer als 3 mm²")) == theirs(made)


def test_a_code_is_the_same():
    made = sr.CodeContentItem(concept(NAME), concept(VALUE), relationship_type=CONTAINS)
    assert ours(tree.coded(Related.CONTAINS, NAME, VALUE)) == theirs(made)


def test_a_uid_is_the_same():
    made = sr.UIDRefContentItem(concept(NAME), INSTANCE, relationship_type=CONTAINS)
    assert ours(tree.uid(Related.CONTAINS, NAME, INSTANCE)) == theirs(made)


@pytest.mark.parametrize("value", [3.25, -0.094535, 1e-7, 12345.0, 0.0, 1 / 3, -16.93712345678901234])
def test_a_number_is_the_same(value):
    made = sr.NumContentItem(concept(NAME), value, concept(UNIT), relationship_type=CONTAINS)
    assert ours(tree.number(Related.CONTAINS, NAME, value, UNIT)) == theirs(made)


def test_a_count_has_no_decimal_point():
    (measured,) = read(tree.number(Related.CONTAINS, NAME, 3, UNIT)).MeasuredValueSequence
    assert str(measured.NumericValue) == "3"
    assert "FloatingPointValue" not in measured


@pytest.mark.parametrize("frames", [(), (5,), (1, 20, 300)])
def test_an_image_reference_is_the_same(frames):
    made = sr.ImageContentItem(
        concept(NAME), CLASS, INSTANCE, referenced_frame_numbers=list(frames) or None, relationship_type=CONTAINS
    )
    assert ours(tree.image(Related.CONTAINS, NAME, CLASS, INSTANCE, frames)) == theirs(made)


def test_an_outline_is_the_same():
    points = ((1.5, 2.0), (30.25, 4.0), (1.5, 2.0))
    made = sr.ImageRegion(
        sr.GraphicTypeValues.POLYLINE, np.array(points), sr.SourceImageForRegion(CLASS, INSTANCE, [5])
    )
    source = tree.image(Related.SELECTED_FROM, Code("260753009", "SCT", "Source"), CLASS, INSTANCE, [5])
    region = Code("111030", "DCM", "Image Region")
    made.RelationshipType = "CONTAINS"
    assert ours(tree.polyline(Related.CONTAINS, region, points, source)) == theirs(made)


def test_a_heading_with_children_is_the_same():
    made = sr.ContainerContentItem(concept(NAME), template_id="1410", relationship_type=CONTAINS)
    made.ContentSequence = sr.ContentSequence([sr.TextContentItem(concept(NAME), "x", relationship_type=CONTAINS)])
    child = tree.text(Related.CONTAINS, NAME, "x")
    assert ours(tree.container(Related.CONTAINS, NAME, [child], template="1410")) == theirs(made)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=200))
def test_any_text_comes_back(words):
    assert read(tree.text(Related.CONTAINS, NAME, words)).TextValue == words.rstrip(" ")


@given(st.floats(-1e300, 1e300))
def test_a_number_comes_back_whole_and_its_text_as_near_as_sixteen_characters_are(value):
    measured = read(tree.number(Related.CONTAINS, NAME, value, UNIT)).MeasuredValueSequence[0]
    assert measured.FloatingPointValue == value
    assert len(str(measured.NumericValue)) <= 16
    assert float(measured.NumericValue) == pytest.approx(value, rel=1e-8, abs=1e-300)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(ValueError, match="Decimal String"):
        tree.number(Related.CONTAINS, NAME, value, UNIT)


def test_two_codes_of_one_value_keep_their_own_words():
    first, second = Code("373098007", "SCT", "Mean"), Code("373098007", "SCT", "Mean value of population")
    assert first == second
    for one in (first, second):
        assert read(tree.text(Related.CONTAINS, one, "x")).ConceptNameCodeSequence[0].CodeMeaning == one.meaning


def test_an_outline_longer_than_an_element_is_thinned_and_stays_closed():
    points = tuple((100 + 90 * math.cos(turn / 10_000), 100 + 90 * math.sin(turn / 10_000)) for turn in range(62_832))
    thinned = dense((*points, points[0]))
    assert 1000 < len(thinned) <= tree.MOST_POINTS
    assert thinned[0] == thinned[-1] == points[0]
    source = tree.image(Related.SELECTED_FROM, NAME, CLASS, INSTANCE)
    assert len(read(tree.polyline(Related.CONTAINS, NAME, thinned, source)).GraphicData) == 2 * len(thinned)
