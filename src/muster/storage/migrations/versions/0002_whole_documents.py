"""Documents are kept whole, with one control character for the base URL (port.BASE): a page is read without building it."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Close the documents that 0001 kept open at meta.location."""
    character = "char" if op.get_bind().dialect.name == "sqlite" else "chr"
    for table in ("resources", "changes"):
        op.execute(f"UPDATE {table} SET document = document || {character}(1) || '/' || type || 's/' || id || '\"}}}}'")
