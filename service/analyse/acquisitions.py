"""Which images belong together: same structure, side, site and view, whatever series they lie in.

Order of trust: coded attributes and Laterality; then the site's own rules; then, unless switched off, the catalogue's
reading of the typed texts. What contradicts itself is unknown, and unknown is a value: nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TypeVar

from plugins.contract import Acquisition, Side, Subject, View
from reference_store import anatomy
from service.analyse.naming import Naming
from service.analyse.read import Image

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class MappingRule:
    """What a site's own descriptions mean. All patterns must be found; what the rule leaves out it does not say."""

    match: Mapping[str, str] = field(hash=False)
    """Attribute keyword (``SeriesDescription``, ``ProtocolName`` …) to a regular expression, case ignored."""
    structure: str | None = None
    """Key in the anatomy catalogue."""
    side: Side = Side.UNKNOWN
    site: str | None = None
    view: View = View.UNKNOWN

    def applies(self, texts: Mapping[str, str]) -> bool:
        """Whether every pattern is found in its attribute."""
        return all(re.search(pattern, texts.get(keyword, ""), re.IGNORECASE) for keyword, pattern in self.match.items())


@dataclass(frozen=True, slots=True)
class Named:
    """What one image shows, as far as it is known, and what told it."""

    structure: str | None = None
    side: Side = Side.UNKNOWN
    site: str | None = None
    view: View = View.UNKNOWN
    named_by: str = ""


def name_image(naming: Naming, rules: Sequence[MappingRule] = (), *, read_texts: bool = True) -> Named:
    """Decide what one image shows from everything it says of itself.

    Parameters
    ----------
    rules:
        The first that applies is taken. It decides over the catalogue's reading of texts, not over codes.
    read_texts:
        Whether to let the catalogue recognise structures in typed texts at all.
    """
    rule = next((rule for rule in rules if rule.applies(naming.texts)), None) or MappingRule({})
    read = [anatomy.recognise(value) for value in naming.texts.values()] if read_texts else []
    structures = set(naming.structures) | ({rule.structure} - {None})
    typed = {one.structure for one in read} - {None}
    if not rule.structure:
        structures |= typed
    sides = set(naming.sides) | ({rule.side} - {Side.UNKNOWN})
    if rule.side is Side.UNKNOWN:
        sides |= {one.side for one in read} - {Side.UNKNOWN}
    structure, doubt = _one(structures), ""
    if len(structures) > 1:
        doubt = f"the image's attributes contradict each other: {', '.join(sorted(map(str, structures)))}"
    elif structure and naming.limb and _limb(structure) not in (None, naming.limb):
        structure, doubt = None, f"Body Part Examined is another limb than {structure}"
    site = naming.site or rule.site or _one({one.site for one in read} - {None})
    if structure is None or site is None or structure not in anatomy.site(site).structures:
        site = None
    view = _first(View.UNKNOWN, naming.view, rule.view, _one({one.view for one in read} - {View.UNKNOWN}))
    told = doubt or ("coded attribute" if naming.structures else "mapping rule" if rule.structure else "typed text")
    return Named(structure, _one(sides) or Side.UNKNOWN, site, view, told if structure or doubt else "")


def _one(values: set[T]) -> T | None:
    return next(iter(values)) if len(values) == 1 else None


def _first(unknown: T, *values: T | None) -> T:
    return next((value for value in values if value not in (None, unknown)), unknown)


def _limb(structure: str) -> str | None:
    return {"upper_limb": "arm", "lower_limb": "leg", "foot": "leg"}.get(anatomy.structure(structure).region)


def acquisitions(
    images: Sequence[Image],
    rules: Sequence[MappingRule] = (),
    *,
    read_texts: bool = True,
    named: Callable[[Image], Named | None] = lambda _image: None,
) -> tuple[Acquisition, ...]:
    """Group the images of one study, in the order in which they were taken.

    Stills and clips of one structure are two acquisitions, because they answer different questions. Images of an
    unknown structure, or of a paired structure whose side is unknown, stay alone: averaging them could mix two.

    Parameters
    ----------
    named:
        What somebody said of an image from outside (command line, review page); it decides over everything.
    """
    groups: dict[tuple[object, ...], list[Image]] = {}
    names: dict[tuple[object, ...], Named] = {}
    for image in sorted(images, key=lambda one: (one.clip.acquired or "", one.clip.sop_instance_uid)):
        name = named(image) or name_image(image.naming, rules, read_texts=read_texts)
        key: tuple[object, ...] = (name.structure, name.side, name.site, name.view, image.clip.frames.count > 1)
        if _may_mix(name):
            key = (*key, image.clip.sop_instance_uid)
        groups.setdefault(key, []).append(image)
        names.setdefault(key, name)
    person = common_subject(images)
    return tuple(_acquisition(names[key], members, person) for key, members in groups.items())


def _may_mix(name: Named) -> bool:
    if name.structure is None:
        return True
    return name.side is Side.UNKNOWN and "midline" not in anatomy.structure(name.structure).traits


def _acquisition(name: Named, images: Sequence[Image], person: Subject) -> Acquisition:
    clips = tuple(image.clip for image in images)
    question = "; ".join(dict.fromkeys(image.question for image in images if image.question))
    return Acquisition(name.structure, name.side, name.site, name.view, clips, person, name.named_by, question=question)


def common_subject(images: Sequence[Image]) -> Subject:
    """What the images of one study agree on; a fact in which they differ is not known."""
    found: dict[str, object] = {}
    for each in fields(Subject):
        said = {getattr(image.subject, each.name) for image in images} - {None}
        found[each.name] = said.pop() if len(said) == 1 else None
    return Subject(**found)  # type: ignore[arg-type]
