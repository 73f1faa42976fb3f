"""TLS and SASL against real servers: who is refused is told why, waits, and is let in when the reason is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog
from pydantic import SecretStr
from sqlalchemy.exc import OperationalError

from deploy.local.kafka import KafkaBroker
from deploy.local.ports import free_port
from horarium.commands.topics import apply_topics
from schemas.events import JobControl
from schemas.topics import BY_NAME, JOB_CONTROL
from services.runtime.background import running
from services.runtime.database import create_engine, ping
from services.runtime.kafka import Kafka, Received
from services.runtime.outage import is_world_away
from services.runtime.security import BrokerRefusesError, check_entry, client_security
from services.runtime.settings import RuntimeSettings
from tests.certificates import Certificates
from tests.integration.runtime.consuming import a_control, consuming, until
from tests.stack import KAFKA_JARS_FOLDER, data_folder


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@dataclass(frozen=True)
class Secured:
    """A broker's listener with TLS and SASL."""

    servers: str
    authority: Path

    def settings(self, password: str, **changed: object) -> RuntimeSettings:
        given = {
            "kafka_bootstrap_servers": self.servers,
            "database_url": "postgresql+psycopg://unused",
            "kafka_session_timeout_s": 6,
            "kafka_security_protocol": "SASL_SSL",
            "kafka_sasl_mechanism": "PLAIN",
            "kafka_sasl_username": "horarium",
            "kafka_sasl_password": password,
            "kafka_ssl_ca_file": self.authority,
            **changed,
        }
        return RuntimeSettings.model_validate(given)


@pytest.fixture(scope="module")
def secured(certificates: Certificates) -> Iterator[Secured]:
    servers = f"127.0.0.1:{free_port()}"
    with data_folder() as folder:
        keys = folder / "keystore.pem"
        keys.write_text(certificates.key.read_text() + certificates.certificate.read_text())
        login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
        broker = KafkaBroker(
            folder / "kafka",
            jars_folder=KAFKA_JARS_FOLDER,
            properties={
                "listeners": f"SECURED://{servers}",
                "advertised.listeners": f"SECURED://{servers}",
                "listener.security.protocol.map": "SECURED:SASL_SSL",
                "inter.broker.listener.name": "PLAINTEXT",
                "listener.name.secured.sasl.enabled.mechanisms": "PLAIN",
                "listener.name.secured.plain.sasl.jaas.config": f'{login} user_horarium="right";',
                "listener.name.secured.ssl.keystore.type": "PEM",
                "listener.name.secured.ssl.keystore.location": str(keys),
            },
        )
        broker.start()
        try:
            yield Secured(servers, certificates.authority)
        finally:
            broker.stop()


@pytest.mark.kafka_only
async def test_topics_are_made_and_messages_pass_over_tls_with_a_password(secured: Secured) -> None:
    settings = secured.settings("right")
    topics = [BY_NAME[JOB_CONTROL]]
    # -1: the broker's own default.
    (made,) = await apply_topics(secured.servers, -1, topics, security=client_security(settings))
    assert made.created
    heard: asyncio.Queue[JobControl] = asyncio.Queue()

    async def hear(event: JobControl, _: Received) -> None:
        heard.put_nowait(event)

    event = a_control()
    async with consuming(settings, hear, "secured") as kafka:
        await kafka.publish(event)
        assert await asyncio.wait_for(heard.get(), 30) == event


@pytest.mark.kafka_only
async def test_a_wrong_password_is_told_retried_and_not_ready(secured: Secured) -> None:
    kafka = Kafka(secured.settings("hunter2"), "test")
    with structlog.testing.capture_logs() as lines:
        async with running({"kafka": kafka.run}):

            async def told_twice() -> bool:
                return len([line for line in lines if line["event"] == "broker_unreachable"]) >= 2

            await until(told_twice)
            with pytest.raises(ConnectionError):
                await kafka.checks["broker"]()
    told = next(line for line in lines if line["event"] == "broker_unreachable")
    assert "refuses user 'horarium' with PLAIN" in told["error"]
    assert "KAFKA_SASL_PASSWORD" in told["error"]
    assert "hunter2" not in str(lines)
    with pytest.raises(BrokerRefusesError):
        await apply_topics(secured.servers, security=client_security(secured.settings("hunter2")))


async def test_a_certificate_that_we_do_not_know_is_said_to_be_the_reason(certificates: Certificates) -> None:
    needed = {"kafka_bootstrap_servers": "unused:1", "database_url": "postgresql+psycopg://unused"}
    settings = RuntimeSettings.model_validate({**needed, "kafka_security_protocol": "SSL"})
    async with certificates.listener() as port:
        with pytest.raises(BrokerRefusesError, match=r"certificate verify failed.*KAFKA_SSL_CA_FILE") as refused:
            await check_entry([f"127.0.0.1:{port}"], client_security(settings))
    assert is_world_away(refused.value), "certificates are renewed: it is tried again"


async def test_a_database_without_tls_is_refused_where_tls_is_required(database_url: str) -> None:
    settings = RuntimeSettings(
        kafka_bootstrap_servers="unused:1", database_url=SecretStr(f"{database_url}?sslmode=require")
    )
    engine = create_engine(settings, "test")
    try:
        with pytest.raises(OperationalError, match="server does not support SSL, but SSL was required") as refused:
            await ping(engine)
        assert is_world_away(refused.value)
    finally:
        await engine.dispose()
