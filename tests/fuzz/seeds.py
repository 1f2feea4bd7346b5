"""The inputs that the corpus began with: small objects and exchanges of every kind that the targets take.

``python tests/fuzz/seeds.py`` writes them anew; inputs that found faults lie beside them and are never made again.
"""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import simplejpeg
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence

HERE = Path(__file__).parent
US_IMAGE = "1.2.840.10008.5.1.4.1.1.6.1"
US_CLIP = "1.2.840.10008.5.1.4.1.1.3.1"
EXPLICIT = "1.2.840.10008.1.2.1"


def _item(**values: object) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def _code(value: str, scheme: str, meaning: str) -> Sequence:
    return Sequence([_item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)])


def _image(**values: object) -> Dataset:
    pixels = np.random.default_rng(5).integers(0, 255, (12, 16), np.uint8)
    region = _item(
        RegionSpatialFormat=1,
        RegionDataType=1,
        RegionFlags=0,
        RegionLocationMinX0=0,
        RegionLocationMinY0=0,
        RegionLocationMaxX1=15,
        RegionLocationMaxY1=11,
        PhysicalUnitsXDirection=3,
        PhysicalUnitsYDirection=3,
        PhysicalDeltaX=0.01,
        PhysicalDeltaY=0.01,
    )
    given: dict[str, object] = {
        "SpecificCharacterSet": "ISO_IR 100",
        "SOPClassUID": US_IMAGE,
        "SOPInstanceUID": "1.2.3.4",
        "StudyDate": "20260101",
        "AccessionNumber": "A1",
        "Modality": "US",
        "PatientName": "Fuzz^F",
        "PatientID": "FUZZ",
        "PatientBirthDate": "19800101",
        "PatientAge": "045Y",
        "PatientSize": "1.7",
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.1",
        "SeriesDescription": "biceps L transverse",
        "SequenceOfUltrasoundRegions": [region],
        "PrimaryAnatomicStructureSequence": _code("17979007", "SCT", "Muscle"),
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": 12,
        "Columns": 16,
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "PixelRepresentation": 0,
        "PixelData": pixels.tobytes(),
    }
    made = Dataset()
    for keyword, value in (given | values).items():
        if value is not None:
            setattr(made, keyword, value)
    return made


def _encoded(dataset: Dataset, *, implicit: bool = False, little: bool = True) -> bytes:
    buffer = BytesIO()
    dataset.save_as(buffer, implicit_vr=implicit, little_endian=little)
    return buffer.getvalue()


def _clip() -> Dataset:
    pixels = np.random.default_rng(6).integers(0, 255, (3, 8, 8, 3), np.uint8)
    return _image(
        SOPClassUID=US_CLIP,
        NumberOfFrames=3,
        FrameTimeVector=["0", "20", "20"],
        SamplesPerPixel=3,
        PlanarConfiguration=0,
        PhotometricInterpretation="RGB",
        Rows=8,
        Columns=8,
        PixelData=pixels.tobytes(),
    )


def _jpeg() -> Dataset:
    picture = np.full((16, 16, 1), 90, np.uint8)
    made = _image(
        Rows=16, Columns=16, PixelData=encapsulate([simplejpeg.encode_jpeg(picture, colorspace="GRAY", quality=50)])
    )
    made["PixelData"].is_undefined_length = True
    return made


def _rle() -> Dataset:
    packed = struct.pack("<16I", 1, 64, *([0] * 14)) + bytes([257 - 64 + 0, 7]) * 3
    made = _image(PixelData=encapsulate([packed + b"\0" * (len(packed) % 2)]))
    made["PixelData"].is_undefined_length = True
    return made


def _palette() -> Dataset:
    table = bytes(range(256)) * 2
    return _image(
        PhotometricInterpretation="PALETTE COLOR",
        RedPaletteColorLookupTableDescriptor=[256, 0, 16],
        GreenPaletteColorLookupTableDescriptor=[256, 0, 16],
        BluePaletteColorLookupTableDescriptor=[256, 0, 16],
        RedPaletteColorLookupTableData=table,
        GreenPaletteColorLookupTableData=table,
        BluePaletteColorLookupTableData=table,
    )


