"""Reads structure, side, site and view from the free text that people type at a scanner. It never guesses.

The longest phrase wins, so that ``biceps femoris`` is not ``biceps``. What stays ambiguous is left out: two
structures, both sides, both views, or a limb site on the other limb. Three kinds of words mean a structure:

- synonyms (``rectus femoris``, ``medianus``) anywhere;
- stems and abbreviations right beside a word for muscle or nerve (``n. tibialis``, ``RF muscle``);
- abbreviations alone (``RF L``, ``med wrist``) only where every other word belongs to this catalogue too, and a side
  (muscle) or a site of that nerve backs them; three letters or more that are the whole text need no backing.

A word for tissue that is no muscle or nerve (tendon, artery, fracture) vetoes the structure altogether.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from reference_store.catalogue import Structure, cells, rows, site, sites, structure, structures
from reference_store.values import Side, View

Tokens = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recognised:
    """What a text says; whatever it does not say clearly is ``None`` or unknown."""

    structure: str | None = None
    side: Side = Side.UNKNOWN
    site: str | None = None
    view: View = View.UNKNOWN


@dataclass(frozen=True, slots=True)
class _Match:
    """A phrase of the catalogue found at tokens ``start`` to ``stop``."""

    start: int
    stop: int
    key: str
    weak: bool = False


def tokens(text: str) -> Tokens:
    """Lower-case words of a text: accents, punctuation and CamelCase undone, trailing counters split off."""
    text = re.sub(r"(?<=[a-zäöü])(?=[A-ZÄÖÜ])", " ", text)
    text = text.lower().replace("ä", "ae").replace("ö", "oe").replace("ü", "ue").replace("ß", "ss")
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().replace("'", "")
    words = re.findall(r"[a-z0-9]+", plain)
    return tuple(part for word in words for part in _split_counter(word))


def _split_counter(word: str) -> Tokens:
    counted = re.fullmatch(r"([a-z]{2,})(\d+)", word)
    return counted.groups() if counted else (word,)


def recognise(text: str) -> Recognised:
    """Structure, side, site and view that a text names.

    Parameters
    ----------
    text:
        A series description, protocol name, annotation or the like, in any case and spelling.
    """
    words = tokens(text)
    places = _longest(words, _site_phrases())
    found, rest = _structure_in(words, places)
    places = [place for place in places if found is None or not _overlap(place, found)]
    key = found.key if found else None
    side = _side(rest, named=key is not None)
    place = _site_of(key, places)
    if key is not None and _elsewhere(structure(key), places):
        return Recognised(None, side, None, _view(rest))
    return Recognised(key, side, place, _view(rest))


@cache
def _words(group: str) -> Mapping[str, str]:
    """Words of one class of ``tables/anatomy_words.csv``, each with its meaning."""
    return {
        word: row["meaning"]
        for row in rows("anatomy_words.csv")
        if row["class"] == group
        for word in cells(row["words"])
    }


def _structure_in(words: Tokens, places: Sequence[_Match]) -> tuple[_Match | None, Tokens]:
    """The one structure named, and the words that no structure or site has used up."""
    strong = _outside(_longest(words, _strong_phrases()), places)
    matches = strong or _outside(_longest(words, _weak_phrases(), weak=True), places)
    used = {index for match in (*matches, *places) for index in range(match.start, match.stop)}
    rest = tuple("" if index in used else word for index, word in enumerate(words))
    if len({match.key for match in matches}) != 1 or set(rest) & _words("veto").keys():
        return None, rest
    if matches[0].weak and not _backed(matches[0], words, rest, places):
        return None, rest
    return matches[0], rest


def _backed(match: _Match, words: Tokens, rest: Tokens, places: Sequence[_Match]) -> bool:
    if not all(_is_known(word) for word in rest if word):
        return False
    if len(words) == match.stop - match.start:
        return len("".join(words)) >= 3 and structure(match.key).kind == "muscle"
    if structure(match.key).kind == "muscle":
        return _side(rest, named=True) is not Side.UNKNOWN
    return any(match.key in site(place.key).structures for place in places)


def _is_known(word: str) -> bool:
    return word.isdigit() or any(word in _words(group) for group in ("filler", "side", "short side", "beside", "view"))


def _side(words: Tokens, *, named: bool) -> Side:
    """The one side named. A single letter counts only beside a structure."""
    known = {**_words("side"), **_words("short side")} if named else _words("side")
    said = {known[word] for word in words if word in known}
    return Side(said.pop()) if len(said) == 1 else Side.UNKNOWN


def _view(words: Tokens) -> View:
    phrases = {tuple(phrase.split()): view for phrase, view in _words("view").items()}
    said = {phrases[words[match.start : match.stop]] for match in _longest(words, phrases)} - {View.UNKNOWN.value}
    return View(said.pop()) if len(said) == 1 else View.UNKNOWN


def _site_of(key: str | None, places: Sequence[_Match]) -> str | None:
    allowed = {place.key for place in places if key is None or key in site(place.key).structures}
    return allowed.pop() if len(allowed) == 1 else None


def _elsewhere(named: Structure, places: Sequence[_Match]) -> bool:
    """Whether a site named lies on another limb than the structure: then the text contradicts itself."""
    limbs = {"upper_limb": "arm", "lower_limb": "leg", "foot": "leg"}
    own = limbs.get(named.region)
    return any(
        named.key not in site(place.key).structures and limbs.get(site(place.key).region, own) != own
        for place in places
        if own
    )


def _longest(words: Tokens, phrases: Mapping[Tokens, str], *, weak: bool = False) -> list[_Match]:
    """All phrases found, longer ones first, none overlapping another."""
    found: list[_Match] = []
    for length in range(min(len(words), max(map(len, phrases))), 0, -1):
        for start in range(len(words) - length + 1):
            match = _Match(start, start + length, phrases.get(words[start : start + length], ""), weak)
            if words[start : start + length] in phrases and not any(_overlap(match, other) for other in found):
                found.append(match)
    return found


def _overlap(one: _Match, other: _Match) -> bool:
    return one.start < other.stop and other.start < one.stop


def _outside(matches: Sequence[_Match], places: Sequence[_Match]) -> list[_Match]:
    """Those that are no mere part of a site's longer name ('between gastrocnemius heads')."""

    def part_of(match: _Match, place: _Match) -> bool:
        return (
            place.start <= match.start
            and match.stop <= place.stop
            and place.stop - place.start > match.stop - match.start
        )

    return [match for match in matches if not any(part_of(match, place) for place in places)]


