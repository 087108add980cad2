"""Tables that can be recreated after a loss, and the rows that they then need."""

from collections.abc import Collection

from muster.base import clock
from muster.events.webhooks.endpoints import WEBHOOK_KIND
from muster.storage.port.engine import Storage
from muster.storage.records.outlines import forget
from muster.storage.records.webhooks import WebhookStates
from muster.storage.repair.derived import NEW_EPOCH, bound

REPLACEABLE = {
    "searchable": "",
    "lookups": "",
    "unique_values": "",
    "counts": "",
    "outlines": "",
    "outline_positions": "",
    "leases": "",
    "hierarchies": "",
    "rate_windows": "the rate limits start anew",
    "webhook_states": "webhooks continue with the next change",
    "deliveries": "the log of past deliveries is lost",
    "requests": "the requests kept until now are lost",
    "usage_days": "the usage figures start anew",
    "deprovisionings": "the guard counts from zero",
}
"""The tables that a repair creates, with the consequence for the operator if there is one.

All others hold data that exists nowhere else.
"""
_HIERARCHIES = (
    "INSERT INTO hierarchies (workspace, version) VALUES ($1, $2)"
    # On PostgreSQL the lock of the transaction has inserted the row.
    " ON CONFLICT (workspace) DO UPDATE SET version = excluded.version"
)


async def fill(storage: Storage, recreated: Collection[str]) -> None:
    """Insert the rows that the service needs into tables that were just created."""
    for workspace in await storage.workspaces():
        if "outlines" in recreated:
            await storage.transact(workspace.id, [forget(workspace.id)])
        if "hierarchies" in recreated:
            # A version that no running worker can have in its cache.
            version = clock.microseconds()
            filled = bound(_HIERARCHIES, workspace.id, version)
            await storage.transact(workspace.id, [filled, NEW_EPOCH])
        if "webhook_states" in recreated:
            latest = await storage.latest_change(workspace.id)
            for item in await storage.items(workspace.id, WEBHOOK_KIND):
                await WebhookStates(storage).begin(workspace.id, item.id, latest)
