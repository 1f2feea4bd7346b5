"""What somebody drew comes back as a region on its image: from presentation states, reports and segmentations."""

from __future__ import annotations

import warnings
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from plugins.contract import RegionOrigin, RegionShape
from service.analyse.read import Image, read_files

GSPS = "1.2.840.10008.5.1.4.1.1.11.1"
TRIANGLE = [10.0, 10, 40, 10, 25, 30, 10, 10]


def item(**values: object) -> Dataset:
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def reference(image: Dataset, frames: object = None) -> Dataset:
    made = item(ReferencedSOPClassUID=image.SOPClassUID, ReferencedSOPInstanceUID=image.SOPInstanceUID)
    if frames is not None:
        made.ReferencedFrameNumber = frames
    return made


@pytest.fixture
def image(make_dataset, save):
    dataset = make_dataset(np.zeros((3, 48, 64), np.uint8))
    return dataset, save(dataset, "image.dcm")


@pytest.fixture
def state(make_dataset, save, image):
    def make(*objects: Dataset, text: str = "", frames: object = None, annotated: bool = True) -> Path:
        annotation = item(GraphicLayer="A", GraphicObjectSequence=list(objects))
        if annotated:
            annotation.ReferencedImageSequence = [reference(image[0], frames)]
        if text:
            annotation.TextObjectSequence = [item(UnformattedTextValue=text)]
        series = item(SeriesInstanceUID="1.2.3.4", ReferencedImageSequence=[reference(image[0], frames)])
        dataset = make_dataset(SOPClassUID=GSPS, Modality="PR", PixelData=None, Rows=None, Columns=None,
                               ReferencedSeriesSequence=[series], GraphicAnnotationSequence=[annotation])  # fmt: skip
        return save(dataset, "state.dcm")

    return make


def graphic(kind: str, data: list[float], units: str = "PIXEL") -> Dataset:
    return item(GraphicAnnotationUnits=units, GraphicDimensions=2, NumberOfGraphicPoints=len(data) // 2,
                GraphicData=data, GraphicType=kind, GraphicFilled="N")  # fmt: skip


def drawn_on(image_path: Path, *others: Path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = read_files([image_path, *others])
    assert isinstance(read[0], Image)
    return read[0].clip.drawn


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        ("POLYLINE", TRIANGLE, (RegionShape.POLYGON, 4)),
        ("INTERPOLATED", TRIANGLE, (RegionShape.POLYGON, 4)),
        ("POLYLINE", [10.0, 10, 40, 30], (RegionShape.CALIPER, 2)),
        ("POINT", [12.5, 20.5], (RegionShape.POINT, 1)),
        ("CIRCLE", [30.0, 20, 40, 20], (RegionShape.ELLIPSE, 4)),
        ("ELLIPSE", [10.0, 20, 50, 20, 30, 10, 30, 30], (RegionShape.ELLIPSE, 4)),
    ],
)
def test_shapes_of_a_presentation_state_become_regions(image, state, kind, data, expected) -> None:
    shape, points = expected
    path = state(graphic(kind, data), text="Biceps brachii L", frames=2)
    (region,) = drawn_on(image[1], path)
    assert (region.shape, len(region.points), region.frame) == (shape, points, 1)
    assert region.origin is RegionOrigin.PRESENTATION_STATE
    assert (region.structure, region.label) == ("biceps_brachii", "Biceps brachii L")
    assert region.source_uid == dcmread(path).SOPInstanceUID


def test_a_circle_keeps_its_radius(image, state) -> None:
    (region,) = drawn_on(image[1], state(graphic("CIRCLE", [30.0, 20, 40, 20])))
    assert region.points == ((20, 20), (40, 20), (30, 10), (30, 30))


@pytest.mark.parametrize(
    "drawn",
    [
        graphic("POLYLINE", [0.1, 0.1, 0.5, 0.5, 0.2, 0.6, 0.1, 0.1], "DISPLAY"),  # of the screen, not of the image
        graphic("POLYLINE", [10.0, 10, 40, 10, 25, 30]),  # open: encloses nothing
        graphic("POLYLINE", [10.0, 10, 140, 10, 25, 30, 10, 10]),  # outside the image
        graphic("ELLIPSE", [10.0, 20, 50, 20]),
    ],
)
def test_drawings_that_mean_no_place_in_the_image_are_left_out(image, state, drawn: Dataset) -> None:
    assert drawn_on(image[1], state(drawn)) == ()


def test_an_annotation_without_images_lies_on_all_of_the_state(image, state) -> None:
    assert len(drawn_on(image[1], state(graphic("POLYLINE", TRIANGLE), annotated=False))) == 1


def test_a_drawing_of_another_image_is_not_taken(image, state, make_dataset, save) -> None:
    other = save(make_dataset(np.zeros((3, 48, 64), np.uint8)), "other.dcm")
    assert drawn_on(other, state(graphic("POLYLINE", TRIANGLE))) == ()


