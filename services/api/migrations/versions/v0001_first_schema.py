"""The first schema: every table of `schemas.tables`.

Revision 0001, the first.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Autogeneration does not see sequences.
    op.execute(sa.schema.CreateSequence(sa.Sequence("solve_tokens")))
    op.create_table(
        "idempotency_keys",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("request_sha256", sa.String(length=64), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_table(
        "job_states",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("state", postgresql.JSONB(), nullable=False, comment="schemas.fold.JobState"),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_job_states")),
    )
    op.create_index(op.f("ix_job_states_organization_id"), "job_states", ["organization_id"], unique=False)
    op.create_table(
        "jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("problem_id", sa.Uuid(), nullable=True),
        sa.Column("problem_sha256", sa.String(length=64), nullable=True),
        sa.Column("options", postgresql.JSONB(), nullable=False),
        sa.Column("priority", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("source", sa.String(length=10), nullable=False),
        sa.Column("requested_by", sa.String(length=200), server_default="", nullable=False),
        sa.Column("correlation_id", sa.String(length=128), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("source IN ('api', 'event')", name=op.f("ck_jobs_source")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index(
        "ix_jobs_organization_id_created_at",
        "jobs",
        ["organization_id", sa.literal_column("created_at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(op.f("ix_jobs_problem_id"), "jobs", ["problem_id"], unique=False)
    op.create_table(
        "organizations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("max_running_jobs", sa.Integer(), server_default=sa.text("10"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organizations")),
        sa.UniqueConstraint("name", name=op.f("uq_organizations_name")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("topic", sa.String(length=200), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("headers", postgresql.JSONB(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("event_id", name=op.f("uq_outbox_event_id")),
    )
    op.create_index(op.f("ix_outbox_job_id"), "outbox", ["job_id"], unique=False)
    op.create_table(
        "solve_attempts",
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("variant", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(length=200), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_reason", sa.String(length=40), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_solve_attempts")),
    )
    op.create_index("ix_solve_attempts_job_id_variant", "solve_attempts", ["job_id", "variant"], unique=False)
    op.create_table(
        "solve_controls",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.String(length=10), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "organization_id", name=op.f("pk_solve_controls")),
    )
    op.create_table(
        "solve_jobs",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("priority", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("options", postgresql.JSONB(), nullable=False),
        sa.Column("problem_format", sa.String(length=20), nullable=True),
        sa.Column(
            "problem_zstd", sa.LargeBinary(), nullable=True, comment="inline problem; NULL when it is by reference"
        ),
        sa.Column("problem_id", sa.Uuid(), nullable=True),
        sa.Column("problem_sha256", sa.String(length=64), nullable=False),
        sa.Column("correlation_id", sa.String(length=128), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("control", sa.String(length=10), nullable=True, comment="stop or cancel, once asked for"),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "outcome", sa.String(length=20), nullable=True, comment="set with the completed event, in one transaction"
        ),
        sa.Column(
            "completed_event",
            sa.LargeBinary(),
            nullable=True,
            comment="zstd; kept until published, and for re-publishing",
        ),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_solve_jobs")),
    )
    op.create_index(
        "ix_solve_jobs_unpublished",
        "solve_jobs",
        ["created_at"],
        unique=False,
        postgresql_where=sa.text("outcome IS NOT NULL AND published_at IS NULL"),
    )
    op.create_table(
        "timetables",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("best_variant", sa.Integer(), nullable=True),
        sa.Column("infeasibility", postgresql.JSONB(), nullable=True),
        sa.Column("error", postgresql.JSONB(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("persisted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_timetables")),
    )
    op.create_index(op.f("ix_timetables_organization_id"), "timetables", ["organization_id"], unique=False)
    op.create_table(
        "solve_tasks",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("variant", sa.Integer(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=20), server_default="queued", nullable=False),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=True, comment="fencing token of the current or last claim"),
        sa.Column("worker", sa.String(length=200), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("run_after", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checkpoint_zstd", sa.LargeBinary(), nullable=True),
        sa.Column("checkpoint_score", postgresql.JSONB(), nullable=True),
        sa.Column("checkpoint_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "checkpoint_elapsed_s", sa.Float(), nullable=True, comment="search time behind the checkpoint, all attempts"
        ),
        sa.Column("result_zstd", sa.LargeBinary(), nullable=True, comment="the VariantResult as JSON"),
        sa.Column("error", postgresql.JSONB(), nullable=True),
        sa.Column("infeasibility", postgresql.JSONB(), nullable=True),
        sa.Column(
            "end_reason",
            sa.String(length=20),
            nullable=True,
            comment="finished, stopped, timed_out, cancelled or failed",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "status IN ('queued', 'running', 'done', 'failed', 'cancelled')", name=op.f("ck_solve_tasks_status")
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["solve_jobs.job_id"], name=op.f("fk_solve_tasks_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "variant", name=op.f("pk_solve_tasks")),
    )
    op.create_index(
        "ix_solve_tasks_claim",
        "solve_tasks",
        ["run_after"],
        unique=False,
        postgresql_where=sa.text("status = 'queued'"),
    )
    op.create_index(
        "ix_solve_tasks_lease",
        "solve_tasks",
        ["lease_until"],
        unique=False,
        postgresql_where=sa.text("status = 'running'"),
    )
    op.create_index(
        "ix_solve_tasks_running",
        "solve_tasks",
        ["organization_id"],
        unique=False,
        postgresql_where=sa.text("status = 'running'"),
    )
    op.create_table(
        "timetable_variants",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("variant", sa.Integer(), nullable=False),
        sa.Column("hard_violations", sa.Integer(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("score", postgresql.JSONB(), nullable=False),
        sa.Column("provenance", postgresql.JSONB(), nullable=False),
        sa.Column("optimal", sa.Boolean(), nullable=False),
        sa.Column("lower_bound", sa.BigInteger(), nullable=True),
        sa.Column("elapsed_s", sa.Float(), nullable=False),
        sa.Column("violations", postgresql.JSONB(), nullable=False),
        sa.Column("timetable_zstd", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False, comment="of the timetable's JSON; its ETag"),
        sa.ForeignKeyConstraint(
            ["job_id"], ["timetables.job_id"], name=op.f("fk_timetable_variants_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "variant", name=op.f("pk_timetable_variants")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("role IN ('viewer', 'planner', 'admin')", name=op.f("ck_users_role")),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_users_organization_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
    )
    op.create_index(op.f("ix_users_organization_id"), "users", ["organization_id"], unique=False)
    op.create_table(
        "problems",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("format", sa.String(length=20), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("content_zstd", sa.LargeBinary(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("summary", postgresql.JSONB(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_problems_created_by")),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_problems_organization_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_problems")),
        sa.UniqueConstraint("organization_id", "sha256", name=op.f("uq_problems_organization_id_sha256")),
    )
    op.create_index(op.f("ix_problems_organization_id"), "problems", ["organization_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_problems_organization_id"), table_name="problems")
    op.drop_table("problems")
    op.drop_index(op.f("ix_users_organization_id"), table_name="users")
    op.drop_table("users")
    op.drop_table("timetable_variants")
    op.drop_index("ix_solve_tasks_running", table_name="solve_tasks", postgresql_where=sa.text("status = 'running'"))
    op.drop_index("ix_solve_tasks_lease", table_name="solve_tasks", postgresql_where=sa.text("status = 'running'"))
    op.drop_index("ix_solve_tasks_claim", table_name="solve_tasks", postgresql_where=sa.text("status = 'queued'"))
    op.drop_table("solve_tasks")
    op.drop_index(op.f("ix_timetables_organization_id"), table_name="timetables")
    op.drop_table("timetables")
    op.drop_index(
        "ix_solve_jobs_unpublished",
        table_name="solve_jobs",
        postgresql_where=sa.text("outcome IS NOT NULL AND published_at IS NULL"),
    )
    op.drop_table("solve_jobs")
    op.drop_table("solve_controls")
    op.drop_index("ix_solve_attempts_job_id_variant", table_name="solve_attempts")
    op.drop_table("solve_attempts")
    op.drop_index(op.f("ix_outbox_job_id"), table_name="outbox")
    op.drop_table("outbox")
    op.drop_table("organizations")
    op.drop_index(op.f("ix_jobs_problem_id"), table_name="jobs")
    op.drop_index("ix_jobs_organization_id_created_at", table_name="jobs")
    op.drop_table("jobs")
    op.drop_index(op.f("ix_job_states_organization_id"), table_name="job_states")
    op.drop_table("job_states")
    op.drop_table("idempotency_keys")
    op.execute(sa.schema.DropSequence(sa.Sequence("solve_tokens")))
