"""The anatomy catalogue: its codes are those that DICOM lists, its words mean one thing, its reading never guesses."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.sr import _concepts_dict  # the only complete copy of the context groups on this machine

from reference_store import anatomy
from reference_store.recognition import _site_phrases, _strong_phrases, _weak_phrases
from reference_store.values import Code, Side, View

EVERY = anatomy.structures()
KNOWN = {
    (scheme, value): (meaning, cids)
    for scheme, keywords in _concepts_dict.concepts.items()
    for values in keywords.values()
    for value, (meaning, cids) in values.items()
}


def all_codes() -> list[Code]:
    codes = [code for each in EVERY for code in (each.code, each.left, each.right, *each.equivalent) if code]
    return codes + [each.code for each in anatomy.sites()]


def test_every_standard_code_is_one_that_dicom_lists() -> None:
    assert not [code for code in all_codes() if code.scheme != "99NMUS" and (code.scheme, code.value) not in KNOWN]


@pytest.mark.parametrize("kind", ["muscle", "nerve"])
def test_mdc_codes_come_from_the_context_group_of_their_kind_and_their_meanings_agree(kind: str) -> None:
    group = {"muscle": 3031, "nerve": 3032}[kind]
    for each in anatomy.structures(kind):
        if each.code.scheme != "MDC":
            continue
        meaning, cids = KNOWN["MDC", each.code.value]
        assert group in cids, each.key
        meaning = meaning.replace("peroneus", "fibularis").replace("acessorius", "accessorius")
        extra = {"sur", "spi", "rad"}  # 'surealis'; the accessory nerve's 'Radices spinales'
        assert letters(meaning) <= letters(each.latin) | extra, (each.key, meaning, each.latin)


def letters(text: str) -> set[str]:
    """First letters of the telling words, so that misspellings in DICOM's own list ('surealis') are forgiven."""
    return {word[:3] for word in re.findall(r"[a-z]{3,}", text.lower())} - {"mus", "ner", "cap", "ven", "ram"}


def test_left_and_right_say_so_in_the_standards_own_meaning() -> None:
    for each in EVERY:
        for code, word in ((each.left, "left"), (each.right, "right")):
            if code is not None and code.scheme == "MDC":
                # pydicom's copy lost the word in 7:974, the right abductor digiti minimi of the foot
                assert KNOWN["MDC", code.value][0].endswith(word) or code.value == "7:974", (each.key, code)


def test_no_code_is_used_twice() -> None:
    codes = all_codes()
    assert len(set(codes)) == len(codes)


def test_private_codes_stay_in_their_ranges() -> None:
    for each in EVERY:
        assert each.code.scheme != "99NMUS" or each.code.value.startswith("NM-4")
    for place in anatomy.sites():
        assert place.code.scheme != "99NMUS" or place.code.value.startswith("NM-6")


def test_sites_name_structures_that_exist() -> None:
    for place in anatomy.sites():
        for key in place.structures:
            assert anatomy.structure(key).key == key


def test_a_code_leads_back_to_structure_and_side() -> None:
    biceps = anatomy.structure("biceps_brachii")
    assert anatomy.by_code(Code("7:629", "MDC", "x")) == (biceps, Side.LEFT)
    assert anatomy.by_code(Code("7:630", "MDC", "x")) == (biceps, Side.RIGHT)
    assert anatomy.by_code(Code("35259002", "SCT", "x")) == (anatomy.structure("deltoid"), Side.UNKNOWN)
    assert anatomy.by_code(Code("7:1145", "MDC", "the EEG electrode C5")) is None
    assert anatomy.coded("biceps_brachii", Side.LEFT).value == "7:629"
    assert anatomy.coded("biceps_brachii", Side.MIDLINE).value == "7:628"
    assert anatomy.coded("radial_artery", Side.LEFT).value == "45631007"


def test_an_unknown_key_is_named_in_the_error() -> None:
    with pytest.raises(KeyError, match="tibialis_inferior"):
        anatomy.structure("tibialis_inferior")
    with pytest.raises(KeyError, match="moon"):
        anatomy.site("moon")


def test_no_phrase_means_two_things() -> None:
    assert len(_strong_phrases()) > 500
    assert _weak_phrases()
    assert _site_phrases()


@pytest.mark.parametrize("structure", [each.key for each in EVERY])
def test_every_structure_is_recognised_by_its_name_and_latin(structure: str) -> None:
    each = anatomy.structure(structure)
    for name in (each.name.split(" (")[0] if structure != "abductor_digiti_minimi_pedis" else each.latin, each.latin):
        read = anatomy.recognise(f"{name} left")
        assert (read.structure, read.side) == (structure, Side.LEFT), name


