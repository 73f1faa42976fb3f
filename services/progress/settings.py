"""The progress service's settings, from the environment.

Owns names, defaults and bounds. Must not know what any of them does.
"""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, SecretStr

from services.runtime.tokens import TokenSettings


class ProgressSettings(TokenSettings):
    """What progress needs beside the shared settings. It has no database."""

    database_url: SecretStr = Field(default=SecretStr(""), description="Not used: progress has no database.")
    redis_url: SecretStr = Field(
        min_length=8, description="redis:// or rediss://; for Redis Cluster redis+cluster:// or rediss+cluster://."
    )
    redis_timeout_s: float = Field(default=2.0, gt=0, le=30, description="How long Redis may take to answer.")
    redis_connections: int = Field(
        default=32, ge=2, le=1000, description="Connections to Redis that this process may open."
    )
    http_port: int = Field(default=8001, ge=0, le=65535, description="Requests, probes and metrics; 0: any free port.")
    progress_ttl_s: int = Field(default=2 * 3600, ge=60, description="How long a job's progress is kept.")
    result_ttl_s: int = Field(default=24 * 3600, ge=60, description="How long a result's summary is kept.")
    stream_length: int = Field(default=200, ge=10, le=100_000, description="Frames kept per job for resuming clients.")
    heartbeat_s: float = Field(default=15.0, gt=0, le=60, description="Longest silence on an event stream.")
    max_streams: int = Field(default=1000, ge=1, le=100_000, description="Event streams open at once in this process.")
    max_streams_per_organization: int = Field(
        default=500,
        ge=1,
        le=100_000,
        description="Of those, of one organisation; below MAX_STREAMS, so that others have room.",
    )
    max_streams_per_user: int = Field(default=50, ge=1, le=100_000, description="Of those, of one user.")
    max_stream_s: float = Field(
        default=1800.0, gt=0, description="After this long a stream ends; clients resume and show their token again."
    )
    unknown_job_wait_s: float = Field(
        default=5.0, ge=0, le=30, description="How long an event stream waits for a job that nobody has heard of yet."
    )

    @property
    def progress_ttl(self) -> timedelta:
        return timedelta(seconds=self.progress_ttl_s)

    @property
    def result_ttl(self) -> timedelta:
        return timedelta(seconds=self.result_ttl_s)
