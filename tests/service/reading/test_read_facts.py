"""Time base, device and subject: read where the file says it, absent where it does not, never an identity."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from plugins.contract import Box, Device, Spacing, Subject, TissueRegion
from service.analyse.read import Drawn, Image, Unread, read_file
from service.analyse.read_facts import cine_rate, device, frame_times, question, subject
from service.analyse.read_layout import layout_of, read_header


def dataset(**values: object) -> Dataset:
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def test_frame_time_is_milliseconds_between_frames() -> None:
    times, duration, remarks = frame_times(dataset(FrameTime=40), 4)
    assert times == pytest.approx((0, 0.04, 0.08, 0.12))
    assert (duration, remarks) == (None, ())


def test_the_vector_wins_over_frame_time_and_its_first_value_is_no_step() -> None:
    times, _, _ = frame_times(dataset(FrameTimeVector=[0, 30, 50], FrameTime=40), 3)
    assert times == pytest.approx((0, 0.03, 0.08))


@pytest.mark.parametrize("vector", [[0, 30], [0, 30, -5], [0, 0, 30], 30])
def test_a_vector_that_does_not_fit_falls_back_to_frame_time(vector: object) -> None:
    assert frame_times(dataset(FrameTimeVector=vector, FrameTime=40), 3)[0] == pytest.approx((0, 0.04, 0.08))


def test_effective_duration_is_shared_evenly_and_said_so() -> None:
    times, duration, remarks = frame_times(dataset(EffectiveDuration=2.0), 4)
    assert times == pytest.approx((0, 0.5, 1.0, 1.5))
    assert duration == 2.0
    assert "Effective Duration" in remarks[0]


def test_the_rate_to_show_a_clip_is_no_time_base() -> None:
    times, _, remarks = frame_times(dataset(CineRate=30, RecommendedDisplayFrameRate=30), 10)
    assert times is None
    assert "no time base" in remarks[0]
    assert "show" in remarks[0]
    assert [cine_rate(dataset(CineRate=rate)) for rate in (30, 0, "")] == [30.0, None, None]
    assert cine_rate(dataset()) is None


@pytest.mark.parametrize("value", [0, -33.3, "", None])
def test_a_useless_frame_time_is_none(value: object) -> None:
    assert frame_times(dataset(FrameTime=value), 3)[0] is None


def test_a_still_needs_no_time() -> None:
    assert frame_times(dataset(), 1) == (None, None, ())


@given(st.floats(1, 1000), st.integers(2, 500))
def test_times_begin_at_zero_and_only_rise(step: float, frames: int) -> None:
    times, _, _ = frame_times(dataset(FrameTime=step), frames)
    assert times is not None
    assert len(times) == frames
    assert times[0] == 0
    assert all(later > earlier for earlier, later in itertools.pairwise(times))


def test_age_comes_from_the_birth_date_before_the_rounded_age() -> None:
    given_ = dataset(PatientBirthDate="19600101", StudyDate="20260701", PatientAge="060Y")
    assert subject(given_).age_years == pytest.approx(66.5, abs=0.01)


@pytest.mark.parametrize(("age", "years"), [("066Y", 66), ("018M", 1.5), ("026W", 0.4983), ("010D", 0.0274)])
def test_age_in_its_four_units(age: str, years: float) -> None:
    assert subject(dataset(PatientAge=age)).age_years == pytest.approx(years, abs=0.001)


@pytest.mark.parametrize("values", [{"PatientAge": "66"}, {"PatientBirthDate": "--", "StudyDate": "20260101"},
                                    {"PatientBirthDate": "20270101", "StudyDate": "20260101"}])  # fmt: skip
@pytest.mark.filterwarnings("ignore:Invalid value")
def test_an_age_that_cannot_be_is_none(values: dict) -> None:
    assert subject(dataset(**values)).age_years is None


def test_height_and_weight_in_the_wrong_unit_are_left_out() -> None:
    assert subject(dataset(PatientSize=1.78, PatientWeight=75)) == Subject(height_cm=178.0, weight_kg=75.0)
    assert subject(dataset(PatientSize=178, PatientWeight=75000)) == Subject()
    assert subject(dataset(PatientSize=0, PatientWeight=0)) == Subject()


@pytest.mark.filterwarnings("ignore:Invalid value")
@pytest.mark.parametrize(("sex", "taken"), [("M", "M"), ("F", "F"), ("O", None), ("Male", None), ("", None)])
def test_sex_is_m_or_f_or_not_known(sex: str, taken: str | None) -> None:
    assert subject(dataset(PatientSex=sex)).sex == taken


def test_nothing_read_tells_who_it_is(make_dataset, save) -> None:
    path = save(make_dataset(PatientName="Canary^Carla", PatientID="CANARY-17", PatientBirthDate="19600101",
                             StudyDate="20260101", AccessionNumber="CANARY-18"))  # fmt: skip
    read = read_file(path)
    assert isinstance(read, Image)
    told = repr(dataclasses.replace(read, path="", clip=dataclasses.replace(read.clip, frames=None)))
    assert "CANARY" not in told.upper()
    assert "1960" not in told


def test_the_device_is_what_the_file_says(make_dataset, make_region, save) -> None:
    path = save(make_dataset(
        Manufacturer="ACME ", ManufacturerModelName="S1", SoftwareVersions=["1.0", "2"], StationName="ROOM2",
        TransducerData=["L12-5", "x"], TransducerType="LINEAR", ProcessingFunction="NMUS", DepthOfScanField="40",
        SequenceOfUltrasoundRegions=[make_region(TransducerFrequency=12000)],
    ))  # fmt: skip
    header, position = read_header(path)
    found = device(header, layout_of(header, path, position), (TissueRegion(Box(0, 0, 64, 48), Spacing(0.2, 0.1)),))
    assert found == Device(
        manufacturer="ACME", model="S1", software_versions=("1.0", "2"), station_name="ROOM2", transducer="L12-5",
        transducer_type="LINEAR", preset="NMUS", depth_mm=40.0, frequency_khz=12000.0,
        transfer_syntax_uid="1.2.840.10008.1.2.1", photometric_interpretation="MONOCHROME2", rows=48, columns=64,
        spacing_mm=(0.2, 0.1),
    )  # fmt: skip


@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@pytest.mark.filterwarnings("ignore")
def test_a_file_with_any_bytes_changed_is_read_or_refused(make_dataset, make_region, save, data) -> None:
    values = {"FrameTime": "40", "PatientSize": "1.78", "SOPInstanceUID": "1.2.3.9"}
    path = save(make_dataset(SequenceOfUltrasoundRegions=[make_region()], **values), "fuzzed.dcm")
    content = bytearray(path.read_bytes())
    changes = st.lists(st.tuples(st.integers(132, 780), st.integers(0, 255)), min_size=1, max_size=4)
    for place, value in data.draw(changes):
        content[place] = value  # the header is longer than that, whatever version of pydicom wrote it
    path.write_bytes(bytes(content))
    assert isinstance(read_file(path), Image | Unread | Drawn)


def test_the_question_is_read_from_every_place_a_scanner_writes_it() -> None:
    item = dataset(ReasonForTheRequestedProcedure="suspected myositis")
    whole = dataset(RequestedProcedureDescription="US arm", RequestAttributesSequence=[item])
    assert question(whole) == "US arm; suspected myositis"
    assert question(dataset()) == ""
