"""HTTP: a job's progress as a snapshot and as an event stream.

Owns requests and answers. Must not know Redis's keys or how frames reach a stream.
"""

from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

from services.progress.bodies import Snapshot, UnknownProgress
from services.progress.hub import Hub, ShareTakenError, TooManyStreamsError
from services.progress.metrics import REDIS_ERRORS
from services.progress.refusals import Refusal
from services.progress.snapshot import Revision, unknown
from services.progress.store import AwayError, Store
from services.progress.streams import NothingMoreError, Stream, StreamLimits, UnknownJobError
from services.runtime.access import Role, may, takes
from services.runtime.contract import merged, refusals, with_headers
from services.runtime.logging import bound_ids
from services.runtime.tokens import InvalidTokenError, Keys, Principal, Verifier, credentials

log = structlog.get_logger(__name__)

PREFIX = "/api/progress"
SNAPSHOT_PATH = PREFIX + "/{job_id}"
_EVENT_STREAM = "text/event-stream"
# no-cache for browsers, no-transform and the X- header for proxies that would buffer or compress the stream.
_STREAM_HEADERS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
_NO_STORE = {"Cache-Control": "no-store"}
_REFUSED = merged(
    refusals(
        404,
        422,
        _404="Code `unknown_job`: no such job, another organisation's, or one that was accepted a moment ago and is"
        " still on its way here; `Retry-After` says when to ask again.",
    ),
    with_headers(404, optional=("Retry-After",)),
)


def progress_routes(store: Store, hub: Hub, limits: StreamLimits, keys: Keys, cookie: str) -> APIRouter:
    """`GET /api/progress/{job_id}` and `/events`."""
    router = APIRouter(prefix=PREFIX, tags=["progress"])
    verifier = Verifier(keys)

    @takes(Role.VIEWER)
    async def caller(request: Request) -> Principal:  # a plain function would go through a thread for each request
        principal = _recognised(request, verifier, cookie)
        request.state.organization_id, request.state.user_id = principal.organization_id, principal.user_id
        if not may(principal.role, Role.VIEWER):
            raise Refusal(HTTPStatus.FORBIDDEN, "forbidden", f"This takes the role '{Role.VIEWER}'.")
        return principal

    # Annotations are not postponed in this module: the framework could not find this local name.
    Caller = Annotated[Principal, Depends(caller)]  # noqa: N806  # a type, not a variable

    async def snapshot(
        request: Request,
        job_id: UUID,
        principal: Caller,
        if_none_match: Annotated[str | None, Header(alias="If-None-Match")] = None,
    ) -> Response:
        """Status, percentage, stage and best score. While live progress is unavailable (Redis is away) the answer is
        200 with status `unknown`: the job itself goes on.
        """
        request.state.job_id = job_id
        try:
            found = await store.snapshot(job_id)
        except AwayError as error:
            REDIS_ERRORS.labels(caller="snapshot").inc()
            log.warning("snapshot_unavailable", job_id=str(job_id), error=str(error)[:200])
            return JSONResponse(unknown(job_id, datetime.now(UTC).isoformat()), headers=_NO_STORE)
        if found is None or found.organization_id != principal.organization_id:
            raise _unknown_job()
        headers = {"ETag": f'"{found.revision}"', "Cache-Control": "no-cache, private"}
        if if_none_match is not None and _matches(if_none_match, found.revision):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        return Response(found.json, media_type="application/json", headers=headers)

    class Polled(APIRoute):
        """Every page asks it every few seconds: it is called without the framework's own way of resolving parameters,
        which costs as much as all the rest. What is not plain goes that way all the same.
        """

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            resolved = super().get_route_handler()

            async def handle(request: Request) -> Response:
                try:
                    job_id = UUID(request.path_params["job_id"])
                except ValueError:
                    return await resolved(request)
                return await snapshot(request, job_id, await caller(request), request.headers.get("If-None-Match"))

            return handle

    router.add_api_route(
        "/{job_id}",
        snapshot,
        route_class_override=Polled,
        summary="A job's progress right now",
        response_class=JSONResponse,
        responses=merged(
            _REFUSED,
            {
                200: {"model": Snapshot | UnknownProgress, "description": "How the job stands."},
                304: {"description": "The caller has it already."},
            },
            with_headers(200, "Cache-Control", optional=("ETag",)),
            with_headers(304, "ETag", "Cache-Control"),
        ),
    )

    @router.get(
        "/{job_id}/events",
        summary="A job's progress as it happens",
        response_class=Response,
        responses=merged(
            _REFUSED,
            refusals(
                429,
                503,
                _429="Code `share_taken`: the caller, or the organisation, has as many streams as one may have.",
                _503="Code `too_many_streams`.",
            ),
            {
                200: {"content": {_EVENT_STREAM: {}}, "description": "Server-sent events; each `data` is a snapshot."},
                204: {"description": "`Last-Event-ID` was the terminal frame; an EventSource stops here."},
            },
            with_headers(200, "Cache-Control"),
        ),
    )
    async def events(
        request: Request,
        job_id: UUID,
        principal: Caller,
        last_event_id: Annotated[str, Header(alias="Last-Event-ID", max_length=100)] = "",
    ) -> Response:
        """The first frame is the snapshot or, with `Last-Event-ID`, what was missed since. Events are named `progress`,
        the last one `finished`; then the stream ends. A comment is sent when nothing else was for 15 s.
        """
        request.state.job_id = job_id
        with ExitStack() as undo:
            undo.enter_context(bound_ids(job_id=str(job_id)))
            try:
                follower = undo.enter_context(hub.follow(job_id, principal.organization_id, principal.user_id))
            except TooManyStreamsError:
                raise _too_many_streams() from None
            except ShareTakenError:
                raise _share_taken() from None
            stream = Stream(store, follower, _while_believed(limits, principal), job_id, principal.organization_id)
            try:
                first = await stream.first(Revision.parse(last_event_id))
            except UnknownJobError:
                raise _unknown_job() from None
            except NothingMoreError:
                return Response(status_code=HTTPStatus.NO_CONTENT, headers=_NO_STORE)
            return _EventStream(stream.text(first), undo.pop_all().close)

    return router