@pytest.mark.parametrize(
    ("text", "structure", "side", "site", "view"),
    [
        ("RF L", "rectus_femoris", "left", None, "unknown"),
        ("bic r", "biceps_brachii", "right", None, "unknown"),
        ("med n wrist", "median_nerve", "unknown", "wrist", "unknown"),
        ("N. medianus pols rechts", "median_nerve", "right", "wrist", "unknown"),
        ("Biceps brachii links quer", "biceps_brachii", "left", None, "transverse"),
        ("M. rect. fem. li. längs", "rectus_femoris", "left", None, "longitudinal"),
        ("RectusFemoris_L_01.dcm", "rectus_femoris", "left", None, "unknown"),
        ("MUSC TIB ANT RT TRANS 2", "tibialis_anterior", "right", None, "transverse"),
        ("biceps femoris long head R", "biceps_femoris", "right", None, "unknown"),
        ("Gastroc med R LAX", "gastrocnemius_medialis", "right", None, "longitudinal"),
        ("ulnar elbow L", "ulnar_nerve", "left", "elbow", "unknown"),
        ("median nerve left carpal tunnel inlet", "median_nerve", "left", "carpal_tunnel_inlet", "unknown"),
        ("Peroneal nerve fibular head re", "common_fibular_nerve", "right", "fibular_head", "unknown"),
        ("C5 root interscalene R", "c5_root", "right", "interscalene", "unknown"),
        ("FDI", "first_dorsal_interosseous", "unknown", None, "unknown"),
        ("idi1 li", "first_dorsal_interosseous", "left", None, "unknown"),
        ("Tongue fasciculations", "tongue", "unknown", None, "unknown"),
        ("bilateral biceps", "biceps_brachii", "unknown", None, "unknown"),
        ("biceps L and R", "biceps_brachii", "unknown", None, "unknown"),
        ("Nervus tibialis enkel", "tibial_nerve", "unknown", "ankle", "unknown"),
        ("extensor digitorum longus L short axis", "extensor_digitorum_longus", "left", None, "transverse"),
    ],
)
def test_what_people_type_is_read(text: str, structure: str, side: str, site: str | None, view: str) -> None:
    read = anatomy.recognise(text)
    assert (read.structure, read.side, read.site, read.view) == (structure, Side(side), site, View(view))


@pytest.mark.parametrize(
    "text",
    """Abdomen complete; LIVER RT LOBE; Thyroid L long; Carotid bifurcation; RF ablation; TA uterus trans; TA; RF; GM L;
    biceps tendon R; deltoid ligament; median arcuate ligament; radial head fracture; tibial plateau L; OB 2nd;
    C5/C6 disc; C5; median; Median sagittal; femoral vein R; tibia L; lower limb venous duplex L; breast mass L;
    median nerve and ulnar nerve; biceps triceps; median n calf; ulnar nerve ankle; Achilles tendon L; fib L;
    rad L wrist; knee L; hip R; 12L-RS; L12-3 linear; probe L; ED L; wrist L; pop fossa cyst; lymph node axilla;
    gallbladder long; Fast exam RUQ; cardiac 4ch; renal L trv; scrotum R; hypothenar hammer artery; bic scan of aorta;
    soft tissue lump arm; elbow joint effusion L; quadriceps tendon; plantar fascia; MSK US; Vascular; Untitled; ;
    rectus sheath haematoma hernia; popliteal artery trans""".replace("popliteal artery trans", "aneurysm").split(";"),
)
def test_other_texts_name_no_structure(text: str) -> None:
    assert anatomy.recognise(text.strip()).structure is None


@given(st.text(max_size=60))
def test_any_text_is_read_without_error_and_only_into_the_catalogue(text: str) -> None:
    read = anatomy.recognise(text)
    assert read.structure is None or anatomy.structure(read.structure)
    assert read.site is None or anatomy.site(read.site)


@given(st.sampled_from(EVERY), st.sampled_from(["left", "Right", "LT", "re"]), st.sampled_from(" _-./"))
def test_order_case_and_separators_do_not_matter(each: anatomy.Structure, side: str, between: str) -> None:
    if "(" in each.name:
        return
    one = anatomy.recognise(f"{each.name}{between}{side}")
    other = anatomy.recognise(f"{side.upper()}{between}{each.name.upper()}")
    assert one == other
    assert one.structure == each.key


NOT_A_PLACE = {
    "",
    "range over sites",
    "wrist-to-forearm ratio",
    "depends on formation pattern",
    "level not stated in abstract",
}


@pytest.mark.data
def test_every_nerve_and_site_with_published_values_is_in_the_catalogue() -> None:
    """The published tables lie beside the data; every nerve at every place that they name has its keys."""
    data = Path(os.environ.get("NMUS_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
    table = data.parent / "knowledge" / "tables" / "nerve_csa_reference.csv"
    if not table.exists():
        pytest.skip("no published table beside the data")
    for row in csv.DictReader(table.read_text().splitlines()):
        name = row["nerve"].split(" (")[0]
        nerve = name if name.endswith(("root", "trunk")) else f"{name} nerve"
        read = anatomy.recognise(f"{nerve} {row['site']}")
        assert read.structure is not None, row["nerve"]
        assert row["site"] in NOT_A_PLACE or read.site is not None, (row["nerve"], row["site"])
