"""Reception, queue and sending against DCMTK's storescp and Orthanc in one run: goals 1 to 8 and 17 to 19.

    python tests/benchmarks/bench_reception.py [--runs 3] [--only NAME …] [--json FILE]

Every figure is a ratio within this run; configurations take turns, medians are printed with their spread. Peers run
with TCP_NODELAY=1 (without it Debian's builds lose 40 ms an object to Nagle's algorithm, which would be a sham win):
``storescp +xa +B -pdu 131072`` writes what comes and never flushes; ``storescp +xa`` decodes; Orthanc is as Debian
configures it (MD5, flushing index and files), without plugins. Ours flushes file, folder and ledger before it
answers; "no fsync" leaves out the files' flush only, and is not how the product runs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import raw_sender
import receivers
from raw_sender import EXPLICIT, JPEG, UID_LENGTH, US_CINE, US_IMAGE

KINDS = {"single": (US_IMAGE, EXPLICIT), "jpeg": (US_CINE, JPEG), "raw": (US_CINE, EXPLICIT)}
COUNTS = {"single": 200, "jpeg": 10, "raw": 1}
Results = dict[str, list[float]]


def _text(group: int, element: int, vr: bytes, value: bytes) -> bytes:
    value += (b"\0" if vr == b"UI" else b" ") * (len(value) % 2)
    return struct.pack("<HH2sH", group, element, vr, len(value)) + value


def _short(group: int, element: int, value: int) -> bytes:
    return struct.pack("<HH2sHH", group, element, b"US", 2, value)


def data_sets(folder: Path) -> dict[str, Path]:
    """A still of 640 x 480, a JPEG cine of 20 MB in 300 fragments, an uncompressed cine of 1800 frames."""
    noise = random.Random(7).randbytes(1 << 20)
    made = {}
    for name, frames in (("single", 1), ("jpeg", 300), ("raw", 1800)):
        head = _text(8, 0x16, b"UI", KINDS[name][0].encode()) + _text(8, 0x18, b"UI", b"1" * UID_LENGTH)
        head += _text(8, 0x60, b"CS", b"US") + _text(0x20, 0x0D, b"UI", b"1.2.3") + _text(0x20, 0x0E, b"UI", b"1.2.3.1")
        head += _short(0x28, 2, 1) + _text(0x28, 4, b"CS", b"MONOCHROME2") + _text(0x28, 8, b"IS", str(frames).encode())
        head += _short(0x28, 0x10, 480) + _short(0x28, 0x11, 640) + _short(0x28, 0x100, 8) + _short(0x28, 0x101, 8)
        head += _short(0x28, 0x102, 7) + _short(0x28, 0x103, 0)
        path = folder / f"{name}.bin"
        with path.open("wb") as file:
            file.write(head)
            if name == "jpeg":
                file.write(
                    struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OB", 0, 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0)
                )
                for frame in range(frames):
                    body = b"\xff\xd8" + noise[frame * 100 : frame * 100 + 67_196] + b"\xff\xd9"
                    file.write(struct.pack("<HHI", 0xFFFE, 0xE000, len(body)) + body)
                file.write(struct.pack("<HHI", 0xFFFE, 0xE0DD, 0))
            else:
                length = 640 * 480 * frames
                file.write(struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OB", 0, length))
                for at in range(0, length, len(noise)):
                    file.write(noise[: min(len(noise), length - at)])
        made[name] = path
    return made


class Bench:
    """Runs and remembers."""

    def __init__(self, folder: Path, runs: int) -> None:
        self.folder = folder
        self.runs = runs
        self.data = data_sets(folder)
        self.values: Results = {}
        self._number = 0

    def place(self) -> Path:
        """A folder that is not there yet."""
        self._number += 1
        return self.folder / f"run-{self._number}"

    def note(self, name: str, value: float) -> None:
        """Remember a value."""
        self.values.setdefault(name, []).append(value)

    def median(self, name: str) -> float:
        """Of what was noted."""
        return statistics.median(self.values.get(name) or [float("nan")])

    def ratios(self, one: str, other: str) -> list[float]:
        """Run by run."""
        return [a / b for a, b in zip(self.values.get(one, []), self.values.get(other, []), strict=False)]

    def receive(self, name: str, receiver: receivers.Receiver, kind: str, associations: int = 1) -> None:
        """Send one workload and note rate, CPU and memory."""
        raw_sender.run(receiver.port, self.data["single"], KINDS["single"], 3)
        receiver.forget_peak()
        used = receiver.cpu_seconds()
        count = max(1, COUNTS[kind] // associations) if kind != "raw" else 1
        told = raw_sender.run(receiver.port, self.data[kind], KINDS[kind], count, associations)
        used = receiver.cpu_seconds() - used
        suffix = f"{name} {kind}" + (f" x{associations}" if associations > 1 else "")
        self.note(f"{suffix} MB/s", told["mb_per_s"])
        self.note(f"{suffix} CPU ms/MB", used * 1e3 / told["mb"])
        self.note(f"{suffix} sender's CPU ms/MB", told["sender_cpu_s"] * 1e3 / told["mb"])
        self.note(f"{suffix} CPU ms/object", used * 1e3 / told["objects"])
        self.note(f"{suffix} objects/s", told["objects_per_s"])
        self.note(f"{suffix} peak MB", receiver.peak_mb())
        self.note(f"{suffix} failed", told["failed"])


def bench_rates(bench: Bench) -> None:
    """Goals 1 to 4."""
    makers: dict[str, Callable[[Path], object]] = {
        "ours": receivers.ours,
        "ours no fsync": lambda folder: receivers.ours(folder, fsync=False),
        "storescp +B": lambda folder: receivers.storescp(folder, "+B", "-pdu", "131072"),
        "storescp": receivers.storescp,
        "orthanc": receivers.orthanc,
    }
    for _ in range(bench.runs):
        for kind in KINDS:
            for name, make in makers.items():
                with make(bench.place()) as receiver:  # type: ignore[attr-defined]
                    bench.receive(name, receiver, kind)


def bench_concurrency(bench: Bench) -> None:
    """Goals 3 and 5: eight associations."""
    for _ in range(bench.runs):
        for kind in ("single", "jpeg"):
            for associations in (1, 8):
                with receivers.ours(bench.place()) as receiver:
                    bench.receive("again" if associations == 1 else "ours", receiver, kind, associations)


def bench_associations(bench: Bench) -> None:
    """Goals 6 and 7: what an association costs, busy and idle."""
    contexts = [(US_IMAGE, EXPLICIT), (US_CINE, JPEG), (US_CINE, EXPLICIT)]
    for _ in range(bench.runs):
        for name, make in (("ours", receivers.ours), ("tutorial", receivers.tutorial)):
            with make(bench.place()) as receiver:
                used = receiver.cpu_seconds()
                for _turn in range(40):
                    raw_sender.release(raw_sender.associate(receiver.port, contexts)[0])
                bench.note(f"{name} accept CPU ms", (receiver.cpu_seconds() - used) / 40 * 1e3)
                idle = [raw_sender.associate(receiver.port, contexts)[0] for _ in range(32)]
                time.sleep(0.5)
                used = receiver.cpu_seconds()
                time.sleep(4)
                bench.note(f"{name} 32 idle CPU %", (receiver.cpu_seconds() - used) / 4 * 100)
                for connection in idle:
                    connection.close()


_BURN = """
import os
from service.roles.worker import yield_to_others
os.setpgrp()
yield_to_others()
while True: pass
"""


def bench_load(bench: Bench) -> None:
    """Goal 8: reception while as many processes as cores compute flat out, scheduled as a worker's children are."""
    for _ in range(bench.runs):
        for kind in ("single", "jpeg"):
            for name in ("quiet", "loaded"):
                burners = []
                if name == "loaded":
                    burners = [
                        subprocess.Popen(
                            [sys.executable, "-c", _BURN], env={**os.environ, "PYTHONPATH": str(receivers.ROOT)}
                        )
                        for _ in range(os.cpu_count() or 1)
                    ]
                try:
                    with receivers.ours(bench.place()) as receiver:
                        bench.receive(name, receiver, kind)
                finally:
                    for burner in burners:
                        burner.kill()
                        burner.wait()


