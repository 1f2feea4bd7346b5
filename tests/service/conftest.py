from __future__ import annotations

import hashlib
import itertools
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.presentation import build_context

from service.config import Listener
from service.ledger import Ledger, open_ledger
from service.receive.archive import Archive
from service.receive.intake import Intake
from service.receive.listener import StorageProvider

US_IMAGE = "1.2.840.10008.5.1.4.1.1.6.1"
EXPLICIT = "1.2.840.10008.1.2.1"
_NUMBER = itertools.count(1)


@pytest.fixture(scope="session")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """File of a migrated ledger, to be copied: migrating takes longer than most tests."""
    folder = tmp_path_factory.mktemp("ledger")
    open_ledger(folder).close()
    return folder / "ledger.sqlite"


@pytest.fixture
def ledger(tmp_path: Path, empty_ledger: Path) -> Iterator[Ledger]:
    shutil.copy(empty_ledger, tmp_path / "ledger.sqlite")
    opened = open_ledger(tmp_path)
    yield opened
    opened.close()


def image(study: str = "1.2.3", size: int = 64, **changes: object) -> Dataset:
    """A small ultrasound image; ``None`` as a change leaves an attribute out."""
    number = next(_NUMBER)
    dataset = Dataset()
    attributes: dict[str, object] = {
        "SOPClassUID": US_IMAGE,
        "SOPInstanceUID": f"1.2.3.4.{number}",
        "StudyInstanceUID": study,
        "SeriesInstanceUID": f"{study}.1",
        "Modality": "US",
        "PatientName": "Canary^Carla",
        "PatientID": "CANARY-17",
        "Rows": size,
        "Columns": size,
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "PixelRepresentation": 0,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "PixelData": bytes([number % 251]) * (size * size),
    }
    for keyword, value in (attributes | changes).items():
        if value is not None:
            setattr(dataset, keyword, value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def encoded(dataset: Dataset) -> bytes:
    """The data set's own bytes, Explicit VR Little Endian."""
    buffer = BytesIO()
    bare = Dataset(dataset)
    dcmwrite(buffer, bare, implicit_vr=False, little_endian=True)
    return buffer.getvalue()


@pytest.fixture
def an_image() -> Callable[..., Dataset]:
    return image


@pytest.fixture
def encode() -> Callable[[Dataset], bytes]:
    return encoded


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Poll until true, with a limit."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@pytest.fixture(name="until")
def until_fixture() -> Callable[..., None]:
    return until


@dataclass
class Reception:
    """A listener on a free port with its ledger and archive."""

    provider: StorageProvider
    ledger: Ledger
    archive: Archive
    intake: Intake

    @property
    def port(self) -> int:
        return self.provider.port

    def associate(self, *classes: str, syntaxes: tuple[str, ...] = (EXPLICIT,), title: str = "US1", **settings: object):
        ae = AE(ae_title=title)
        for keyword, value in settings.items():
            setattr(ae, keyword, value)
        contexts = [build_context(uid, [syntax]) for uid in classes or (US_IMAGE,) for syntax in syntaxes]
        return ae.associate("127.0.0.1", self.port, contexts=contexts, ae_title="NMUS")

    def digest_of(self, sop_instance_uid: str) -> str:
        """SHA-256 of the data set bytes in the archived file."""
        (row,) = self.ledger.instance(sop_instance_uid)
        raw = (self.archive.data_folder / row.path).read_bytes()
        start = 144 + int.from_bytes(raw[140:144], "little")
        return hashlib.sha256(raw[start:]).hexdigest()


@pytest.fixture
def listening(tmp_path: Path, ledger: Ledger) -> Iterator[Callable[..., Reception]]:
    started: list[Reception] = []

    def start(refuse_free_mb: float = 0, **settings: object) -> Reception:
        archive = Archive(tmp_path)
        intake = Intake(ledger, archive, refuse_free_mb)
        listener = Listener(port=0, **settings)
        started.append(Reception(StorageProvider(listener, intake, archive.spool), ledger, archive, intake))
        return started[-1]

    yield start
    for reception in started:
        reception.provider.drain(0)
