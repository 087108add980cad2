"""Webhooks: how far each has come, and what came of what was sent; and leases on what one process at a time does."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    text = sa.Text() if op.get_bind().dialect.name == "sqlite" else sa.Text(collation="C")
    op.create_table(
        "webhook_states",
        sa.Column("workspace", sa.Integer, nullable=False),
        sa.Column("webhook", text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("part", sa.Integer, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due", sa.BigInteger, nullable=False),
        sa.Column("failing_since", sa.BigInteger),
        sa.PrimaryKeyConstraint("workspace", "webhook"),
    )
    op.create_table(
        "leases",
        sa.Column("workspace", sa.Integer, nullable=False),
        sa.Column("name", text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "name"),
    )
    op.create_table(
        "deliveries",
        sa.Column("workspace", sa.Integer, nullable=False),
        sa.Column("webhook", text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("part", sa.Integer, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("time", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("error", sa.Text),
        sa.Column("milliseconds", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "webhook", "number"),
    )
