"""Settings that every service shares, read from the environment once, at start.

Owns names, defaults and bounds; a bad value stops the service with a sentence that names the variable. Must not know
what any one service does.
"""

from __future__ import annotations

import sys
from typing import TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings

from services.runtime.security import KafkaSecuritySettings

S = TypeVar("S", bound=BaseSettings)


class RuntimeSettings(KafkaSecuritySettings):
    """Where the world is and how this process shows itself. Each service's settings extend this."""

    kafka_bootstrap_servers: str = Field(description="host:port of the brokers, separated by commas.")
    kafka_idempotent_producer: bool = Field(
        default=True, description="Off only for the embedded broker, which has no idempotent producer."
    )
    kafka_leaves_shared_groups: bool = Field(
        default=True,
        description="Off only for the embedded broker: a leader that leaves while its group forms blocks it for ever.",
    )
    kafka_session_timeout_s: float = Field(
        default=10.0, ge=1, le=300, description="A consumer silent for this long loses its partitions."
    )
    kafka_request_timeout_s: float = Field(default=10.0, gt=0, description="How long one request to a broker may take.")
    consumer_stuck_after_s: float = Field(
        default=120.0,
        ge=1,
        le=3600,
        description="A consumer that does nothing for this long while the broker answers is connected anew.",
    )
    dead_letter_limit: int = Field(
        default=100, ge=1, le=100_000, description="Dead letters of one consumer within a window; then it waits."
    )
    # Below the five minutes after which a client that does not fetch has to leave its group.
    dead_letter_window_s: float = Field(default=60.0, gt=0, le=240, description="Length of that window.")
    database_url: SecretStr = Field(description="postgresql+psycopg://user:password@host:port/name")
    database_pool_size: int = Field(
        default=10, ge=1, le=200, description="Connections to PostgreSQL that this process may open."
    )
    database_connect_timeout_s: int = Field(
        default=5, ge=1, le=60, description="How long connecting, or waiting for a free connection, may take."
    )
    database_statement_timeout_s: int = Field(
        default=30, ge=1, le=600, description="How long one statement may take; PostgreSQL then ends it."
    )
    redis_url: SecretStr = Field(
        default=SecretStr(""), description="redis:// or rediss:// (TLS; see docs/operations.md)."
    )
    http_host: str = Field(default="127.0.0.1", description="Address that the HTTP server listens on.")
    http_port: int = Field(default=8000, ge=0, le=65535, description="Requests, probes and metrics; 0: any free port.")
    log_level: str = Field(
        default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="What is less important is not logged."
    )
    log_format: str = Field(
        default="json", pattern="^(json|text)$", description="One JSON object a line, or text for a person's eyes."
    )
    otel_exporter_otlp_endpoint: str = Field(
        default="",
        pattern="^(https?://[^/?#]+(/[^?#]*)?)?$",
        description="Base URL of an OpenTelemetry collector (OTLP over HTTP), such as http://collector:4318; none: no "
        "spans are made, trace ids are passed on and logged all the same.",
    )
    otel_exporter_otlp_headers: SecretStr = Field(
        default=SecretStr(""), description="Headers for the collector: name=value, separated by commas."
    )
    otel_traces_sampler_arg: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="Share of the traces that begin here which are recorded; elsewhere, who began a trace decides.",
    )


def load(settings_type: type[S]) -> S:
    """Settings from the environment; ends the process with exit code 2 and a message when one is missing or bad."""
    try:
        return settings_type()
    except ValidationError as error:
        lines = [
            # What several settings break together has no place of its own; its text names them.
            f"  {': '.join(filter(None, ['_'.join(str(part) for part in found['loc']).upper(), found['msg']]))}"
            for found in error.errors(include_input=False, include_url=False)
        ]
        sys.stderr.write("Settings are missing or wrong (environment variables):\n" + "\n".join(lines) + "\n")
        raise SystemExit(2) from None
