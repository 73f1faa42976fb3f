"""The api service's settings, from the environment.

Owns names, defaults and bounds. Must not know what any of them does.
"""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from schemas.problem.read import MAX_PROBLEM_BYTES
from services.runtime.retention import RetentionSettings, days_or_never
from services.runtime.tokens import TokenSettings


class ApiRetentionSettings(RetentionSettings):
    """How long api keeps what; 0 days is for ever."""

    problem_retention_days: int = Field(
        default=90, ge=0, le=36_500, description="From a problem's upload, and only if no job refers to it."
    )
    outbox_dead_after_days: int = Field(
        default=14, ge=0, le=36_500, description="Age at which an event that the broker refuses is given up."
    )

    @property
    def problem_retention(self) -> timedelta | None:
        return days_or_never(self.problem_retention_days)

    @property
    def outbox_dead_after(self) -> timedelta | None:
        return days_or_never(self.outbox_dead_after_days)


class ApiSettings(TokenSettings, ApiRetentionSettings):
    """What api needs beside the shared settings."""

    access_token_lifetime_s: int = Field(
        default=15 * 60,
        ge=60,
        le=24 * 3600,
        description="How long an access token works; so long at most a disabled user or a changed role goes unnoticed.",
    )
    session_lifetime_h: int = Field(
        default=14 * 24, ge=1, le=90 * 24, description="How long after a sign-in its session can be renewed."
    )
    progress_base_url: str = Field(
        default="", max_length=500, description="Where progress answers; empty when both share one web address."
    )
    max_upload_bytes: int = Field(
        default=MAX_PROBLEM_BYTES, ge=1024, le=MAX_PROBLEM_BYTES, description="A larger request body is refused."
    )
    body_timeout_s: float = Field(default=120.0, gt=0, le=3600, description="How long a request's body may take.")
    uploads_at_once: int = Field(
        default=16,
        ge=1,
        le=1000,
        description="Bodies of more than 1 MiB that may lie in the temporary directory; of one organisation, half as"
        " many. More are refused.",
    )
    work_processes: int = Field(
        default=2, ge=1, le=32, description="Child processes that read problems and write exports."
    )
    work_queue: int = Field(
        default=32,
        ge=1,
        le=1000,
        description="Requests that may wait for a child process at once.",
    )
    work_share: int = Field(
        default=16,
        ge=1,
        le=1000,
        description="Requests of one organisation that may be with a child process or wait for one. More are refused"
        " (429). Below WORK_QUEUE, so that others have room.",
    )
    work_timeout_s: float = Field(default=60.0, gt=0, le=600, description="How long a child process may take.")
    work_memory_mib: int = Field(default=2048, ge=512, description="Address space of a child process.")
    what_if_memory_mib: int = Field(
        default=1024,
        ge=256,
        description="Address space of the process that keeps timetables ready for what-if questions.",
    )
    what_if_timeout_s: float = Field(
        default=30.0, gt=0, le=600, description="How long one what-if question may take, making ready included."
    )
    relay_batch: int = Field(default=100, ge=1, le=1000, description="Events published per database transaction.")
    relay_poll_s: float = Field(default=1.0, gt=0, le=60, description="How often the outbox is read without a hint.")
    relay_publish_timeout_s: float = Field(
        default=5.0, gt=0, le=30, description="Longest wait for the broker; the rows are locked meanwhile."
    )
    republish_after_s: float = Field(
        default=30.0, ge=1, le=86400, description="Age at which a request that no solver took in is sent again."
    )
    idempotency_key_lifetime_h: int = Field(
        default=24, ge=1, le=24 * 30, description="How long a repeated Idempotency-Key gets the first answer, at least."
    )

    @property
    def uploads_share(self) -> int:
        """Large uploads of one organisation at a time."""
        return -(-self.uploads_at_once // 2)

    @property
    def session_lifetime(self) -> timedelta:
        return timedelta(hours=self.session_lifetime_h)

    @property
    def access_token_lifetime(self) -> timedelta:
        return timedelta(seconds=self.access_token_lifetime_s)
