"""What a child is handed: published references by name, a site's own whole, and never another in their place."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from reference_store.reference_set import ReferenceSet
from reference_store.store import bundled, load
from service.analyse.handing import Once, packed, shipped


def test_published_references_go_by_name_and_are_the_same_objects():
    references = load(None)
    work = packed(print, (references,))
    function, (back,) = pickle.loads(work)  # noqa: S301 - our own
    assert function is print
    assert back == references
    assert all(ours is theirs for ours, theirs in zip(references.documents, back.documents, strict=True))
    assert len(work) < len(pickle.dumps(references, protocol=5)) / 5


def test_a_document_of_the_site_goes_whole_also_under_a_published_name():
    own = replace(bundled()[0], content_hash="0" * 64, site_words="ours")
    _, (back,) = pickle.loads(packed(print, (ReferenceSet((own,)),)))  # noqa: S301 - our own
    assert back.documents == (own,)
    assert back.documents[0].site_words == "ours"


def test_another_content_under_a_published_name_is_refused():
    first = bundled()[0]
    assert shipped(first.release, first.content_hash) is first
    for release, content in ((first.release, "0" * 64), ("nobody@1", first.content_hash)):
        with pytest.raises(LookupError, match="start the service anew"):
            shipped(release, content)


def test_what_several_children_are_given_is_made_into_bytes_once_and_each_has_it_itself() -> None:
    first = bundled()[0]
    given = Once(("work", first, [1, 2]))
    for _ in range(2):
        _, ((name, document, numbers), kind) = pickle.loads(packed(print, (given, "kind")))  # noqa: S301 - our own
        assert kind == "kind"
        assert (name, numbers) == ("work", [1, 2])
        assert document is first, "published references go by name there, too"
