"""Outlines: what searches ask about many resources at once, kept by a job beside the writes."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, empty: outlines are built once a search asks for them."""
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    text = sa.Text(collation="C") if on_postgresql else sa.Text()
    op.create_table(
        "outlines",
        sa.Column("workspace", sa.Integer, nullable=False),
        sa.Column("type", text, nullable=False),
        sa.Column("first_key", sa.BigInteger, nullable=False),
        sa.Column("lines", sa.Integer, nullable=False),
        sa.Column("created", text, nullable=False),
        sa.Column("lacking", sa.Text, nullable=False),
        sa.Column("texts", text, nullable=False),
        sa.Column("keys", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "type", "first_key"),
        if_not_exists=True,
    )
    op.create_table(
        "outline_positions",
        sa.Column("workspace", sa.Integer, nullable=False),
        sa.Column("type", text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("reached", sa.BigInteger),
        sa.Column("covers", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "type"),
        if_not_exists=True,
    )
    if on_postgresql:
        # Searching compressed texts takes twice as long.
        op.execute("ALTER TABLE outlines ALTER COLUMN texts SET STORAGE EXTERNAL")
