"""A variant that was searched with other weights keeps its score with the problem's own.

Revision 0007, after 0006.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "timetable_variants",
        sa.Column(
            "own_score", JSONB, nullable=True, comment="with the problem's own weights, where others were used"
        ),
    )


def downgrade() -> None:
    op.drop_column("timetable_variants", "own_score")
