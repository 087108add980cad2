"""`muster secrets`: which key the secrets are encrypted with, and encryption with another one.

The service may run meanwhile. The secret of the installation comes first, because it decides
whether other processes encrypt. Each value is replaced only if nobody else has changed it since it
was read; the passes are repeated until one finds nothing to do.
"""

from collections import Counter
from dataclasses import dataclass, field

import orjson

from muster.base.vault import Vault, is_sealed, sealed_with
from muster.storage.port.engine import Statement, Upkeep
from muster.storage.port.errors import Outdated
from muster.storage.port.items import INSTALLATION, Item
from muster.storage.records.sealing import (
    READ_SECRET,
    SEALED,
    SET_SECRET,
    open_item,
    open_secret,
    plain_value,
    seal_item,
    seal_secret,
    sealed_value,
)

_PASSES = 10
_ITEMS = "SELECT workspace, id, body FROM configuration WHERE kind = $1"
_REPLACE = (
    "UPDATE configuration SET body = $1 WHERE workspace = $2 AND kind = $3 AND id = $4"
    " AND body = $5"
)


@dataclass(slots=True)
class SecretsReport:
    """The secrets of a database.

    Attributes:
        keys: The number of encrypted values by the id of their key.
        unencrypted: The number of values that are not encrypted.
    """

    keys: Counter[str] = field(default_factory=Counter)
    unencrypted: int = 0

    def add(self, sealed: bytes | None) -> None:
        """Count a value; None for one that is not encrypted."""
        if sealed is None:
            self.unencrypted += 1
        else:
            self.keys[sealed_with(sealed)] += 1


async def survey(storage: Upkeep) -> SecretsReport:
    """Count the secrets of a database by their keys. It decrypts nothing."""
    report = SecretsReport()
    stored = await _secret(storage)
    report.add(stored if is_sealed(stored) else None)
    for item, _ in await _items(storage):
        sealed = sealed_value(item)
        if sealed is not None or plain_value(item) is not None:
            report.add(sealed)
    return report


async def rotate(storage: Upkeep, vault: Vault) -> int:
    """Encrypt every secret with the first key.

    Returns:
        The number of values that were encrypted.

    Raises:
        SecretsLocked: The key of a value is not known here.
        Outdated: The values keep changing.
    """
    changed, key = 0, vault.key_id()
    for _ in range(_PASSES):
        done = await _pass(storage, vault, key)
        if not done:
            return changed
        changed += done
    raise Outdated


async def _pass(storage: Upkeep, vault: Vault, key: str) -> int:
    done, stored = 0, await _secret(storage)
    if not is_sealed(stored) or sealed_with(stored) != key:
        values = (seal_secret(vault, open_secret(vault, stored)), stored)
        await storage.transact(INSTALLATION, [Statement(SET_SECRET, values)])
        done += 1
    for item, text in await _items(storage):
        sealed = sealed_value(item)
        if sealed is None and plain_value(item) is None:
            continue
        if sealed is not None and sealed_with(sealed) == key:
            continue
        body = orjson.dumps(seal_item(vault, open_item(vault, item)).body).decode()
        place = (item.workspace, item.kind, item.id)
        await storage.transact(item.workspace, [Statement(_REPLACE, (body, *place, text))])
        done += 1
    return done


async def _secret(storage: Upkeep) -> bytes:
    stored: bytes = (await storage.query(Statement(READ_SECRET, ())))[0][0]
    return stored


async def _items(storage: Upkeep) -> list[tuple[Item, str]]:
    """Return the items that may have a secret, each with its body as it is stored."""
    return [
        (Item(workspace, kind, item_id, orjson.loads(body)), body)
        for kind in SEALED
        for workspace, item_id, body in await storage.query(Statement(_ITEMS, (kind,)))
    ]