def bench_queue(bench: Bench) -> None:
    """Goal 17: a durable row against one fdatasync."""
    from service.ledger import Instance, open_ledger

    folder = bench.place()
    ledger = open_ledger(folder)
    for turn in range(bench.runs):
        sync, keep = [], []
        descriptor = os.open(folder / "probe", os.O_RDWR | os.O_CREAT, 0o600)
        os.pwrite(descriptor, bytes(4096), 0)
        os.fsync(descriptor)
        for number in range(400):
            started = time.perf_counter()
            os.pwrite(descriptor, bytes([number % 256]) * 4096, 0)
            os.fdatasync(descriptor)
            sync.append(time.perf_counter() - started)
            digest = f"{turn * 10_000 + number:064x}"
            instance = Instance(
                f"1.{turn}.{number}", US_IMAGE, f"1.2.{number % 20}", "1.2.3", EXPLICIT, digest,
                "archive/x", 1, time.time(), "BENCH",
            )  # fmt: skip
            started = time.perf_counter()
            ledger.keep(instance)
            keep.append(time.perf_counter() - started)
        os.close(descriptor)
        bench.note("fdatasync p50 ms", statistics.median(sync) * 1e3)
        bench.note("fdatasync p99 ms", sorted(sync)[-4] * 1e3)
        bench.note("keep p50 ms", statistics.median(keep) * 1e3)
        bench.note("keep p99 ms", sorted(keep)[-4] * 1e3)
    ledger.close()
    bench_claims(bench)


