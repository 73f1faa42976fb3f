"""A variant keeps what departs from the timetable that it started from.

Revision 0006, after 0005.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "timetable_variants",
        sa.Column("changes", JSONB, nullable=True, comment="counts of what departs from the base timetable"),
    )
    op.add_column(
        "timetable_variants",
        sa.Column("changed_zstd", sa.LargeBinary, nullable=True, comment="the classes that do, as JSON"),
    )


def downgrade() -> None:
    op.drop_column("timetable_variants", "changed_zstd")
    op.drop_column("timetable_variants", "changes")
