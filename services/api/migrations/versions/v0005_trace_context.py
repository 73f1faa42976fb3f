"""A job's trace goes on in the solver: the context of its request is stored with it.

Revision 0005, after 0004.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "solve_jobs",
        sa.Column(
            "traceparent",
            sa.String(60),
            nullable=True,
            comment="W3C trace context of what intake did with the request",
        ),
    )


def downgrade() -> None:
    op.drop_column("solve_jobs", "traceparent")
