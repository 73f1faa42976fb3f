"""An organisation's row says how many of its jobs have not been seen to end.

Revision 0008, after 0007. What is there at the upgrade is said to have reached its limit: the first request looks, under
its lock, and finds out how many there are, those included that an older api accepts meanwhile.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "organizations",
        sa.Column(
            "open_jobs",
            sa.BigInteger,
            nullable=False,
            server_default=sa.text("0"),
            comment="not yet seen to have ended",
        ),
    )
    op.execute("UPDATE organizations SET open_jobs = max_open_jobs")


def downgrade() -> None:
    op.drop_column("organizations", "open_jobs")
