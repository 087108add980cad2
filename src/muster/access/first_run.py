"""The first API key and the first invitation of an installation, made once however many replicas start together.

Each is claimed with an item in the transaction that creates it: of several processes, the first to commit wins, and the
others find the claim changed. The claim is read before the check that none exists, so that a process cannot miss both.
"""

import contextlib

from muster.access.administrators import INVITATION, Administrators, all_permissions
from muster.access.keys import Keys
from muster.base import clock
from muster.storage.port.accounts import Accounts, Workspace
from muster.storage.port.errors import Outdated
from muster.storage.port.items import INSTALLATION, Item

_KIND = "first"


async def first_key(accounts: Accounts, keys: Keys, workspace: Workspace) -> str | None:
    """The token of a workspace's first API key; None if there is a key already."""
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
    """The token of an invitation for the first administrator.

    None if there is an administrator already, or another such invitation that has not expired.
    """
    claim = await _claim(accounts, INSTALLATION, "invitation")
    now = clock.now()
    if await administrators.all() or (
        claim.body is not None and claim.body["until"] > now.isoformat()
    ):
        return None
    with contextlib.suppress(Outdated):
        claimed = _claimed(claim, (now + INVITATION).isoformat())
        return await administrators.invite(all_permissions(), also=[claimed], standing=[claim])
    return None


async def _claim(accounts: Accounts, place: int, name: str) -> Item:
    return await accounts.item(place, _KIND, name) or Item(place, _KIND, name, None)


def _claimed(claim: Item, until: str) -> Item:
    """The claim after another one; it differs from the one before in any case."""
    number = 0 if claim.body is None else claim.body["number"]
    return Item(claim.workspace, claim.kind, claim.id, {"number": number + 1, "until": until})
