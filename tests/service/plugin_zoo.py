"""Plugins that behave in every way a plugin can. Imported by name in child processes."""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from plugins.codes import ECHOGENICITY, MEAN
from plugins.contract import (
    Acquisition,
    ArrayFrames,
    Clip,
    Conclusion,
    Declined,
    Finding,
    FrameRef,
    Measurement,
    ReasonCode,
    Side,
    View,
)


def acquisition(structure="biceps_brachii", count=1, uid="1.2.3"):
    pixels = np.full((40, 60), 80, np.uint8)
    clips = tuple(
        Clip(f"{uid}.{number}", "1.2", ArrayFrames(pixels), name=f"image {number}") for number in range(1, count + 1)
    )
    return Acquisition(structure, Side.LEFT, None, View.TRANSVERSE, clips)


def finding(one: Acquisition, value=80.0, outline=((5, 5), (50, 5), (50, 30), (5, 5)), **fields):
    measurement = Measurement("echo_intensity_mean", ECHOGENICITY, value, "[arb'U]", derivation=MEAN)
    known = {"image": FrameRef(one.clips[0].sop_instance_uid), "outline": outline, "measurements": (measurement,)}
    return Finding(**{**known, **fields})


@dataclass(frozen=True)
class Zoo:
    """``behaviour`` says what it does."""

    behaviour: str = "well"
    name: str = "zoo"
    version: str = "1.0.0"
    value: float = 80.0
    note: str = ""
    """A file in which to leave what a test looks for."""

    def declines(self, one: Acquisition) -> Declined | None:
        if self.behaviour == "declines":
            return Declined(ReasonCode.NOT_APPLICABLE, "not for me", "nothing")
        if self.behaviour == "declines with a reason":
            return Declined(ReasonCode.NO_CALIBRATION, "no calibration", "calibrate")
        if self.behaviour == "raises in declines":
            raise RuntimeError("DOE^JANE")
        return None

    def analyse(self, one: Acquisition, references: object) -> object:
        match self.behaviour:
            case "raises":
                raise ValueError("DOE^JANE")
            case "hangs":
                while True:
                    pass
            case "dies":
                os.kill(os.getpid(), signal.SIGKILL)
            case "nothing":
                return []
            case "nonsense":
                return 42
            case "foreign object":
                return [object()]
            case "open outline":
                return [finding(one, outline=((5, 5), (50, 5), (50, 30), (6, 6)))]
            case "outside":
                return [finding(one, outline=((5, 5), (61, 5), (50, 30), (5, 5)))]
            case "other image":
                return [finding(one, image=FrameRef("9.9.9"))]
            case "frame 7":
                return [finding(one, image=FrameRef(one.clips[0].sop_instance_uid, 7))]
            case "confident":
                return [finding(one, confidence=1.5)]
            case "twice":
                return [finding(one, measurements=finding(one).measurements * 2)]
        if self.behaviour in WAYS:
            return WAYS[self.behaviour](self, one, references)
        return [finding(one, self.value)]


class OwnEnd(BaseException):
    """Passes every ``except Exception``."""


def _own_base_exception(*_: object) -> None:
    raise OwnEnd("DOE^JANE")


def _segfault(*_: object) -> None:
    ctypes.string_at(0)


def _gives_a_finding_by_force(zoo: Zoo, one: Acquisition, _: object) -> list[Finding]:
    """Changes everything of its own process that it can reach, then answers as if nothing had been."""
    for number in range(1, signal.NSIG):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            continue
    os.umask(0o777)
    os.nice(5)
    os.chdir("/")
    os.environ.clear()
    sys.path.clear()
    sys.setrecursionlimit(50_000)
    np.seterr(all="raise")
    return [finding(one, zoo.value)]


def _closes_everything(zoo: Zoo, one: Acquisition, _: object) -> list[Finding]:
    os.closerange(0, 1000)
    return [finding(one, zoo.value)]


def _writes_to_frames(zoo: Zoo, one: Acquisition, _: object) -> list[Finding]:
    for clip in one.clips:
        clip.frames.pixels[:] = 255
    return [finding(one, zoo.value)]


