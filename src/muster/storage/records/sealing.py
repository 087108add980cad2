"""The secrets that are encrypted in the database, and when they are.

They are the secret of the installation, which signs API keys and access tokens and from which the
secrets of webhooks are derived, and single values of some configuration items. All other
credentials are stored as hashes.

The secret of the installation decides: while it is stored as it is, so are the others, because
replicas of a former version cannot decrypt them. A database that this version creates is encrypted
from the start; one of a former version from `muster secrets rotate` on. An encrypted value of an
item is an object, so that no text that somebody enters can be taken for one.
"""

import base64
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from muster.base.vault import LockedError, Vault, is_sealed
from muster.scim.values import Json
from muster.storage.port.accounts import Setting
from muster.storage.port.engine import Statement, Upkeep
from muster.storage.port.errors import SecretsLocked, StorageError
from muster.storage.port.items import INSTALLATION, Item

SEALED = {"open-id-connector": "clientSecret", "administrator": "totp"}
"""The member that is a secret, by kind of item."""
READ_SECRET = "SELECT signing_secret FROM installation WHERE id = 1"
SET_SECRET = "UPDATE installation SET signing_secret = $1 WHERE id = 1 AND signing_secret = $2"
_SECRET_CONTEXT = b"installation signing_secret"
_IN_USE = "SELECT 1 FROM workspaces UNION ALL SELECT 1 FROM configuration LIMIT 1"
_MEMBER = "sealed"


def open_secret(vault: Vault, stored: bytes) -> bytes:
    """Return the secret of the installation.

    Raises:
        SecretsLocked: Its key is not known here.
    """
    if not is_sealed(stored):
        return stored
    try:
        return vault.open(stored, _SECRET_CONTEXT)
    except LockedError as error:
        raise SecretsLocked(str(error)) from None


def seal_secret(vault: Vault, plain: bytes) -> bytes:
    """Return the secret of the installation as it is stored."""
    return vault.seal(plain, _SECRET_CONTEXT)


def open_item(vault: Vault, item: Item) -> Item:
    """Return an item with its secret as it is.

    Raises:
        SecretsLocked: The key of its secret is not known here.
    """
    member = SEALED.get(item.kind)
    sealed = None if member is None else sealed_value(item)
    if member is None or sealed is None:
        return item
    try:
        plain = vault.open(sealed, _context(item))
    except LockedError as error:
        raise SecretsLocked(str(error)) from None
    return replace(item, body={**item.body, member: plain.decode()})


def sealed_value(item: Item) -> bytes | None:
    """Return the encrypted secret of an item; None if it has none, or not encrypted."""
    value = None if item.body is None else item.body.get(SEALED[item.kind])
    return base64.b64decode(value[_MEMBER]) if isinstance(value, dict) else None


def seal_item(vault: Vault, item: Item) -> Item:
    """Return an item with its secret encrypted."""
    value = plain_value(item)
    if value is None:
        return item
    sealed: Json = {_MEMBER: base64.b64encode(vault.seal(value.encode(), _context(item))).decode()}
    return replace(item, body={**item.body, SEALED[item.kind]: sealed})


def plain_value(put: Setting) -> str | None:
    """Return the secret of an item that is not encrypted; None if it has none."""
    if not isinstance(put, Item) or put.body is None or put.kind not in SEALED:
        return None
    value = put.body.get(SEALED[put.kind])
    return value if isinstance(value, str) else None


def seal_all(vault: Vault, puts: Sequence[Setting], stored: bytes) -> list[Setting]:
    """Return what is to be stored, encrypted if the secret of the installation is.

    Args:
        vault: The keys.
        puts: The settings, keys and items.
        stored: The secret of the installation as it is stored, read in the same transaction.
    """
    if not is_sealed(stored):
        return list(puts)
    open_secret(vault, stored)  # a replica with another key must not encrypt anything with it
    return [seal_item(vault, put) if isinstance(put, Item) else put for put in puts]


async def seal_new(storage: Upkeep, vault: Vault) -> None:
    """Encrypt the secret of an installation that nobody has used yet.

    Raises:
        SecretsLocked: The key file cannot be made.
        StorageError: The database has no installation.
    """
    rows = await storage.query(Statement(READ_SECRET, ()))
    if not rows:
        raise StorageError("the database contains no muster installation")
    stored: bytes = rows[0][0]
    if not vault.usable or is_sealed(stored) or await storage.query(Statement(_IN_USE, ())):
        return
    try:
        values: tuple[Any, ...] = (seal_secret(vault, stored), stored)
    except OSError as error:
        raise SecretsLocked(
            f"cannot make the key file {vault.file}: {str(error.strerror).lower()}."
            " Set MUSTER_SECRET_KEY instead."
        ) from error
    await storage.transact(INSTALLATION, [Statement(SET_SECRET, values)])


def _context(item: Item) -> bytes:
    return f"{item.workspace} {item.kind} {item.id} {SEALED[item.kind]}".encode()
