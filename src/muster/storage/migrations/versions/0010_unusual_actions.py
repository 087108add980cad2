"""Index the audit log by the actions that are neither create nor update."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_UNUSUAL = "action NOT IN ('create', 'update')"


def upgrade() -> None:
    """Create the index; it contains few rows, so that most writes do not pay for it."""
    op.create_index(
        "changes_of_unusual_actions",
        "changes",
        ["workspace", "action", "sequence"],
        if_not_exists=True,
        sqlite_where=sa.text(_UNUSUAL),
        postgresql_where=sa.text(_UNUSUAL),
    )
