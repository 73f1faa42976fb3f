"""The web page's files, as they are: read once at the start, served from memory with ETag and security headers.

Owns paths, content types, caching and the page's Content-Security-Policy. Must not know what the page does or any
route of the API. Only names that were found at the start can be asked for, so no request reaches the file system.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import APIRouter, HTTPException, Request, Response

FOLDER = Path(__file__).parent / "web"
INDEX = "index.html"
CONTENT_TYPES: Mapping[str, str] = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml; charset=utf-8",
}
# What a Content-Security-Policy may name: scheme, host, port. Anything else could smuggle in a directive.
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+")


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file as it is sent."""

    content: bytes
    content_type: str
    etag: str


def page_files(folder: Path = FOLDER) -> dict[str, PageFile]:
    """Every file of the page by its path below the folder. Raises FileNotFoundError if the page is not installed."""
    found = {}
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.suffix in CONTENT_TYPES:
            content = file.read_bytes()
            etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
            found[file.relative_to(folder).as_posix()] = PageFile(content, CONTENT_TYPES[file.suffix], etag)
    if INDEX not in found:
        raise FileNotFoundError(f"{folder / INDEX}: the web page is not installed")
    return found


def content_security_policy(progress_base_url: str) -> str:
    """Nothing but our own files; connections also to the progress service. Raises ValueError for what is no origin."""
    connect = "'self'"
    if progress_base_url:
        parts = urlsplit(progress_base_url)
        origin = f"{parts.scheme}://{parts.netloc}"
        if not _ORIGIN.fullmatch(origin):
            raise ValueError(f"progress_base_url has no web origin: {progress_base_url!r}. Write https://HOST[:PORT].")
        connect += f" {origin}"
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        f"connect-src {connect}; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
    )


def page_routes(progress_base_url: str, folder: Path = FOLDER) -> APIRouter:
    """`/` and `/web/...`, for everybody: the page itself holds nothing that a stranger may not see."""
    files = page_files(folder)
    headers = {
        "Content-Security-Policy": content_security_policy(progress_base_url),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        # Asked for every time, answered with 304: after an upgrade nobody runs half of the old page.
        "Cache-Control": "no-cache",
    }
    router = APIRouter(include_in_schema=False)

    def answer(request: Request, name: str) -> Response:
        file = files.get(name)
        if file is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        described = {**headers, "ETag": file.etag}
        given = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
        if file.etag in given or "*" in given:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=described)
        body = b"" if request.method == "HEAD" else file.content
        described["Content-Length"] = str(len(file.content))
        return Response(body, media_type=file.content_type, headers=described)

    @router.api_route("/", methods=["GET", "HEAD"])
    async def index(request: Request) -> Response:
        return answer(request, INDEX)

    @router.api_route("/web/{name:path}", methods=["GET", "HEAD"])
    async def asset(name: str, request: Request) -> Response:
        return answer(request, name)

    return router
