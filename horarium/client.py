"""A small HTTP client of Horarium: what the demo, and the commands that talk to a running system, need.

Owns the requests and the reading of problem answers. Must not know the services' code: it speaks only HTTP.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from time import sleep
from types import TracebackType
from typing import Any, Self

import httpx

# How the long-lived tokens of programs begin, which are exchanged for access tokens.
_API_TOKEN_PREFIX = "hrm_"  # noqa: S105  # what a token looks like, not one


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
        # How to get another access token: they work for minutes, a watched job may take longer.
        self._renew: Callable[[], None] | None = None
        if token.startswith(_API_TOKEN_PREFIX):
            self._renew = partial(self._exchange, token)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._http.close()

    def sign_in(self, email: str, password: str) -> None:
        """Keep the access token as a bearer token, as a machine would; sign in again when it has expired."""
        self._keep(_body(self._http.post("/api/auth/login", json={"email": email, "password": password})))
        self._renew = partial(self.sign_in, email, password)

    @property
    def token(self) -> str:
        """The bearer token, for other programs of the same user."""
        return str(self._http.headers.get("Authorization", "")).removeprefix("Bearer ")

    def _exchange(self, api_token: str) -> None:
        """Only api knows API tokens; progress is asked with an access token."""
        headers = {"Authorization": f"Bearer {api_token}"}
        self._keep(_body(self._http.post("/api/auth/token", headers=headers)))

    def _keep(self, answer: dict[str, Any]) -> None:
        self._http.headers["Authorization"] = f"Bearer {answer['access_token']}"
        self._http.cookies.clear()

    def _renewed(self, answer: httpx.Response) -> bool:
        """True if the request was refused for its token and is worth repeating with the new one."""
        if answer.status_code != httpx.codes.UNAUTHORIZED or self._renew is None:
            return False
        self._renew()
        return True

    def correlate(self, correlation_id: str) -> None:
        """Send this correlation id with every request: it appears in the logs of every service."""
        self._http.headers["X-Correlation-ID"] = correlation_id

    def upload(self, content: bytes, content_type: str = "application/json", name: str | None = None) -> dict[str, Any]:
        """The stored problem: its `id` and a summary."""
        params = {"name": name} if name else {}
        return self._json(
            "POST", "/api/problems", content=content, headers={"Content-Type": content_type}, params=params
        )

    def generate(self, problem_id: str | None = None, **options: object) -> Submitted:
        """Ask for timetables; returns as soon as the job is accepted. With `base_job_id` no problem is needed."""
        problem = {} if problem_id is None else {"problem_id": problem_id}
        answer = self._json("POST", "/api/timetables/generate", json={**problem, **options})
        return Submitted(answer["job_id"], answer["status_url"], answer["progress_url"])

    def job(self, job_id: str) -> dict[str, Any]:
        return self._json("GET", f"/api/timetables/{job_id}")

    def control(self, job_id: str, action: str) -> dict[str, Any]:
        """`stop` keeps the best timetable, `cancel` discards it."""
        return self._json("POST", f"/api/timetables/{job_id}/{action}")

    def attempts(self, job_id: str) -> dict[str, Any]:
        """How each variant stands, and who has worked on it."""
        return self._json("GET", f"/api/timetables/{job_id}/attempts")

    def changes(self, job_id: str, number: int) -> dict[str, Any]:
        """What departs from the timetable that the job started from."""
        return self._json("GET", f"/api/timetables/{job_id}/variants/{number}/changes")

    def progress(self, progress_url: str) -> dict[str, Any] | None:
        """The latest report, or None while there is none yet."""
        answer = self.attempt("GET", progress_url)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        return _body(answer)

    def reports(self, progress_url: str) -> Iterator[dict[str, Any]]:
        """Progress as the server sends it (server-sent events), from the present state to the terminal one.

        A stream ends with its token, at the latest; it is resumed where it was, until the report that is the last.
        """
        last_id, finished, heard = "", False, True
        while not finished:
            if not heard:
                sleep(1.0)
            headers = {"Last-Event-ID": last_id} if last_id else {}
            with self._http.stream("GET", f"{progress_url}/events", headers=headers) as stream:
                if stream.status_code == httpx.codes.NO_CONTENT:
                    return
                if stream.is_error:
                    stream.read()
                    if not heard or not self._renewed(stream):
                        _body(stream)
                    heard = False
                    continue
                heard = False
                for line in stream.iter_lines():
                    heard = True
                    name, _, value = line.partition(":")
                    if name == "id":
                        last_id = value.strip()
                    elif name == "event":
                        finished = value.strip() == "finished"
                    elif name == "data":
                        yield json.loads(value)

    def variant(self, job_id: str, number: int, **params: str) -> bytes:
        """A finished variant in the format asked for (`format=json|csv|ics|…`)."""
        answer = self.attempt("GET", f"/api/timetables/{job_id}/variants/{number}", params=params)
        if answer.is_error:
            _body(answer)
        return answer.content

    def attempt(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """One request as it is answered, refusals included; repeated once if its access token had expired."""
        answer = self._http.request(method, path, **arguments)
        return self._http.request(method, path, **arguments) if self._renewed(answer) else answer

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
