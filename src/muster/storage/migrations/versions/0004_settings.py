"""Settings and configuration of workspaces; roles and users of keys; where each change came from, and its chain."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, the table and the index; what is there keeps no address and no chain."""
    text = sa.Text() if op.get_bind().dialect.name == "sqlite" else sa.Text(collation="C")
    op.add_column("workspaces", sa.Column("settings", sa.Text))
    op.add_column("api_keys", sa.Column("role", sa.Text))
    op.add_column("api_keys", sa.Column("user_id", sa.Text))
    op.add_column("changes", sa.Column("address", sa.Text))
    op.add_column("changes", sa.Column("chain", sa.LargeBinary))
    op.create_index("changes_of_resource", "changes", ["workspace", "id", "sequence"])
    op.create_table(
        "configuration",
        sa.Column("workspace", sa.Integer, nullable=False),
        sa.Column("kind", text, nullable=False),
        sa.Column("id", text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "kind", "id"),
    )
