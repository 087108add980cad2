"""Connections: the identity providers and scripts that provision into a workspace.

Every workspace has the connection `default`, which owns the keys and resources that name no other.
It needs no row: its item exists once somebody has changed it. So workspaces of earlier versions
have it without a migration, and so do those that a replica of an earlier version creates.
"""

import re
import secrets
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Protocol

from muster.access import allowlist
from muster.access.audit_notes import Administrator
from muster.access.claims import claimed, read_claim
from muster.access.kept_answers import Kept, keep_nothing
from muster.access.profiles import enforced
from muster.access.rate_limit import check_ceiling
from muster.base.clock import timestamp
from muster.scim.errors import ScimError, forbidden, invalid_value, not_found, uniqueness
from muster.scim.values import Json
from muster.storage.ids import key_of
from muster.storage.port.accounts import Accounts, Workspace
from muster.storage.port.engine import Statement, Upkeep
from muster.storage.port.errors import Outdated
from muster.storage.port.items import Item

CONNECTION_KIND = "connection"
DEFAULT = "default"
"""The id and the first name of the connection that every workspace has."""
PROVIDERS = (
    "okta",
    "entra",
    "onelogin",
    "google",
    "ping",
    "jumpcloud",
    "rippling",
    "sailpoint",
    "keycloak",
    "authentik",
    "cyberark",
    "workday",
    "other",
)
OWNERSHIPS = ("shared", "exclusive")
CREDENTIAL_KINDS = ("oauth-client", "trust")
"""The kinds of items that are credentials of a connection, beside its keys."""
FORMER_KIND = "former-credential"
"""The kind of items that remember the connection of a deleted credential, for old log entries."""
ACTIVE, PAUSED = "active", "paused"
BY_ADMINISTRATOR, BY_GUARD = "administrator", "guard"
MAX_CONNECTIONS = 100
"""Connections of one workspace."""
_TRIES = 5
_NAMES_KIND, _NAMES_ID = "connection-names", "latest"
"""The item that every change of a name rewrites, so that two at once do not both pass."""
_COUNT_OWNED = (
    "SELECT connection, type, count(*) FROM resources WHERE workspace = $1"
    " AND connection IS NOT NULL GROUP BY connection, type"
)
_COUNT_ALL = "SELECT type, total FROM counts WHERE workspace = $1"
_OWNER = (
    "SELECT coalesce(connection, 'default') FROM resources"
    ' WHERE workspace = $1 AND "key" = $2 AND id = $3'
)
OVERRIDES = {
    "strict": "strict",
    "contract": "contract",
    "rateLimit": "rate_limit",
    "ipAllowlist": "ip_allowlist",
    "guardMode": "guard_mode",
    "guardShare": "guard_share",
    "guardLeast": "guard_least",
    "automaticProvisioning": "automatic_provisioning",
    "automaticDeprovisioning": "automatic_deprovisioning",
    "recordReads": "record_reads",
}
"""The settings that a connection may override, with their attributes of Workspace."""


