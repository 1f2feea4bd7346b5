"""What peers' bytes are fed to, as functions from bytes to nothing: whatever they raise is a fault of ours.

Each target takes the whole input as one byte string, so that a fuzzer can change every part of it, and lets through
only the answers that the code promises. ``python tests/fuzz`` runs one of them for as long as you like;
``test_corpus.py`` replays the corpus, with changes, in the ordinary suite.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import shutil
import socket
import struct
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

from pydicom import Dataset, dcmread

from service.analyse.acquisitions import acquisitions
from service.analyse.read import Image, read_files
from service.analyse.read_layout import Limits
from service.analyse.rejections import rejection
from service.audit.following import moved
from service.errors import Refused, Unanalysable
from service.patient.reading import clear_values
from service.patient.versions import only_identity_differs
from service.priors.looking import _from
from service.receive.archive import Archive, Incoming
from service.receive.command_set import StoreRequest
from service.receive.data_phase import Answer, DataPhase, Malformed
from service.receive.file_header import file_header
from service.receive.identity import identity
from service.receive.intake import Intake
from service.receive.multipart import Begin, Data, End, MultipartReader, boundary
from service.receive.multipart import Malformed as NoMultipart
from service.receive.part10 import ArrivingFile

SYNTAXES = (
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.90",
)
"""The first byte of a data set's input chooses one."""
_LIMITS = Limits(frame_pixels=1 << 22, frames=500, inflated_bytes=1 << 24)
_US_IMAGE = "1.2.840.10008.5.1.4.1.1.6.1"
_FOLDER = Path(tempfile.mkdtemp(prefix="nmus-fuzz-"))
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)
_FILE = _FOLDER / "input.dcm"


class _Row:
    """A ledger that keeps nothing."""

    def keep(self, _instance: object, *_more: object) -> object:
        return "new"

    def clock(self) -> float:
        return time.time()


class _Socket:
    """What of a guarded socket the data phase uses."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection

    def give_back(self, unread: bytes) -> None:
        """Dropped."""


class _Taker:
    """Keeps objects by the real intake."""

    maximum_object_bytes = 1 << 20

    def __init__(self) -> None:
        self.archive = Archive(_FOLDER / "data")
        self.intake = Intake(_Row(), self.archive)  # type: ignore[arg-type]

    def begin(self, _association: object, request: StoreRequest, syntax: str) -> Incoming | Answer:
        try:
            return self.intake.begin(request.sop_class_uid, request.sop_instance_uid, syntax, "FUZZ")
        except Refused as refusal:
            return refusal.status, str(refusal)

    def end(self, _association: object, request: StoreRequest, incoming: Incoming) -> Answer:
        announced = (request.sop_class_uid, request.sop_instance_uid)
        try:
            self.intake.take(incoming, "FUZZ", "", announced)
        except Refused as refusal:
            return refusal.status, str(refusal)
        return 0, ""


_taker: list[_Taker] = []


def _the_taker() -> _Taker:
    if not _taker:
        silence("service")
        _taker.append(_Taker())
    return _taker[0]


SILENT = ("service", "pynetdicom.events")
"""Loggers that say nothing of their own while inputs are tried."""


def silence(name: str) -> None:
    """Let nothing of a logger come out."""
    logger = logging.getLogger(name)
    logger.addHandler(logging.NullHandler())
    logger.propagate = False


class _Faults(logging.Handler):
    """Notes what pynetdicom logs of handlers of ours that raised: it goes on as if they had not."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._faults = faults

    def emit(self, record: logging.LogRecord) -> None:
        self._faults.append(f"{record.getMessage()}: {record.exc_info and record.exc_info[1]}")


