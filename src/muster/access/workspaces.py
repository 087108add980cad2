"""Creates and renames workspaces, and remembers their former names.

The name of a workspace is part of links and of commands. A former name keeps leading to the
workspace, and no other workspace can take it, so an old link never opens somebody else's workspace.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import orjson

from muster.access.settings import CONTRACTS
from muster.base.clock import timestamp
from muster.scim.errors import ScimError, invalid_value, uniqueness
from muster.scim.values import Json
from muster.storage.port.accounts import Accounts, Workspace
from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.port.errors import Conflict
from muster.storage.port.items import INSTALLATION, Item

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
DEFAULT = "default"
"""The workspace that every start creates if it is missing, and that commands use by default."""
FORMER_KIND = "former-name"
"""The kind of the items that map a former name, which is the id, to a workspace."""


async def create_workspace(
    accounts: Accounts,
    name: str,
    contract: str,
    origin: ChangeOrigin,
    *,
    strict: bool = False,
    display_name: str = "",
    items: Callable[[Workspace], Sequence[Item]] | None = None,
) -> Workspace:
    """Create a workspace and record it in the audit log of the installation, or do neither.

    Args:
        accounts: The storage.
        name: The name, which is part of links.
        contract: The status codes of POST and DELETE: rfc7644 or cortex.
        origin: Who creates it.
        strict: Whether it refuses requests outside the RFCs.
        display_name: The name that people see; empty if it is `name`.
        items: Returns items of the installation to store in the same transaction.

    Raises:
        ScimError: 400 if the name or contract is invalid; 409 if it is taken.
    """
    await check_name(accounts, name)
    if contract not in CONTRACTS:
        raise invalid_value(f"contract: expected {' or '.join(CONTRACTS)}")
    detail = orjson.dumps({"name": name, "contract": contract, "strict": strict})

    def notes(made: Workspace) -> list[Note]:
        return [Note(INSTALLATION, origin, "Workspace", str(made.id), "create", detail)]

    try:
        return await accounts.add_workspace(
            name, contract, strict, timestamp(), display_name, notes, items
        )
    except Conflict:
        raise taken(name) from None


async def check_name(accounts: Accounts, name: str, workspace: int | None = None) -> None:
    """Check a new name of a workspace.

    Args:
        accounts: The storage.
        name: The name.
        workspace: The id of the workspace that is renamed; None for a new one.

    Raises:
        ScimError: 400 if it cannot be a name; 409 if another workspace has or had it.
    """
    if not NAME.fullmatch(name):
        raise invalid_value(
            "name: use lower-case letters, digits, - and _, 63 at most, beginning with a letter or"
            " a digit"
        )
    if await accounts.find_workspace(name) is not None:
        raise taken(name)
    former = await accounts.item(INSTALLATION, FORMER_KIND, name)
    if former is not None and former.body["workspace"] != workspace:
        owner = await accounts.workspace(former.body["workspace"])
        raise uniqueness(
            f"name: {name!r} is a former name of the workspace"
            f" {owner.name if owner else '(deleted)'!r}, to which its links still lead"
        )


async def rename_workspace(
    accounts: Accounts, workspace: Workspace, name: str, origin: ChangeOrigin
) -> Workspace:
    """Give a workspace another name. Its keys, data and links stay valid.

    Args:
        accounts: The storage.
        workspace: The workspace.
        name: The new name.
        origin: Who renames it.

    Raises:
        ScimError: 400 if the name is invalid; 403 for the workspace `default`; 409 if another
            workspace has or had the name.
        Outdated: The workspace changes concurrently.
    """
    renamed, former, notes = await prepare_rename(accounts, workspace, name, origin)
    try:
        await accounts.administer([renamed, former], notes, [workspace])
    except Conflict:
        raise taken(name) from None
    return renamed


async def prepare_rename(
    accounts: Accounts, workspace: Workspace, name: str, origin: ChangeOrigin
) -> tuple[Workspace, Item, list[Note]]:
    """Check a rename; arguments and errors are those of `rename_workspace`.

    Returns:
        The workspace with its new name, the item that remembers the former one, and the notes.
    """
    if workspace.name == DEFAULT:
        raise ScimError(
            403,
            f"The workspace {DEFAULT!r} cannot be renamed: commands without --workspace use it, and"
            " every start creates it if it is missing.",
        )
    if workspace.deleted is not None:
        raise ScimError(
            409, f"The workspace {workspace.name!r} is deleted. Restore it first, if it still can."
        )
    if name == workspace.name:
        raise invalid_value("name: enter a name that differs from the present one")
    await check_name(accounts, name, workspace.id)
    renamed = replace(workspace, name=name)
    former = Item(INSTALLATION, FORMER_KIND, workspace.name, {"workspace": workspace.id})
    values: dict[str, Json] = {"before": {"name": workspace.name}, "after": {"name": name}}
    return renamed, former, notes_of(renamed, origin, "rename", values)


def taken(name: str) -> ScimError:
    """Return the error for a name that another workspace has."""
    return uniqueness(f"name: a workspace {name!r} exists already")


def notes_of(
    workspace: Workspace, origin: ChangeOrigin, action: str, detail: dict[str, Json]
) -> list[Note]:
    """Return the entries of an act on a workspace, for its audit log and the installation's.

    The installation has it too, because the log of an erased workspace is gone.
    """
    document = orjson.dumps(detail)
    return [
        Note(workspace.id, origin, "Workspace", workspace.name, action, document),
        Note(INSTALLATION, origin, "Workspace", str(workspace.id), action, document),
    ]


async def find_workspace(accounts: Accounts, name: str) -> Workspace | None:
    """Return the workspace that has a name, or else the one that had it last; None if none had."""
    found = await accounts.find_workspace(name)
    if found is not None:
        return found
    former = await accounts.item(INSTALLATION, FORMER_KIND, name)
    return None if former is None else await accounts.workspace(former.body["workspace"])
