"""The deprovisioning guard: who was deactivated or deleted when."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, and its index."""
    text = sa.Text() if op.get_bind().dialect.name == "sqlite" else sa.Text(collation="C")
    op.create_table(
        "deprovisionings",
        sa.Column("workspace", sa.Integer, nullable=False),
        sa.Column("time", text, nullable=False),
        sa.Column("key", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "time", "key"),
    )
