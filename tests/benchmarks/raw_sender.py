"""A scanner on the same machine that takes as little of it as can be, so that the receiver is what is measured.

A real one is another machine. Here it shares the cores with whoever receives, so the fragments of an object are laid
out in a file as they go over the line, for the peer's own PDU length, and the system sends them from its cache
(``sendfile``); only the command and the first fragment, which holds the UID, are made anew for each object.

Run as a program it opens associations in processes of their own, starts them together, and prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import socket
import struct
import time
from pathlib import Path
from typing import Any

US_IMAGE = "1.2.840.10008.5.1.4.1.1.6.1"
US_CINE = "1.2.840.10008.5.1.4.1.1.3.1"
EXPLICIT = "1.2.840.10008.1.2.1"
JPEG = "1.2.840.10008.1.2.4.50"
UID_LENGTH = 40


def _pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBI", kind, 0, len(body)) + body


def _exactly(connection: socket.socket, count: int) -> bytes:
    got = bytearray()
    while len(got) < count:
        part = connection.recv(count - len(got))
        if not part:
            raise ConnectionError("closed by the receiver")
        got += part
    return bytes(got)


def _item(kind: int, data: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(data)) + data


def associate(port: int, contexts: list[tuple[str, str]], called: str = "ANY") -> tuple[socket.socket, int]:
    """Open an association; the socket and the peer's maximum PDU length."""
    offered = b"".join(
        _item(
            0x20,
            bytes([2 * number + 1, 0, 0, 0]) + _item(0x30, sop_class.encode()) + _item(0x40, syntax.encode()),
        )
        for number, (sop_class, syntax) in enumerate(contexts)
    )
    user = _item(0x50, _item(0x51, struct.pack(">I", 131072)) + _item(0x52, b"1.2.3"))
    body = struct.pack(">HH", 1, 0) + called.encode().ljust(16) + b"BENCH".ljust(16) + bytes(32)
    connection = socket.create_connection(("127.0.0.1", port), timeout=120)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(_pdu(1, body + _item(0x10, b"1.2.840.10008.3.1.1.1") + offered + user))
    kind, _, length = struct.unpack(">BBI", _exactly(connection, 6))
    reply = _exactly(connection, length)
    if kind != 2:
        raise ConnectionError(f"association answered with PDU {kind}")
    at = reply.index(b"\x51\x00\x00\x04", 68) + 4
    return connection, struct.unpack_from(">I", reply, at)[0] or 131072


def release(connection: socket.socket) -> None:
    """End an association in order."""
    connection.sendall(_pdu(5, bytes(4)))
    _exactly(connection, 10)
    connection.close()


def _element(element: int, raw: bytes) -> bytes:
    raw += b"\0" * (len(raw) % 2)
    return struct.pack("<HHI", 0, element, len(raw)) + raw


def command(sop_class: str, uid: bytes, number: int) -> bytes:
    """A C-STORE-RQ command set."""
    elements = (
        _element(0x0002, sop_class.encode())
        + _element(0x0100, struct.pack("<H", 1))
        + _element(0x0110, struct.pack("<H", number % 65535))
        + _element(0x0700, struct.pack("<H", 0))
        + _element(0x0800, struct.pack("<H", 1))
        + _element(0x1000, uid)
    )
    return _element(0x0000, struct.pack("<I", len(elements))) + elements


def send(connection: socket.socket, most: int, sop_class: str, uid: bytes, parts: list[memoryview], number: int) -> int:
    """Send one object of several parts; the status."""
    request = command(sop_class, uid, number)
    waiting: list[bytes | memoryview] = [
        _pdu(4, struct.pack(">IBB", len(request) + 2, 1, 3) + request),
    ]
    left = sum(len(part) for part in parts)
    room = most - 6
    queue = [part for part in parts if len(part)]
    while left:
        size = min(room, left)
        left -= size
        waiting.append(struct.pack(">BBIIBB", 4, 0, size + 6, size + 2, 1, 0 if left else 2))
        while size:
            piece = queue[0][:size]
            waiting.append(piece)
            size -= len(piece)
            if len(piece) == len(queue[0]):
                queue.pop(0)
            else:
                queue[0] = queue[0][len(piece) :]
        if len(waiting) > 24:
            _flush(connection, waiting)
    _flush(connection, waiting)
    return _status(connection)


def _status(connection: socket.socket) -> int:
    """Of the C-STORE-RSP that comes."""
    _kind, _, length = struct.unpack(">BBI", _exactly(connection, 6))
    reply = _exactly(connection, length)
    at = reply.rindex(struct.pack("<HHI", 0, 0x0900, 2)) + 8  # a message's number may look like it, before
    return int(struct.unpack_from("<H", reply, at)[0])