@dataclass(frozen=True, slots=True)
class Pause:
    """The reason why a connection is paused.

    Attributes:
        by: `administrator` or `guard`.
        since: The time at which it was paused.
        reason: A sentence for people; empty for none.
    """

    by: str
    since: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Connection:
    """An identity provider, or a script, that provisions into a workspace.

    Attributes:
        id: Its id; `default` for the one that every workspace has.
        name: Its name, unique within the workspace whatever the case.
        provider: One of PROVIDERS.
        ownership: `exclusive` if other connections may not change the resources that it made.
        pause: Why it is paused; None if it is active.
        created: The time at which it was created; empty if it is as old as the workspace.
        guard_reset: The time at which an administrator last resumed it after the guard had paused
            it, from which the guard counts anew; empty for never.
        overrides: Its own settings, by attribute of Workspace. The others are the workspace's.
    """

    id: str = DEFAULT
    name: str = DEFAULT
    provider: str = "other"
    ownership: str = "shared"
    pause: Pause | None = None
    created: str = ""
    guard_reset: str = ""
    overrides: Mapping[str, Any] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """Whether it is `active` or `paused`."""
        return ACTIVE if self.pause is None else PAUSED

    @property
    def stored_id(self) -> str | None:
        """The id as keys and resources store it: None for `default`."""
        return None if self.id == DEFAULT else self.id

    def through(self, workspace: Workspace) -> Workspace:
        """Return the workspace with the settings that apply to this connection."""
        if not self.overrides:
            return workspace
        given = dict(self.overrides)
        if "record_reads" in given:  # of this connection, whichever key is recorded otherwise
            given["record_reads_key"] = None
        return enforced(workspace, replace(workspace, **given))

    def to_body(self) -> dict[str, Json]:
        """Return the body of the item that stores the connection."""
        pause = self.pause and {
            "by": self.pause.by,
            "since": self.pause.since,
            "reason": self.pause.reason,
        }
        overrides = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in self.overrides.items()
        }
        return {
            "name": self.name,
            "provider": self.provider,
            "ownership": self.ownership,
            "pause": pause,
            "created": self.created,
            "guardReset": self.guard_reset,
            "overrides": overrides,
        }

    def shown(self) -> dict[str, Json]:
        """Return the connection as JSON; settings that are the workspace's are null."""
        settings = {name: self.overrides.get(attribute) for name, attribute in OVERRIDES.items()}
        blocks, texts = settings["ipAllowlist"], self.overrides.get("ip_descriptions", ())
        entries = None if blocks is None else allowlist.entries(blocks, texts)
        return {
            "id": self.id,
            "name": self.name,
            "provider": self.provider,
            "state": self.state,
            "pausedBy": self.pause and self.pause.by,
            "pausedSince": self.pause and self.pause.since,
            "pauseReason": (self.pause and self.pause.reason) or None,
            "ownership": self.ownership,
            "created": self.created or None,
            **{
                name: list(value) if isinstance(value, tuple) else value
                for name, value in settings.items()
            },
            "ipAllowlistEntries": entries,
        }


def connection_from_item(item: Item) -> Connection:
    """Return the connection that an item stores."""
    body = item.body
    overrides = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in body["overrides"].items()
    }
    if "ip_descriptions" in overrides:
        overrides["ip_descriptions"] = tuple(map(tuple, overrides["ip_descriptions"]))
    pause = Pause(**body["pause"]) if body.get("pause") else None
    return Connection(
        item.id,
        body["name"],
        body["provider"],
        body["ownership"],
        pause,
        body["created"],
        body.get("guardReset", ""),
        overrides,
    )


class ConnectionStore(Accounts, Upkeep, Protocol):
    """The parts of the storage engine that connections need."""


