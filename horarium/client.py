"""A small HTTP client of Horarium: what the demo, and the commands that talk to a running system, need.

Owns the requests and the reading of problem answers. Must not know the services' code: it speaks only HTTP.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx


class RefusedError(Exception):
    """The server said no; the text is its `application/problem+json` in words."""

    def __init__(self, status: int, detail: str) -> None:
        self.status = status
        super().__init__(f"{detail} (HTTP {status})")


@dataclass(frozen=True, slots=True)
class Submitted:
    """An accepted job and where its progress is told."""

    job_id: str
    status_url: str
    progress_url: str


class Client:
    """Signed-in access to one Horarium. Closes its connections when the block ends."""

    def __init__(self, url: str, token: str = "") -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=httpx.Timeout(60.0, connect=5.0))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._http.close()

    def sign_in(self, email: str, password: str) -> None:
        """Keep the access token as a bearer token, as a machine would."""
        answer = self._json("POST", "/api/auth/login", json={"email": email, "password": password})
        self._http.headers["Authorization"] = f"Bearer {answer['access_token']}"
        self._http.cookies.clear()

    @property
    def token(self) -> str:
        """The bearer token, for other programs of the same user."""
        return str(self._http.headers.get("Authorization", "")).removeprefix("Bearer ")

    def correlate(self, correlation_id: str) -> None:
        """Send this correlation id with every request: it appears in the logs of every service."""
        self._http.headers["X-Correlation-ID"] = correlation_id

    def upload(self, content: bytes, content_type: str = "application/json", name: str | None = None) -> dict[str, Any]:
        """The stored problem: its `id` and a summary."""
        params = {"name": name} if name else {}
        return self._json(
            "POST", "/api/problems", content=content, headers={"Content-Type": content_type}, params=params
        )

    def generate(self, problem_id: str, **options: object) -> Submitted:
        """Ask for timetables; returns as soon as the job is accepted."""
        answer = self._json("POST", "/api/timetables/generate", json={"problem_id": problem_id, **options})
        return Submitted(answer["job_id"], answer["status_url"], answer["progress_url"])

    def job(self, job_id: str) -> dict[str, Any]:
        return self._json("GET", f"/api/timetables/{job_id}")

    def control(self, job_id: str, action: str) -> dict[str, Any]:
        """`stop` keeps the best timetable, `cancel` discards it."""
        return self._json("POST", f"/api/timetables/{job_id}/{action}")

    def attempts(self, job_id: str) -> dict[str, Any]:
        """How each variant stands, and who has worked on it."""
        return self._json("GET", f"/api/timetables/{job_id}/attempts")

    def progress(self, progress_url: str) -> dict[str, Any] | None:
        """The latest report, or None while there is none yet."""
        answer = self._http.get(progress_url)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        return _body(answer)

    def reports(self, progress_url: str) -> Iterator[dict[str, Any]]:
        """Progress as the server sends it (server-sent events), from the present state to the terminal one."""
        timeout = httpx.Timeout(60.0, connect=5.0)
        with self._http.stream("GET", f"{progress_url}/events", timeout=timeout) as stream:
            if stream.is_error:
                stream.read()
                _body(stream)
            for line in stream.iter_lines():
                if line.startswith("data:"):
                    yield json.loads(line.removeprefix("data:"))

    def variant(self, job_id: str, number: int, **params: str) -> bytes:
        """A finished variant in the format asked for (`format=json|csv|ics|…`)."""
        answer = self._http.get(f"/api/timetables/{job_id}/variants/{number}", params=params)
        if answer.is_error:
            _body(answer)
        return answer.content

    def attempt(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """One request as it is answered, refusals included."""
        return self._http.request(method, path, **arguments)

    def _json(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        return _body(self.attempt(method, path, **arguments))


def _body(answer: httpx.Response) -> dict[str, Any]:
    try:
        body: dict[str, Any] = answer.json()
    except ValueError:
        body = {}
    if answer.is_error:
        found = [f"{e.get('pointer', '')}: {e.get('message', '')}" for e in body.get("errors", [])[:10]]
        detail = body.get("detail") or body.get("title") or answer.reason_phrase
        raise RefusedError(answer.status_code, "\n  ".join([str(detail), *found]))
    return body