def _recognised(request: Request, verifier: Verifier, cookie: str) -> Principal:
    try:
        given = credentials(request.headers, request.cookies, cookie)
        if given is not None:
            return verifier.verify(given.token)
        why = "sign in, or send 'Authorization: Bearer TOKEN'"
    except InvalidTokenError as error:
        why = str(error)
    raise Refusal(HTTPStatus.UNAUTHORIZED, "unauthenticated", f"Not signed in: {why}.", {"WWW-Authenticate": "Bearer"})


def _while_believed(limits: StreamLimits, principal: Principal) -> StreamLimits:
    """A stream ends with its token: who may no longer read is found out when the client comes back."""
    if principal.expires_at is None:
        return limits
    left_s = (principal.expires_at - datetime.now(UTC)).total_seconds()
    return replace(limits, longest_s=min(limits.longest_s, max(1.0, left_s)))


class _EventStream(StreamingResponse):
    """Frees the stream's place however it ends, also when the client is gone before the first byte."""

    def __init__(self, content: Any, close: Callable[[], None]) -> None:
        super().__init__(content, media_type=_EVENT_STREAM, headers=_STREAM_HEADERS)
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._close()


def _unknown_job() -> Refusal:
    return Refusal(
        HTTPStatus.NOT_FOUND,
        "unknown_job",
        "No job of this id is known here. If it was accepted a moment ago, ask again in a second.",
        {"Retry-After": "1"},
    )


def _too_many_streams() -> Refusal:
    return Refusal(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "too_many_streams",
        "Too many event streams are open. Ask for snapshots every few seconds instead, or try again later.",
        {"Retry-After": "10"},
    )


def _share_taken() -> Refusal:
    return Refusal(
        HTTPStatus.TOO_MANY_REQUESTS,
        "share_taken",
        "You, or your organisation, have as many event streams open as one may have. Close some, or ask for snapshots"
        " every few seconds instead.",
        {"Retry-After": "10"},
    )


def _matches(if_none_match: str, revision: Revision) -> bool:
    tags = {tag.strip().removeprefix("W/").strip('"') for tag in if_none_match[:1000].split(",")}
    return "*" in tags or str(revision) in tags
