"""A reply reaches whoever asked, however often pynetdicom's own thread looks for messages."""

from __future__ import annotations

import ast
import threading
from pathlib import Path
from queue import Empty, SimpleQueue
from types import SimpleNamespace

import pytest
from pynetdicom import AE
from pynetdicom.sop_class import Verification

import service
from service.replies import keep_replies


class Messages:
    """pynetdicom's queue of messages; looking takes as long as it is held."""

    def __init__(self) -> None:
        self.came = SimpleQueue()
        self.sent = []
        self.held = threading.Event()
        self.held.set()
        self.is_looked_at = threading.Event()

    def send_msg(self, primitive, context_id):
        self.sent.append((primitive, context_id))

    def get_msg(self, block=False):
        self.is_looked_at.set()
        assert self.held.wait(10)
        try:
            return self.came.get(block, 10)
        except Empty:
            return None, None


@pytest.fixture
def association():
    made = SimpleNamespace(dimse=Messages(), _reactor_checkpoint=threading.Event())
    made._reactor_checkpoint.set()
    keep_replies(made)
    return made


def test_a_request_of_the_peer_is_found_by_who_looks(association):
    came = Messages.get_msg.__get__(association.dimse)
    association.dimse.came.put((1, "request"))
    assert association.dimse.get_msg() == (1, "request")
    assert came() == (None, None)


def test_a_reply_is_not_found_by_who_looks_but_by_who_waits(association):
    association._reactor_checkpoint.clear()
    association.dimse.send_msg("asked", 1)
    association.dimse.came.put((1, "reply"))
    assert association.dimse.get_msg() == (None, None)
    assert association.dimse.get_msg(block=True) == (1, "reply")


def test_nothing_is_asked_before_who_began_to_look_has_looked(association):
    dimse = association.dimse
    dimse.held.clear()
    looking = threading.Thread(target=dimse.get_msg)
    looking.start()
    assert dimse.is_looked_at.wait(10)
    association._reactor_checkpoint.clear()
    asking = threading.Thread(target=dimse.send_msg, args=("asked", 1))
    asking.start()
    asking.join(0.05)
    assert not dimse.sent
    dimse.held.set()
    asking.join(10)
    looking.join(10)
    assert dimse.sent == [("asked", 1)]


def test_an_association_that_is_looked_at_without_rest_loses_no_reply():
    server = AE("THERE").start_server(("127.0.0.1", 0), block=False, contexts=[_verification()])
    association = AE("HERE").associate("127.0.0.1", server.socket.getsockname()[1], [_verification()])
    keep_replies(association)
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            assert association.dimse.get_msg() == (None, None)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        assert [association.send_c_echo().Status for _ in range(100)] == [0] * 100
    finally:
        ended.set()
        looking.join()
        association.release()
        server.shutdown()


def test_every_association_that_the_service_opens_keeps_its_replies():
    opening = 0
    for path in Path(service.__file__).parent.rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef):
                called = [one.func for one in ast.walk(function) if isinstance(one, ast.Call)]
                opens = [one for one in called if isinstance(one, ast.Attribute) and one.attr == "associate"]
                keeps = [one for one in called if isinstance(one, ast.Name) and one.id == "keep_replies"]
                assert len(opens) <= len(keeps), f"{path.name}: {function.name}"
                opening += len(opens)
    assert opening > 4


def _verification():
    context = AE()
    context.add_requested_context(Verification)
    return context.requested_contexts[0]
