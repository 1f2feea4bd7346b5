"""A reply belongs to whoever asked.

pynetdicom's own thread of an association looks for messages every millisecond. While somebody waits for a reply it is
paused, but is taken for paused a moment before it is: the reply of a peer that answers at once can fall to it, which
calls it an unexpected message, and whoever asked waits in vain until the association is given up. On a busy machine
that is one request in some thousands. (Looked up in pynetdicom 3.0.4, ``Association._run_reactor``; its issue 435 is
of this kind.)
"""

from __future__ import annotations

import threading

from pynetdicom.association import Association


def keep_replies(association: Association) -> None:
    """Have every reply on this association, which this side has asked for or will, reach the thread that asked.

    To be called once, before the first request; what changes ``association.dimse.send_msg`` goes before it.
    """
    dimse, pause = association.dimse, association._reactor_checkpoint
    transmit, take = dimse.send_msg, dimse.get_msg
    looking = threading.Lock()

    def send(primitive: object, context_id: int) -> None:
        with looking:
            pass  # who began to look before the pause has looked, and whoever looks from now on sees the pause
        transmit(primitive, context_id)

    def get(block: bool = False) -> object:
        if block:
            return take(True)
        with looking:
            return take(False) if pause.is_set() else (None, None)

    dimse.send_msg, dimse.get_msg = send, get
