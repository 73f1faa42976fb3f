"""The tables. One service writes each (two for `jobs`: see there); others may read.

Owns the relational model that the migrations in `services/api/migrations` build. Must not know engines or sessions.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _created_at() -> Column[object]:
    return Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now())


# --- written by api ---------------------------------------------------------------------------------------------------

organizations = Table(
    "organizations",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("max_running_jobs", Integer, nullable=False, server_default=text("10")),
    Column("generate_per_hour", Integer, nullable=False, server_default=text("10")),
    Column("max_open_jobs", Integer, nullable=False, server_default=text("1000"), comment="queued and running"),
    Column("max_problem_bytes", BigInteger, nullable=False, server_default=text("2147483648"), comment="of all"),
    Column("accepted_jobs", BigInteger, nullable=False, server_default=text("0"), comment="ever, over HTTP"),
    # At least as many as are marked in `jobs`; counted anew when it reaches the limit; see store/limits.py.
    Column("open_jobs", BigInteger, nullable=False, server_default=text("0"), comment="not yet seen to have ended"),
    _created_at(),
    CheckConstraint(
        "max_running_jobs >= 0 AND generate_per_hour >= 0 AND max_open_jobs >= 0 AND max_problem_bytes >= 0",
        name="limits",
    ),
)

users = Table(
    "users",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("organization_id", ForeignKey("organizations.id"), nullable=False, index=True),
    Column("email", String(320), nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),
    Column("role", String(20), nullable=False),
    Column("disabled_at", DateTime(timezone=True), nullable=True, comment="may not sign in since"),
    _created_at(),
    CheckConstraint("role IN ('viewer', 'planner', 'admin')", name="role"),
)

# One row per refresh token ever handed out; a sign-in begins a family, each renewal adds the successor of the last.
refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("token_sha256", LargeBinary, primary_key=True),
    Column("family_id", Uuid, nullable=False, index=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("successor_salt", LargeBinary, nullable=False, comment="with the token itself it gives the next one"),
    Column("expires_at", DateTime(timezone=True), nullable=False, index=True, comment="the same for the whole family"),
    Column("used_at", DateTime(timezone=True), nullable=True, comment="first exchanged for its successor"),
    Column("revoked_at", DateTime(timezone=True), nullable=True),
    Column("user_agent", String(200), nullable=False, server_default=""),
    _created_at(),
)

# Long-lived tokens of programs.
api_tokens = Table(
    "api_tokens",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String(100), nullable=False),
    Column("token_sha256", LargeBinary, nullable=False, unique=True),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("last_used_at", DateTime(timezone=True), nullable=True, comment="to the minute"),
    Column("revoked_at", DateTime(timezone=True), nullable=True),
    _created_at(),
)

# Failed sign-ins in a row by account and by network address; both as hashes, because anybody may type anything.
sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    Column("subject_sha256", LargeBinary, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_failed_at", DateTime(timezone=True), nullable=False, index=True),
    Column("blocked_until", DateTime(timezone=True), nullable=False),
)

problems = Table(
    "problems",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("organization_id", ForeignKey("organizations.id"), nullable=False, index=True),
    Column("name", String(200), nullable=False),
    Column("format", String(20), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("content_zstd", LargeBinary, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("summary", JSONB, nullable=False),
    Column("created_by", ForeignKey("users.id"), nullable=True),
    _created_at(),
    UniqueConstraint("organization_id", "sha256"),
)

# A job that an outside producer requested over Kafka is inserted by persister (`source` = 'event'); the rest by api.
# No foreign key on organization: an outside producer may name one that this database does not know yet.
jobs = Table(
    "jobs",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("organization_id", Uuid, nullable=False),
    Column("problem_id", Uuid, nullable=True, index=True),
    Column("problem_sha256", String(64), nullable=True),
    Column("options", JSONB, nullable=False),
    Column("priority", Integer, nullable=False, server_default=text("0")),
    Column("source", String(10), nullable=False),
    Column("requested_by", String(200), nullable=False, server_default=""),
    Column("correlation_id", String(128), nullable=False),
    Column("accepted_number", BigInteger, nullable=True, comment="1, 2, 3, ... of its organisation's, over HTTP"),
    # Cleared when an organisation reaches its limit of open jobs and api looks which have ended; see store/limits.py.
    Column("maybe_open", Boolean, nullable=False, server_default=text("false"), comment="not yet seen to have ended"),
    _created_at(),
    CheckConstraint("source IN ('api', 'event')", name="source"),
    Index("ix_jobs_organization_id_created_at", "organization_id", text("created_at DESC"), text("id DESC")),
    Index("ix_jobs_accepted_number", "organization_id", "accepted_number", unique=True),
    Index("ix_jobs_maybe_open", "organization_id", postgresql_where=text("maybe_open")),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=True),
    Column("event_id", Uuid, nullable=False, unique=True),
    Column("job_id", Uuid, nullable=False, index=True),
    Column("topic", String(200), nullable=False),
    Column("key", LargeBinary, nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    _created_at(),
)

# What a user asked of a job, kept until its end so that a control that a broker lost can be sent again.
job_controls = Table(
    "job_controls",
    metadata,
    Column("job_id", Uuid, primary_key=True),
    Column("action", String(10), primary_key=True),
    Column("organization_id", Uuid, nullable=False),
    Column("requested_by", String(200), nullable=False, server_default=""),
    Column("correlation_id", String(128), nullable=False),
    _created_at(),
    CheckConstraint("action IN ('stop', 'cancel')", name="action"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("organization_id", Uuid, primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("request_sha256", String(64), nullable=False),
    Column("job_id", Uuid, nullable=False),
    _created_at(),
)

# --- written by solver ------------------------------------------------------------------------------------------------

# One row per job that intake has accepted: what its tasks share.
solve_jobs = Table(
    "solve_jobs",
    metadata,
    Column("job_id", Uuid, primary_key=True),
    Column("organization_id", Uuid, nullable=False),
    Column("priority", Integer, nullable=False, server_default=text("0")),
    Column("options", JSONB, nullable=False),
    Column("problem_format", String(20), nullable=True),
    Column("problem_zstd", LargeBinary, nullable=True, comment="inline problem; NULL when it is by reference"),
    Column("problem_id", Uuid, nullable=True),
    Column("problem_sha256", String(64), nullable=False),
    Column("correlation_id", String(128), nullable=False),
    Column("requested_at", DateTime(timezone=True), nullable=False),
    Column("requested_by", String(200), nullable=False, server_default=""),
    Column("request_event_id", Uuid, nullable=True, comment="of the job.requested that intake took in"),
    Column("traceparent", String(60), nullable=True, comment="W3C trace context of what intake did with the request"),
    Column("control", String(10), nullable=True, comment="stop or cancel, once asked for"),
    Column("started_at", DateTime(timezone=True), nullable=True),
    Column("outcome", String(20), nullable=True, comment="set with the completed event, in one transaction"),
    Column("completed_event", LargeBinary, nullable=True, comment="zstd; kept until published, and for re-publishing"),
    Column("published_at", DateTime(timezone=True), nullable=True),
    Column("dead_letter_reason", String(40), nullable=True, comment="why its request goes to the dead-letter topic"),
    Column("dead_lettered_at", DateTime(timezone=True), nullable=True),
    _created_at(),
    Index(
        "ix_solve_jobs_dead_letters",
        "created_at",
        postgresql_where=text("dead_letter_reason IS NOT NULL AND dead_lettered_at IS NULL"),
    ),
    Index("ix_solve_jobs_published_at", "published_at"),
    Index(
        "ix_solve_jobs_unpublished", "created_at", postgresql_where=text("outcome IS NOT NULL AND published_at IS NULL")
    ),
)

# One row per variant: what a worker claims.
solve_tasks = Table(
    "solve_tasks",
    metadata,
    Column("job_id", ForeignKey("solve_jobs.job_id", ondelete="CASCADE"), primary_key=True),
    Column("variant", Integer, primary_key=True),
    Column("organization_id", Uuid, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("status", String(20), nullable=False, server_default="queued"),
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    Column("token", BigInteger, nullable=True, comment="fencing token of the current or last claim"),
    Column("worker", String(200), nullable=True),
    Column("lease_until", DateTime(timezone=True), nullable=True),
    Column("run_after", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("started_at", DateTime(timezone=True), nullable=True),
    Column("finished_at", DateTime(timezone=True), nullable=True),
    Column("checkpoint_zstd", LargeBinary, nullable=True),
    Column("checkpoint_score", JSONB, nullable=True),
    Column("checkpoint_at", DateTime(timezone=True), nullable=True),
    Column("checkpoint_elapsed_s", Float, nullable=True, comment="search time behind the checkpoint, all attempts"),
    Column("result_zstd", LargeBinary, nullable=True, comment="the VariantResult as JSON"),
    Column("error", JSONB, nullable=True),
    Column("infeasibility", JSONB, nullable=True),
    Column("end_reason", String(20), nullable=True, comment="finished, stopped, timed_out, cancelled or failed"),
    _created_at(),
    CheckConstraint("status IN ('queued', 'running', 'done', 'failed', 'cancelled')", name="status"),
    Index("ix_solve_tasks_claim", "run_after", postgresql_where=text("status = 'queued'")),
    Index("ix_solve_tasks_running", "organization_id", postgresql_where=text("status = 'running'")),
    Index("ix_solve_tasks_lease", "lease_until", postgresql_where=text("status = 'running'")),
)

# When each organisation was last served: among equals, whoever waited longest is next.
solve_turns = Table(
    "solve_turns",
    metadata,
    Column("organization_id", Uuid, primary_key=True),
    Column("claimed_at", DateTime(timezone=True), nullable=False),
)

# A control whose job intake has not seen yet (the two topics have no mutual order); intake applies and deletes it.
# Keyed by organisation too: a stranger who guesses a job id blocks nobody.
solve_controls = Table(
    "solve_controls",
    metadata,
    Column("job_id", Uuid, primary_key=True),
    Column("organization_id", Uuid, primary_key=True),
    Column("action", String(10), nullable=False),
    _created_at(),
)

# The history of attempts: one row per claim.
solve_attempts = Table(
    "solve_attempts",
    metadata,
    Column("token", BigInteger, primary_key=True),
    Column("job_id", Uuid, nullable=False),
    Column("variant", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("worker", String(200), nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("ended_at", DateTime(timezone=True), nullable=True),
    Column("end_reason", String(40), nullable=True),
    Column("detail", Text, nullable=True),
    Index("ix_solve_attempts_job_id_variant", "job_id", "variant"),
)

# --- written by persister ---------------------------------------------------------------------------------------------

job_states = Table(
    "job_states",
    metadata,
    Column("job_id", Uuid, primary_key=True),
    Column("organization_id", Uuid, nullable=False, index=True),
    Column("status", String(20), nullable=False),
    Column("state", JSONB, nullable=False, comment="schemas.fold.JobState"),
    Column("version", BigInteger, nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Index("ix_job_states_status_updated_at", "status", "updated_at"),
)

timetables = Table(
    "timetables",
    metadata,
    Column("job_id", Uuid, primary_key=True),
    Column("organization_id", Uuid, nullable=False, index=True),
    Column("event_id", Uuid, nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("best_variant", Integer, nullable=True),
    Column("infeasibility", JSONB, nullable=True),
    Column("error", JSONB, nullable=True),
    Column("started_at", DateTime(timezone=True), nullable=True),
    Column("completed_at", DateTime(timezone=True), nullable=False),
    Column("persisted_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

timetable_variants = Table(
    "timetable_variants",
    metadata,
    Column("job_id", ForeignKey("timetables.job_id", ondelete="CASCADE"), primary_key=True),
    Column("variant", Integer, primary_key=True),
    Column("hard_violations", Integer, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("score", JSONB, nullable=False),
    Column("own_score", JSONB, nullable=True, comment="with the problem's own weights, where others were used"),
    Column("provenance", JSONB, nullable=False),
    Column("optimal", Boolean, nullable=False),
    Column("lower_bound", BigInteger, nullable=True),
    Column("elapsed_s", Float, nullable=False),
    Column("violations", JSONB, nullable=False),
    Column("changes", JSONB, nullable=True, comment="counts of what departs from the base timetable"),
    Column("changed_zstd", LargeBinary, nullable=True, comment="the classes that do, as JSON"),
    Column("timetable_zstd", LargeBinary, nullable=False),
    Column("sha256", String(64), nullable=False, comment="of the timetable's JSON; its ETag"),
)