def _state() -> Dataset:
    drawn = _item(
        GraphicAnnotationUnits="PIXEL",
        GraphicDimensions=2,
        NumberOfGraphicPoints=4,
        GraphicData=[1.0, 1.0, 9.0, 1.0, 9.0, 9.0, 1.0, 1.0],
        GraphicType="POLYLINE",
    )
    reference = _item(ReferencedSOPClassUID=US_IMAGE, ReferencedSOPInstanceUID="1.2.3.4", ReferencedFrameNumber="1")
    annotation = _item(
        ReferencedImageSequence=[reference],
        TextObjectSequence=[_item(UnformattedTextValue="biceps L")],
        GraphicObjectSequence=[drawn],
    )
    series = _item(ReferencedImageSequence=[reference], SeriesInstanceUID="1.2.3.1")
    return _image(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.11.1",
        Modality="PR",
        PixelData=None,
        ReferencedSeriesSequence=[series],
        GraphicAnnotationSequence=[annotation],
    )


def _segmentation() -> Dataset:
    source = _item(ReferencedSOPClassUID=US_IMAGE, ReferencedSOPInstanceUID="1.2.3.4")
    group = _item(
        SegmentIdentificationSequence=[_item(ReferencedSegmentNumber=1)],
        DerivationImageSequence=[_item(SourceImageSequence=[source])],
    )
    mask = np.zeros((12, 16), np.uint8)
    mask[3:9, 4:12] = 1
    return _image(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4",
        Modality="SEG",
        NumberOfFrames=1,
        SegmentSequence=[_item(SegmentNumber=1, SegmentLabel="biceps")],
        PerFrameFunctionalGroupsSequence=[group],
        PixelData=mask.tobytes(),
    )


def _report(**values: object) -> Dataset:
    image = _item(
        ValueType="IMAGE",
        RelationshipType="SELECTED FROM",
        ReferencedSOPSequence=[_item(ReferencedSOPClassUID=US_IMAGE, ReferencedSOPInstanceUID="1.2.3.4")],
    )
    outline = _item(
        ValueType="SCOORD",
        RelationshipType="INFERRED FROM",
        GraphicType="POLYLINE",
        GraphicData=[1.0, 1.0, 9.0, 1.0, 9.0, 9.0, 1.0, 1.0],
        ContentSequence=[image],
    )
    site = _item(
        ValueType="CODE",
        ConceptNameCodeSequence=_code("363698007", "SCT", "Finding Site"),
        ConceptCodeSequence=_code("45684006", "SCT", "Median nerve"),
    )
    tracking = _item(
        ValueType="TEXT",
        ConceptNameCodeSequence=_code("112039", "DCM", "Tracking Identifier"),
        TextValue="median / all images",
    )
    measured = _item(NumericValue="12.5", MeasurementUnitsCodeSequence=_code("mm2", "UCUM", "mm2"))
    number = _item(
        ValueType="NUM",
        ConceptNameCodeSequence=_code("42798000", "SCT", "Area"),
        MeasuredValueSequence=[measured],
        ContentSequence=[outline],
    )
    group = _item(
        ValueType="CONTAINER",
        ConceptNameCodeSequence=_code("125007", "DCM", "Measurement Group"),
        ContentSequence=[tracking, site, number],
    )
    settings = _item(
        ValueType="TEXT",
        ConceptNameCodeSequence=_code("NM-5110", "99NMUS", "Settings"),
        TextValue="manufacturer: X; model: Y; depth: 40.0 mm; lossy compression: no",
        ContentSequence=[image],
    )
    given = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.33",
        "Modality": "SR",
        "StudyDate": "20250101",
        "StudyInstanceUID": "1.2.9",
        "InstanceNumber": "1",
        "PixelData": None,
        "ValueType": "CONTAINER",
        "ContentSequence": [_item(ValueType="CONTAINER", ContentSequence=[group, settings])],
        **values,
    }
    return _image(**given)


