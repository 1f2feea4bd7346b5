"""The catalogue of muscles, nerves, roots, vessels and the sites along them, as it stands in ``tables/``.

Codes: the neurophysiology terms of ISO/IEEE 11073-10101 that DICOM lists for muscles (PS3.16 CID 3031) and nerves
(CID 3032), scheme ``MDC``, with left and right pre-coordinated; SNOMED CT only where DICOM itself lists the concept;
private ``99NMUS`` values NM-4xxx (structures) and NM-6xxx (sites) for what has neither. Beware: MDC 7:1145 "C5" is an
electrode of the EEG, not the fifth cervical root.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from reference_store.values import Code, Side

KINDS = ("muscle", "nerve", "root", "trunk", "vessel")


@dataclass(frozen=True, slots=True)
class Structure:
    """One muscle, nerve, root, trunk or vessel."""

    key: str
    """``snake_case``, stable: what files and other tables refer to."""
    kind: str
    """One of ``KINDS``."""
    name: str
    """English, as people read it."""
    latin: str
    code: Code
    """Without a side."""
    left: Code | None
    right: Code | None
    equivalent: tuple[Code, ...] = ()
    """The same concept in other schemes (SNOMED CT as DICOM lists it)."""
    synonyms: tuple[str, ...] = ()
    """Names that mean this structure wherever they stand, normalised to lower case."""
    stems: tuple[str, ...] = ()
    """Words that mean it only right beside 'nerve' or 'muscle': ``tibial`` is also a bone."""
    abbreviations: tuple[str, ...] = ()
    """Short forms that mean it only among words that all belong to this catalogue: ``rf`` is also a signal."""
    region: str = ""
    """``head``, ``neck``, ``trunk``, ``upper_limb``, ``lower_limb`` or ``foot``."""
    traits: frozenset[str] = frozenset()
    """``cranial``, ``foot_intrinsic``, ``hand_intrinsic``, ``midline``, ``no_bony_backstop``, ``paraspinal``,
    ``sensory``."""


@dataclass(frozen=True, slots=True)
class Site:
    """A named place along a nerve, or within a muscle."""

    key: str
    name: str
    code: Code
    structures: frozenset[str] = field(repr=False)
    """Keys of the structures that are measured here."""
    synonyms: tuple[str, ...] = ()
    region: str = ""


def structure(key: str) -> Structure:
    """The structure of that key.

    Raises
    ------
    KeyError
        When the catalogue has none; the text names the key.
    """
    try:
        return _structures()[key]
    except KeyError:
        raise KeyError(f"no structure {key!r} in the anatomy catalogue") from None


def structures(kind: str | None = None) -> tuple[Structure, ...]:
    """All structures in the order of the table, or those of one kind."""
    return tuple(each for each in _structures().values() if kind in (None, each.kind))


def site(key: str) -> Site:
    """The site of that key.

    Raises
    ------
    KeyError
        When the catalogue has none; the text names the key.
    """
    try:
        return _sites()[key]
    except KeyError:
        raise KeyError(f"no site {key!r} in the anatomy catalogue") from None


def sites(structure: str | None = None) -> tuple[Site, ...]:
    """All sites, or those where this structure is measured."""
    return tuple(each for each in _sites().values() if structure is None or structure in each.structures)


def coded(structure: str, side: Side = Side.UNKNOWN) -> Code:
    """The code of a structure on a side, pre-coordinated where there is such a code, else without the side."""
    found = _structures()[structure]
    sided = {Side.LEFT: found.left, Side.RIGHT: found.right}.get(side)
    return sided or found.code


def by_code(code: Code) -> tuple[Structure, Side] | None:
    """What a code of any known scheme means, with the side that it carries; ``None`` for a code not known here."""
    return _codes().get(code)


def site_by_code(code: Code) -> Site | None:
    """The site that a code means, or ``None``."""
    return _site_codes().get(code)


def cells(cell: str) -> tuple[str, ...]:
    """What one cell lists, parted by semicolons."""
    return tuple(word for word in (part.strip() for part in cell.split(";")) if word)


def rows(name: str) -> list[dict[str, str]]:
    """A table of this package as one mapping per row."""
    text = files("reference_store").joinpath("tables", name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


def _structure(row: Mapping[str, str]) -> Structure:
    def code(column: str, prefix: str) -> Code | None:
        name = row["name"]
        if prefix and name[1].islower():  # 'Left biceps brachii', but 'Left C5 nerve root'
            name = name[0].lower() + name[1:]
        return Code(row[column], row["scheme"], f"{prefix}{name}"[:64]) if row[column] else None

    plain = code("code", "")
    if plain is None:
        raise ValueError(f"anatomy table: {row['key']} has no code")
    return Structure(
        key=row["key"],
        kind=row["kind"],
        name=row["name"],
        latin=row["latin"],
        code=plain,
        left=code("left", "Left "),
        right=code("right", "Right "),
        equivalent=(Code(row["sct"], "SCT", row["name"]),) if row["sct"] else (),
        synonyms=cells(row["synonyms"]),
        stems=cells(row["stems"]),
        abbreviations=cells(row["abbreviations"]),
        region=row["region"],
        traits=frozenset(cells(row["traits"])),
    )


@cache
def _structures() -> Mapping[str, Structure]:
    return MappingProxyType({row["key"]: _structure(row) for row in rows("anatomy_structures.csv")})


@cache
def _sites() -> Mapping[str, Site]:
    muscles = frozenset(each.key for each in structures("muscle"))
    found = {}
    for row in rows("anatomy_sites.csv"):
        keys = muscles if row["structures"] == "*muscle" else frozenset(cells(row["structures"]))
        code = Code(row["code"], row["scheme"], row["name"])
        found[row["key"]] = Site(row["key"], row["name"], code, keys, cells(row["synonyms"]), row["region"])
    return MappingProxyType(found)


@cache
def _codes() -> Mapping[Code, tuple[Structure, Side]]:
    found: dict[Code, tuple[Structure, Side]] = {}
    for each in _structures().values():
        found[each.code] = (each, Side.UNKNOWN)
        found.update(dict.fromkeys(each.equivalent, (each, Side.UNKNOWN)))
        if each.left and each.right:
            found[each.left] = (each, Side.LEFT)
            found[each.right] = (each, Side.RIGHT)
    return MappingProxyType(found)


@cache
def _site_codes() -> Mapping[Code, Site]:
    return MappingProxyType({each.code: each for each in _sites().values()})
