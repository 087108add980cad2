"""Record the connection of each API key, and the connection that made each resource."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add nullable columns: null is the connection `default`, which owns everything that exists.

    A replica of the former version inserts rows without them, and so under `default`.
    """
    op.add_column("api_keys", sa.Column("connection", sa.Text))
    op.add_column("resources", sa.Column("connection", sa.Text))
