"""What every request to the pages passes: login or token, tokens with what changes something, headers on the answer.

Pure ASGI around the application, so that a page that is added later is behind it without a thought.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.web.passwords import Users
from service.web.sessions import Session, Sessions
from service.web.visits import Visitor

OPEN = frozenset({"/health/live", "/health/ready", "/login"})
"""Asked by load balancers and by those who are to log in: nothing of a study is there."""
_MOST_BODY_BYTES = 1 << 16
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
_POLICY = "default-src 'none'; frame-ancestors 'none'"


@dataclass(frozen=True, slots=True)
class Access:
    """How one comes in."""

    users: Users | None = None
    """``None``: no login; the address or the socket keeps strangers out."""
    metrics_token: str = ""
    encrypted: bool = False
    """HTTPS: cookies never travel in clear, and browsers are told to stay with it."""
    session_seconds: float = 8 * 3600.0
    apart: tuple[str, ...] = ()
    """Paths whose routes see to their own access, with what lies under them: STOW-RS."""

    @property
    def cookie_name(self) -> str:
        """With the prefix that browsers give to nobody else's pages (RFC 6265bis section 4.1.3.2)."""
        return "__Host-nmus" if self.encrypted else "nmus"


class Guard:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, access: Access, sessions: Sessions) -> None:
        self._app, self._access, self._sessions = app, access, sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it here."""
        if scope["type"] != "http":
            return
        if any(scope["path"] == path or scope["path"].startswith(f"{path}/") for path in self._access.apart):
            await self._app(scope, receive, self._headed(send))
            return
        headers, cookie = Headers(scope=scope), cookie_of(scope, self._access.cookie_name)
        session = self._session(cookie)
        scope.setdefault("state", {})["session"] = session
        refusal = self._refusal(scope, headers, session)
        if refusal is None and scope["method"] not in {"GET", "HEAD"}:
            body = await _body(receive)
            refusal = self._forged(scope, headers, session, body)
            receive = _replayed(body or b"")
        await (refusal or self._app)(scope, receive, self._headed(send))

    def _session(self, cookie: str) -> Session | None:
        session, users = self._sessions.of(cookie), self._access.users
        if session is None or users is None:
            return None
        if users.hash_of(session.user) != session.password_hash:
            self._sessions.end(cookie)  # the user is gone or has another password
            return None
        return session

    def _refusal(self, scope: Scope, headers: Headers, session: Session | None) -> Response | None:
        path = scope["path"]
        if self._access.users is None and not (path == "/metrics" and self._access.metrics_token):
            return None
        if path in OPEN or session is not None:
            return None
        if path == "/metrics" and self._access.metrics_token:
            given = headers.get("authorization", "")
            if hmac.compare_digest(given.encode(), f"Bearer {self._access.metrics_token}".encode()):
                return None
            return PlainTextResponse("a token is needed", 401, headers={"WWW-Authenticate": "Bearer"})
        if scope["method"] == "GET" and "text/html" in headers.get("accept", ""):
            return RedirectResponse(f"/login?next={quote(path, safe='/')}", 303)
        return PlainTextResponse("log in at /login", 401)

    def _forged(self, scope: Scope, headers: Headers, session: Session | None, body: bytes | None) -> Response | None:
        """Whether something that changes something comes from elsewhere than our own pages."""
        if body is None:
            return PlainTextResponse("too long", 413)
        origin = headers.get("origin")
        own = origin is None or urlsplit(origin).netloc == headers.get("host", "")
        if not own or headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            return PlainTextResponse("comes from another site", 403)
        expected = session.token if session else cookie_of(scope, "nmus-form")
        given = headers.get("x-csrf-token") or form_of(body).get("token", "")
        if not expected or not hmac.compare_digest(given.encode(), expected.encode()):
            return PlainTextResponse("the form is too old; load the page again", 403)
        return None

    def _headed(self, send: Send) -> Send:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Content-Security-Policy", _POLICY)
                if self._access.encrypted:
                    headers["Strict-Transport-Security"] = "max-age=31536000"
            await send(message)

        return with_headers


def visitor(request: Request) -> Visitor:
    """Who asks."""
    session = request.scope.get("state", {}).get("session")
    return Visitor(session.user if session else "", request.client.host if request.client else "socket")


def form_of(body: bytes) -> dict[str, str]:
    """Fields of a form, the first of each name."""
    fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=100)
    return {name: values[0] for name, values in fields.items()}


def cookie_of(scope: Scope, name: str) -> str:
    """The value of a cookie, empty if there is none."""
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(Headers(scope=scope).get("cookie", ""))
    except CookieError:
        return ""
    return jar[name].value if name in jar else ""


async def _body(receive: Receive) -> bytes | None:
    """The whole body; ``None`` if it is too long."""
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if len(body) > _MOST_BODY_BYTES:
            return None
        if not message.get("more_body", False):
            return body


def _replayed(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
