"""A study whose objects contradict each other or the hospital's record is held back, and nothing of it is sent."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydicom import Dataset

from service.demo.pacs import StandInPacs
from service.demo.pacs_services import Finding
from service.ledger import Ledger, Outcome, OutgoingState, Result
from service.patient.guard import Guard, HeldBack
from service.patient.keys import Keys, normalised
from service.patient.reading import TAGS, identify
from service.patient.versions import corrections
from service.proof.account import account, search
from service.receive.archive import Archive
from service.receive.intake import Intake

sys.path.insert(0, str(Path(__file__).parent))
from proof_house import Clock, settings

KEYS = Keys(b"a secret of the site")
WHO = {
    "PatientID": "CANARY-17",
    "PatientName": "Canary^Carla",
    "PatientBirthDate": "19500102",
    "AccessionNumber": "ACC-CANARY-1",
    "StudyDate": "20260101",
}


class House:
    def __init__(self, folder: Path, ledger: Ledger, encode) -> None:
        self.folder, self.ledger, self.encode, self.clock = folder, ledger, encode, Clock()
        self.intake = Intake(ledger, Archive(folder), clock=self.clock)
        self.asked = 0

    def receive(self, dataset: Dataset) -> str:
        uid = str(dataset.SOPInstanceUID)
        incoming = self.intake.begin(str(dataset.SOPClassUID), uid, "1.2.840.10008.1.2.1", "SONO1")
        incoming.write(self.encode(dataset))
        self.intake.take(incoming, "SONO1")
        self.clock.now += 1
        return uid

    def settle(self):
        for study in self.ledger.open_studies():
            self.ledger.settle(study, self.clock())
        return self.ledger.claim(self.clock(), "w", 30)

    def guard(self, **parts: object) -> Guard:
        return Guard(settings(self.folder, **parts), self.ledger, KEYS)

    def check(self, study: str = "1.2.3", **parts: object) -> str:
        """Why it is held back; empty if it passes."""
        try:
            self.guard(**parts).check(study, self.clock())
        except HeldBack as held:
            return str(held)
        return ""


@pytest.fixture
def house(tmp_path, ledger, encode) -> House:
    return House(tmp_path, ledger, encode)


def test_one_patient_passes_whatever_the_scanner_makes_of_the_name(house, an_image) -> None:
    house.receive(an_image(**WHO))
    house.receive(an_image(**{**WHO, "PatientName": "CANARY^CARLA^M^Dr"}))
    house.receive(an_image(**{**WHO, "PatientName": "Cánary^Carla", "PatientBirthDate": ""}))
    assert house.check() == ""


@pytest.mark.parametrize(
    ("keyword", "other", "named"),
    [
        ("PatientID", "CANARY-18", "patient ID"),
        ("PatientName", "Finch^Fritz", "patient's name"),
        ("PatientBirthDate", "19500103", "birth date"),
        ("AccessionNumber", "ACC-2", "accession number"),
    ],
)
def test_objects_that_disagree_are_held_back_without_telling_the_values(house, an_image, keyword, other, named) -> None:
    house.receive(an_image(**WHO))
    house.receive(an_image(**{**WHO, keyword: other}))
    reason = house.check()
    assert named in reason
    assert "CANARY" not in reason.upper()
    assert "FINCH" not in reason.upper()
    assert house.check(identity={"among_objects": False}) == ""
    left = [kind for kind, tag in TAGS.items() if tag != keyword]
    assert house.check(identity={"compare": left}) == ""


def test_a_released_study_passes_for_that_contradiction_and_for_no_other(house, an_image) -> None:
    house.receive(an_image(**WHO))
    house.receive(an_image(**{**WHO, "PatientBirthDate": "19500103"}))
    job = house.settle()
    with pytest.raises(HeldBack) as held:
        house.guard().check("1.2.3", house.clock())
    house.ledger.hold_back(job, held.value.quarantine, house.clock())
    assert house.ledger.status().quarantined == 1
    assert house.ledger.release_study("1.2.3", "A. Doctor", house.clock()) is not None
    assert house.ledger.release_study("1.2.3", "A. Doctor", house.clock()) is None
    assert house.check() == ""
    house.receive(an_image(**{**WHO, "PatientBirthDate": "19500103"}))
    assert house.check() == "", "one more of the same"
    house.receive(an_image(**{**WHO, "PatientID": "CANARY-18"}))
    assert "patient ID" in house.check()


def test_nothing_of_a_held_back_study_is_sent_not_even_what_waited(house, an_image) -> None:
    house.receive(an_image(**WHO))
    job = house.settle()
    result = Result("2.25.7", "1.2", "2.25.1", "sr", "x", "a" * 64, 1, destinations=("pacs",), key="sr|study")
    house.ledger.finish(job, Outcome((result,)), house.clock())
    house.receive(an_image(**{**WHO, "PatientID": "CANARY-18"}))
    job = house.settle()
    with pytest.raises(HeldBack) as held:
        house.guard().check("1.2.3", house.clock())
    house.ledger.hold_back(job, held.value.quarantine, house.clock())
    assert house.ledger.claim_outgoing("pacs", house.clock(), "s", 30) == ()
    house.ledger.release_study("1.2.3", "A. Doctor", house.clock())
    (row,) = house.ledger.claim_outgoing("pacs", house.clock(), "s", 30)
    assert row.state is OutgoingState.SENDING


@pytest.fixture
def archive(tmp_path, an_image):
    """A PACS that knows the study, as the hospital's record has it."""
    folder = tmp_path / "pacs"
    with StandInPacs(folder, services=[Finding(folder)]) as running:
        yield running