def _changes_what_is_shared(zoo: Zoo, one: Acquisition, references: object) -> list[Finding]:
    """Its inputs and the modules that the next plugin uses too."""
    for name in getattr(references, "__dataclass_fields__", {"documents": 0}):
        object.__setattr__(references, name, None) if hasattr(references, name) else None
    object.__setattr__(one, "structure", "changed")
    from plugins import contract

    contract.Finding = None
    np.mean = None
    return [finding(one, zoo.value)]


def _forks(zoo: Zoo, one: Acquisition, _: object) -> list[Finding]:
    """A bomb that stops at 3 generations of 4: 84 processes that would live for ever."""
    for _generation in range(3):
        for _child in range(4):
            if os.fork() == 0:
                break
        else:
            break
    else:
        time.sleep(600)
    if os.getpid() != os.getpgrp():
        time.sleep(600)
    return [finding(one, zoo.value)]


def _leaves_a_daemon(zoo: Zoo, one: Acquisition, _: object) -> list[Finding]:
    """As daemons are made: a fork, a session of its own, and another fork whose parent is gone."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            partial = Path(f"{zoo.note}.part")
            partial.write_text(str(os.getpid()))
            partial.rename(zoo.note)
            time.sleep(600)
        os._exit(0)
    while not Path(zoo.note).exists():
        time.sleep(0.005)
    return [finding(one, zoo.value)]


def _starts_threads(zoo: Zoo, one: Acquisition, _: object) -> list[Finding]:
    for _number in range(20):
        threading.Thread(target=time.sleep, args=(600,)).start()
    return [finding(one, zoo.value)]


def _recurses(*arguments: object) -> object:
    return _recurses(*arguments)


def _recurses_for_ever(*_: object) -> object:
    sys.setrecursionlimit(10**9)
    return _recurses()


def _ignores_everything_and_hangs(*_: object) -> None:
    for number in range(1, signal.NSIG):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            continue
    while True:
        time.sleep(1)


def _floods(*_: object) -> list[Finding]:
    for stream in (sys.stdout, sys.stderr):
        for _number in range(64):
            stream.write("DOE^JANE" * 2**17)
    return []


def _fills_the_folder(*_: object) -> None:
    with Path("much").open("wb") as file:
        while True:
            file.write(bytes(1 << 20))


def _removes_its_folder(zoo: Zoo, one: Acquisition, _: object) -> list[Finding]:
    shutil.rmtree(Path.cwd())
    return [finding(one, zoo.value)]


def _locks_its_folder(zoo: Zoo, one: Acquisition, _: object) -> list[Finding]:
    inner = Path("inner")
    inner.mkdir()
    (inner / "file").write_bytes(b"x")
    inner.chmod(0)
    return [finding(one, zoo.value)]


def _raises_its_limits(*_: object) -> None:
    """Limits are hard ones: they cannot be raised again, but by root, which the service is not."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    assert hard > 0
    np.ones(10**11, np.uint8)


def _answers_for_us(content: Callable[[Path], object]) -> Callable[..., None]:
    """Put something else where the result is looked for, and end as if all were well."""

    def leave(*_: object) -> None:
        content(Path("result"))
        os._exit(0)

    return leave


def _kills_the_fork_server(zoo: Zoo, one: Acquisition, _: object) -> list[Finding]:
    os.kill(os.getppid(), signal.SIGKILL)
    return [finding(one, zoo.value)]


def _with_values(**changes: object) -> Callable[..., list[Finding]]:
    def answer(_zoo: Zoo, one: Acquisition, _references: object) -> list[Finding]:
        return [finding(one, **changes)]

    return answer


def _measured(**changes: object) -> Callable[..., list[Finding]]:
    def answer(_zoo: Zoo, one: Acquisition, _references: object) -> list[Finding]:
        measurement = finding(one).measurements[0]
        for name, value in changes.items():
            object.__setattr__(measurement, name, value)  # past the check that the contract itself makes
        return [finding(one, measurements=(measurement,))]

    return answer


def _never_ends(zoo: Zoo, one: Acquisition, _: object) -> object:
    while True:
        yield finding(one, zoo.value)