class Connections:
    """Creates, changes, pauses and deletes the connections of workspaces.

    Args:
        store: The storage.
        ceiling: The highest rate limit that may be set; 0 for none.
    """

    def __init__(self, store: ConnectionStore, ceiling: int = 0) -> None:
        self._store = store
        self._ceiling = ceiling

    async def all(self, workspace: int) -> Sequence[Connection]:
        """Return the connections of a workspace: `default`, then the others by name."""
        return await all_connections(self._store, workspace)

    async def get(self, workspace: int, connection_id: str) -> Connection:
        """Return a connection.

        Raises:
            ScimError: 404 if it does not exist.
        """
        item = await self._store.item(workspace, CONNECTION_KIND, connection_id)
        if item is not None:
            return connection_from_item(item)
        if connection_id == DEFAULT:
            return Connection()
        raise not_found(f"Connection {connection_id[:100]!r} not found.")

    async def chosen(self, workspace: int, name: str) -> Connection:
        """Return the connection that a request names by its id or name.

        Raises:
            ScimError: 400 if none has it.
        """
        every = await self.all(workspace)
        for connection in every:
            if name == connection.id or name.casefold() == connection.name.casefold():
                return connection
        known = ", ".join(repr(one.name) for one in every[:10])
        raise invalid_value(f"connection: no connection {name[:100]!r}; the workspace has {known}")

    async def create(
        self,
        by: Administrator,
        given: Mapping[str, Any],
        keep: Callable[[Connection], Kept] = keep_nothing,
    ) -> Connection:
        """Create a connection.

        Args:
            by: The administrator.
            given: Attributes of Connection, and of Workspace for its own settings; validated.
            keep: Returns the items to store in the same transaction.

        Raises:
            ScimError: 400 if the rate limit is above the ceiling or the workspace has too many
                connections; 409 if another has the name.
        """
        workspace = by.workspace.id
        for _ in range(_TRIES):
            claim = await self._claim(workspace)
            others = await self.all(workspace)
            if len(others) >= MAX_CONNECTIONS:
                raise invalid_value(
                    f"A workspace has at most {MAX_CONNECTIONS} connections. Delete one first."
                )
            made = self._changed(
                Connection(secrets.token_hex(8), created=timestamp()), given, others
            )
            note, kept = by.note("Connection", made.id, "create", **_told(made)), keep(made)
            try:
                await self._store.administer(
                    [_item(workspace, made), claimed(claim), *kept.puts],
                    [note, *kept.notes],
                    [claim, *kept.standing],
                )
                return made
            except Outdated:
                continue
        raise Outdated

    async def change(
        self, by: Administrator, connection_id: str, given: Mapping[str, Any]
    ) -> Connection:
        """Change a connection.

        Args:
            by: The administrator.
            connection_id: Its id.
            given: The attributes to change, as for `create`. A setting of None is the workspace's.

        Raises:
            ScimError: 400, 404 or 409, as for `create`.
        """
        return await self._set(
            by, connection_id, lambda standing, others: self._changed(standing, given, others)
        )

    async def pause(
        self,
        by: Administrator,
        connection_id: str,
        reason: str = "",
        origin: str = BY_ADMINISTRATOR,
    ) -> Connection:
        """Pause a connection: SCIM answers 503, and its clients try again later.

        Args:
            by: The administrator, or the guard in the name of the client.
            connection_id: Its id.
            reason: A sentence for people.
            origin: BY_ADMINISTRATOR or BY_GUARD.
        """
        pause = Pause(origin, timestamp(), reason)

        def paused(standing: Connection, _: Sequence[Connection]) -> Connection:
            kept = standing.pause is not None and origin == BY_GUARD
            return standing if kept else replace(standing, pause=pause)

        return await self._set(by, connection_id, paused, "pause")

    async def resume(self, by: Administrator, connection_id: str) -> Connection:
        """Let a paused connection go on.

        If the guard paused it, the guard counts anew from now on: an administrator has decided that
        the changes may be made.
        """

        def resumed(standing: Connection, _: Sequence[Connection]) -> Connection:
            by_guard = standing.pause is not None and standing.pause.by == BY_GUARD
            reset = timestamp() if by_guard else standing.guard_reset
            return replace(standing, pause=None, guard_reset=reset)

        return await self._set(by, connection_id, resumed, "resume")

    async def delete(
        self, by: Administrator, connection_id: str, confirmed: str | None = None
    ) -> None:
        """Delete a connection, and revoke its keys.

        Resources that it owns stay, and belong to no connection any more.

        Args:
            by: The administrator.
            connection_id: Its id.
            confirmed: Its name, which is needed if it owns resources.

        Raises:
            ScimError: 404 if it does not exist; 409 if it is `default`, or owns resources and
                `confirmed` is not its name.
        """
        workspace = by.workspace.id
        for _ in range(_TRIES):
            standing = await self.get(workspace, connection_id)
            if standing.id == DEFAULT:
                raise ScimError(
                    409, "The connection `default` cannot be deleted. Pause it instead."
                )
            owned = await self.count_owned(workspace, standing.id)
            if owned and confirmed != standing.name:
                raise ScimError(
                    409,
                    f"The connection {standing.name!r} owns {owned:,} resources, which stay without"
                    f" an owner. To delete it, confirm with its name: confirm={standing.name}.",
                )
            now = timestamp()
            keys = [
                key
                for key in await self._store.keys(workspace)
                if key.connection == connection_id and key.revoked is None
            ]
            note = by.note(
                "Connection",
                standing.id,
                "delete",
                name=standing.name,
                owned=owned,
                revokedKeys=[key.id for key in keys],
            )
            item = _item(workspace, standing)
            others = [
                replace(found, body=None)
                for kind in CREDENTIAL_KINDS
                for found in await self._store.items(workspace, kind)
                if found.body["connection"] == connection_id
            ]
            gone = [replace(item, body=None), *others]
            try:
                await self._store.administer(
                    [*gone, *(replace(key, revoked=now) for key in keys)],
                    [note],
                    [item, *keys],
                )
                return
            except Outdated:
                continue
        raise Outdated

    async def owned(self, workspace: int) -> Mapping[str, Mapping[str, int]]:
        """Return how many resources each connection owns, by the id and the resource type.

        Connections that own none are absent. The id is empty for resources of no connection.
        """
        found: dict[str, dict[str, int]] = defaultdict(dict)
        default = {
            kind: int(total)
            for kind, total in await self._store.query(Statement(_COUNT_ALL, (workspace,)))
        }
        for owner, kind, count in await self._store.query(Statement(_COUNT_OWNED, (workspace,))):
            found[owner][kind] = count
            default[kind] = default.get(kind, 0) - count
        if any(total > 0 for total in default.values()):
            found[DEFAULT] = {kind: total for kind, total in default.items() if total > 0}
        return found

    async def count_owned(self, workspace: int, connection_id: str) -> int:
        """Return the number of resources that a connection owns."""
        return sum((await self.owned(workspace)).get(connection_id, {}).values())

    async def check_barred(self, workspace: int, barred: Mapping[str | None, str]) -> None:
        """Check that no resource belongs to connections whose resources may not be changed.

        Args:
            workspace: The id of the workspace.
            barred: The names of these connections, by stored id.

        Raises:
            ScimError: 403 that names one.
        """
        owned = await self.owned(workspace) if barred else {}
        for stored_id, name in barred.items():
            if count := sum(owned.get(stored_id or DEFAULT, {}).values()):
                raise forbidden(
                    f"The connection {name!r} owns {count:,} resources exclusively. Let an"
                    " administrator delete them in the console, or change its ownership first."
                )

    async def owner(self, workspace: int, resource_id: str) -> Connection | None:
        """Return the connection that owns a resource; None if none does.

        Raises:
            ScimError: 404 if there is no such resource.
        """
        place = (workspace, key_of(resource_id) or 0, resource_id)
        found = await self._store.query(Statement(_OWNER, place))
        if not found:
            raise not_found(f"Resource {resource_id[:100]!r} not found.")
        every = await self.all(workspace)
        return next((one for one in every if one.id == found[0][0]), None)

    async def _set(
        self,
        by: Administrator,
        connection_id: str,
        change: Callable[[Connection, Sequence[Connection]], Connection],
        action: str = "update",
    ) -> Connection:
        """Change a connection, retrying if it changes concurrently."""
        workspace = by.workspace.id
        for _ in range(_TRIES):
            claim = await self._claim(workspace)
            others = await self.all(workspace)
            standing = next((one for one in others if one.id == connection_id), None)
            if standing is None:
                raise not_found(f"Connection {connection_id[:100]!r} not found.")
            changed: Connection = change(
                standing, [one for one in others if one.id != connection_id]
            )
            if changed == standing:
                return standing
            stored = await self._store.item(workspace, CONNECTION_KIND, connection_id)
            expected = stored or Item(workspace, CONNECTION_KIND, connection_id, None)
            was, now = standing.shown(), changed.shown()
            different = {name: value for name, value in now.items() if value != was[name]}
            note = by.note(
                "Connection",
                connection_id,
                action,
                name=changed.name,
                before={name: was[name] for name in different},
                after=different,
            )
            puts = [_item(workspace, changed)]
            standing_items = [expected]
            if changed.name != standing.name:
                puts.append(claimed(claim))
                standing_items.append(claim)
            try:
                await self._store.administer(puts, [note], standing_items)
                return changed
            except Outdated:
                continue
        raise Outdated

    def _changed(
        self, standing: Connection, given: Mapping[str, Any], others: Sequence[Connection]
    ) -> Connection:
        """Return a connection with changes.

        Raises:
            ScimError: 400 or 409.
        """
        check_ceiling(given.get("rate_limit"), self._ceiling)
        own = {name: given[name] for name in ("name", "provider", "ownership") if name in given}
        overrides = {
            **standing.overrides,
            **{name: given[name] for name in OVERRIDES.values() if name in given},
        }
        blocks = overrides.get("ip_allowlist") or ()
        texts = allowlist.described(
            standing.overrides.get("ip_descriptions", ()), blocks, given.get("ip_descriptions", ())
        )
        overrides["ip_descriptions"] = texts or None
        overrides = {name: value for name, value in overrides.items() if value is not None}
        changed = replace(standing, **own, overrides=overrides)
        for other in others:
            if other.name.casefold() == changed.name.casefold():
                raise uniqueness(
                    f"name: the connection {other.name!r} ({other.id}) has this name."
                    " Choose another."
                )
        return changed

    async def _claim(self, workspace: int) -> Item:
        return await read_claim(self._store, workspace, _NAMES_KIND, _NAMES_ID)