def _emptied(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            path.unlink()


def head(data: bytes) -> None:
    """An object's identity, read by the listener before anything else is known of it."""
    if data:
        with contextlib.suppress(Refused):
            identity(data[1:], SYNTAXES[data[0] % len(SYNTAXES)])


def dataset(data: bytes) -> None:
    """A received object as the analysis reads it: frames, regions, drawings, what is examined."""
    _written(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        images = [one for one in read_files([_FILE], _LIMITS) if isinstance(one, Image)]
        acquisitions(images, ())
        for one in images:
            frames = one.clip.frames
            for index in {0, frames.count - 1}:
                with contextlib.suppress(Unanalysable):
                    grey = frames.grey(index)
                    assert grey.shape == frames.shape, "a frame is as large as it says"
                    assert frames.coloured(index).shape == frames.shape


def names(data: bytes) -> None:
    """A received object as the service's own processes look at it: whom it names, what it rejects, if it is a copy."""
    _written(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        clear_values(_FILE)
        rejection(_FILE)
        only_identity_differs(_FILE, _FILE)
        moved((), _FILE, "1.2.3", peer="", address="", at=0)


def _written(data: bytes) -> None:
    syntax = SYNTAXES[(data or b"\0")[0] % len(SYNTAXES)]
    _FILE.write_bytes(file_header(_US_IMAGE, "1.2.3.4", syntax, "FUZZ") + data[1:])


class _Archive:
    """Gives one report, as an archive does that was asked for the patient's."""

    name = "archive"

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def reports(self, _patient: object, _most: int) -> Iterator[Dataset]:
        yield dcmread(BytesIO(self._raw))
        yield dcmread(BytesIO(self._raw))


def report(data: bytes) -> None:
    """A structured report that an archive gave as the patient's earlier one."""
    _written(data)
    exam = Dataset()
    exam.PatientID, exam.StudyInstanceUID, exam.StudyDate = "FUZZ", "1.2.3", "20261130"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _from(exam, [_Archive(_FILE.read_bytes())])  # type: ignore[list-item]


def stored(data: bytes) -> None:
    """The data phase: everything that an associated peer may send, PDUs, fragments, command sets and data sets."""
    taker = _the_taker()
    ours, theirs = socket.socketpair()
    bell, _other = socket.socketpair()
    syntax = SimpleNamespace(transfer_syntax=[SYNTAXES[0]])
    passed_on: list[bytes] = []
    dimse = SimpleNamespace(message=None, receive_primitive=passed_on.append, get_msg=lambda block: (None, None))
    association = SimpleNamespace(
        dul=SimpleNamespace(socket=_Socket(ours), bell=bell),
        network_timeout=5,
        _accepted_cx={1: syntax, 3: syntax},
        dimse=dimse,
    )
    feeder = threading.Thread(target=_fed, args=(theirs, data), daemon=True)
    feeder.start()
    try:
        with contextlib.suppress(Malformed):
            DataPhase(association, taker).run()  # type: ignore[arg-type]
    finally:
        for one in (ours, theirs, bell, _other):
            one.close()
        feeder.join(5)
    assert not list(taker.archive.spool.iterdir()), "nothing is left in the spool"
    _emptied(taker.archive.data_folder)


def _fed(connection: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 16):
            pass


def body(data: bytes) -> None:
    """A STOW-RS request's body, and the files in its parts. The first byte is the length of the pieces it comes in."""
    taker = _the_taker()
    cut = boundary('multipart/related; type="application/dicom"; boundary=cut')
    assert cut is not None
    reader, step = MultipartReader(cut), max(1, (data or b"\0")[0])
    arriving: ArrivingFile | None = None
    try:
        for at in range(1, len(data), step):
            for piece in reader.feed(data[at : at + step]):
                arriving = _part(taker, arriving, piece)
    except NoMultipart:
        pass
    finally:
        if arriving is not None:
            arriving.discard()
    assert not list(taker.archive.spool.iterdir()), "nothing is left in the spool"
    _emptied(taker.archive.data_folder)


def _part(taker: _Taker, arriving: ArrivingFile | None, piece: Begin | Data | End) -> ArrivingFile | None:
    try:
        if isinstance(piece, Begin):
            return ArrivingFile(taker.intake, "FUZZ", 1 << 20)
        if isinstance(piece, Data) and arriving is not None:
            arriving.write(piece.content)
        if isinstance(piece, End) and arriving is not None:
            taker.intake.take(arriving.end(), "FUZZ", "", arriving.announced)
            return None
    except Refused:
        return None
    return arriving


class Listener:
    """A real listener on loopback; whatever is sent to it, it must go on and keep nothing."""

    def __init__(self) -> None:
        from service.config import Listener as Settings
        from service.receive.listener import StorageProvider

        taker = _the_taker()
        self.spool = taker.archive.spool
        settings = Settings(port=0, acse_timeout_seconds=1, maximum_unestablished_per_address=64)
        self.provider = StorageProvider(settings, taker.intake, self.spool)
        self.faults: list[str] = []
        threading.excepthook = self._fault
        events = logging.getLogger("pynetdicom.events")
        events.addHandler(_Faults(self.faults))
        events.propagate = False

    def _fault(self, arguments: threading.ExceptHookArgs) -> None:
        self.faults.append(f"{arguments.exc_type.__name__}: {arguments.exc_value}")

    def feed(self, stream: bytes) -> None:
        """Send it, the first PDU and once that is answered the rest; then have no more to say."""
        first = 6 + int.from_bytes(stream[2:6], "big") if stream[:1] == b"\1" else len(stream)
        with socket.create_connection(("127.0.0.1", self.provider.port), timeout=5) as connection:
            if first < len(stream):
                with contextlib.suppress(OSError):
                    connection.sendall(stream[:first])
                    connection.recv(1 << 16)
            _fed(connection, stream[first:] if first < len(stream) else stream)
        deadline = time.monotonic() + 5
        while self.provider.associations and time.monotonic() < deadline:
            time.sleep(0.001)
        assert self.provider.associations == 0, "an association outlives its connection"
        assert not self.faults, self.faults
        assert not list(self.spool.iterdir()), "nothing is left in the spool"
        assert self.provider.rejections["error"] == 0, "a thread ended by an error of its own"


_listeners: list[Listener] = []


def stop() -> None:
    """End the listener, if there is one; what it set for the whole process is the caller's to restore."""
    while _listeners:
        _listeners.pop().provider.drain(0)


def association(data: bytes) -> None:
    """A connection from its first byte: negotiation by pynetdicom with our guards, then the data phase."""
    if not _listeners:
        _listeners.append(Listener())
    _listeners[0].feed(data)


Target = Callable[[bytes], None]
TARGETS: dict[str, Target] = {one.__name__: one for one in (head, dataset, names, report, stored, body, association)}


def changed(data: bytes, chance: object, count: int) -> Iterator[bytes]:
    """``count`` damaged copies, as a fuzzer makes them without knowing what it hits: for the replay in the suite."""
    for _ in range(count):
        raw = bytearray(data)
        for _ in range(chance.randint(1, 4)):  # type: ignore[attr-defined]
            at = chance.randrange(len(raw) + 1)  # type: ignore[attr-defined]
            match chance.randrange(5):  # type: ignore[attr-defined]
                case 0:
                    raw[at : at + 1] = bytes([chance.randrange(256)])  # type: ignore[attr-defined]
                case 1:
                    del raw[at : at + chance.randint(1, 16)]  # type: ignore[attr-defined]
                case 2:
                    raw[at:at] = raw[at : at + chance.randint(1, 64)]  # type: ignore[attr-defined]
                case 3:
                    odd = chance.choice((0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF))  # type: ignore[attr-defined]
                    raw[at : at + 4] = struct.pack("<I", odd)
                case 4:
                    del raw[at:]
        yield bytes(raw)
