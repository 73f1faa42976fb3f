"""Whom a service takes for the caller, by its setting: asked of the HTTP server's own code."""

from __future__ import annotations

from typing import Any

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware


async def caller(believed: str, connects_from: str, forwarded_for: str) -> str:
    """Who calls, if a connection from an address brings X-Forwarded-For and FORWARDED_ALLOW_IPS is `believed`."""
    seen: list[str] = []

    async def service(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["client"][0])

    async def nothing(*_: Any) -> Any:
        return None

    scope: Any = {
        "type": "http",
        "client": (connects_from, 40000),
        "headers": [(b"x-forwarded-for", forwarded_for.encode())],
    }
    await ProxyHeadersMiddleware(service, trusted_hosts=believed)(scope, nothing, nothing)
    return seen[0]
