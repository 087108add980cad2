"""Look-ups of users who are not active, so that they are found and counted without looking at all."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_INACTIVE = {"sqlite": "json_extract(body, '$.active') = 0", "postgresql": "body -> 'active' = 'false'::jsonb"}


def upgrade() -> None:
    """Add what later writes keep of those that are there."""
    op.execute(
        'INSERT INTO lookups (workspace, type, attribute, value, "key", "first")'
        " SELECT workspace, type, 'active', 'false', \"key\", TRUE FROM searchable"
        f" WHERE type = 'User' AND {_INACTIVE[op.get_bind().dialect.name]}"
    )
