"""The bundled nerve references: every number against the rows of the tables it came from."""

from __future__ import annotations

import csv
import dataclasses
import pickle
from pathlib import Path

import pytest

from reference_store import anatomy, store
from reference_store.comparison import Comparison, Question, Refusal, RefusalCode
from reference_store.documents import Family, Status
from reference_store.reading import parse
from reference_store.store import SOURCE_ORDER, bundled, load
from reference_store.values import Side, Subject, View

ROWS = tuple(csv.DictReader(Path(__file__).with_name("nerve_source_rows.csv").read_text(encoding="utf-8").splitlines()))
SHIPPED = tuple(row for row in ROWS if row["bundle"] == "yes")


def _document(row: dict[str, str]):
    side = row["side"] if row["side"] in ("left", "right") else "either"
    found = [
        document
        for document in bundled()
        if document.provenance.source == row["citation"]
        and document.structure == row["structure_key"]
        and " ".join(document.sites) == row["site_keys"]
        and document.side_rule.value == side
    ]
    assert len(found) == 1, row
    return found[0]


def test_all_46_rows_ship_and_nothing_else():
    assert len(SHIPPED) == 46
    assert {_document(row).release for row in SHIPPED} == {document.release for document in bundled()}
    assert {document.provenance.source for document in bundled()} == set(SOURCE_ORDER)


def test_what_ships_is_whole_by_the_schema_too_which_is_not_asked_when_a_worker_starts():
    tables = sorted(Path(store.__file__).with_name("tables").glob("*.json"))
    strictly = [document for path in tables for document in parse(path.read_text(encoding="utf-8"), path.name)]
    assert tuple(strictly) == bundled()


@pytest.mark.parametrize(
    "row", SHIPPED, ids=lambda row: f"{row['citation']}-{row['nerve']}-{row['site']}-{row['side']}"
)
def test_every_number_is_the_tables(row):
    document = _document(row)
    model = document.model
    assert document.status is Status.PUBLISHED
    assert document.population.n == (int(row["n"]) if row["n"] else None)
    assert document.site_words == row["site"]
    if row["mean_mm2"]:
        assert model.family is Family.CONSTANT
        assert [term.coefficient for term in model.terms] == [float(row["mean_mm2"])]
        assert model.residual_sd == float(row["sd_mm2"])
    else:
        assert (model.family, model.upper_limit) == (Family.UPPER_LIMIT, float(row["uln_mm2"]))
    published = {percent: float(row[name]) for percent, name in ((2.5, "p2_5"), (97.5, "p97_5")) if row[name]}
    assert dict(model.percentiles) == published


@pytest.mark.parametrize(
    "row", SHIPPED, ids=lambda row: f"{row['citation']}-{row['nerve']}-{row['site']}-{row['side']}"
)
def test_every_row_answers_with_its_own_limit_and_source(row):
    document = _document(row)
    references = dataclasses.replace(load(None), sources=((document.structure, row["citation"]),))
    side = Side(row["side"]) if row["side"] in ("left", "right") else Side.LEFT
    for site in row["site_keys"].split():
        question = Question(
            "nerve_csa", 5.0, "mm2", row["structure_key"], site, side, View.TRANSVERSE, Subject(50.0, "F")
        )
        answer = references.compare(question)
        assert isinstance(answer, Comparison)
        assert answer.reference_id == document.id
        assert document.provenance.citation in answer.source
        if row["uln_mm2"]:
            assert answer.upper_limit == pytest.approx(float(row["uln_mm2"]), abs=0.051)
        assert "published values, not verified on local controls" in answer.warnings


def test_keys_are_the_catalogues():
    for document in bundled():
        assert anatomy.structure(document.structure).kind in ("nerve", "root", "trunk")
        for site in document.sites:
            assert anatomy.site(site)


def test_the_impossible_sd_of_the_printed_ratio_is_not_shipped():
    """Bae 2021 prints a wrist-to-forearm ratio of 1.57 with SD 2.38 in a range of 1 to 2.4: no document has it."""
    assert any(row["site"] == "wrist-to-forearm ratio" and row["sd_mm2"] == "2.38" for row in ROWS)
    assert all(document.model.residual_sd != 2.38 or document.site == "mid_arm" for document in bundled())
    assert all(document.quantity == "nerve_csa" for document in bundled())