def _note() -> Dataset:
    reference = _item(ReferencedSOPClassUID=US_IMAGE, ReferencedSOPInstanceUID="1.2.3.4")
    study = _item(
        StudyInstanceUID="1.2.3",
        ReferencedSeriesSequence=[_item(SeriesInstanceUID="1.2.3.1", ReferencedSOPSequence=[reference])],
    )
    return _image(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.88.59",
        Modality="KO",
        PixelData=None,
        ConceptNameCodeSequence=_code("113001", "DCM", "Rejected for Quality Reasons"),
        CurrentRequestedProcedureEvidenceSequence=[study],
    )


def _deflated(dataset: Dataset) -> bytes:
    return zlib.compress(_encoded(dataset), wbits=-15)


def datasets() -> Iterator[tuple[str, bytes]]:
    """Name and input: the first byte chooses the transfer syntax."""
    yield "still", b"\0" + _encoded(_image())
    yield "still-implicit", b"\1" + _encoded(_image(), implicit=True)
    yield "still-big", b"\2" + _encoded(_image(), little=False)
    yield "still-deflated", b"\3" + _deflated(_image())
    yield "still-jpeg", b"\4" + _encoded(_jpeg())
    yield "still-rle", b"\5" + _encoded(_rle())
    yield "clip", b"\0" + _encoded(_clip())
    yield "palette", b"\0" + _encoded(_palette())
    yield "state", b"\0" + _encoded(_state())
    yield "segmentation", b"\0" + _encoded(_segmentation())
    yield "report", b"\0" + _encoded(_report())
    yield "note", b"\0" + _encoded(_note())


def reports() -> Iterator[tuple[str, bytes]]:
    """Reports of others and of ours."""
    yield "explicit", b"\0" + _encoded(_report())
    yield "implicit", b"\1" + _encoded(_report(), implicit=True)
    yield "deflated", b"\3" + _deflated(_report())


def _pdu(kind: int, raw: bytes) -> bytes:
    return struct.pack(">BBI", kind, 0, len(raw)) + raw


def _pdv(control: int, raw: bytes, context: int = 1) -> bytes:
    return struct.pack(">IBB", len(raw) + 2, context, control) + raw


def _element(element: int, raw: bytes) -> bytes:
    raw += b"\0" * (len(raw) % 2)
    return struct.pack("<HHI", 0, element, len(raw)) + raw


def _command(kind: int, **parts: bytes) -> bytes:
    elements = (
        _element(0x0002, parts.get("sop_class", US_IMAGE.encode()))
        + _element(0x0100, struct.pack("<H", kind))
        + _element(0x0110, struct.pack("<H", 7))
        + _element(0x0800, parts.get("data_set", b"\1\0"))
        + parts.get("more", b"")
    )
    return _element(0x0000, struct.pack("<I", len(elements))) + elements


def exchanges() -> Iterator[tuple[str, bytes]]:
    """What an associated peer sends: whole, in fragments, wrong."""
    raw = _encoded(_image())
    store = _command(1, more=_element(0x1000, b"1.2.3.4"))
    whole = _pdu(4, _pdv(3, store)) + _pdu(4, _pdv(2, raw))
    cut = [_pdv(1, store[:9]), _pdv(3, store[9:]), *(_pdv(0, raw[at : at + 200]) for at in range(0, len(raw), 200))]
    release = _pdu(5, bytes(4))
    yield "store", whole + release
    yield "fragments", _pdu(4, b"".join(cut)) + _pdu(4, _pdv(2, b"")) + release
    yield "echo", _pdu(4, _pdv(3, _command(0x30, sop_class=b"1.2.840.10008.1.1", data_set=b"\1\1"))) + release
    yield "abort", whole[:-100] + _pdu(7, bytes(4))
    yield "nonsense", _pdu(4, _pdv(3, store) + _pdv(2, b"\x08\0\x05\0ZZ\xff\xff\xff\xff")) + whole


def _sub(kind: int, raw: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(raw)) + raw


