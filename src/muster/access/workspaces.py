"""Workspaces that an administrator of the installation creates."""

import re

import orjson

from muster.access.settings import CONTRACTS
from muster.base.clock import timestamp
from muster.scim.errors import invalid_value, uniqueness
from muster.storage.port.accounts import Accounts, Workspace
from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.port.errors import Conflict
from muster.storage.port.items import INSTALLATION

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


async def create_workspace(
    accounts: Accounts, name: str, contract: str, origin: ChangeOrigin
) -> Workspace:
    """Create a lenient workspace and record it in the audit log of the installation.

    Args:
        accounts: The storage.
        name: The name, which is part of links.
        contract: The status codes of POST and DELETE: rfc7644 or cortex.
        origin: Who creates it.

    Raises:
        ScimError: 400 if the name or contract is invalid; 409 if it is taken.
    """
    if not NAME.fullmatch(name):
        raise invalid_value(
            "name: use lower-case letters, digits, - and _, 63 at most, beginning with a letter or"
            " a digit"
        )
    if contract not in CONTRACTS:
        raise invalid_value(f"contract: expected {' or '.join(CONTRACTS)}")
    try:
        made = await accounts.add_workspace(name, contract, strict=False, time=timestamp())
    except Conflict:
        raise uniqueness(f"name: a workspace {name!r} exists already") from None
    detail = orjson.dumps({"name": name, "contract": contract})
    await accounts.record([Note(INSTALLATION, origin, "Workspace", str(made.id), "create", detail)])
    return made
