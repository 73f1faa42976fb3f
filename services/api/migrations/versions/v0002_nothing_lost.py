"""What lost messages, dead letters and cleanup need; tokens come from the clock instead of a sequence.

Revision 0002, after 0001.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(sa.schema.DropSequence(sa.Sequence("solve_tokens")))
    op.create_table(
        "job_controls",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.String(length=10), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("requested_by", sa.String(length=200), server_default="", nullable=False),
        sa.Column("correlation_id", sa.String(length=128), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("action IN ('stop', 'cancel')", name=op.f("ck_job_controls_action")),
        sa.PrimaryKeyConstraint("job_id", "action", name=op.f("pk_job_controls")),
    )
    op.add_column("solve_jobs", sa.Column("requested_by", sa.String(length=200), server_default="", nullable=False))
    op.add_column(
        "solve_jobs",
        sa.Column("request_event_id", sa.Uuid(), nullable=True, comment="of the job.requested that intake took in"),
    )
    op.add_column(
        "solve_jobs",
        sa.Column(
            "dead_letter_reason",
            sa.String(length=40),
            nullable=True,
            comment="why its request goes to the dead-letter topic",
        ),
    )
    op.add_column("solve_jobs", sa.Column("dead_lettered_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_solve_jobs_dead_letters",
        "solve_jobs",
        ["created_at"],
        unique=False,
        postgresql_where=sa.text("dead_letter_reason IS NOT NULL AND dead_lettered_at IS NULL"),
    )
    op.create_index("ix_solve_jobs_published_at", "solve_jobs", ["published_at"], unique=False)
    op.create_index("ix_job_states_status_updated_at", "job_states", ["status", "updated_at"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_job_states_status_updated_at", table_name="job_states")
    op.drop_index("ix_solve_jobs_published_at", table_name="solve_jobs")
    op.drop_index("ix_solve_jobs_dead_letters", table_name="solve_jobs")
    op.drop_column("solve_jobs", "dead_lettered_at")
    op.drop_column("solve_jobs", "dead_letter_reason")
    op.drop_column("solve_jobs", "request_event_id")
    op.drop_column("solve_jobs", "requested_by")
    op.drop_table("job_controls")
    op.execute(sa.schema.CreateSequence(sa.Sequence("solve_tokens")))
