"""The web page's files: what is served, with which headers, and that a browser's policy lets all of it through."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.types import ASGIApp

from services.api.pages import CONTENT_TYPES, FOLDER, content_security_policy, page_files, page_routes
from services.runtime.edge import RequestEdge
from services.runtime.web import SecurityHeaders

PROGRESS = "https://progress.example:8443"
FILES = page_files()


def _never(request: Request, status: HTTPStatus, code: str, detail: str, headers: Mapping[str, str]) -> ASGIApp:
    raise AssertionError(f"refused: {status} {code} {detail} {headers}")


@pytest.fixture
def client() -> httpx.AsyncClient:
    app = FastAPI()
    app.include_router(page_routes(PROGRESS + "/base"))
    app.add_middleware(RequestEdge, refuse=_never)
    app.add_middleware(SecurityHeaders, https_only=True)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.example")


def test_every_file_of_the_page_has_a_content_type() -> None:
    unknown = [file for file in FOLDER.rglob("*") if file.is_file() and file.suffix not in CONTENT_TYPES]
    assert not unknown, "pages.CONTENT_TYPES does not list these, so nobody can fetch them"


@pytest.mark.parametrize("name", sorted(FILES))
async def test_a_file_is_served_as_it_is_and_not_sent_twice(client: httpx.AsyncClient, name: str) -> None:
    path = "/" if name == "index.html" else f"/web/{name}"
    answer = await client.get(path)
    assert answer.status_code == 200
    assert answer.content == (FOLDER / name).read_bytes()
    assert answer.headers["content-type"] == CONTENT_TYPES[Path(name).suffix]
    assert answer.headers["x-content-type-options"] == "nosniff"
    again = await client.get(path, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = await client.head(path)
    assert (head.content, head.headers["content-length"]) == (b"", str(len(answer.content)))


async def test_the_page_may_load_only_its_own_and_talk_only_to_us(client: httpx.AsyncClient) -> None:
    headers = (await client.get("/")).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": f"'self' {PROGRESS}",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
        "form-action": "'self'",
    }
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path", ["/web/", "/web/no.js", "/web/../pages.py", "/web/%2e%2e/pages.py", "/web//etc/passwd"]
)
async def test_nothing_else_can_be_fetched(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


@pytest.mark.parametrize("url", ["progress.example", "https://", "https://a;script-src *", "javascript:alert(1)"])
def test_a_progress_address_that_is_no_web_origin_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="Write https://HOST"):
        content_security_policy(url)


def test_without_a_progress_address_the_page_talks_to_its_own_origin_only() -> None:
    assert "connect-src 'self';" in content_security_policy("")


def test_whatever_a_module_imports_or_the_page_links_exists() -> None:
    for name, file in FILES.items():
        text = file.content.decode()
        if name.endswith(".js"):
            for target in re.findall(r'^(?:import|export) .*?from "(\.[^"]+)"', text, re.MULTILINE | re.DOTALL):
                there = (FOLDER / name).parent / target
                assert there.resolve().relative_to(FOLDER).as_posix() in FILES, f"{name} imports {target}"
        for target in re.findall(r'(?:src|href)[=:] ?"/web/([^"]+)"', text):
            assert target in FILES, f"{name} links {target}"


def test_no_module_writes_markup_or_evaluates_text() -> None:
    """Texts of problems and timetables are somebody else's: they must have no way into the page but as text."""
    forbidden = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setHTML")
    for name, file in FILES.items():
        if name.endswith(".js"):
            assert not forbidden.search(file.content.decode()), name


def test_a_module_opens_with_what_it_owns_and_stays_short() -> None:
    for name, file in FILES.items():
        if name.endswith(".js"):
            text = file.content.decode()
            header = " ".join(line.removeprefix("//") for line in text.split("\n\n")[0].splitlines())
            assert text.startswith("//"), name
            assert re.search(r"\b[Oo]wns\b", header), name
            assert len(text.splitlines()) <= 300, name