CINE = Path(get_testdata_file("examples_ybr_color.dcm", download=False))


@pytest.fixture
def report(tmp_path):
    """A TID 1500 report by highdicom, as another product would send it."""

    def make(manufacturer: str = "Other") -> Path:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _report(tmp_path, manufacturer)

    return make


def _report(folder: Path, manufacturer: str) -> Path:
    source = dcmread(CINE, stop_before_pixels=True)
    for keyword in ("AccessionNumber", "StudyID", "StudyTime", "StudyDate", "ReferringPhysicianName", "PatientSex"):
        if keyword not in source:
            setattr(source, keyword, "")
    image = hd.sr.SourceImageForRegion(source.SOPClassUID, source.SOPInstanceUID, [5])
    outline = np.array([[100.0, 60], [300, 60], [200, 200], [100, 60]])
    millimetres = hd.sr.CodedConcept("mm2", "UCUM", "square millimeter")
    group = hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(generate_uid(), "nerve"),
        referenced_region=hd.sr.ImageRegion("POLYLINE", outline, image),
        finding_sites=[hd.sr.FindingSite(hd.sr.CodedConcept("7:121", "MDC", "Left median nerve"))],
        measurements=[hd.sr.Measurement(hd.sr.CodedConcept("42798000", "SCT", "Area"), 9.5, millimetres)],
    )
    device = hd.sr.DeviceObserverIdentifyingAttributes(uid=generate_uid(), name="other")
    content = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(
            observer_device_context=hd.sr.ObserverContext(hd.sr.CodedConcept("121007", "DCM", "Device"), device)
        ),
        procedure_reported=hd.sr.CodedConcept("363679005", "SCT", "Imaging procedure"),
        imaging_measurements=[group],
    )
    document = hd.sr.Comprehensive3DSR([source], content[0], generate_uid(), 1, generate_uid(), 1, manufacturer)
    path = folder / "report.dcm"
    document.save_as(path, enforce_file_format=True)
    return path


def test_an_outline_of_a_report_brings_its_structure_frame_and_area(report) -> None:
    (region,) = drawn_on(CINE, report())
    assert (region.shape, region.origin) == (RegionShape.POLYGON, RegionOrigin.STRUCTURED_REPORT)
    assert (region.structure, region.frame, region.area_mm2) == ("median_nerve", 4, 9.5)
    assert region.points == ((100, 60), (300, 60), (200, 200), (100, 60))


def concept(value: str, scheme: str, meaning: str) -> list[Dataset]:
    return [item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)]


def number(name: list[Dataset], value: str, unit: str, *sources: Dataset) -> Dataset:
    measured = item(NumericValue=value, MeasurementUnitsCodeSequence=concept(unit, "UCUM", unit))
    made = item(RelationshipType="CONTAINS", ValueType="NUM", ConceptNameCodeSequence=name,
                MeasuredValueSequence=[measured])  # fmt: skip
    if sources:
        made.ContentSequence = list(sources)
    return made


def shown(image: Dataset, frame: int) -> Dataset:
    return item(RelationshipType="INFERRED FROM", ValueType="IMAGE", ReferencedSOPSequence=[reference(image, frame)])


def traced(image: Dataset, frame: int, kind: str, data: list[float]) -> Dataset:
    place = shown(image, frame)
    place.RelationshipType = "SELECTED FROM"
    return item(RelationshipType="INFERRED FROM", ValueType="SCOORD", GraphicType=kind, GraphicData=data,
                ContentSequence=[place])  # fmt: skip


CSA = concept("N-0412", "99SCANNER", "Cross-sectional area")
ELLIPSE = [10.0, 20, 50, 20, 30, 10, 30, 30]


@pytest.fixture
def vendor_report(make_dataset, save, image):
    """A scanner's own measurement report: a private template, a group a nerve, each number with its own source."""

    def make(*content: Dataset) -> Path:
        site = item(RelationshipType="HAS OBS CONTEXT", ValueType="CODE",
                    ConceptNameCodeSequence=concept("G-C0E3", "SRT", "Finding Site"),
                    ConceptCodeSequence=concept("7:121", "MDC", "Left median nerve"))  # fmt: skip
        group = item(RelationshipType="CONTAINS", ValueType="CONTAINER", ContinuityOfContent="SEPARATE",
                     ConceptNameCodeSequence=concept("N-0100", "99SCANNER", "Nerve"),
                     ContentSequence=[site, *content])  # fmt: skip
        dataset = make_dataset(SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33", Modality="SR", PixelData=None, Rows=None,
                               Columns=None, Manufacturer="Scanner Works", ValueType="CONTAINER",
                               ConceptNameCodeSequence=concept("N-0001", "99SCANNER", "Musculoskeletal Report"),
                               ContinuityOfContent="SEPARATE", ContentSequence=[group])  # fmt: skip
        return save(dataset, "vendor.dcm")

    return make


