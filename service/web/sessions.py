"""Who is logged in, and how fast one may guess. In memory: a restart asks everybody for the password again."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

_MOST_SESSIONS = 1000
_MOST_GUESSERS = 10_000
_FREE_GUESSES = 5
_LONGEST_WAIT_S = 300.0
_FORGET_S = 3600.0


@dataclass(frozen=True, slots=True)
class Session:
    """One login."""

    user: str
    token: str
    """Must come back with everything that changes something."""
    ends_at: float
    password_hash: str
    """As it was at login: another password ends the session."""


class Sessions:
    """The logins of this process, found by the digest of their cookie."""

    def __init__(self, clock: Callable[[], float], seconds: float) -> None:
        self._clock, self._seconds = clock, seconds
        self._turn = threading.Lock()
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def begin(self, user: str, password_hash: str) -> str:
        """A new session; the value of its cookie."""
        cookie = secrets.token_urlsafe(32)
        session = Session(user, secrets.token_urlsafe(32), self._clock() + self._seconds, password_hash)
        with self._turn:
            self._sessions[_digest(cookie)] = session
            while len(self._sessions) > _MOST_SESSIONS:
                self._sessions.popitem(last=False)
        return cookie

    def of(self, cookie: str) -> Session | None:
        """The session of a cookie, if it goes on."""
        with self._turn:
            session = self._sessions.get(_digest(cookie))
            if session is not None and session.ends_at <= self._clock():
                del self._sessions[_digest(cookie)]
                return None
            return session

    def end(self, cookie: str) -> None:
        """Log out; harmless twice."""
        with self._turn:
            self._sessions.pop(_digest(cookie), None)


class Guesses:
    """Slows down who gives wrong passwords: after five, waits that double up to five minutes, by address and by name.

    The wait is counted for each key by itself, so that one guesser does not lock out others for long.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._turn = threading.Lock()
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait_seconds(self, *keys: str) -> float:
        """How long until one of these may guess again; 0: at once."""
        now = self._clock()
        with self._turn:
            return max((self._free_at(key, now) - now for key in keys), default=0.0)

    def wrong(self, *keys: str) -> None:
        """These guessed wrong."""
        now = self._clock()
        with self._turn:
            for key in keys:
                count, last = self._wrong.pop(key, (0, now))
                self._wrong[key] = (1 if now - last > _FORGET_S else count + 1, now)
            while len(self._wrong) > _MOST_GUESSERS:
                self._wrong.popitem(last=False)

    def right(self, *keys: str) -> None:
        """These knew it: their count starts again."""
        with self._turn:
            for key in keys:
                self._wrong.pop(key, None)

    def _free_at(self, key: str, now: float) -> float:
        count, last = self._wrong.get(key, (0, now))
        if count < _FREE_GUESSES:
            return now
        return last + min(_LONGEST_WAIT_S, 2.0 ** min(count - _FREE_GUESSES, 20))


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()