WAYS: dict[str, Callable[..., object]] = {
    "sys.exit": lambda *_: sys.exit(0),
    "os._exit": lambda *_: os._exit(0),
    "aborts": lambda *_: os.abort(),
    "segfault": _segfault,
    "base exception": _own_base_exception,
    "interrupt": lambda *_: (_ for _ in ()).throw(KeyboardInterrupt),
    "recursion": _recurses,
    "recursion for ever": _recurses_for_ever,
    "huge memory": lambda *_: np.ones(10**12, np.uint8),
    "huge result": lambda _zoo, one, _: [replace(finding(one), tables={"t": "x" * (80 << 20)})],
    "fills its folder": _fills_the_folder,
    "floods": _floods,
    "not a number": _measured(value=float("nan")),
    "infinite": _measured(value=float("inf")),
    "a text for a number": _measured(value="80"),
    "no number": _measured(value=None),
    "a number for a name": _measured(name=5),
    "no code": _measured(code=None),
    "a number for a unit": _measured(unit=7),
    "an infinite uncertainty": _measured(uncertainty=float("inf")),
    "an outline of texts": _with_values(outline=(("a", "b"),) * 4),
    "no outline": _with_values(outline=None),
    "an outline that is infinite": _with_values(outline=((5, 5), (float("nan"), 5), (50, 30), (5, 5))),
    "a frame that is a text": lambda _zoo, one, _: [
        finding(one, image=FrameRef(one.clips[0].sop_instance_uid, "0"))  # type: ignore[arg-type]
    ],
    "flags that are none": _with_values(flags=("odd",)),
    "pages that are none": _with_values(pages=(3,)),
    "unpicklable": lambda *_: [lambda: 0],
    "a class": lambda *_: [Finding],
    "a generator": _never_ends,
    "none": lambda *_: None,
    "a text": lambda *_: "all well",
    "changes its process": _gives_a_finding_by_force,
    "closes everything": _closes_everything,
    "writes to frames": _writes_to_frames,
    "changes what is shared": _changes_what_is_shared,
    "forks": _forks,
    "leaves a daemon": _leaves_a_daemon,
    "starts threads": _starts_threads,
    "ignores everything and hangs": _ignores_everything_and_hangs,
    "removes its folder": _removes_its_folder,
    "locks its folder": _locks_its_folder,
    "raises its limits": _raises_its_limits,
    "garbage as result": _answers_for_us(lambda path: path.write_bytes(b"\x80\x05garbage")),
    "nothing as result": _answers_for_us(lambda path: path.write_bytes(b"")),
    "one value as result": _answers_for_us(lambda path: path.write_bytes(b"\x80\x05K\x05.")),
    "a pipe as result": _answers_for_us(os.mkfifo),
    "a device as result": _answers_for_us(lambda path: path.symlink_to("/dev/zero")),
    "a folder as result": _answers_for_us(lambda path: path.mkdir()),
    "kills the fork server": _kills_the_fork_server,
}
"""What ends in a reason, or in the answer where no harm is done."""


@dataclass(frozen=True)
class Unfit:
    """A field that no other process can be handed."""

    name: str = "unfit"
    version: str = "1.0.0"
    worker: object = threading.Lock()

    def declines(self, one: Acquisition) -> Declined | None:
        return None

    def analyse(self, one: Acquisition, references: object) -> object:
        return [finding(one)]


@dataclass(frozen=True)
class Nameless:
    """Its name is none."""

    name: int = 5
    version: str = "1.0.0"

    def declines(self, one: Acquisition) -> Declined | None:
        return None

    def analyse(self, one: Acquisition, references: object) -> object:
        return [finding(one)]


@dataclass(frozen=True)
class Sum:
    """A summary; ``behaviour`` says what it does."""

    behaviour: str = "well"
    name: str = "sum"
    version: str = "1.0.0"

    def summarise(self, results: object, earlier: object, references: object) -> object:
        if self.behaviour == "raises":
            raise KeyError("DOE^JANE")
        if self.behaviour == "ends":
            os._exit(0)
        if self.behaviour == "hangs":
            time.sleep(600)
        if self.behaviour == "a text":
            return "all well"
        if self.behaviour == "mistyped":
            return [Conclusion(self.name, "count", 5)]  # type: ignore[arg-type]
        return [Conclusion(self.name, "count", f"{len(results)} results")]
