"""`muster secrets`: which key the secrets are encrypted with, another key, and a lost key.

The service may run meanwhile. The secret of the installation comes first, because it decides
whether other processes encrypt. Each value is replaced only if nobody else has changed it since it
was read; the passes are repeated until one finds nothing to do.
"""

import secrets
from collections import Counter
from dataclasses import dataclass, field, replace

import orjson

from muster.base.vault import Vault, is_sealed, sealed_with
from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.port.engine import Statement, Storage, Upkeep
from muster.storage.port.errors import Outdated, SecretsLocked
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

_REVOKE = "UPDATE api_keys SET revoked = $1 WHERE revoked IS NULL"
_VALID_KEYS = "SELECT count(*) FROM api_keys WHERE revoked IS NULL"
_SECRET_BYTES = 32
_WITHOUT: dict[str, str | None] = {"open-id-connector": "", "administrator": None}
"""The value that stands for a lost secret, by kind of item."""


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


async def is_unencrypted(storage: Upkeep) -> bool:
    """Tell whether the secrets of a database are stored as they are."""
    return not is_sealed(await _secret(storage))


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


@dataclass(frozen=True, slots=True)
class ResetReport:
    """The effects of a reset.

    Attributes:
        keys: The number of API keys that were revoked.
        connectors: The number of Open ID Connectors that lost their client secret.
        administrators: The number of administrators who lost their authenticator app.
    """

    keys: int
    connectors: int
    administrators: int


async def reset(storage: Storage, vault: Vault, origin: ChangeOrigin) -> ResetReport | None:
    """Give up the secrets whose key is lost, in one transaction, so that the service can start.

    The installation gets a new secret. API keys, which the former one signed, are revoked.

    Returns:
        The effects; None if the key of the installation's secret is known, so nothing is lost.

    Raises:
        OSError: The key file cannot be made.
    """
    stored = await _secret(storage)
    try:
        open_secret(vault, stored)
        return None
    except SecretsLocked:
        pass
    fresh = seal_secret(vault, secrets.token_bytes(_SECRET_BYTES))
    valid = (await storage.query(Statement(_VALID_KEYS, ())))[0][0]
    statements = [
        Statement(SET_SECRET, (fresh, stored)),
        Statement(_REVOKE, (origin.time,)),
    ]
    lost: Counter[str] = Counter()
    for item, text in await _items(storage):
        if not _is_locked(vault, item):
            continue
        lost[item.kind] += 1
        emptied = replace(item, body={**item.body, SEALED[item.kind]: _WITHOUT[item.kind]})
        place = (item.workspace, item.kind, item.id)
        body = orjson.dumps(emptied.body).decode()
        statements.append(Statement(_REPLACE, (body, *place, text)))
    await storage.transact(INSTALLATION, statements)
    report = ResetReport(valid, lost["open-id-connector"], lost["administrator"])
    detail = {
        "revokedKeys": report.keys,
        "connectors": report.connectors,
        "authenticators": report.administrators,
    }
    note = Note(INSTALLATION, origin, "Secrets", "installation", "reset", orjson.dumps(detail))
    await storage.record([note])
    return report


def _is_locked(vault: Vault, item: Item) -> bool:
    """Tell whether an item has a secret whose key is not known."""
    try:
        open_item(vault, item)
        return False
    except SecretsLocked:
        return True


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