def _flush(connection: socket.socket, waiting: list[bytes | memoryview]) -> None:
    total = sum(len(part) for part in waiting)
    sent = connection.sendmsg(waiting)
    if sent < total:
        for part in waiting:
            if sent >= len(part):
                sent -= len(part)
                continue
            connection.sendall(memoryview(part)[sent:])
            sent = 0
    waiting.clear()


def laid_out(path: Path, most: int) -> Path:
    """The data set as the PDUs that carry it, in a file beside it that is made once for each PDU length."""
    out = path.with_suffix(f".{most}.pdus")
    if out.exists():
        return out
    left, room = path.stat().st_size, most - 6
    partial = out.with_suffix(".part")
    with path.open("rb") as data, partial.open("wb") as pdus:
        while left:
            size = min(room, left)
            left -= size
            pdus.write(struct.pack(">BBIIBB", 4, 0, size + 6, size + 2, 1, 0 if left else 2))
            pdus.write(data.read(size))
        pdus.flush()
        os.fsync(pdus.fileno())  # or the disk would be busy with it while the receiver is measured
    return partial.rename(out)


class _Loaded:
    """One object laid out for a peer, to be sent as often as wanted, each time under another UID."""

    def __init__(self, pdus: Path, sop_class: str) -> None:
        self._descriptor = os.open(pdus, os.O_RDONLY)
        self._length = os.fstat(self._descriptor).st_size
        start = os.pread(self._descriptor, 4096, 0)
        at = start.index(struct.pack("<HH2sH", 0x0008, 0x0018, b"UI", UID_LENGTH)) + 8
        self._before, self._after = start[:at], at + UID_LENGTH
        self._sop_class = sop_class

    def send(self, connection: socket.socket, uid: bytes, number: int) -> int:
        """Send it; the status."""
        request = command(self._sop_class, uid, number)
        first = _pdu(4, struct.pack(">IBB", len(request) + 2, 1, 3) + request)
        connection.sendall(first + self._before + uid, socket.MSG_MORE)
        at = self._after
        while at < self._length:
            at += os.sendfile(connection.fileno(), self._descriptor, at, self._length - at)
        return _status(connection)


def _one(port: int, pdus: Path, kind: tuple[str, str], count: int, barrier: Any, results: Any) -> None:
    loaded = _Loaded(pdus, kind[0])
    connection, _ = associate(port, [kind])
    connection.settimeout(None)  # a limit of Python's own would make sendfile end at once
    stamp = time.time_ns() % 10**15 * 1000 + multiprocessing.current_process().pid % 1000
    barrier.wait()
    used = _own_cpu_seconds()
    started = time.perf_counter()
    failed = 0
    for number in range(count):
        uid = f"2.25.{stamp}{number:06d}".ljust(UID_LENGTH, "7").encode()
        failed += loaded.send(connection, uid, number) != 0
    results.put((started, time.perf_counter(), failed, _own_cpu_seconds() - used))
    release(connection)


def _own_cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def run(port: int, path: Path, kind: tuple[str, str], count: int, associations: int = 1) -> dict[str, float]:
    """Send ``count`` objects over each of so many associations at once."""
    connection, most = associate(port, [kind])
    release(connection)
    pdus = laid_out(path, min(most, 131072))
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(associations), context.Queue()
    processes = [
        context.Process(target=_one, args=(port, pdus, kind, count, barrier, results)) for _ in range(associations)
    ]
    for process in processes:
        process.start()
    told = [results.get(timeout=600) for _ in processes]
    for process in processes:
        process.join()
    seconds = max(one[1] for one in told) - min(one[0] for one in told)
    size = path.stat().st_size
    objects = count * associations
    return {
        "seconds": seconds,
        "objects_per_s": objects / seconds,
        "mb_per_s": objects * size / 1e6 / seconds,
        "mb": objects * size / 1e6,
        "objects": objects,
        "failed": sum(one[2] for one in told),
        "sender_cpu_s": sum(one[3] for one in told),
    }


def main() -> None:
    """Print what one run gave."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("path", type=Path)
    parser.add_argument("--jpeg", action="store_true")
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--associations", type=int, default=1)
    args = parser.parse_args()
    kind = (US_CINE, JPEG if args.jpeg else EXPLICIT) if args.path.stat().st_size > 1e6 else (US_IMAGE, EXPLICIT)
    print(json.dumps(run(args.port, args.path, kind, args.count, args.associations)))


if __name__ == "__main__":
    main()