def bench_claims(bench: Bench) -> None:
    """Goal 17: claiming from a long queue against claiming from a short one, in turns, as each waits for the disk."""
    from service.ledger import open_ledger
    from service.ledger.tables import JOB, STUDY

    queues = {}
    for backlog in (1_000, 100_000):
        ledger = queues[backlog] = open_ledger(bench.place())
        with ledger.writing() as connection:
            for table, more in (
                (STUDY, {"first_received_at": 0, "last_received_at": 0, "state": "settled"}),
                (JOB, {"state": "queued", "created_at": 0, "cause": "first"}),
            ):
                due = ({"due": n} if table is JOB else {} for n in range(backlog))
                rows = [{"study_instance_uid": f"9.{n}", "generation": 1, **more, **one} for n, one in enumerate(due)]
                connection.execute(table.insert(), rows)
    claims: dict[int, list[float]] = {backlog: [] for backlog in queues}
    for number in range(300):
        for backlog, ledger in queues.items():
            started = time.perf_counter()
            job = ledger.claim(1e9 + number, "bench", 1e9)
            claims[backlog].append(time.perf_counter() - started)
            assert job is not None
            ledger.fail(job, "", 1e9, retry_at=float(job.generation))
    for backlog, ledger in queues.items():
        bench.note(f"claim at {backlog} p50 ms", statistics.median(claims[backlog]) * 1e3)
        ledger.close()


WORKER_IMPORTS = """
import cv2, highdicom.sr, numpy, onnxruntime, pydantic, pydicom, scipy.ndimage, scipy.optimize, scipy.stats, simplejpeg
import skimage.feature, skimage.measure, sqlalchemy
"""


