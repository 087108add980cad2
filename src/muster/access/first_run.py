"""The first API key and the first invitation of an installation.

Each is created once, even if several replicas start together: the transaction that creates it also
writes a claim. The first process to commit wins, and the others find that the claim has changed.
The claim is read before checking that no key or administrator exists, so that a process cannot
miss both.
"""

import contextlib

from muster.access.administrators import Administrators, all_permissions
from muster.access.invitations import HOUR, Invitations, command_line
from muster.access.keys import Keys
from muster.base import clock
from muster.storage.port.accounts import Accounts, Workspace
from muster.storage.port.errors import Outdated
from muster.storage.port.items import INSTALLATION, Item

_KIND = "first"


async def first_key(accounts: Accounts, keys: Keys, workspace: Workspace) -> str | None:
    """Create the first API key of a workspace; return its token, None if it has a key."""
    claim = await _claim(accounts, workspace.id, "key")
    if await accounts.keys(workspace.id):
        return None
    with contextlib.suppress(Outdated):
        token, _ = await keys.create(
            workspace, "first key", also=[_claimed(claim, "")], standing=[claim]
        )
        return token
    return None


async def first_invitation(accounts: Accounts, administrators: Administrators) -> str | None:
    """Create the invitation of the first administrator and return its token.

    Returns:
        None if an administrator exists, or an earlier such invitation has not expired.
    """
    claim = await _claim(accounts, INSTALLATION, "invitation")
    now = clock.now()
    if await administrators.all() or (
        claim.body is not None and claim.body["until"] > now.isoformat()
    ):
        return None
    with contextlib.suppress(Outdated):
        claimed = _claimed(claim, (now + HOUR).isoformat())
        token, _ = await Invitations(accounts, administrators).create(
            command_line(), all_permissions(), also=[claimed], standing=[claim]
        )
        return token
    return None


async def _claim(accounts: Accounts, place: int, name: str) -> Item:
    return await accounts.item(place, _KIND, name) or Item(place, _KIND, name, None)


def _claimed(claim: Item, until: str) -> Item:
    """Return the next state of a claim; its number makes it differ from the last."""
    number = 0 if claim.body is None else claim.body["number"]
    return Item(claim.workspace, claim.kind, claim.id, {"number": number + 1, "until": until})
