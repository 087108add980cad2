"""Record the display name of each workspace, and whether it is suspended or deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the index by which workspaces of one state are listed.

    A replica of the former version creates active workspaces, and leaves the columns as they are.
    """
    text = sa.Text() if op.get_bind().dialect.name == "sqlite" else sa.Text(collation="C")
    op.add_column("workspaces", sa.Column("state", text, nullable=False, server_default="active"))
    op.add_column("workspaces", sa.Column("details", sa.Text))
    op.create_index("workspaces_by_state", "workspaces", ["state", "name"])
