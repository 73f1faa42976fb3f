"""What the HTTP server reads of a request that does not end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from services.runtime.server import MAX_HEAD_BYTES, BoundedHeads, configuration

CHUNKED = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\ny\r\n"
PIECE = b"x" * 16 * 1024


async def echo_length(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the number of bytes of the request's body."""
    length, more = 0, True
    while more:
        message = await receive()
        length, more = length + len(message.get("body", b"")), message.get("more_body", False)
    body = str(length).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a server of our configuration, on a port of its own."""
    config = configuration(echo_length, "127.0.0.1", 0, grace_s=1)
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: BoundedHeads(config, state, {}), config.host, config.port
    )
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            yield reader, writer
        finally:
            writer.close()


@pytest.mark.parametrize(
    "beginning", [b"GET /", b"GET / HTTP/1.1\r\nHost: h\r\nX-Long: ", b"GET / HTTP/1.1\r\nX-", CHUNKED + b"0\r\nX-T: "]
)
async def test_a_head_without_end_is_refused_and_the_connection_closed(beginning: bytes) -> None:
    async with connected() as (reader, writer):
        answer = asyncio.create_task(reader.read(13))
        writer.write(beginning)
        for _ in range(4 * MAX_HEAD_BYTES // len(PIECE)):
            writer.write(PIECE)
            await writer.drain()
            if answer.done():
                break
        assert await answer == b"HTTP/1.1 400 "


async def test_bodies_may_be_longer_than_heads_and_each_request_has_a_head_of_its_own() -> None:
    body = b"y" * (3 * MAX_HEAD_BYTES)
    pad = b"x" * (MAX_HEAD_BYTES // 2)
    request = b"POST / HTTP/1.1\r\nHost: h\r\nX-Pad: %b\r\nContent-Length: %d\r\n\r\n" % (pad, len(body))
    async with connected() as (reader, writer):
        for _ in range(3):
            for piece in (request[:1000], request[1000:], body):
                writer.write(piece)
                await writer.drain()
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            assert await reader.readexactly(len(str(len(body)))) == str(len(body)).encode()


async def test_a_kept_connection_may_ask_as_often_as_it_likes() -> None:
    request = b"GET / HTTP/1.1\r\nHost: h\r\nX-Pad: %b\r\n\r\n" % (b"x" * 1000)
    async with connected() as (reader, writer):
        for _ in range(2 * MAX_HEAD_BYTES // len(request)):
            writer.write(request)
            await writer.drain()
            assert (await reader.readuntil(b"\r\n\r\n0")).startswith(b"HTTP/1.1 200 ")
