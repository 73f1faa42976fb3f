"""Sessions, tokens of programs, back-off of failed sign-ins, and an organisation's limits.

Revision 0004, after 0003.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_LIMITS = "max_running_jobs >= 0 AND generate_per_hour >= 0 AND max_open_jobs >= 0 AND max_problem_bytes >= 0"


def upgrade() -> None:
    for name, kind, default, comment in (
        ("generate_per_hour", sa.Integer(), "10", None),
        ("max_open_jobs", sa.Integer(), "1000", "queued and running"),
        ("max_problem_bytes", sa.BigInteger(), "2147483648", "of all"),
        ("accepted_jobs", sa.BigInteger(), "0", "ever, over HTTP"),
    ):
        op.add_column(
            "organizations", sa.Column(name, kind, server_default=sa.text(default), nullable=False, comment=comment)
        )
    op.create_check_constraint(op.f("ck_organizations_limits"), "organizations", _LIMITS)
    op.add_column(
        "users", sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True, comment="may not sign in since")
    )
    op.add_column(
        "jobs",
        sa.Column(
            "accepted_number",
            sa.BigInteger(),
            nullable=True,
            comment="1, 2, 3, ... of its organisation's, over HTTP",
        ),
    )
    op.create_index("ix_jobs_accepted_number", "jobs", ["organization_id", "accepted_number"], unique=True)
    op.add_column(
        "jobs",
        sa.Column(
            "maybe_open",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="not yet seen to have ended",
        ),
    )
    op.create_index(
        "ix_jobs_maybe_open",
        "jobs",
        ["organization_id"],
        unique=False,
        postgresql_where=sa.text("maybe_open"),
    )
    op.create_table(
        "refresh_tokens",
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column(
            "successor_salt", sa.LargeBinary(), nullable=False, comment="with the token itself it gives the next one"
        ),
        sa.Column(
            "expires_at", sa.DateTime(timezone=True), nullable=False, comment="the same for the whole family"
        ),
        sa.Column(
            "used_at", sa.DateTime(timezone=True), nullable=True, comment="first exchanged for its successor"
        ),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("user_agent", sa.String(length=200), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_refresh_tokens_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_refresh_tokens")),
    )
    for column in ("family_id", "user_id", "expires_at"):
        op.create_index(op.f(f"ix_refresh_tokens_{column}"), "refresh_tokens", [column], unique=False)
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True, comment="to the minute"),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_api_tokens_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_api_tokens_token_sha256")),
    )
    op.create_index(op.f("ix_api_tokens_user_id"), "api_tokens", ["user_id"], unique=False)
    op.create_table(
        "sign_in_failures",
        sa.Column("subject_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("blocked_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("subject_sha256", name=op.f("pk_sign_in_failures")),
    )
    op.create_index(op.f("ix_sign_in_failures_last_failed_at"), "sign_in_failures", ["last_failed_at"], unique=False)


def downgrade() -> None:
    op.drop_table("sign_in_failures")
    op.drop_table("api_tokens")
    op.drop_table("refresh_tokens")
    op.drop_index("ix_jobs_maybe_open", table_name="jobs")
    op.drop_column("jobs", "maybe_open")
    op.drop_index("ix_jobs_accepted_number", table_name="jobs")
    op.drop_column("jobs", "accepted_number")
    op.drop_column("users", "disabled_at")
    op.drop_constraint(op.f("ck_organizations_limits"), "organizations", type_="check")
    for column in ("accepted_jobs", "max_problem_bytes", "max_open_jobs", "generate_per_hour"):
        op.drop_column("organizations", column)