def _phrases(each: Structure) -> set[Tokens]:
    """All that means this structure wherever it stands."""
    names = {each.name, each.latin, each.key.replace("_", " "), *each.synonyms}
    phrases = {tokens(name) for name in names if "(" not in name}
    phrases |= {phrase[1:] for phrase in phrases if phrase[0] in ("musculus", "musculi") and len(phrase) > 1}
    beside = [word for word, kind in _words("beside").items() if kind == each.kind]
    bare = {tokens(short) for short in (*each.stems, *each.abbreviations)}
    bare |= {phrase[:-1] for phrase in phrases if phrase[-1] == "nerve"}
    bare |= {phrase[1:] for phrase in phrases if phrase[0] == "nervus"}
    for phrase in bare:
        phrases |= {(word, *phrase) for word in beside} | {(*phrase, word) for word in beside}
    return phrases


@cache
def _strong_phrases() -> Mapping[Tokens, str]:
    return _unique((phrase, each.key) for each in structures() for phrase in _phrases(each))


@cache
def _weak_phrases() -> Mapping[Tokens, str]:
    return _unique((tokens(short), each.key) for each in structures() for short in each.abbreviations)


@cache
def _site_phrases() -> Mapping[Tokens, str]:
    return _unique(
        (tokens(name), each.key) for each in sites() for name in (*each.synonyms, each.name, each.key.replace("_", " "))
    )


def _unique(pairs: Iterable[tuple[Tokens, str]]) -> Mapping[Tokens, str]:
    """Phrase to key; a phrase that means two things is an error of the table, not a matter of order."""
    found: dict[Tokens, str] = {}
    for phrase, key in pairs:
        if found.setdefault(phrase, key) != key:
            raise ValueError(f"anatomy tables: {' '.join(phrase)!r} means both {found[phrase]} and {key}")
    return found