def test_every_number_of_a_vendors_report_stays_with_its_own_drawing(image, vendor_report) -> None:
    """Repeated measurements and their mean stand in one group: each outline has the area that was taken from it."""
    path = vendor_report(
        number(CSA, "0.091", "cm2", traced(image[0], 1, "ELLIPSE", ELLIPSE)),
        number(CSA, "0.103", "cm2", traced(image[0], 2, "POLYLINE", TRIANGLE)),
        number(concept("N-0413", "99SCANNER", "Mean of areas"), "0.097", "cm2"),
    )
    first, second = drawn_on(image[1], path)
    assert (first.shape, first.structure, first.frame) == (RegionShape.ELLIPSE, "median_nerve", 0)
    assert (first.label, first.origin) == ("Cross-sectional area", RegionOrigin.STRUCTURED_REPORT)
    assert first.area_mm2 == pytest.approx(9.1)
    assert (second.shape, second.frame) == (RegionShape.POLYGON, 1)
    assert second.area_mm2 == pytest.approx(10.3)


def test_an_area_without_coordinates_is_a_statement_of_its_image(image, vendor_report) -> None:
    (region,) = drawn_on(image[1], vendor_report(number(CSA, "9.5", "mm2", shown(image[0], 3))))
    assert (region.shape, region.points, region.frame) == (RegionShape.STATEMENT, (), 2)
    assert (region.area_mm2, region.structure) == (9.5, "median_nerve")


def test_a_length_beside_a_caliper_is_no_area(image, vendor_report) -> None:
    caliper = traced(image[0], 1, "POLYLINE", [10.0, 10, 40, 30])
    (region,) = drawn_on(image[1], vendor_report(number(concept("G-A22A", "SRT", "Length"), "4.1", "mm", caliper)))
    assert (region.shape, region.area_mm2) == (RegionShape.CALIPER, None)


@pytest.mark.parametrize("value", ["0", "-3"])
def test_an_area_that_cannot_be_is_not_carried(image, vendor_report, value) -> None:
    (region,) = drawn_on(image[1], vendor_report(number(CSA, value, "mm2", traced(image[0], 1, "ELLIPSE", ELLIPSE))))
    assert region.area_mm2 is None


def test_a_group_with_different_areas_gives_none_to_its_drawing(image, vendor_report) -> None:
    """A drawing beside two areas: which of the two is its own, nobody can say."""
    area = concept("42798000", "SCT", "Area")
    drawn = traced(image[0], 1, "ELLIPSE", ELLIPSE)
    (region,) = drawn_on(image[1], vendor_report(number(area, "9.1", "mm2"), number(area, "9.7", "mm2"), drawn))
    assert region.area_mm2 is None
    (region,) = drawn_on(image[1], vendor_report(number(area, "9.1", "mm2"), drawn))
    assert region.area_mm2 == 9.1


def test_our_own_report_is_no_readers_drawing(report) -> None:
    assert drawn_on(CINE, report("nmus")) == ()


@pytest.mark.filterwarnings("ignore")
def test_a_segmentation_becomes_outlines_of_the_same_area(make_dataset, save, tmp_path) -> None:
    source = make_dataset(np.zeros((1, 48, 64), np.uint8), PatientID="", PatientName="", PatientBirthDate="",
                          PatientSex="", StudyID="", StudyDate="", StudyTime="", AccessionNumber="",
                          SOPClassUID="1.2.840.10008.5.1.4.1.1.6.1", NumberOfFrames=None)  # fmt: skip
    image_path = save(source, "image.dcm")
    mask = np.zeros((1, 48, 64), np.uint8)
    rows, columns = np.mgrid[:48, :64]
    mask[0][(rows - 20) ** 2 + (columns - 30) ** 2 < 12**2] = 1
    nerve = hd.sr.CodedConcept("84782009", "SCT", "Peripheral nerve")
    description = hd.seg.SegmentDescription(1, "Median nerve", nerve, nerve, "MANUAL")
    segmentation = hd.seg.Segmentation([source], mask, "BINARY", [description], generate_uid(), 1, generate_uid(), 1,
                                       "Other", "Other", "1", "1")  # fmt: skip
    path = tmp_path / "seg.dcm"
    segmentation.save_as(path, enforce_file_format=True)
    (region,) = drawn_on(image_path, path)
    assert (region.shape, region.origin, region.structure) == (
        RegionShape.POLYGON, RegionOrigin.SEGMENTATION, "median_nerve",
    )  # fmt: skip
    x, y = np.array(region.points).T
    area = abs(np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1])) / 2
    assert area == pytest.approx(mask.sum(), rel=0.03)
    assert (x.min() + x.max()) / 2 == pytest.approx(30.5, abs=0.01)
    assert (y.min() + y.max()) / 2 == pytest.approx(20.5, abs=0.01)
