"""Pages that prove: where everything is (``/proof``), and what became of one study (``/why``).

What is looked for is posted, never put into an address: an accession number must not stay in a browser's history or
in a proxy's log.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.ledger import Ledger
from service.patient.keys import Keys
from service.proof.account import account, search
from service.web.guard import cookie_of, form_of, visitor
from service.web.visits import Looked, Told

_FORM_COOKIE = "nmus-form"
_MOST_STUDIES = 20
Page = Callable[..., Response]


class ProofPages:
    """The two pages. ``keys`` finds studies by what the ledger holds only as digests."""

    def __init__(self, ledger: Ledger, keys: Keys | None, page: Page, told: Told) -> None:
        self._ledger, self._keys, self._page, self._told = ledger, keys, page, told

    def routes(self) -> list[Route]:
        """What the application adds."""
        routes = [Route("/proof", self._proof)]
        if self._keys is not None:
            routes += [Route("/why", self._ask), Route("/why", self._answer, methods=["POST"])]
        return routes

    def _proof(self, request: Request) -> Response:
        return self._page(
            "proof.html",
            request,
            status=self._ledger.status(),
            associations=self._ledger.associations(50),
            open_confirmations=[one for one in self._ledger.confirmations() if one.state != "confirmed"][:200],
            requests=self._ledger.requests(50),
            reconciliations=self._ledger.reconciliations(50),
            quarantines=self._ledger.quarantines(),
            withdrawals=self._ledger.withdrawals(limit=100),
        )

    def _ask(self, request: Request) -> Response:
        return self._form(request, None)

    async def _answer(self, request: Request) -> Response:
        text = form_of(await request.body()).get("key", "")[:128]
        return await run_in_threadpool(self._found, request, text)

    def _found(self, request: Request, text: str) -> Response:
        keys = self._keys
        studies = search(self._ledger, keys, text)[:_MOST_STUDIES] if keys is not None else ()
        for study in studies:
            self._told(Looked(visitor(request), study))
        return self._form(request, [account(self._ledger, study) for study in studies])

    def _form(self, request: Request, accounts: object) -> Response:
        session = request.scope.get("state", {}).get("session")
        token = session.token if session else cookie_of(request.scope, _FORM_COOKIE) or secrets.token_urlsafe(32)
        response = self._page("why.html", request, token=token, accounts=accounts)
        if session is None:
            response.set_cookie(_FORM_COOKIE, token, max_age=3600, httponly=True, samesite="strict")
        return response
