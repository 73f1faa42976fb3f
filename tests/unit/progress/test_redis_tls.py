"""`rediss://` with its options in the URL: TLS as the client library understands it, for a server and for a cluster."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from redis.asyncio import SSLConnection

from services.progress.store import _client
from tests.certificates import Certificates


@pytest.mark.parametrize("scheme", ["rediss", "rediss+cluster"])
async def test_a_url_names_the_authority_and_the_certificate_is_checked(tmp_path: Path, scheme: str) -> None:
    files = Certificates(tmp_path)
    client = _client(f"{scheme}://:secret@redis.example:6380/0?ssl_ca_certs={files.authority}", 1.0, 4)
    if scheme == "rediss":
        connection = client.connection_pool.make_connection()
        assert isinstance(connection, SSLConnection)
        context = connection.ssl_context.get()
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.cert_store_stats()["x509_ca"] >= 1
    else:
        arguments = client.connection_kwargs
        assert arguments["connection_class"] is SSLConnection
        assert arguments["ssl_ca_certs"] == str(files.authority)
    await client.aclose()
