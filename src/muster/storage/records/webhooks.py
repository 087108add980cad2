"""What is kept of webhooks beside their settings: how far each has come, and what came of what was sent. For every engine."""

from collections.abc import Sequence
from dataclasses import dataclass

from muster.base import clock
from muster.storage.port.engine import Upkeep
from muster.storage.query.binder import Binder
from muster.storage.repair.derived import bound

_STATE = "position, part, attempts, due, failing_since"
_DELIVERY = "number, sequence, part, event, time, attempt, status, error, milliseconds"
KEPT = 1000
"""How many deliveries of a webhook are kept."""


@dataclass(frozen=True, slots=True)
class State:
    """How far a webhook has come. position, part: the change and the event of it that is sent next, as rows of `changes` go on
    from position. attempts: how often that was tried. due: when it is to be tried, in milliseconds since 1970.
    failing_since: since when nothing has arrived, likewise.
    """

    position: int
    part: int = 0
    attempts: int = 0
    due: int = 0
    failing_since: int | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt. status: what the endpoint answered; error: why there was no answer. milliseconds: how long it took."""

    number: int
    sequence: int
    part: int
    event: str
    time: str
    attempt: int
    status: int | None
    error: str | None
    milliseconds: int


class WebhookStates:
    """Keeps states and deliveries."""

    def __init__(self, storage: Upkeep) -> None:
        self._storage = storage

    async def begin(self, workspace: int, webhook: str, position: int) -> None:
        """Let a webhook begin after a place among the changes."""
        statement = (
            f"INSERT INTO webhook_states (workspace, webhook, {_STATE})"
            " VALUES ($1, $2, $3, 0, 0, 0, NULL)"
            " ON CONFLICT (workspace, webhook) DO UPDATE"
            " SET position = excluded.position, part = 0, attempts = 0, due = 0,"
            " failing_since = NULL"
        )
        await self._storage.transact(workspace, [bound(statement, workspace, webhook, position)])

    async def forget(self, workspace: int, webhook: str) -> None:
        """Keep nothing of a webhook."""
        where = "WHERE workspace = $1 AND webhook = $2"
        tables = ("webhook_states", "deliveries")
        await self._storage.transact(
            workspace,
            [bound(f"DELETE FROM {table} {where}", workspace, webhook) for table in tables],
        )

    async def state(self, workspace: int, webhook: str) -> State | None:
        """How far a webhook has come."""
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
        """Record how far a webhook has come, unless somebody else has moved it meanwhile. Returns whether it is recorded.

        lease: the name and the owner of a lease without which nothing is recorded.
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
        """Keep what came of an attempt, and no more of them than KEPT."""
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
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
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

    async def deliveries(self, workspace: int, webhook: str, limit: int) -> Sequence[Delivery]:
        """The latest attempts, the newest first."""
        read = (
            f"SELECT {_DELIVERY} FROM deliveries WHERE workspace = $1 AND webhook = $2"
            " ORDER BY number DESC LIMIT $3"
        )
        return [
            Delivery(*row)
            for row in await self._storage.query(bound(read, workspace, webhook, limit))
        ]