def _request(*more: bytes) -> bytes:
    commit = b"1.2.840.10008.1.20.1"
    contexts = [
        _sub(0x20, struct.pack(">BBBB", 1, 0, 0, 0) + _sub(0x30, US_IMAGE.encode()) + _sub(0x40, EXPLICIT.encode())),
        _sub(0x20, struct.pack(">BBBB", 3, 0, 0, 0) + _sub(0x30, commit) + _sub(0x40, b"1.2.840.10008.1.2")),
        _sub(0x20, struct.pack(">BBBB", 5, 0, 0, 0) + _sub(0x30, b"1.2.840.10008.1.1") + _sub(0x40, EXPLICIT.encode())),
    ]
    role = _sub(0x54, struct.pack(">H", len(commit)) + commit + b"\1\1")
    user = _sub(0x50, _sub(0x51, struct.pack(">I", 16384)) + _sub(0x52, b"1.2.3") + role + b"".join(more))
    fixed = struct.pack(">HH", 1, 0) + b"NMUS".ljust(16) + b"FUZZ".ljust(16) + bytes(32)
    return _pdu(1, fixed + _sub(0x10, b"1.2.840.10008.3.1.1.1") + b"".join(contexts) + user)


def associations() -> Iterator[tuple[str, bytes]]:
    """Connections from their first byte."""
    store = dict(exchanges())
    asked = _item(TransactionUID="1.2.3.9", ReferencedSOPSequence=[])
    asked.ReferencedSOPSequence = [_item(ReferencedSOPClassUID=US_IMAGE, ReferencedSOPInstanceUID="1.2.3.4")]
    elements = (
        _element(0x0003, b"1.2.840.10008.1.20.1")
        + _element(0x0100, struct.pack("<H", 0x0130))
        + _element(0x0110, struct.pack("<H", 9))
        + _element(0x0800, b"\1\0")
        + _element(0x1001, b"1.2.840.10008.1.20.1.1")
        + _element(0x1008, b"\1\0")
    )
    commit = _element(0x0000, struct.pack("<I", len(elements))) + elements
    action = _pdu(4, _pdv(3, commit, 3)) + _pdu(4, _pdv(2, _encoded(asked, implicit=True), 3))
    echo = _pdu(4, _pdv(3, _command(0x30, sop_class=b"1.2.840.10008.1.1", data_set=b"\1\1"), 5))
    yield "store", _request() + store["store"]
    yield "commit", _request() + action + _pdu(5, bytes(4))
    yield "echo", _request() + echo + _pdu(5, bytes(4))
    identity = _sub(0x58, struct.pack(">BBH", 2, 1, 4) + b"user" + struct.pack(">H", 4) + b"word")
    yield "identity", _request(identity, _sub(0x53, struct.pack(">HH", 4, 4)), _sub(0x55, b"FUZZ")) + _pdu(5, bytes(4))
    yield "abort", _request() + _pdu(7, bytes(4))
    yield "http", b"GET / HTTP/1.1\r\nHost: nmus\r\n\r\n"


def bodies() -> Iterator[tuple[str, bytes]]:
    """Bodies of STOW-RS requests."""
    from service.receive.file_header import file_header

    file = file_header(US_IMAGE, "1.2.3.4", EXPLICIT, "FUZZ") + _encoded(_image())
    part = b"\r\n--cut\r\nContent-Type: application/dicom\r\n\r\n"
    yield "one", b"\xff" + part + file + b"\r\n--cut--\r\n"
    yield "two", b"\x40" + part + file[:300] + part + file + b"\r\n--cut--\r\nepilogue"
    yield "text", b"\x07--cut\r\nContent-Type: text/plain\r\n\r\nhello\r\n--cut--"


SEEDS = {
    "head": datasets,
    "dataset": datasets,
    "names": datasets,
    "report": reports,
    "stored": exchanges,
    "association": associations,
    "body": bodies,
}
ONLY = {
    "head": ("still", "still-implicit", "still-big", "still-deflated"),
    "names": ("still", "still-implicit", "still-deflated", "note"),
}
"""Of the others the head tells nothing that these do not."""


def main() -> None:
    """Write them."""
    for target, seeds in SEEDS.items():
        folder = HERE / "corpus" / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, raw in seeds():
            if name in ONLY.get(target, (name,)):
                (folder / name).write_bytes(raw)


if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parents[1]))
    main()
