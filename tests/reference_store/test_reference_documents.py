"""Reading reference documents: strict, and errors that name file, entry and field."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from reference_store import validity
from reference_store.documents import Status
from reference_store.reading import DocumentError, canonical, parse
from reference_store.synthetic import document, raw_document
from reference_store.values import Subject


def _refused(text: str) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        parse(text, "mine.json")
    return caught.value


@pytest.mark.parametrize(
    ("changes", "field", "word"),
    [
        ({"quantity": "muscle_beauty"}, "quantity", "muscle_beauty"),
        ({"unit": "mm2"}, "unit", "measured in"),
        ({"version": "1.0"}, "version", "1.0"),
        ({"status": "approved"}, "status", "approved"),
        ({"colour": "blue"}, "whole document", "colour"),
        ({"model__residual_sd": -1}, "model.residual_sd", "-1"),
        ({"model__residual_sd": None}, "model.residual_sd", "needs"),
        ({"model__cov": None}, "model.cov", "coefficients without covariance"),
        ({"model__cov": [[1.0, 0.0], [0.0, 1.0]]}, "model.cov", "3 rows"),
        ({"model__cov": [[1.0, 0.5, 0], [0.1, 1.0, 0], [0, 0, 1.0]]}, "model.cov", "symmetric"),
        ({"model__cov": [[1.0, 2.0, 0], [2.0, 1.0, 0], [0, 0, 1.0]]}, "model.cov", "negative"),
        ({"model__cov": [[1e-9, 2e-9, 0], [2e-9, 1e-9, 0], [0, 0, 1.0]]}, "model.cov", "negative"),
        ({"model__cov": [[1.0, 0, 0], [0, 0, 0.5], [0, 0.5, 1.0]]}, "model.cov", "negative"),
        ({"model__cov": [[1.0, 0, 0], [0, -1e-12, 0], [0, 0, 1.0]]}, "model.cov", "negative"),
        ({"model__terms": [{"name": "age_y"}]}, "model.terms.0", "coef"),
        ({"model__terms": [{"name": "shoe_size", "coef": 1}]}, "model.terms.0.name", "shoe_size"),
        ({"model__terms": [{"name": "age_y", "coef": 1, "scale": 0}]}, "model.terms.0.scale", "0"),
        ({"validity__age_y": [80, 18]}, "validity.age_y", "range"),
        ({"acquisition__device_bound": False}, "acquisition.device_bound", "grey levels"),
        ({"acquisition__manufacturer": None}, "acquisition.manufacturer", "must name it"),
        ({"population": None}, "whole document", "population"),
        ({"model__family": "quantile"}, "model.quantiles", "needs"),
        ({"model__family": "lms"}, "model.boxcox_lambda", "needs L"),
        ({"model__response_transform": "boxcox"}, "model.boxcox_lambda", "needs"),
        ({"model__percentiles": {"high": 3}}, "model.percentiles", "numbers"),
        ({"model__percentiles": {"2.5": 9, "97.5": 3}}, "model.percentiles", "lower value"),
        (
            {"status": "site-provisional", "validity__max_leverage": None, "population": {"n": None}},
            "validity.max_leverage",
            "how far",
        ),
        ({"model__sd_model": {"intercept": 2.0}}, "model.sd_model", "there are terms"),
        ({"structure__colour": "blue"}, "structure", "no field 'colour'"),
        ({"model__family": "gamlss_bcpe"}, "model.family", "family quantile"),
        ({"acquisition__settings": {"depth_mm": "4 cm"}}, "acquisition.settings.depth_mm", "number"),
        ({"provenance__citation": "half \ud800"}, "whole document", "half of a character"),
    ],
)
def test_errors_name_file_and_field(changes, field, word):
    error = _refused(json.dumps(raw_document(**changes)))
    assert error.file == "mine.json"
    assert error.place.endswith(field), error
    assert word in error.problem


def test_errors_in_a_list_name_the_entry():
    good, bad = raw_document(), raw_document(model_id="other", unit="mm2")
    assert "entry 2, field unit" in str(_refused(json.dumps([good, bad])))


def test_a_duplicate_id_names_both_entries():
    error = _refused(json.dumps([raw_document(), raw_document(population__n=90)]))
    assert "entry 2" in error.place and "entry 1" in error.problem and "synthetic.biceps_brachii" in error.problem


@pytest.mark.parametrize("text", ["", "{", "[1]", "3", '{"a": NaN}', '{"a": 1, "a": 2}', "null", '{"a": 1e999}'])
def test_what_is_no_document_is_refused_with_a_place(text):
    error = _refused(text)
    assert error.file == "mine.json" and error.place and error.problem


def test_an_error_survives_a_process_border():
    error = _refused("{")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301 (our own bytes)


def test_the_hash_is_of_the_content_not_of_its_writing():
    raw = raw_document()
    backwards = dict(reversed(raw.items()))
    first = parse(json.dumps(raw), "a.json")[0]
    second = parse(json.dumps(backwards, indent=4), "b.json")[0]
    assert first == second and first.content_hash == second.content_hash
    assert parse(first.text, "again.json")[0] == first
    assert document(population__n=119).content_hash != first.content_hash


def test_a_document_written_and_read_again_is_the_same():
    first = document()
    assert canonical(json.loads(first.text)) == first.text
    assert pickle.loads(pickle.dumps(first)) == first  # noqa: S301 (our own bytes)


def test_covariance_may_be_left_out_only_where_z_does_not_need_it():
    allowed = document(model__cov=None, model__z_definition="(y-mu)/residual_sd", validity__max_leverage=None)
    assert allowed.model.covariance == ()
    raw = raw_document(
        model__cov=None,
        model__z_definition="(y-mu)/residual_sd",
        status="site-provisional",
    )
    assert "covariance" in str(_refused(json.dumps(raw)))


_PROPOSED: dict[str, dict[str, object]] = {
    "as it stands": {},
    "with covariance": {"model__cov": [[1, 0, 0], [0, 0.01, 0], [0, 0, 1]], "model__z_definition": None},
    "older word": {"status": "published-bundled"},
    "plain words": {"validity__required_covariates": ["age", "sex"]},
}


@pytest.mark.parametrize("changes", _PROPOSED.values(), ids=_PROPOSED)
def test_documents_as_first_proposed_are_read(changes):
    """Written by hand: no keys of the catalogue, no limit of leverage, no source key, settings as on the console."""
    hand = {
        "structure": {"name": "biceps brachii", "site": "2/3 acromion", "view": "transverse", "side_rule": "either"},
        "acquisition__settings": {"tgc": [50, 55, 60], "gain_dB": 50, "focus_mm": None, "depth_mm": 40},
        "provenance": {"citation": "by hand", "confidence": "synthetic"},
        "model__cov": None,
        "model__z_definition": "(y-mu)/residual_sd",
        "validity__max_leverage": None,
        **changes,
    }
    found = document(**hand)
    assert found.structure == "biceps_brachii" and found.provenance.source == "synthetic"
    assert found.lock.attested == (("gain_dB", "50"), ("tgc", "50 / 55 / 60")) and found.lock.depth_mm == 40
    assert found.status in (Status.SYNTHETIC, Status.PUBLISHED)
    assert found.validity.required in ((), ("age_y", "sex_male"))


def test_a_sites_own_document_without_a_limit_of_leverage_gets_the_usual_one_and_says_so():
    found = document(status="site-provisional", validity__max_leverage=None, population__n=90)
    assert found.validity.max_leverage == pytest.approx(3 * 3 / 90) and found.validity.leverage_assumed
    assert any("3 p/n" in said for said in validity.warnings(found, Subject(60.0, "F")))
    assert not any("3 p/n" in said for said in validity.warnings(document(), Subject(60.0, "F")))


def test_the_document_by_hand_of_the_docs_is_one():
    text = (Path(__file__).parents[2] / "docs" / "references.md").read_text(encoding="utf-8")
    [found] = parse(text.split("```json\n")[1].split("```")[0], "references.md")
    assert found.structure == "biceps_brachii" and found.lock.attested == (("gain_dB", "50"),)