def asking(archive, **more: object) -> dict[str, object]:
    peer = {"name": "ris", "ae_title": "DEMOPACS", "host": "127.0.0.1", "port": archive.port, "identity": True}
    return {"archive": [{**peer, **more}]}


def keep_there(archive, dataset: Dataset) -> None:
    dataset.save_as(archive.file(str(dataset.SOPInstanceUID)), enforce_file_format=True)


@pytest.mark.parametrize(
    ("keyword", "other", "named"),
    [("PatientID", "CANARY-18", "patient ID"), ("PatientBirthDate", "19500103", "birth date")],
)
def test_what_the_archive_says_otherwise_holds_the_study_back(house, an_image, archive, keyword, other, named) -> None:  # noqa: PLR0917
    house.receive(an_image(**WHO))
    keep_there(archive, an_image(**WHO))
    assert house.check(**asking(archive)) == ""
    for path in archive.files():
        path.unlink()
    keep_there(archive, an_image(**{**WHO, keyword: other}))
    assert house.check(**asking(archive)) == f"ris says otherwise of the {named}"
    assert house.check() == "", "nobody is asked unless the settings say so"


def test_a_study_that_nobody_knows_is_the_sites_to_decide(house, an_image, archive) -> None:
    house.receive(an_image(**WHO))
    assert house.check(**asking(archive)) == ""
    assert "knows the study" in house.check(**asking(archive), identity={"unknown": "quarantine"})


def test_images_sent_again_with_the_right_patient_end_the_contradiction(house, an_image) -> None:
    first, second = an_image(**WHO), an_image(**{**WHO, "PatientID": "CANARY-18"})
    house.receive(first)
    house.receive(second)
    assert house.check()
    job = house.settle()
    with pytest.raises(HeldBack) as held:
        house.guard().check("1.2.3", house.clock())
    house.ledger.hold_back(job, held.value.quarantine, house.clock())
    second.PatientID = "CANARY-17"
    house.receive(second)
    assert corrections(house.ledger, house.folder, KEYS, house.clock()) == 1
    assert [one.study_instance_uid for one in house.ledger.open_studies()] == ["1.2.3"]
    assert house.check() == ""
    assert house.ledger.quarantine("1.2.3").released_by == "contradiction gone"


def test_a_merge_of_patients_takes_the_place_and_makes_another_result(house, an_image) -> None:
    images = [an_image(**WHO) for _ in range(2)]
    for one in images:
        house.receive(one)
    house.settle()
    assert house.check() == ""
    assert house.ledger.corrected_identity("1.2.3") == ""
    images[0].PatientID = "MERGED-1"
    house.receive(images[0])
    assert corrections(house.ledger, house.folder, KEYS, house.clock()) == 1
    assert "2 different patient IDs" in house.check(), "half a merge is not analysed"
    images[1].PatientID = "MERGED-1"
    house.receive(images[1])
    assert corrections(house.ledger, house.folder, KEYS, house.clock()) == 1
    assert house.check() == ""
    assert house.ledger.corrected_identity("1.2.3") != ""
    assert len(house.ledger.instances("1.2.3")) == 2
    assert search(house.ledger, KEYS, "MERGED-1") == ("1.2.3",)
    assert corrections(house.ledger, house.folder, KEYS, house.clock()) == 0


def test_another_image_under_the_same_uid_is_no_correction(house, an_image) -> None:
    one = an_image(**WHO)
    house.receive(one)
    house.settle()
    one.PatientID = "MERGED-1"
    one.PixelData = bytes([7]) * len(one.PixelData)
    house.receive(one)
    assert corrections(house.ledger, house.folder, KEYS, house.clock()) == 0
    assert house.ledger.status().conflicts == 1
    assert [row.outcome for row in account(house.ledger, "1.2.3").objects] == ["waiting", "conflicting copy"]


def test_a_study_is_found_by_its_accession_number_and_the_ledger_does_not_hold_it(house, an_image, tmp_path) -> None:
    uid = house.receive(an_image(**WHO))
    identify(house.ledger, house.folder, KEYS, house.ledger.unidentified())
    for text in ("ACC-CANARY-1", " acc-canary-1 ", "canary-17", "1.2.3", "1.2.3.1", uid):
        assert search(house.ledger, KEYS, text) == ("1.2.3",), text
    assert search(house.ledger, KEYS, "ACC-CANARY-2") == search(house.ledger, KEYS, "") == ()
    house.ledger.close()
    raw = b"".join(path.read_bytes() for path in tmp_path.glob("ledger.sqlite*"))
    for value in WHO.values():
        if value != "20260101":
            assert value.encode() not in raw


@given(st.text(max_size=30))
@example("㏗")
@example("Straße^Ǆemal")
def test_a_name_means_the_same_however_it_is_written(name: str) -> None:
    once = normalised("patient_name", name)
    assert normalised("patient_name", once) == once
    assert normalised("patient_name", f" {name} ".strip("\0 ")) == once or not name.strip("\0 ")


def test_digests_differ_by_kind_and_by_secret() -> None:
    assert KEYS.of("patient_id", "1") != KEYS.of("accession", "1")
    assert KEYS.of("patient_id", "1") != Keys(b"another").of("patient_id", "1")
    assert KEYS.of("birth_date", "1950") == KEYS.of("patient_name", "^") == ""
