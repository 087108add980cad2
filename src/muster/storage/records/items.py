"""Changes to items that no other process caches."""

import orjson

from muster.scim.values import Json
from muster.storage.port.engine import Upkeep
from muster.storage.port.items import Item
from muster.storage.repair.derived import bound

_REFRESH = (
    "UPDATE configuration SET body = $1 WHERE workspace = $2 AND kind = $3 AND id = $4"
    " AND body = $5"
)


async def refresh(storage: Upkeep, read: Item, body: Json) -> None:
    """Replace an item's body if it still has the body that was read.

    The epoch is not incremented, so every process keeps its caches.

    Raises:
        StorageError: The engine cannot answer.
    """
    after, before = orjson.dumps(body).decode(), orjson.dumps(read.body).decode()
    await storage.transact(
        read.workspace, [bound(_REFRESH, after, read.workspace, read.kind, read.id, before)]
    )
