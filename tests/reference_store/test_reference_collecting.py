"""Collecting normal values: volunteers by rule, one row per subject and side, exclusions with reason, CSV whole."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_store import observations_csv
from reference_store.collecting import Collection, VolunteerRule, progress
from reference_store.observations import Observation, ObservationError
from reference_store.synthetic import DEVICE
from reference_store.values import Side, Subject, View


def _observation(**changes: object) -> Observation:
    found = Observation(
        subject_key="a1",
        quantity="muscle_echo_intensity",
        value=62.5,
        unit="[arb'U]",
        structure="biceps_brachii",
        site=None,
        side=Side.LEFT,
        view=View.TRANSVERSE,
        subject=Subject(44.0, "F", 170.0, 65.0),
        device=DEVICE,
        on="2026-01-05",
        flags=("fewer than three images",),
        overlay="1.2.3",
        origin="patient_id",
    )
    return dataclasses.replace(found, **changes)


def test_only_configured_rules_make_a_volunteer():
    facts = {"study_description": "NMUS healthy volunteer", "protocol_name": None, "patient_id": "HV-012"}
    assert VolunteerRule().matched(facts) is None
    assert VolunteerRule(study_description="healthy").matched(facts) == "study_description"
    assert VolunteerRule(patient_id=r"^HV-\d+$").matched(facts) == "patient_id"
    assert VolunteerRule(ae_title="NORMALS").matched(facts) is None


def test_the_same_value_twice_is_one_and_a_new_measurement_takes_its_place(tmp_path):
    collection = Collection(tmp_path)
    assert collection.add([_observation(), _observation(origin="again.csv")]) == 1
    assert collection.add([_observation()]) == 0
    assert collection.add([_observation(value=63.0, on="2026-02-01")]) == 1
    assert len(collection.all()) == 2
    assert [found.value for found in collection.current()] == [63.0]
    collection.add([_observation(side=Side.RIGHT)])
    assert {found.side for found in collection.current()} == {Side.LEFT, Side.RIGHT}


def test_an_exclusion_needs_a_reason_is_recorded_and_can_be_taken_back(tmp_path):
    collection = Collection(tmp_path)
    collection.add([_observation()])
    key = _observation().id
    with pytest.raises(ValueError, match="reason"):
        collection.exclude(key, " ", "A. Example", "2026-01-06")
    with pytest.raises(LookupError, match="no observation"):
        collection.exclude("0000", "oblique", "A. Example", "2026-01-06")
    collection.exclude(key, "oblique insonation", "A. Example", "2026-01-06")
    assert collection.current() == () and len(collection.all()) == 1
    assert collection.exclusions()[key].reason == "oblique insonation"
    collection.restore(key, "A. Example", "2026-01-07")
    assert collection.current() == (_observation(),)
    assert len((tmp_path / "observations.jsonl").read_text().splitlines()) == 3


def test_what_was_read_in_a_rejected_picture_is_excluded_and_what_replaced_it_is_not(tmp_path):
    collection = Collection(tmp_path)
    first, other = _observation(), _observation(side=Side.RIGHT, overlay="1.2.4")
    again = _observation(value=63.0, overlay="1.2.5")
    collection.add([first, other, again])
    assert collection.withdraw({"1.2.3"}, "its image has been rejected", "rejection note", "2026-02-01") == 0
    assert collection.withdraw({"1.2.4", "9"}, "its image has been rejected", "rejection note", "2026-02-01") == 1
    assert collection.withdraw({"1.2.4", "9"}, "its image has been rejected", "rejection note", "2026-02-01") == 0
    assert collection.current() == (again,)
    assert collection.exclusions()[other.id].reason == "its image has been rejected"


def test_a_pseudonym_is_the_same_for_a_person_and_another_at_another_site(tmp_path):
    here, there = Collection(tmp_path / "a"), Collection(tmp_path / "b")
    name = here.pseudonym("HV-012")
    assert name == here.pseudonym("HV-012") != here.pseudonym("HV-013")
    assert name != there.pseudonym("HV-012") and "HV-012" not in name
    assert (tmp_path / "a" / "subject.key").stat().st_mode & 0o077 == 0


def test_progress_counts_people_not_sides(tmp_path):
    people = [
        _observation(subject_key=f"s{number}", side=side, subject=Subject(20.0 + number, "MF"[number % 2]))
        for number in range(25)
        for side in (Side.LEFT, Side.RIGHT)
    ]
    [one] = progress(people)
    assert (one.subjects, one.observations, one.next_target) == (25, 50, 60)
    assert one.by_decade_and_sex == (("20-29", 5, 5, 0), ("30-39", 5, 5, 0), ("40-49", 2, 3, 0))


def test_outliers_are_shown_with_their_picture_and_stay_in():
    people = [_observation(subject_key=f"s{number}", value=60.0 + number % 7) for number in range(30)]
    far = _observation(subject_key="far", value=140.0)
    [one] = progress([*people, far])
    assert [key for key, _ in one.outliers] == [far.id] and one.subjects == 31


def test_devices_and_settings_are_never_put_together():
    other = dataclasses.replace(DEVICE, software_versions=("1.1",))
    assert len(progress([_observation(), _observation(device=other)])) == 2


HEADER = (
    "subject,quantity,value,unit,structure,site,side,view,age_years,sex,height_cm,weight_kg,date,manufacturer,model"
)
GOOD = "a1,nerve_csa,9.1,mm2,median_nerve,wrist,left,transverse,44,F,170,65,2026-01-05,EXAMPLE,SYNTH-1"


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("mm2", "", "unit"),
        ("mm2", "mm", "unit"),
        ("9.1", "nine", "value"),
        ("9.1", "-9.1", "value"),
        ("9.1", "nan", "value"),
        ("a1", "", "subject"),
        ("median_nerve", "median_nose", "structure"),
        ("wrist", "elsewhere", "site"),
        ("left", "port", "side"),
        ("44", "440", "age_years"),
        ("170", "1.70", "height_cm"),
        ("F", "female", "sex"),
        ("2026-01-05", "5.1.26", "date"),
        ("2026-01-05", "20260105", "date"),
        ("9.1", "9100", "value"),
        ("9.1", "9.1 mm2", "value"),
        ("nerve_csa", "nerve_colour", "quantity"),
    ],
)
def test_a_bad_row_names_row_and_field_and_nothing_is_taken(old, new, field):
    bad = GOOD.replace(old, new, 1)
    with pytest.raises(ObservationError) as caught:
        observations_csv.read(f"{HEADER}\n{GOOD}\n{bad}\n", "mine.csv")
    assert caught.value.place == f"row 3, field {field}" and str(caught.value).startswith("mine.csv: row 3")


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", HEADER.replace(",unit", "") + "\n", f"{HEADER},colour\n"])
def test_a_bad_header_is_named(text):
    with pytest.raises(ObservationError, match=r"mine\.csv: row 1, field"):
        observations_csv.read(text, "mine.csv")


EXCEL = f"{HEADER};depth_mm;spacing_mm\n{GOOD};40.5;0.1|0.1\n".replace(",", ";")


@pytest.mark.parametrize(
    "text",
    [
        EXCEL,
        "\ufeff" + EXCEL,
        EXCEL.replace("\n", "\r\n"),
        EXCEL.replace("\n", "\r"),
        "sep=;\n" + EXCEL,
        EXCEL.replace(";", "\t"),
        EXCEL.replace("9.1", "9,1").replace("40.5", "40,5").replace("0.1|0.1", "0,1|0,1"),
        EXCEL.replace("\n", ";;\n") + ";" * 20 + "\n",
        EXCEL.replace("subject", "Subject").replace("left", "Left"),
    ],
    ids=["semicolons", "mark", "windows", "mac", "sep", "tabs", "decimal commas", "empty cells", "capitals"],
)
def test_a_table_as_a_spreadsheet_writes_it_is_the_same_table(text):
    [found] = observations_csv.read(text, "mine.csv")
    assert (found.value, found.unit, found.subject.age_years, found.side) == (9.1, "mm2", 44.0, Side.LEFT)
    assert (found.device.depth_mm, found.device.spacing_mm) == (40.5, (0.1, 0.1))


@pytest.mark.parametrize("cell", ["1.234,5", "1,234,5", "9,1,"])
def test_a_number_that_could_mean_two_things_is_refused(cell):
    with pytest.raises(ObservationError, match="row 2, field value"):
        observations_csv.read(EXCEL.replace("9.1", cell), "mine.csv")


def test_rows_are_counted_as_the_spreadsheet_does():
    """Empty rows and a line break inside a cell move no number."""
    overlay = HEADER + ",overlay"
    row, bad = GOOD + ',"two\nlines"', GOOD.replace("mm2", "") + ","
    with pytest.raises(ObservationError, match="row 5, field unit"):
        observations_csv.read(f"{overlay}\n{row}\n\n,,,,\n{bad}\n", "mine.csv")


@pytest.mark.parametrize(
    ("text", "place"),
    [(HEADER + "\n", "row 2"), (HEADER + ",unit\n", "row 1, field unit"), (f'{HEADER}\n"a\n', "row 2")],
)
def test_a_header_alone_a_column_twice_and_an_open_quote_are_refused(text, place):
    with pytest.raises(ObservationError) as caught:
        observations_csv.read(text, "mine.csv")
    assert caught.value.place == place


@pytest.mark.parametrize("field", ["depth_mm", "frequency_khz", "spacing_mm"])
@pytest.mark.parametrize("number", ["nan", "-1", "0", "inf"])
def test_sizes_of_the_device_are_sizes(field, number):
    cell = f"{number}|0.1" if field == "spacing_mm" else number
    with pytest.raises(ObservationError, match=f"row 2, field {field}"):
        observations_csv.read(f"{HEADER},{field}\n{GOOD},{cell}\n", "mine.csv")


def test_an_unusual_line_separator_in_a_reason_does_not_break_the_journal(tmp_path):
    collection = Collection(tmp_path)
    collection.add([_observation()])
    collection.exclude(_observation().id, "oblique\u2028probe\x85moved", "A. Example", "2026-01-06")
    assert collection.current() == () and len(collection.exclusions()) == 1


def test_views_and_compression_with_loss_are_never_put_together():
    lossy = dataclasses.replace(DEVICE, lossy=True)
    unsaid = dataclasses.replace(DEVICE, lossy=None)
    groups = progress(
        [_observation(), _observation(view=View.LONGITUDINAL), _observation(device=lossy), _observation(device=unsaid)]
    )
    assert len(groups) == 3


def test_a_row_with_too_few_or_too_many_cells_is_refused():
    for row in (GOOD + ",more", GOOD.rsplit(",", 1)[0]):
        with pytest.raises(ObservationError, match="row 2: has not as many cells"):
            observations_csv.read(f"{HEADER}\n{row}\n", "mine.csv")


@settings(max_examples=50)
@given(
    st.builds(
        _observation,
        value=st.floats(0.1, 255),
        side=st.sampled_from(list(Side)),
        flags=st.sampled_from([(), ("a",), ("a", "b c")]),
        subject=st.builds(Subject, st.one_of(st.none(), st.floats(0, 120)), st.sampled_from([None, "M", "F"])),
        site=st.sampled_from([None, "mid_belly"]),
    )
)
def test_csv_out_and_in_is_the_same(observation):
    [back] = observations_csv.read(observations_csv.write([observation]), "x.csv")
    assert dataclasses.replace(back, origin=observation.origin) == observation and back.id == observation.id
