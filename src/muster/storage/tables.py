"""The tables, in SQLAlchemy Core.

Migrations are compared with them; the drivers run the statements. Every primary key and unique
constraint begins with the workspace, except for the integer keys of rows, which begin with the
time.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from muster.storage.audit.search import UNUSUAL

OF_CONNECTIONS = "connection IS NOT NULL"
"""The condition of the index of resources that `default` does not own."""
metadata = MetaData()

_KEY = BigInteger().with_variant(Integer, "sqlite")
"""On SQLite an INTEGER PRIMARY KEY is the rowid itself."""

installation = Table(
    "installation",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("signing_secret", LargeBinary, nullable=False),
)

workspaces = Table(
    "workspaces",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("contract", Text, nullable=False),
    Column("strict", Boolean, nullable=False),
    Column("created", Text, nullable=False),
    Column("settings", Text),
    Column("state", Text, nullable=False, server_default="active"),
    Column("details", Text),
    Index("workspaces_by_state", "state", "name"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("permissions", Text, nullable=False),
    Column("rate_limit", Integer),
    Column("created", Text, nullable=False),
    Column("expires", Text),
    Column("revoked", Text),
    Column("last_used", Text),
    Column("role", Text),
    Column("user_id", Text),
    Column("connection", Text),
    PrimaryKeyConstraint("workspace", "id"),
)

configuration = Table(
    "configuration",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("body", Text, nullable=False),
    PrimaryKeyConstraint("workspace", "kind", "id"),
)

rate_windows = Table(
    "rate_windows",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("window", BigInteger, nullable=False),
    Column("used", Integer, nullable=False),
    PrimaryKeyConstraint("workspace", "key_id"),
)

resources = Table(
    "resources",
    metadata,
    Column("key", _KEY, primary_key=True),
    Column("workspace", Integer, nullable=False),
    Column("type", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("document", Text, nullable=False),
    Column("display", Text),
    Column("grouped", Boolean),
    Column("connection", Text),
    Index("resources_in_order", "workspace", "type", "key"),
    Index(
        "resources_of_connections",
        "workspace",
        "connection",
        "type",
        sqlite_where=text(OF_CONNECTIONS),
        postgresql_where=text(OF_CONNECTIONS),
    ),
)

searchable = Table(
    "searchable",
    metadata,
    Column("key", _KEY, primary_key=True),
    Column("workspace", Integer, nullable=False),
    Column("type", Text, nullable=False),
    Column("body", Text, nullable=False),
    Index("searchable_in_order", "workspace", "type", "key"),
)

lookups = Table(
    "lookups",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("type", Text, nullable=False),
    Column("attribute", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("key", BigInteger, nullable=False),
    Column("first", Boolean, nullable=False),
    PrimaryKeyConstraint("workspace", "type", "attribute", "value", "key"),
    sqlite_with_rowid=False,
)

outlines = Table(
    "outlines",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("type", Text, nullable=False),
    Column("first_key", BigInteger, nullable=False),
    Column("lines", Integer, nullable=False),
    Column("created", Text, nullable=False),
    Column("lacking", Text, nullable=False),
    Column("texts", Text, nullable=False),
    Column("keys", Text, nullable=False),
    PrimaryKeyConstraint("workspace", "type", "first_key"),
)

outline_positions = Table(
    "outline_positions",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("type", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("reached", BigInteger),
    Column("covers", Text, nullable=False),
    PrimaryKeyConstraint("workspace", "type"),
)

unique_values = Table(
    "unique_values",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("type", Text, nullable=False),
    Column("attribute", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("key", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "type", "attribute", "value"),
    sqlite_with_rowid=False,
)

members = Table(
    "members",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("group_key", BigInteger, nullable=False),
    Column("member_key", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "group_key", "member_key"),
    UniqueConstraint("workspace", "member_key", "group_key"),
    sqlite_with_rowid=False,
)

hierarchies = Table(
    "hierarchies",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("version", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace"),
)

webhook_states = Table(
    "webhook_states",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("webhook", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("part", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due", BigInteger, nullable=False),
    Column("failing_since", BigInteger),
    PrimaryKeyConstraint("workspace", "webhook"),
)

leases = Table(
    "leases",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("until", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "name"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("webhook", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("part", Integer, nullable=False),
    Column("event", Text, nullable=False),
    Column("time", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("status", Integer),
    Column("error", Text),
    Column("milliseconds", Integer, nullable=False),
    PrimaryKeyConstraint("workspace", "webhook", "number"),
)

requests = Table(
    "requests",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("time", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("query", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("milliseconds", Integer, nullable=False),
    Column("address", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("quirks", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("answer", Text, nullable=False),
    PrimaryKeyConstraint("workspace", "number"),
)

usage_days = Table(
    "usage_days",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("day", Text, nullable=False),
    Column("connection", Text, nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("refusals", BigInteger, nullable=False),
    Column("last", Text, nullable=False),
    PrimaryKeyConstraint("workspace", "day", "connection"),
)

deprovisionings = Table(
    "deprovisionings",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("time", Text, nullable=False),
    Column("key", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "time", "key"),
)

counts = Table(
    "counts",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("type", Text, nullable=False),
    Column("total", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "type"),
    sqlite_with_rowid=False,
)

secrets = Table(
    "secrets",
    metadata,
    Column("workspace", Integer, nullable=False),
    Column("key", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("hash", Text, nullable=False),
    PrimaryKeyConstraint("workspace", "key", "name"),
    sqlite_with_rowid=False,
)

changes = Table(
    "changes",
    metadata,
    Column("sequence", _KEY, primary_key=True, autoincrement=True),
    Column("workspace", Integer, nullable=False),
    Column("time", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("document", Text, nullable=False),
    Column("members", Text),
    Column("address", Text),
    Column("chain", LargeBinary),
    Column("owner", Text),
    Index("changes_in_order", "workspace", "sequence"),
    Index("changes_of_resource", "workspace", "id", "sequence"),
    Index(
        "changes_of_unusual_actions",
        "workspace",
        "action",
        "sequence",
        sqlite_where=text(UNUSUAL),
        postgresql_where=text(UNUSUAL),
    ),
    sqlite_autoincrement=True,
)