def test_pooled_means_without_sd_make_no_reference():
    pooled = [row for row in ROWS if row["citation"].startswith("fisse")]
    assert pooled and all(row["bundle"] != "yes" and not row["sd_mm2"] for row in pooled)
    assert not any(document.provenance.source.startswith("fisse") for document in bundled())


def test_source_decides_and_is_never_mixed_inside_a_nerve():
    """9.5 mm² of the median nerve at the upper arm: above the Dutch limit, about the mean of the Korean series."""
    ask = Question("nerve_csa", 9.5, "mm2", "median_nerve", "upper_arm", Side.LEFT, View.TRANSVERSE, Subject(50.0, "F"))
    refused = load(None).compare(ask)
    assert isinstance(refused, Refusal) and refused.code is RefusalCode.NO_REFERENCE
    assert "not mixed" in refused.text and "pnbmj_t2" in refused.remedy
    dutch = dataclasses.replace(load(None), sources=(("median_nerve", "pnbmj_t2"),))
    answer = dutch.compare(ask)
    assert isinstance(answer, Comparison) and answer.outside == "above" and answer.z is None
    korean = load(None).compare(dataclasses.replace(ask, site="mid_arm"))
    assert isinstance(korean, Comparison) and korean.outside is None
    assert isinstance(dutch.compare(dataclasses.replace(ask, site="mid_arm")), Refusal)


def test_disagreement_of_sources_at_one_place_is_said():
    ask = Question("nerve_csa", 12.0, "mm2", "median_nerve", "wrist", Side.LEFT, View.TRANSVERSE, Subject(50.0, "F"))
    answer = load(None).compare(ask)
    assert isinstance(answer, Comparison) and answer.outside is None
    assert "sources disagree: by pnbmj_t2 this value is above" in answer.warnings


def test_where_percentiles_and_the_normal_curve_disagree_the_percentiles_decide():
    """Medial antebrachial cutaneous nerve, 3.30 (1.13), 97.5th percentile 7: 6.5 has z 2.8 yet lies inside."""
    ask = Question(
        "nerve_csa", 6.5, "mm2", "medial_antebrachial_cutaneous_nerve", "mid_arm", Side.LEFT, View.TRANSVERSE,
        Subject(50.0, "F"),
    )  # fmt: skip
    answer = load(None).compare(ask)
    assert isinstance(answer, Comparison)
    assert answer.z == pytest.approx((6.5 - 3.3) / 1.13) and answer.outside is None and answer.percentile is None
    assert any("skewed" in warning for warning in answer.warnings)


def test_a_child_is_not_compared_with_adults_and_an_older_person_is_with_a_warning():
    ask = Question("nerve_csa", 9.0, "mm2", "median_nerve", "wrist", Side.LEFT, View.TRANSVERSE, Subject(10.0, "F"))
    refused = load(None).compare(ask)
    assert isinstance(refused, Refusal) and refused.code is RefusalCode.OUTSIDE_RANGE
    old = load(None).compare(dataclasses.replace(ask, subject=Subject(90.0, "F")))
    assert isinstance(old, Comparison) and any("age lies outside" in warning for warning in old.warnings)
    unknown = load(None).compare(dataclasses.replace(ask, subject=Subject()))
    assert isinstance(unknown, Comparison) and any("age not known" in warning for warning in unknown.warnings)


def test_vagus_is_compared_with_its_own_side_only():
    ask = Question("nerve_csa", 3.0, "mm2", "vagus_nerve", "thyroid_level", Side.LEFT, View.TRANSVERSE, Subject(50.0))
    left, right = load(None).compare(ask), load(None).compare(dataclasses.replace(ask, side=Side.RIGHT))
    assert isinstance(left, Comparison) and left.expected == 1.9 and left.outside == "above"
    assert isinstance(right, Comparison) and right.expected == 2.6 and right.outside is None
    unknown = load(None).compare(dataclasses.replace(ask, side=Side.UNKNOWN))
    assert isinstance(unknown, Refusal) and unknown.code is RefusalCode.COVARIATE_MISSING


def test_the_set_is_picklable():
    references = load(None)
    assert pickle.loads(pickle.dumps(references)) == references  # noqa: S301 (our own bytes)
