"""What images show and which belong together: by order of trust, and unknown wherever two statements disagree."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from plugins.contract import Side, Subject, View
from reference_store import anatomy
from service.analyse.acquisitions import MappingRule, acquisitions, common_subject, name_image
from service.analyse.naming import naming
from service.analyse.read import Image, read_file


def code(value: str, scheme: str, **more: object) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, "x"
    for keyword, nested in more.items():
        setattr(item, keyword, nested)
    return item


def named(*rules: MappingRule, read_texts: bool = True, **values: object):
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return name_image(naming(dataset), rules, read_texts=read_texts)


LEFT_BICEPS = code("7:629", "MDC")


def test_a_coded_structure_brings_its_side() -> None:
    found = named(PrimaryAnatomicStructureSequence=[LEFT_BICEPS])
    assert (found.structure, found.side, found.named_by) == ("biceps_brachii", Side.LEFT, "coded attribute")


@pytest.mark.parametrize("left", [code("7771000", "SCT"), code("G-A101", "SRT")])
def test_the_side_may_be_a_modifier_in_either_scheme_of_snomed(left: Dataset) -> None:
    deltoid = code("35259002", "SCT", PrimaryAnatomicStructureModifierSequence=[left])
    found = named(PrimaryAnatomicStructureSequence=[deltoid])
    assert (found.structure, found.side) == ("deltoid", Side.LEFT)


def test_an_anatomic_region_gives_the_site_of_a_nerve() -> None:
    found = named(
        PrimaryAnatomicStructureSequence=[code("7:121", "MDC")], AnatomicRegionSequence=[code("8205005", "SCT")]
    )
    assert (found.structure, found.side, found.site) == ("median_nerve", Side.LEFT, "wrist")


def test_the_view_code_is_read() -> None:
    assert named(SeriesDescription="RF L", ViewCodeSequence=[code("62824007", "SCT")]).view is View.TRANSVERSE


def test_typed_text_is_read_and_can_be_switched_off() -> None:
    assert named(SeriesDescription="RF L").structure == "rectus_femoris"
    assert named(SeriesDescription="RF L").named_by == "typed text"
    assert named(SeriesDescription="RF L", read_texts=False).structure is None


def test_a_sites_rule_decides_over_what_the_catalogue_reads() -> None:
    rule = MappingRule({"SeriesDescription": r"^RF\b"}, "tibialis_anterior", Side.RIGHT)
    found = named(rule, SeriesDescription="rf l")
    assert (found.structure, found.side, found.named_by) == ("tibialis_anterior", Side.RIGHT, "mapping rule")


def test_every_pattern_of_a_rule_must_be_found_and_the_first_rule_wins() -> None:
    both = MappingRule({"SeriesDescription": "M1", "ViewName": "tr"}, "soleus")
    one = MappingRule({"SeriesDescription": "M1"}, "gastrocnemius")
    assert named(both, one, SeriesDescription="M1", ViewName="TR").structure == "soleus"
    assert named(both, one, SeriesDescription="M1").structure == "gastrocnemius"
    assert named(both, one, SeriesDescription="M2").structure is None


def test_a_rule_may_give_the_side_alone_and_the_text_the_rest() -> None:
    rule = MappingRule({"StageName": "A"}, side=Side.LEFT)
    found = named(rule, StageName="A", SeriesDescription="Biceps brachii")
    assert (found.structure, found.side) == ("biceps_brachii", Side.LEFT)


@pytest.mark.parametrize(
    "values",
    [
        {"PrimaryAnatomicStructureSequence": [LEFT_BICEPS], "SeriesDescription": "triceps brachii"},
        {"SeriesDescription": "biceps brachii", "ImageComments": "triceps brachii"},
        {"PrimaryAnatomicStructureSequence": [LEFT_BICEPS, code("7:641", "MDC")]},
        {"SeriesDescription": "biceps brachii", "BodyPartExamined": "THIGH"},
    ],
)
def test_structures_that_contradict_each_other_are_unknown_and_the_reason_is_said(values: dict) -> None:
    found = named(**values)
    assert found.structure is None
    assert found.named_by


@pytest.mark.parametrize(
    "values",
    [
        {"PrimaryAnatomicStructureSequence": [LEFT_BICEPS], "ImageLaterality": "R"},
        {"PrimaryAnatomicStructureSequence": [LEFT_BICEPS], "ImageComments": "biceps R"},
        {"SeriesDescription": "biceps L", "Laterality": "R"},
    ],
)
def test_sides_that_contradict_each_other_are_unknown_but_the_structure_stands(values: dict) -> None:
    found = named(**values)
    assert (found.structure, found.side) == ("biceps_brachii", Side.UNKNOWN)


@pytest.mark.parametrize("letter", ["B", "U", ""])
def test_other_lateralities_say_no_side(letter: str) -> None:
    assert named(SeriesDescription="biceps brachii", ImageLaterality=letter).side is Side.UNKNOWN


def test_a_site_of_another_nerve_is_not_taken() -> None:
    rule = MappingRule({"SeriesDescription": "x"}, "sural_nerve", site="wrist")
    assert named(rule, SeriesDescription="x").site is None


def test_a_body_part_alone_names_nothing() -> None:
    assert named(BodyPartExamined="UPPERARM").structure is None


@pytest.fixture
def image(make_dataset, save):
    number = iter(range(100))

    def make(frames: int = 1, **values: object) -> Image:
        index = next(number)
        pixels = np.zeros((frames, 48, 64), np.uint8)
        values = {"AcquisitionTime": f"1200{index:02d}", "SOPInstanceUID": f"1.2.3.{index}", **values}
        read = read_file(save(make_dataset(pixels, **values), f"{index}.dcm"))
        assert isinstance(read, Image)
        return read

    return make


def test_repeated_images_of_one_structure_are_one_acquisition_whatever_their_series(image) -> None:
    images = [image(ImageComments="RF L", SeriesInstanceUID=f"1.2.{number}") for number in range(3)]
    (found,) = acquisitions(images)
    assert (found.structure, found.side, len(found.clips)) == ("rectus_femoris", Side.LEFT, 3)


def test_sides_views_and_sites_are_parted(image) -> None:
    texts = ["RF L trans", "RF R trans", "RF L long", "median n wrist L", "median n forearm L"]
    assert len(acquisitions([image(ImageComments=text) for text in texts])) == 5


def test_stills_and_clips_are_parted(image) -> None:
    found = acquisitions([image(ImageComments="RF L"), image(5, ImageComments="RF L")])
    assert [one.clips[0].frames.count for one in found] == [1, 5]


def test_images_that_might_be_two_things_are_never_averaged(image) -> None:
    """Unknown structures, and a paired muscle without a side: each image stays alone."""
    assert len(acquisitions([image(), image()])) == 2
    assert len(acquisitions([image(ImageComments="biceps brachii"), image(ImageComments="biceps brachii")])) == 2
    assert len(acquisitions([image(ImageComments="tongue"), image(ImageComments="tongue")])) == 1


def test_images_come_in_the_order_they_were_taken(image) -> None:
    later, earlier = image(ImageComments="RF L"), image(ImageComments="RF L", AcquisitionTime="080000")
    (found,) = acquisitions([later, earlier])
    assert [clip.sop_instance_uid for clip in found.clips] == [
        earlier.clip.sop_instance_uid,
        later.clip.sop_instance_uid,
    ]


def test_what_the_images_disagree_about_is_not_known_of_the_subject(image) -> None:
    images = [image(PatientSex="M", PatientWeight=70), image(PatientSex="F"), image()]
    assert common_subject(images) == Subject(weight_kg=70.0)


@given(
    st.lists(st.sampled_from(["biceps L", "triceps R", "median n wrist", "", "x", "soleus", "both sides"]), max_size=4)
)
def test_a_name_is_in_the_catalogue_or_unknown(texts: list[str]) -> None:
    keywords = ("ViewName", "StageName", "SeriesDescription", "ProtocolName")
    found = named(**dict(zip(keywords, texts, strict=False)))
    assert found.structure is None or anatomy.structure(found.structure)
    assert found.site is None or found.structure in anatomy.site(found.site).structures
