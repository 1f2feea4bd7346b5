"""docs/conformance.md says what the code does: classes, syntaxes, statuses, association policies, report codes."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pynetdicom
import pytest
from pydicom.uid import UID

from reference_store.values import Code
from service import config
from service.analyse import rejections
from service.analyse.read_layout import SUPPORTED
from service.deliver.answers import Fate, of_http, of_status
from service.proof import commitment
from service.proof.commitment import Standing, told_of
from service.receive import identity, listener
from service.report import codes, encapsulated_pdf, presentation_states, rejection, secondary_capture, structured_report
from service.report.values import SR_CLASSES
from service.tls import CIPHERS

sys.path.insert(0, str(Path(__file__).parent))
import markdown_page

TEXT = markdown_page.page("conformance.md")
RECEIVE = Path(listener.__file__).parent


def rows(heading: str) -> list[dict[str, str]]:
    found = [row for row in markdown_page.rows(TEXT) if row.headings[-1].startswith(heading)]
    return [row.cells for row in found if heading != "8." or "attribute" in row.cells]


def test_the_storage_classes_are_those_of_the_listener() -> None:
    told = {markdown_page.plain(row["UID"]): row["name"] for row in rows("Annex A")}
    assert told == {uid: UID(uid).name for uid in listener.STORAGE_CLASSES | set(listener.RETIRED_ULTRASOUND)}


def test_the_transfer_syntaxes_are_those_of_the_listener_in_its_order() -> None:
    told = [(markdown_page.plain(row["UID"]), row["name"], row["analysed"]) for row in rows("Annex B")]
    assert told == [
        (uid, UID(uid).name, "yes" if uid in SUPPORTED else "kept only") for uid in listener.TRANSFER_SYNTAXES
    ]


def test_the_statuses_that_are_answered_are_those_of_the_code() -> None:
    told = {int(row["status"], 16) for row in rows("3.2.4")}
    written = "".join(path.read_text(encoding="utf-8") for path in RECEIVE.glob("*.py"))
    answered = {int(status, 16) for status in re.findall(r"\b0x([0A-C][0-9A-F]{3})\b", written)} - {0x0001}
    named = {identity.CANNOT_UNDERSTAND, identity.DOES_NOT_MATCH, identity.OUT_OF_RESOURCES, 0x0000}
    assert told == named
    assert told <= answered


def test_the_rejections_are_those_of_the_listener() -> None:
    told = {tuple(map(int, found)) for row in rows("3.2.3") for found in re.findall(r"(\d), (\d), (\d)", row["answer"])}
    source = (RECEIVE / "listener.py").read_text(encoding="utf-8")
    written = {tuple(map(int, found)) for found in re.findall(r"return \"\w+\", \((\d), (\d), (\d)\)", source)}
    # The limit on associations is pynetdicom's own to refuse.
    assert told == written | {(2, 3, 2)}


SETTINGS = re.compile(r"`(listener)\.(\w+)`, (\d+)")


def test_the_policies_state_the_defaults_of_the_settings() -> None:
    stated = SETTINGS.findall(TEXT)
    assert len(stated) >= 6
    for section, name, value in stated:
        assert getattr(getattr(config.Settings(), section), name) == float(value), name
    (uid,) = [row["value"] for row in rows("3.2.2") if row["item"] == "implementation class UID"]
    assert uid.split()[0] == pynetdicom.PYNETDICOM_IMPLEMENTATION_UID
    (version,) = [row["value"] for row in rows("3.2.2") if row["item"] == "implementation version name"]
    assert version == pynetdicom.PYNETDICOM_IMPLEMENTATION_VERSION


@pytest.mark.parametrize("row", rows("3.3.3"), ids=lambda row: row["answer"][:12])
def test_answers_are_treated_as_stated(row: dict[str, str]) -> None:
    codes = [int(code, 16) for code in re.findall(r"0x([0-9A-F]{4})", row["answer"])]
    if " to " in row["answer"]:
        codes = list(range(codes[0], codes[1] + 1))
    fate = Fate[row["fate"].split(";")[0].upper()]
    assert {of_status(code).fate for code in codes} == {fate}


def test_every_status_that_is_not_named_holds_the_object() -> None:
    named = {
        code
        for row in rows("3.3.3")
        if row["fate"] != "held"
        for first, last in re.findall(r"0x([0-9A-F]{4})(?: to 0x([0-9A-F]{4}))?", row["answer"])
        for code in range(int(first, 16), int(last or first, 16) + 1)
    }
    assert {of_status(code).fate for code in set(range(0x10000)) - named} == {Fate.HELD}


def test_the_http_codes_that_mean_later_are_those_of_the_code() -> None:
    (told,) = re.findall(r"HTTP ([^*]*) mean \*later\*", TEXT)
    named = {int(code) for code in re.findall(r"\d{3}", told)} | (set(range(500, 600)) if "5xx" in told else set())
    assert {code for code in range(400, 600) if of_http(code).fate is Fate.LATER} == named


def test_the_classes_that_are_sent_are_those_that_are_made() -> None:
    told = {markdown_page.plain(row["UID"]): row["SOP class"] for row in rows("3.3.1")}
    made = {
        *SR_CLASSES.values(),
        secondary_capture._SC,
        secondary_capture._SC_TRUE_COLOUR,
        presentation_states.GREY,
        presentation_states.COLOUR,
        encapsulated_pdf.ENCAPSULATED_PDF,
        rejection.KEY_OBJECT_SELECTION,
    }
    assert told == {uid: UID(uid).name for uid in made}


def test_the_series_numbers_are_those_of_the_code() -> None:
    told = [row["value"] for row in rows("8.") if row["attribute"] == "Series Number"]
    assert told == [
        str(structured_report.SERIES_NUMBER),
        f"{secondary_capture.SERIES_NUMBER}; overlay clips {secondary_capture.CLIP_SERIES_NUMBER}",
        f"presentation states {presentation_states.SERIES_NUMBER}; document {encapsulated_pdf.SERIES_NUMBER}",
    ]


def test_the_concepts_of_the_documents_are_those_of_the_code() -> None:
    told = [(markdown_page.plain(row["code"]), row["scheme"], row["meaning"]) for row in rows("8.4")]
    used = [(one.value, one.scheme, one.meaning) for one in vars(codes).values() if isinstance(one, Code)]
    assert sorted(told) == sorted(used)


def test_the_suites_of_the_tls_profiles_are_those_of_the_code() -> None:
    told = [
        (markdown_page.plain(row["suite of TLS 1.2"]), row["profiles"])
        for row in rows("6.1")
        if len(row) == 2 and "profiles" in row
    ]
    every = list(dict.fromkeys(suite for suites in CIPHERS.values() for suite in suites))
    assert told == [(one, ", ".join(name for name, suites in CIPHERS.items() if one in suites)) for one in every]


def test_the_failure_reasons_of_commitment_have_the_consequences_that_are_stated() -> None:
    stated = {int(row["failure reason"], 16): row["what follows"] for row in rows("3.3.4") if "failure reason" in row}
    words = {Standing.LACKING: "lacking", Standing.UNKNOWN: "asked again", Standing.NEVER: "unconfirmed"}
    assert set(stated) == set(commitment._REASONS)
    assert [reason for reason, text in stated.items() if not text.startswith(words[told_of(reason).standing])] == []
    given = {int(row["failure reason"], 16) for row in rows("3.2.5")}
    assert given == {commitment.NO_SUCH_INSTANCE, commitment.PROCESSING_FAILURE, commitment.CONFLICT}


def test_the_titles_of_rejection_notes_are_those_of_the_code() -> None:
    told = {
        markdown_page.plain(row["`--reason`"]): (markdown_page.plain(row["title"]), row["meaning"])
        for row in rows("8.5")
    }
    assert told == {name: (code.value, code.meaning) for name, code in rejection.REASONS.items()}
    assert dict(told.values()) == rejections.TITLES
    assert f"number {rejection.SERIES_NUMBER}" in TEXT
