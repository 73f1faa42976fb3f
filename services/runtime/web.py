"""What is true of every request to a service that browsers and strangers can reach: headers, bounds, other origins.

Owns the security headers of answers, the bounds of a request's address and headers, which other web origins may call,
and the check that a browser's request with a cookie was caused by a page of ours (CSRF). Must not know any route.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.runtime.tokens import TokenSettings

MAX_URL_BYTES = 8 * 1024
MAX_HEADER_BYTES = 32 * 1024
MAX_HEADERS = 100
_A_YEAR_S = 365 * 86_400
# A page's own script can set it; a form or a link of another site cannot.
OWN_PAGE_HEADER = "X-Requested-With"

# The service's error answer from a status, a code, a sentence and headers.
Refuse = Callable[[Request, HTTPStatus, str, str, Mapping[str, str]], ASGIApp]
_CLOSE = {"Connection": "close"}
_SECURITY_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"x-frame-options": b"DENY",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    # Answers name people: neither a proxy nor a browser's disk may keep them, unless a route says otherwise.
    b"cache-control": b"no-store",
}
_HTTPS_ONLY = {b"strict-transport-security": b"max-age=%d" % _A_YEAR_S}


class SecurityHeaders:
    """Every answer's headers, whoever made it; the routes' own stand."""

    def __init__(self, app: ASGIApp, https_only: bool) -> None:
        self._app = app
        self._headers = list((_SECURITY_HEADERS | (_HTTPS_ONLY if https_only else {})).items())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                # Names are in lower case here (ASGI specification, "Response Start").
                own = [name for name, _ in message["headers"]]
                message["headers"] = [
                    *message["headers"],
                    *(header for header in self._headers if header[0] not in own),
                ]
            await send(message)

        await self._app(scope, receive, send_with_headers)


class Bounds:
    """Refuses oversized addresses and headers before anything inside looks at them."""

    def __init__(self, app: ASGIApp, refuse: Refuse) -> None:
        self._app = app
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        """The refusal of a request that is out of bounds."""
        request = Request(scope)
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_URL_BYTES:
            sentence = f"The address is longer than {MAX_URL_BYTES} bytes."
            return self._refuse(request, HTTPStatus.REQUEST_URI_TOO_LONG, "uri_too_long", sentence, _CLOSE)
        headers = scope["headers"]
        if len(headers) > MAX_HEADERS or sum(len(name) + len(value) for name, value in headers) > MAX_HEADER_BYTES:
            sentence = f"The request has more than {MAX_HEADERS} headers or {MAX_HEADER_BYTES} bytes of them."
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            return self._refuse(request, status, "headers_too_large", sentence, _CLOSE)
        return None


class Origins:
    """Whose pages may use a browser's cookies: our own, and those of the allow-list."""

    def __init__(self, settings: TokenSettings) -> None:
        self._listed = frozenset(settings.origins)
        self._pattern = re.compile(settings.cors_origin_pattern) if settings.cors_origin_pattern else None
        # A page that came over plain http may have been written by whoever stands in between.
        self._schemes = ("https",) if settings.cookie_secure else ("https", "http")

    def forged(self, request: Request, *, needs_proof: bool) -> bool:
        """True if another site's page may have caused this request.

        Browsers send Sec-Fetch-Site (on https and on this machine) and Origin (with everything but GET and HEAD). A
        request without both comes from a program, or from a browser of before 2020: with `needs_proof` it has to carry
        `X-Requested-With`, which a form or a link cannot.
        """
        origin = request.headers.get("origin")
        if origin is not None and self._allowed(origin):
            return False
        site = request.headers.get("sec-fetch-site")
        if site is not None:
            return site not in ("same-origin", "none")
        if origin is not None:
            host = request.headers.get("host", "")
            return origin not in [f"{scheme}://{host}" for scheme in self._schemes]
        return needs_proof and not request.headers.get(OWN_PAGE_HEADER)

    def _allowed(self, origin: str) -> bool:
        return origin in self._listed or (self._pattern is not None and self._pattern.fullmatch(origin) is not None)


def from_page(request: Request) -> bool:
    """True if a script of a web page may read the answer to a request that is no GET.

    Every browser sends Origin with it (Fetch standard, "append a request Origin header"), and no script can leave it
    out; on https also Sec-Fetch-Site. Programs send neither.
    """
    return "origin" in request.headers or "sec-fetch-site" in request.headers


def allow_origins(app: FastAPI, settings: TokenSettings, methods: list[str]) -> None:
    """CORS for the allow-list; with an empty one, no other origin's page can read anything."""
    if not settings.origins and not settings.cors_origin_pattern:
        return
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.origins,
        allow_origin_regex=settings.cors_origin_pattern or None,
        allow_credentials=True,
        allow_methods=methods,
        allow_headers=[
            *("Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "Last-Event-ID"),
            *(OWN_PAGE_HEADER, "X-Correlation-ID"),
        ],
        expose_headers=["ETag", "Location", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Correlation-ID"],
    )
