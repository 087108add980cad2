"""The first API key and the first invitation of an installation.

Each is created once, even if several replicas start together, because the transaction that creates
it also writes a claim. The claim is read before checking that no key or administrator exists, so
that a process cannot miss both.
"""

import contextlib

from muster.access.administrators import Administrators, all_permissions
from muster.access.claims import claimed, read_claim
from muster.access.invitations import HOUR, Invitations, InvitationStore, command_line
from muster.access.keys import Keys
from muster.base import clock
from muster.storage.port.accounts import Accounts, Workspace
from muster.storage.port.errors import Outdated
from muster.storage.port.items import INSTALLATION

_KIND = "first"


async def first_key(accounts: Accounts, keys: Keys, workspace: Workspace) -> str | None:
    """Create the first API key of a workspace; return its token, None if it has a key."""
    claim = await read_claim(accounts, workspace.id, _KIND, "key")
    if await accounts.keys(workspace.id):
        return None
    with contextlib.suppress(Outdated):
        token, _ = await keys.create(
            workspace, "first key", also=[claimed(claim, until="")], standing=[claim]
        )
        return token
    return None


async def first_invitation(accounts: InvitationStore, administrators: Administrators) -> str | None:
    """Create the invitation of the first administrator and return its token.

    Returns:
        None if an administrator exists, or an earlier such invitation has not expired.
    """
    claim = await read_claim(accounts, INSTALLATION, _KIND, "invitation")
    now = clock.now()
    if await administrators.all() or (
        claim.body is not None and claim.body["until"] > now.isoformat()
    ):
        return None
    with contextlib.suppress(Outdated):
        taken = claimed(claim, until=(now + HOUR).isoformat())
        token, _ = await Invitations(accounts, administrators).create(
            command_line(), all_permissions(), also=[taken], standing=[claim]
        )
        return token
    return None
