"""Certificates for tests of TLS: an authority of our own and one server certificate for this machine, by `openssl`."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


class Certificates:
    """PEM files in a folder: `authority`, and `certificate` with its `key` for localhost and 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        self.authority = folder / "ca.pem"
        self.certificate = folder / "server.pem"
        self.key = folder / "server.key"
        authority_key = folder / "ca.key"
        new = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2")
        _openssl(*new, "-subj", "/CN=Test authority", "-keyout", authority_key, "-out", self.authority)
        _openssl(
            *(*new, "-subj", "/CN=localhost", "-keyout", self.key, "-out", self.certificate),
            *("-CA", self.authority, "-CAkey", authority_key),
            *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"),
        )

    @asynccontextmanager
    async def listener(self) -> AsyncIterator[int]:
        """A port that speaks TLS with the certificate, and nothing else."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)

        async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        server = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=context)
        async with server:
            yield server.sockets[0].getsockname()[1]


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
