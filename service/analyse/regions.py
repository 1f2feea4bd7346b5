"""Regions that a person or another tool drew, from a JSON file: the way into nmus for researchers and other programs.

The format is described in docs/regions.md. In short, one entry a region, with the file it lies in::

    {"regions": [
       {"file": "a.dcm", "frame": 0, "polygon": [[column, row], ...]},
       {"file": "b.png", "ellipse": {"centre": [column, row], "axes": [long, short], "angle_deg": 12.0}},
       {"file": "c.dcm", "box": [column0, row0, column1, row1]},
       {"file": "d.dcm", "caliper": [[column, row], [column, row]]},
       {"file": "e.dcm", "point": [column, row], "structure": "median_nerve"}]}

A GeoJSON ``FeatureCollection`` (Polygon and Point) is read as well, its properties taken as the entry's other keys.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from plugins.contract import Point, Region, RegionOrigin, RegionShape
from service.errors import Misconfigured

_SHAPES = ("polygon", "ellipse", "box", "caliper", "point")
_OTHER = frozenset({"file", "sop_instance_uid", "frame", "structure", "label"})


@dataclass(frozen=True, slots=True)
class FileRegion:
    """A region and the image it belongs to: a file name, a SOP Instance UID, or every image when both are empty."""

    region: Region
    file: str = ""
    sop_instance_uid: str = ""

    def belongs_to(self, path: Path, sop_instance_uid: str) -> bool:
        """Whether this region lies in that image."""
        if self.sop_instance_uid:
            return self.sop_instance_uid == sop_instance_uid
        return not self.file or Path(self.file).name == path.name or Path(self.file) == path


def read_regions(path: Path) -> tuple[FileRegion, ...]:
    """All regions of a file.

    Raises
    ------
    Misconfigured
        Names the file, the entry and the key that is wrong.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Misconfigured(f"regions file {path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise Misconfigured(f"regions file {path}: is no JSON: {error}") from error
    entries = _entries(document, path)
    return tuple(_region(entry, f"regions file {path}, entry {number}") for number, entry in enumerate(entries, 1))


def _entries(document: object, path: Path) -> list[Mapping[str, object]]:
    if isinstance(document, list):
        entries = document
    elif isinstance(document, dict) and document.get("type") == "FeatureCollection":
        entries = [_feature(feature, path) for feature in document.get("features", [])]
    elif isinstance(document, dict) and isinstance(document.get("regions"), list):
        entries = document["regions"]
    else:
        raise Misconfigured(
            f'regions file {path}: expected {{"regions": [...]}}, a list of regions or a GeoJSON FeatureCollection'
        )
    if not all(isinstance(entry, dict) for entry in entries):
        raise Misconfigured(f"regions file {path}: every region must be an object, see docs/regions.md")
    return entries


def _feature(feature: Mapping[str, object], path: Path) -> Mapping[str, object]:
    geometry, properties = feature.get("geometry"), feature.get("properties") or {}
    if not isinstance(geometry, dict) or not isinstance(properties, dict):
        raise Misconfigured(f"regions file {path}: a Feature needs a geometry and properties")
    kind, coordinates = geometry.get("type"), geometry.get("coordinates")
    if kind == "Polygon" and isinstance(coordinates, list) and coordinates:
        return {**properties, "polygon": coordinates[0]}
    if kind == "Point":
        return {**properties, "point": coordinates}
    raise Misconfigured(f"regions file {path}: geometry {kind!r} is not known here; use Polygon or Point")


def _region(entry: Mapping[str, object], place: str) -> FileRegion:
    shapes = [shape for shape in _SHAPES if shape in entry]
    if len(shapes) != 1:
        raise Misconfigured(f"{place}: has {len(shapes) or 'no'} shapes; give exactly one of {', '.join(_SHAPES)}")
    unknown = sorted(set(entry) - _OTHER - set(_SHAPES))
    if unknown:
        raise Misconfigured(f"{place}: {unknown[0]!r} is not known; besides the shape there are {sorted(_OTHER)}")
    shape = RegionShape(shapes[0])
    frame = entry.get("frame", 0)
    if not isinstance(frame, int) or isinstance(frame, bool) or frame < 0:
        raise Misconfigured(f"{place}: frame is {frame!r}; frames count from 0")
    structure = entry.get("structure")
    region = Region(
        shape=shape,
        points=_points(shape, entry[shapes[0]], place),
        origin=RegionOrigin.REGIONS_FILE,
        frame=frame,
        structure=None if structure is None else str(structure),
        label=str(entry.get("label", "")),
    )
    return FileRegion(region, str(entry.get("file", "")), str(entry.get("sop_instance_uid", "")))


def _points(shape: RegionShape, value: object, place: str) -> tuple[Point, ...]:
    if shape is RegionShape.ELLIPSE:
        return _ellipse(value, place)
    if shape is RegionShape.BOX:
        column0, row0, column1, row1 = _numbers(value, 4, place, "box")
        if column1 <= column0 or row1 <= row0:
            raise Misconfigured(f"{place}: the box has no area; give [column0, row0, column1, row1], ends last")
        return ((column0, row0), (column1, row0), (column1, row1), (column0, row1), (column0, row0))
    if shape is RegionShape.POINT:
        column, row = _numbers(value, 2, place, "point")
        return ((column, row),)
    return _polyline(shape, value, place)


def _polyline(shape: RegionShape, value: object, place: str) -> tuple[Point, ...]:
    least = 2 if shape is RegionShape.CALIPER else 3
    if not isinstance(value, Sequence) or len(value) < least:
        raise Misconfigured(f"{place}: {shape} needs at least {least} points [column, row]")
    pairs = [_numbers(pair, 2, place, shape) for pair in value]
    points = [(column, row) for column, row in pairs]
    if shape is RegionShape.CALIPER:
        if len(points) != 2:
            raise Misconfigured(f"{place}: a caliper has two points, not {len(points)}")
        return tuple(points)
    if points[0] != points[-1]:
        points.append(points[0])
    return tuple(points)


def _ellipse(value: object, place: str) -> tuple[Point, ...]:
    """The four axis ends: major, then minor, as a DICOM ELLIPSE has them (PS3.3 C.18.6.1.2)."""
    if not isinstance(value, Mapping) or not {"centre", "axes"} <= value.keys():
        raise Misconfigured(f'{place}: ellipse needs "centre" [column, row], "axes" [long, short] and "angle_deg"')
    column, row = _numbers(value["centre"], 2, place, "centre")
    long, short = _numbers(value["axes"], 2, place, "axes")
    (angle,) = _numbers([value.get("angle_deg", 0.0)], 1, place, "angle_deg")
    if long <= 0 or short <= 0:
        raise Misconfigured(f"{place}: the axes are {long:g} and {short:g}; whole lengths in pixels, above 0")
    if short > long:
        long, short, angle = short, long, angle + 90
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    ends = [(-long / 2, 0.0), (long / 2, 0.0), (0.0, -short / 2), (0.0, short / 2)]
    return tuple((column + x * c - y * s, row + x * s + y * c) for x, y in ends)


def _numbers(value: object, count: int, place: str, name: str) -> list[float]:
    if not isinstance(value, list | tuple) or len(value) != count:
        raise Misconfigured(f"{place}: {name} must be {count} numbers, not {value!r}")
    for number in value:
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            raise Misconfigured(f"{place}: {name} has {number!r} where a number belongs")
    return [float(number) for number in value]
