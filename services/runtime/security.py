"""Who we are to the broker and whom we believe: TLS and SASL, by settings.

Owns the settings of the connection's security, their validation together, what they become for the client library, and
the question whether a broker lets us in. Must not know what is connected, or what for.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_REACHED_WITHIN_S = 5.0


class BrokerRefusesError(ConnectionError):
    """A broker answers, but not to us: its certificate, our certificate, or our name and password are refused.

    To be tried again like any outage: certificates and passwords are renewed on either side.
    """


class KafkaSecuritySettings(BaseSettings):
    """How a connection to the broker is secured. Services and commands read the same variables."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    kafka_security_protocol: str = Field(
        default="PLAINTEXT",
        pattern="^(PLAINTEXT|SSL|SASL_PLAINTEXT|SASL_SSL)$",
        description="How the broker's listener is secured.",
    )
    kafka_sasl_mechanism: str = Field(
        default="SCRAM-SHA-512",
        pattern="^(PLAIN|SCRAM-SHA-256|SCRAM-SHA-512)$",
        description="How we sign in, where KAFKA_SECURITY_PROTOCOL begins with SASL.",
    )
    kafka_sasl_username: str = Field(default="", description="User name for SASL.")
    kafka_sasl_password: SecretStr = Field(default=SecretStr(""), description="Password for SASL.")
    kafka_ssl_ca_file: Path | None = Field(
        default=None, description="Authorities (PEM) that the broker's certificate may come from; none: the system's."
    )
    kafka_ssl_cert_file: Path | None = Field(
        default=None, description="Our certificate (PEM), where the broker asks for one (mutual TLS)."
    )
    kafka_ssl_key_file: Path | None = Field(
        default=None, description="The certificate's key (PEM, not encrypted); none: it is in KAFKA_SSL_CERT_FILE."
    )

    @field_validator("kafka_ssl_ca_file", "kafka_ssl_cert_file", "kafka_ssl_key_file", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value

    @model_validator(mode="after")
    def _security_is_consistent(self) -> Self:
        protocol = self.kafka_security_protocol
        files = {
            "KAFKA_SSL_CA_FILE": self.kafka_ssl_ca_file,
            "KAFKA_SSL_CERT_FILE": self.kafka_ssl_cert_file,
            "KAFKA_SSL_KEY_FILE": self.kafka_ssl_key_file,
        }
        given = [name for name, file in files.items() if file is not None]
        if given and not self._uses_tls:
            raise ValueError(f"{given[0]} is set, but KAFKA_SECURITY_PROTOCOL is {protocol}: SSL or SASL_SSL is meant")
        if self.kafka_ssl_key_file is not None and self.kafka_ssl_cert_file is None:
            raise ValueError(
                "KAFKA_SSL_KEY_FILE is set without KAFKA_SSL_CERT_FILE, the certificate that it belongs to"
            )
        user, password = self.kafka_sasl_username, self.kafka_sasl_password.get_secret_value()
        if self._uses_sasl and not (user and password):
            missing = "KAFKA_SASL_PASSWORD" if user else "KAFKA_SASL_USERNAME"
            raise ValueError(f"{missing} is missing, which KAFKA_SECURITY_PROTOCOL {protocol} needs")
        if not self._uses_sasl and (user or password):
            named = "KAFKA_SASL_USERNAME" if user else "KAFKA_SASL_PASSWORD"
            raise ValueError(
                f"{named} is set, but KAFKA_SECURITY_PROTOCOL is {protocol}: SASL_SSL (or SASL_PLAINTEXT) is meant"
            )
        for name, file in files.items():
            if file is not None and not file.is_file():
                raise ValueError(f"{name}: there is no file {file}")
        self._ssl_context()
        return self

    @property
    def _uses_tls(self) -> bool:
        return self.kafka_security_protocol.endswith("SSL")

    @property
    def _uses_sasl(self) -> bool:
        return self.kafka_security_protocol.startswith("SASL")

    def _ssl_context(self) -> ssl.SSLContext | None:
        """None without TLS. Raises ValueError, naming the variable, for a file that cannot be used."""
        if not self._uses_tls:
            return None
        try:
            # Checks the broker's certificate and its name; there is no setting to leave that out.
            context = ssl.create_default_context(cafile=self.kafka_ssl_ca_file)
        except OSError as error:  # ssl.SSLError is one
            raise ValueError(
                f"KAFKA_SSL_CA_FILE: {self.kafka_ssl_ca_file} has no readable certificate: {error}"
            ) from None
        if self.kafka_ssl_cert_file is not None:
            try:
                context.load_cert_chain(self.kafka_ssl_cert_file, self.kafka_ssl_key_file, password=_no_password)
            except (OSError, ValueError) as error:
                files = f"{self.kafka_ssl_cert_file} with key {self.kafka_ssl_key_file or 'in the same file'}"
                raise ValueError(f"KAFKA_SSL_CERT_FILE: {files} cannot be used: {error}") from None
        return context


def client_security(settings: KafkaSecuritySettings) -> dict[str, Any]:
    """What every client of the library takes, whatever it does: its keyword arguments for TLS and SASL."""
    arguments: dict[str, Any] = {"security_protocol": settings.kafka_security_protocol}
    context = settings._ssl_context()
    if context is not None:
        arguments["ssl_context"] = context
    if settings._uses_sasl:
        arguments["sasl_mechanism"] = settings.kafka_sasl_mechanism
        arguments["sasl_plain_username"] = settings.kafka_sasl_username
        arguments["sasl_plain_password"] = settings.kafka_sasl_password.get_secret_value()
    return arguments


async def check_entry(servers: Sequence[str], security: Mapping[str, Any]) -> None:
    """Return if one of the `servers` (host:port) accepts a connection and, with SASL, our name.

    The client library says of every failure that it could not connect, and in some versions leaks what it began with.
    Raises OSError if nobody is there, BrokerRefusesError if somebody is.
    """
    last: OSError = ConnectionRefusedError("no bootstrap server given")
    for server in servers:
        host, _, port = server.strip().rpartition(":")
        try:
            if security["security_protocol"] == "PLAINTEXT":
                async with asyncio.timeout(_REACHED_WITHIN_S):
                    _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
                writer.close()
                await writer.wait_closed()
            else:
                await _sign_in(host.strip("[]"), int(port), security)
        except OSError as error:
            last = error
        else:
            return
    raise last


async def _sign_in(host: str, port: int, security: Mapping[str, Any]) -> None:
    from aiokafka.conn import create_conn
    from aiokafka.errors import IncompatibleBrokerVersion, KafkaConnectionError, KafkaError

    where = f"{host}:{port}"
    try:
        async with asyncio.timeout(_REACHED_WITHIN_S):
            connection = await create_conn(host, port, request_timeout_ms=int(_REACHED_WITHIN_S * 1000), **security)
    except ssl.SSLError as error:
        raise BrokerRefusesError(
            f"no TLS connection to {where}: {error.reason or error} ({error}); see KAFKA_SSL_CA_FILE, and "
            "KAFKA_SSL_CERT_FILE if the broker asks for a certificate"
        ) from error
    except (KafkaConnectionError, IncompatibleBrokerVersion) as error:
        raise ConnectionResetError(
            f"{where} closes the connection: perhaps its listener is no {security['security_protocol']} "
            f"(KAFKA_SECURITY_PROTOCOL), or it asks for a certificate (KAFKA_SSL_CERT_FILE): {error}"
        ) from error
    except KafkaError as error:
        user, mechanism = security.get("sasl_plain_username"), security.get("sasl_mechanism")
        raise BrokerRefusesError(
            f"{where} refuses user {user!r} with {mechanism}: {error}; see KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD "
            "and KAFKA_SASL_MECHANISM"
        ) from error
    connection.close()


def _no_password() -> str:
    """Instead of asking at the terminal, as the library would."""
    raise ValueError("the key is encrypted; give one that is not, by reference to a secret")
