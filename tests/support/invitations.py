"""Invitations of administrators, as `muster admins invite` makes them."""

from muster.access.administrators import Administrators, all_permissions
from muster.access.invitations import Invitations, command_line


async def invite(storage, roles=None, person=""):
    """Return the token of an invitation; of an owner of the installation unless roles are given."""
    invitations = Invitations(storage, Administrators(storage))
    token, _ = await invitations.create(command_line(), roles or all_permissions(), person)
    return token
