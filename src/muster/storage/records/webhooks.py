"""The progress of webhooks and the log of their deliveries."""

from collections.abc import Sequence
from dataclasses import dataclass

from muster.base import clock
from muster.storage.port.engine import Upkeep
from muster.storage.query.binder import Binder
from muster.storage.repair.derived import bound

_STATE = "position, part, attempts, due, failing_since"
_DELIVERY = "number, sequence, part, event, time, attempt, status, error, milliseconds"
KEPT = 1000
"""The deliveries of a webhook that are stored."""


@dataclass(frozen=True, slots=True)
class State:
    """The progress of a webhook.

    Attributes:
        position: The sequence number of the change before the next one to send.
        part: The event of that change to send next; a change may have several.
        attempts: Attempts at this event so far.
        due: The time of the next attempt, in milliseconds since 1970.
        failing_since: The time since when every attempt has failed, in milliseconds since 1970;
            None if the last one succeeded.
    """

    position: int
    part: int = 0
    attempts: int = 0
    due: int = 0
    failing_since: int | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt to deliver an event.

    Attributes:
        status: The endpoint's status, or None.
        error: The reason if the endpoint did not answer.
        milliseconds: The duration.
    """

    number: int
    sequence: int
    part: int
    event: str
    time: str
    attempt: int
    status: int | None
    error: str | None
    milliseconds: int

    @property
    def arrived(self) -> bool:
        """Whether the endpoint accepted the event, with a 2xx status."""
        return self.status is not None and 200 <= self.status < 300


class WebhookStates:
    """Stores progress and deliveries."""

    def __init__(self, storage: Upkeep) -> None:
        self._storage = storage

    async def begin(self, workspace: int, webhook: str, position: int) -> None:
        """Let a webhook begin after a change."""
        statement = (
            f"INSERT INTO webhook_states (workspace, webhook, {_STATE})"
            " VALUES ($1, $2, $3, 0, 0, 0, NULL)"
            " ON CONFLICT (workspace, webhook) DO UPDATE"
            " SET position = excluded.position, part = 0, attempts = 0, due = 0,"
            " failing_since = NULL"
        )
        await self._storage.transact(workspace, [bound(statement, workspace, webhook, position)])

    async def forget(self, workspace: int, webhook: str) -> None:
        """Delete everything about a webhook."""
        scope = "WHERE workspace = $1 AND webhook = $2"
        tables = ("webhook_states", "deliveries")
        await self._storage.transact(
            workspace,
            [bound(f"DELETE FROM {table} {scope}", workspace, webhook) for table in tables],
        )

    async def state(self, workspace: int, webhook: str) -> State | None:
        """Return the progress of a webhook, or None."""
        read = f"SELECT {_STATE} FROM webhook_states WHERE workspace = $1 AND webhook = $2"
        rows = await self._storage.query(bound(read, workspace, webhook))
        return State(*rows[0]) if rows else None

    async def advance(
        self,
        workspace: int,
        webhook: str,
        before: State,
        after: State,
        lease: tuple[str, str] | None = None,
    ) -> bool:
        """Record progress, unless another process has changed it meanwhile.

        Args:
            before: The progress that the caller read.
            lease: The name and owner of a lease that must still be held.

        Returns:
            Whether the progress was recorded.
        """
        bind = Binder()
        given = (after.position, after.part, after.attempts, after.due, after.failing_since)
        columns = ", ".join(
            f"{name} = {bind(value)}" for name, value in zip(_STATE.split(", "), given, strict=True)
        )
        conditions = [f"workspace = {bind(workspace)}", f"webhook = {bind(webhook)}"]
        conditions += [f"position = {bind(before.position)}", f"part = {bind(before.part)}"]
        if lease is not None:
            name, owner = lease
            held = (
                f"workspace = {bind(workspace)} AND name = {bind(name)}"
                f" AND owner = {bind(owner)} AND until > {bind(clock.milliseconds())}"
            )
            conditions.append(f"EXISTS (SELECT 1 FROM leases WHERE {held})")
        statement = bind.statement(
            f"UPDATE webhook_states SET {columns} WHERE {' AND '.join(conditions)}"
        )
        await self._storage.transact(workspace, [statement])
        return await self.state(workspace, webhook) == after

    async def log(self, workspace: int, webhook: str, delivery: Delivery) -> None:
        """Store an attempt, and delete those beyond the latest KEPT.

        Its number is raised if the webhook has an attempt of the same microsecond, or a later one.
        """
        values = (
            delivery.number,
            delivery.sequence,
            delivery.part,
            delivery.event,
            delivery.time,
            delivery.attempt,
        )
        ended = (delivery.status, delivery.error, delivery.milliseconds)
        insert = (
            f"INSERT INTO deliveries (workspace, webhook, {_DELIVERY})"
            " SELECT $1, $2, CASE WHEN latest < $3 THEN $3 ELSE latest + 1 END,"
            " $4, $5, $6, $7, $8, $9, $10, $11 FROM (SELECT coalesce(max(number), 0) AS latest"
            " FROM deliveries WHERE workspace = $1 AND webhook = $2) AS found"
        )
        trim = (
            "DELETE FROM deliveries WHERE workspace = $1 AND webhook = $2"
            " AND number <= (SELECT number FROM deliveries"
            f" WHERE workspace = $1 AND webhook = $2 ORDER BY number DESC LIMIT 1 OFFSET {KEPT})"
        )
        statements = [
            bound(insert, workspace, webhook, *values, *ended),
            bound(trim, workspace, webhook),
        ]
        await self._storage.transact(workspace, statements)

    async def delivery(self, workspace: int, webhook: str, number: int) -> Delivery | None:
        """Return one stored attempt, or None."""
        read = (
            f"SELECT {_DELIVERY} FROM deliveries"
            " WHERE workspace = $1 AND webhook = $2 AND number = $3"
        )
        rows = await self._storage.query(bound(read, workspace, webhook, number))
        return Delivery(*rows[0]) if rows else None

    async def deliveries(
        self, workspace: int, webhook: str, limit: int, before: int | None = None
    ) -> Sequence[Delivery]:
        """Return the latest attempts, newest first; those before a number with `before`."""
        bind = Binder()
        conditions = [f"workspace = {bind(workspace)}", f"webhook = {bind(webhook)}"]
        if before is not None:
            conditions.append(f"number < {bind(before)}")
        read = f"SELECT {_DELIVERY} FROM deliveries WHERE {' AND '.join(conditions)}"
        statement = bind.statement(f"{read} ORDER BY number DESC LIMIT {bind(limit)}")
        return [Delivery(*row) for row in await self._storage.query(statement)]
