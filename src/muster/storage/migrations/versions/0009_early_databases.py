"""Repair databases that ran 0003 or 0005 before those migrations were edited, and so lack a table or have other columns."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create `hierarchies` (0003) and `leases` (0005) if they are missing, and drop the columns that `leases` replaced."""
    inspector = sa.inspect(op.get_bind())
    if not inspector.has_table("hierarchies"):
        op.create_table(
            "hierarchies",
            sa.Column("workspace", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("version", sa.BigInteger, nullable=False),
        )
    if not inspector.has_table("leases"):
        text = sa.Text() if op.get_bind().dialect.name == "sqlite" else sa.Text(collation="C")
        op.create_table(
            "leases",
            sa.Column("workspace", sa.Integer, nullable=False),
            sa.Column("name", text, nullable=False),
            sa.Column("owner", sa.Text, nullable=False),
            sa.Column("until", sa.BigInteger, nullable=False),
            sa.PrimaryKeyConstraint("workspace", "name"),
        )
    columns = {column["name"] for column in inspector.get_columns("webhook_states")}
    for name in sorted(columns & {"owner", "owned_until"}):
        op.drop_column("webhook_states", name)