def bench_start(bench: Bench) -> None:
    """Goal 18: from nothing to an accepted connection and to a worker that waits for studies, over the imports alone.

    A worker is ready when it says so: ledger made, plugins and references loaded, and children waiting that were
    forked from a server with every library in it. Both are timed as the service starts them, on an empty data folder.
    """
    imports = "import pydicom, pynetdicom, sqlalchemy, pydantic"
    for _ in range(bench.runs + 2):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", imports], check=True)
        bench.note("imports s", time.perf_counter() - started)
        started = time.perf_counter()
        with receivers.ours(bench.place()):
            bench.note("listener accepts s", time.perf_counter() - started)
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", WORKER_IMPORTS], check=True)
        bench.note("worker's imports s", time.perf_counter() - started)
        started = time.perf_counter()
        with receivers.worker(bench.place()):
            bench.note("worker ready s", time.perf_counter() - started)


def bench_sending(bench: Bench) -> None:
    """Goal 19: an SR of 8 kB and a capture of 0.9 MB to storescp over a new association."""
    from service.config import Destination
    from service.deliver.answers import Fate
    from service.deliver.store import StorePeer
    from service.ledger import Outgoing, OutgoingState
    from service.receive.file_header import file_header

    folder = bench.place()
    folder.mkdir()
    objects = []
    for number, (sop_class, size) in enumerate(
        (("1.2.840.10008.5.1.4.1.1.88.34", 8_000), ("1.2.840.10008.5.1.4.1.1.7", 920_000))
    ):
        uid = f"2.25.{number + 1}"
        body = _text(8, 0x16, b"UI", sop_class.encode()) + _text(8, 0x18, b"UI", uid.encode())
        body += _text(0x20, 0x0D, b"UI", b"1.2.3") + _text(0x20, 0x0E, b"UI", b"1.2.3.9")
        body += struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OB", 0, size) + bytes(size)
        (folder / f"{number}.dcm").write_bytes(file_header(sop_class, uid, EXPLICIT, "") + body)
        objects.append(
            Outgoing(
                number, uid, sop_class, EXPLICIT, "1.2.3", f"{number}.dcm", size, "x", OutgoingState.SENDING, 1, 0, 0
            )
        )
    with receivers.storescp(bench.place(), "+B", "-pdu", "131072") as receiver:
        there = Destination(name="x", ae_title="ANY", host="127.0.0.1", port=receiver.port, keep_open_seconds=0)
        peer = StorePeer(there, "NMUS", folder)
        for _ in range(bench.runs * 5):
            started = time.perf_counter()
            answers = [answer.fate for _, answer in peer.send(objects)]
            bench.note("send SR and SC ms", (time.perf_counter() - started) * 1e3)
            assert answers == [Fate.SENT, Fate.SENT]


