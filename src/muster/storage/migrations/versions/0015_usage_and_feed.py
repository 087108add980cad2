"""Count requests by workspace, connection and day, and index the changes of all workspaces."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table and, on PostgreSQL, the index; on SQLite the sequence is the rowid."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    text = sa.Text() if sqlite else sa.Text(collation="C")
    op.create_table(
        "usage_days",
        sa.Column("workspace", sa.Integer, nullable=False),
        sa.Column("day", text, nullable=False),
        sa.Column("connection", text, nullable=False),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("refusals", sa.BigInteger, nullable=False),
        sa.Column("last", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "day", "connection"),
    )
    if not sqlite:
        op.create_index("changes_of_all", "changes", ["sequence"], if_not_exists=True)
