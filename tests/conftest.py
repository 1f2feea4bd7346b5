"""For all tests: how long one example of hypothesis takes says more of the machine's load than of the code."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import settings
from pynetdicom import AE, _config
from pynetdicom.association import Association

from service.replies import keep_replies

settings.register_profile("nmus", deadline=None)
settings.load_profile("nmus")

_OF_THE_PROCESS = (
    "STORE_RECV_CHUNKED_DATASET",
    "STORE_SEND_CHUNKED_DATASET",
    "UNRESTRICTED_STORAGE_SERVICE",
    "LOG_HANDLER_LEVEL",
)


@pytest.fixture(autouse=True, scope="session")
def _replies_reach_whoever_asked() -> Iterator[None]:
    """Also on the associations that tests open themselves."""
    associate = AE.associate

    def kept(self: AE, *arguments: object, **settings: object) -> Association:
        association = associate(self, *arguments, **settings)
        keep_replies(association)
        return association

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AE, "associate", kept)
        yield


@pytest.fixture(autouse=True, scope="module")
def _process_as_it_was_before_the_file() -> Iterator[None]:
    """As below, for what the fixtures of a whole file set before its first test begins."""
    yield from _restored()


@pytest.fixture(autouse=True)
def _process_as_it_was() -> Iterator[None]:
    """A listener and a sender set things for their whole process, which here is that of the next test too."""
    yield from _restored()


def _restored() -> Iterator[None]:
    before = {name: getattr(_config, name) for name in _OF_THE_PROCESS}
    folder = tempfile.tempdir
    yield
    tempfile.tempdir = folder
    for name, value in before.items():
        setattr(_config, name, value)
