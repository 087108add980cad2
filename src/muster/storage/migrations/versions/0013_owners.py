"""Record the owner of each deleted resource, and index the resources that connections own."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_OF_CONNECTIONS = "connection IS NOT NULL"


def upgrade() -> None:
    """Add a nullable column and an index, which is empty at first.

    A replica of the former version deletes resources without naming their owner; if such a resource
    is restored, it belongs to the connection `default`.
    """
    op.add_column("changes", sa.Column("owner", sa.Text))
    op.create_index(
        "resources_of_connections",
        "resources",
        ["workspace", "connection", "type"],
        if_not_exists=True,
        sqlite_where=sa.text(_OF_CONNECTIONS),
        postgresql_where=sa.text(_OF_CONNECTIONS),
    )
