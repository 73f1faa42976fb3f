"""A service's process: its start, its HTTP server, its orderly stop, and what it refuses to read.

Owns the event loop, the protocol's parser and the signals that end a process. Must not know any route.
"""

from __future__ import annotations

import gc
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType
from typing import TypeVar

import structlog
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.runtime.http import TracedRequests
from services.runtime.logging import configure_logging
from services.runtime.settings import RuntimeSettings, load
from services.runtime.tracing import configure_tracing, end_tracing

log = structlog.get_logger(__name__)

S = TypeVar("S", bound=RuntimeSettings)

# Bytes of a request's address and headers; what is shorter and still too long gets a proper answer (`Bounds`).
MAX_HEAD_BYTES = 64 * 1024
_CANNOT_START = 3
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class BoundedHeads(HttpToolsProtocol):
    """The library's parser keeps a request's head, and a chunked body's trailer, until it is complete, however long it
    gets. Here it ends somewhere: when MAX_HEAD_BYTES have come that were no part of a body and ended nothing.
    """

    _steps = 0
    _held_bytes = 0

    def data_received(self, data: bytes) -> None:
        steps = self._steps
        super().data_received(data)
        self._held_bytes = self._held_bytes + len(data) if self._steps == steps else 0
        if self._held_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response(f"The request's address and headers are longer than {MAX_HEAD_BYTES} bytes.")

    def on_headers_complete(self) -> None:
        self._steps += 1
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._steps += 1
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._steps += 1
        super().on_message_complete()


class _Server(uvicorn.Server):
    """The library raises the signal again after an orderly stop, so that it looks like a crash (exit code -15), and a
    second SIGINT skips the stop of the background loops. Here a stop on request ends with 0, and asking again changes
    nothing: the stop is under way and takes bounded time.
    """

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        for number in _STOP_SIGNALS:
            # For good: the library would put the handlers back before the process has ended.
            signal.signal(number, self.handle_exit)
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # What is loaded stays: looking through it for garbage again and again holds requests up for tens of ms.
        gc.collect()
        gc.freeze()
        gc.enable()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        started = monotonic()
        log.info("service_stopping")
        await super().shutdown(sockets)
        log.info("service_stopped", seconds=round(monotonic() - started, 2))


def configuration(app: ASGIApp, host: str, port: int, grace_s: int) -> uvicorn.Config:
    """How the library is to serve the application."""
    return uvicorn.Config(
        TracedRequests(app),
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=grace_s,
        server_header=False,
        loop="uvloop",
        http=BoundedHeads,
    )


def serve(service: str, settings_type: type[S], create_app: Callable[[S], FastAPI], grace_s: int = 2) -> None:
    """A service's whole life: settings from the environment, logs and traces, then requests until SIGTERM or SIGINT.

    Open connections (event streams) get `grace_s` seconds to end. Ends the process with exit code 3 if the application
    or its port cannot be had.
    """
    settings = load(settings_type)
    configure_logging(service, settings)
    configure_tracing(service, settings)
    _run(create_app(settings), settings, grace_s)


def _run(app: FastAPI, settings: RuntimeSettings, grace_s: int) -> None:
    server = _Server(configuration(app, settings.http_host, settings.http_port, grace_s))
    server.run()
    end_tracing()
    for number in _STOP_SIGNALS:
        # The interpreter puts default handlers back while it ends: a late second signal would look like a crash.
        signal.signal(number, signal.SIG_IGN)
    # All that remains is to exit; collecting the libraries' objects one by one before that takes a second.
    gc.freeze()
    if not server.started:
        raise SystemExit(_CANNOT_START)