def goals(bench: Bench) -> list[tuple[str, str, str, str, float, bool]]:
    """Number, what, floor, ambition, reached (median), and whether the floor is reached."""
    rows: list[tuple[str, str, str, str, float, bool]] = []

    def ratio(number: str, what: str, one: str, other: str, floor: float, ambition: float, most: bool = False) -> None:
        found = bench.ratios(one, other)
        if found:
            value = statistics.median(found)
            sign = "≤" if most else "≥"
            good = value <= floor if most else value >= floor
            rows.append((number, what, f"{sign} {floor:g}", f"{sign} {ambition:g}", value, good))

    def figure(number: str, what: str, name: str, floor: float, ambition: float) -> None:
        if name in bench.values:
            value = bench.median(name)
            rows.append((number, what, f"≤ {floor:g}", f"≤ {ambition:g}", value, value <= floor))

    ratio("1", "JPEG cine, durable and queued / storescp +B", "ours jpeg MB/s", "storescp +B jpeg MB/s", 0.20, 0.5)
    ratio("1", "raw cine, durable and queued / storescp +B", "ours raw MB/s", "storescp +B raw MB/s", 0.20, 0.6)
    ratio(
        "1*",
        "JPEG cine, files not flushed / storescp +B",
        "ours no fsync jpeg MB/s",
        "storescp +B jpeg MB/s",
        0.20,
        0.5,
    )
    ratio(
        "1*", "raw cine, files not flushed / storescp +B", "ours no fsync raw MB/s", "storescp +B raw MB/s", 0.20, 0.6
    )
    ratio("2", "raw cine / storescp default", "ours raw MB/s", "storescp raw MB/s", 1.5, 3)
    ratio("2", "raw cine / Orthanc default", "ours raw MB/s", "orthanc raw MB/s", 1.8, 5)
    figure("3", "listener peak MB, raw cine", "ours raw peak MB", 130, 110)
    figure("3", "listener peak MB, 8 associations, JPEG", "ours jpeg x8 peak MB", 130, 110)
    if "ours raw peak MB" in bench.values:
        growth = bench.median("ours raw peak MB") - bench.median("ours jpeg peak MB")
        rows.append(("3", "growth in MB from 20 MB to 553 MB", "", "≤ 5", growth, growth <= 45))
    ratio(
        "4",
        "stills, durable and queued / Orthanc default",
        "ours single objects/s",
        "orthanc single objects/s",
        0.75,
        1.0,
    )
    figure("4", "CPU ms per still", "ours single CPU ms/object", 13, 4)
    ratio("5", "8 associations / 1, JPEG", "ours jpeg x8 MB/s", "again jpeg MB/s", 0.4, 0.7)
    ratio("5", "8 associations / 1, stills", "ours single x8 objects/s", "again single objects/s", 0.4, 0.7)
    ratio("6", "CPU to accept / tutorial", "ours accept CPU ms", "tutorial accept CPU ms", 0.15, 0.08, most=True)
    ratio("7", "CPU of 32 idle / pynetdicom", "ours 32 idle CPU %", "tutorial 32 idle CPU %", 0.5, 0.1, most=True)
    ratio("8", "JPEG while workers compute / idle", "loaded jpeg MB/s", "quiet jpeg MB/s", 0.7, 0.9)
    ratio("8", "stills while workers compute / idle", "loaded single objects/s", "quiet single objects/s", 0.7, 0.9)
    ratio("17", "durable row / one fdatasync, p50", "keep p50 ms", "fdatasync p50 ms", 4, 2, most=True)
    ratio("17", "durable row p99 / one fdatasync p50", "keep p99 ms", "fdatasync p50 ms", 20, 10, most=True)
    ratio("17", "claim at 100 k / at 1 k", "claim at 100000 p50 ms", "claim at 1000 p50 ms", 2, 1.2, most=True)
    ratio("18", "listener accepts / its imports", "listener accepts s", "imports s", 2, 1.3, most=True)
    ratio("18", "worker ready / its imports", "worker ready s", "worker's imports s", 3, 1.5, most=True)
    figure("19", "SR and SC sent, ms", "send SR and SC ms", 60, 25)
    return rows


BENCHES = {
    "rates": bench_rates,
    "concurrency": bench_concurrency,
    "associations": bench_associations,
    "load": bench_load,
    "queue": bench_queue,
    "start": bench_start,
    "sending": bench_sending,
}


def main() -> int:
    """Run, print, and end with 1 if a floor was missed by more than the 30 % that a shared machine swings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=sorted(BENCHES), default=list(BENCHES))
    parser.add_argument("--folder", type=Path, help="on the disk to be measured; the system's temporary one by default")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="nmus-bench-", dir=args.folder))
    try:
        bench = Bench(folder, args.runs)
        for name in args.only:
            BENCHES[name](bench)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("| value | median | lowest | highest |\n|---|---|---|---|")
    for name, values in sorted(bench.values.items()):
        print(f"| {name} | {statistics.median(values):.3g} | {min(values):.3g} | {max(values):.3g} |")
    print("\n| goal | what | floor | ambition | reached |\n|---|---|---|---|---|")
    table = goals(bench)
    for number, what, floor, ambition, value, good in table:
        print(f"| {number} | {what} | {floor} | {ambition} | {value:.3g}{'' if good else ' (below the floor)'} |")
    if args.json:
        args.json.write_text(json.dumps(bench.values, indent=1), encoding="utf-8")
    failed = sum(sum(values) for name, values in bench.values.items() if name.endswith("failed"))
    print(f"\nfailed stores: {failed:g}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
