"""Groups: what a resource is called as a member, whether it may be in a group, and the members that a change moved."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_SQLITE = "replace(document, char(1), '')"
_NAMES = {
    "sqlite": ", ".join(
        f"nullif(json_extract({_SQLITE}, '$.{path}'), '')" for path in ("displayName", "name.formatted", "userName")
    ),
    "postgresql": ", ".join(
        f"nullif(replace(document, chr(1), '')::json #>> '{{{path}}}', '')"
        for path in ("displayName", "name,formatted", "userName")
    ),
}


def upgrade() -> None:
    """Add the columns, and fill in what those that are there are called."""
    op.add_column("resources", sa.Column("display", sa.Text))
    op.add_column("resources", sa.Column("grouped", sa.Boolean))
    op.add_column("changes", sa.Column("members", sa.Text))
    op.create_table(
        "hierarchies",
        sa.Column("workspace", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("version", sa.BigInteger, nullable=False),
    )
    op.execute(f"UPDATE resources SET display = coalesce({_NAMES[op.get_bind().dialect.name]})")
