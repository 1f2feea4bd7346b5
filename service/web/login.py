"""The pages that let one in and out."""

from __future__ import annotations

import math
import secrets
import threading
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from service.web.guard import Access, cookie_of, form_of, visitor
from service.web.sessions import Guesses, Sessions
from service.web.visits import LoggedIn, Told, Visitor

_FORM_COOKIE = "nmus-form"
_MOST_WAITING = 8
Page = Callable[..., Response]


class Login:
    """``/login`` and ``/logout``."""

    def __init__(self, access: Access, sessions: Sessions, guesses: Guesses, page: Page, told: Told) -> None:
        self._access, self._sessions, self._guesses, self._page, self._told = access, sessions, guesses, page, told
        self._waiting = threading.BoundedSemaphore(_MOST_WAITING)
        self._turn = threading.Lock()  # one scrypt at a time: guesses must not eat the memory

    def routes(self) -> list[Route]:
        """What the application adds when there are users."""
        return [
            Route("/login", self._form),
            Route("/login", self._log_in, methods=["POST"]),
            Route("/logout", self._log_out, methods=["POST"]),
        ]

    def _form(self, request: Request, trouble: str = "", status: int = 200) -> Response:
        token = cookie_of(request.scope, _FORM_COOKIE) or secrets.token_urlsafe(32)
        response = self._page(
            "login.html", request, token=token, trouble=trouble, next=_local(request.query_params.get("next"))
        )
        response.status_code = status
        self._set(response, _FORM_COOKIE, token, 3600)
        return response

    async def _log_in(self, request: Request) -> Response:
        fields = form_of(await request.body())
        name, address = fields.get("name", "")[:64], request.client.host if request.client else "socket"
        wait = self._guesses.wait_seconds(f"address {address}", f"name {name}")
        if wait > 0:
            return PlainTextResponse("too many wrong passwords", 429, {"Retry-After": str(math.ceil(wait))})
        good = await run_in_threadpool(self._accepted, name, fields.get("password", "")[:1024])
        if good is None:
            return PlainTextResponse("busy", 429, {"Retry-After": "2"})
        self._told(LoggedIn(Visitor(name, address), good))
        if not good:
            self._guesses.wrong(f"address {address}", f"name {name}")
            return self._form(request, "name or password is wrong", 401)
        self._guesses.right(f"address {address}", f"name {name}")
        users = self._access.users
        self._sessions.end(cookie_of(request.scope, self._access.cookie_name))
        cookie = self._sessions.begin(name, (users.hash_of(name) if users else "") or "")
        response = RedirectResponse(_local(fields.get("next")), 303)
        self._set(response, self._access.cookie_name, cookie, int(self._access.session_seconds))
        response.delete_cookie(_FORM_COOKIE, path="/")
        return response

    def _accepted(self, name: str, password: str) -> bool | None:
        users = self._access.users
        if users is None or not self._waiting.acquire(blocking=False):
            return None
        try:
            with self._turn:
                return users.accepts(name, password)
        finally:
            self._waiting.release()

    def _log_out(self, request: Request) -> Response:
        session = request.state.session
        if session is not None:
            self._told(LoggedIn(visitor(request), good=True, out=True))
        self._sessions.end(cookie_of(request.scope, self._access.cookie_name))
        response = RedirectResponse("/login", 303)
        response.delete_cookie(self._access.cookie_name, path="/", secure=self._access.encrypted, httponly=True)
        return response

    def _set(self, response: Response, name: str, value: str, seconds: int) -> None:
        response.set_cookie(
            name, value, max_age=seconds, path="/", secure=self._access.encrypted, httponly=True, samesite="strict"
        )


def _local(path: str | None) -> str:
    """A path on these pages, whatever was asked for: never another site."""
    good = path is not None and path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if good and path is not None else "/"