async def stored_connection(accounts: Accounts, workspace: int, connection_id: str) -> list[Item]:
    """Return the item of a connection, which must not be deleted while a credential is made.

    It is empty for `default`, which cannot be deleted.

    Raises:
        ScimError: 404 if the connection does not exist.
    """
    if connection_id == DEFAULT:
        return []
    item = await accounts.item(workspace, CONNECTION_KIND, connection_id)
    if item is None:
        raise not_found(f"Connection {connection_id[:100]!r} not found.")
    return [item]


_UNCHANGED = Connection()
"""The connection `default` of all workspaces that have not changed it."""
_NOTHING: Mapping[str | None, str] = MappingProxyType({})


async def all_connections(accounts: Accounts, workspace: int) -> Sequence[Connection]:
    """Return the connections of a workspace: `default`, then the others by name."""
    found = {
        item.id: connection_from_item(item)
        for item in await accounts.items(workspace, CONNECTION_KIND)
    }
    first = found.pop(DEFAULT, _UNCHANGED)
    return [first, *sorted(found.values(), key=lambda one: (one.name.casefold(), one.id))]


def barred_from(
    connection: Connection | None, every: Sequence[Connection]
) -> Mapping[str | None, str]:
    """Return the connections whose resources a connection may not change, by stored id.

    Args:
        connection: The connection; None for a caller without one.
        every: All connections of the workspace.
    """
    barred = {
        other.stored_id: other.name
        for other in every
        if other.ownership == "exclusive" and (connection is None or other.id != connection.id)
    }
    return barred or _NOTHING


def former(workspace: int, credential: str, actor: str, connection: str) -> Item:
    """Return the item that remembers the connection of a deleted credential.

    Args:
        workspace: The id of the workspace.
        credential: The id of the credential.
        actor: Its name in the audit log.
        connection: The id of its connection.
    """
    return Item(workspace, FORMER_KIND, credential, {"actor": actor, "connection": connection})


def check_name(name: str) -> str:
    """Return a name, if it may be the name of a connection.

    Raises:
        ValueError: It may not.
    """
    if not re.fullmatch(r"[^\x00-\x1f\x7f]{1,100}", name) or not name.strip():
        raise ValueError("expected 1 to 100 characters, without control characters")
    return name.strip()


def _told(connection: Connection) -> dict[str, Json]:
    """Return the attributes that differ from those of a new connection, for the audit log."""
    return {name: value for name, value in connection.shown().items() if value is not None}


def _item(workspace: int, connection: Connection) -> Item:
    return Item(workspace, CONNECTION_KIND, connection.id, connection.to_body())
