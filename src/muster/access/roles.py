"""Custom roles: permissions under a name, for keys to have."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from muster.access.audit_notes import Administrator
from muster.access.permissions import ADMIN, PERMISSIONS, beyond
from muster.scim.errors import ScimError, forbidden, invalid_value, not_found
from muster.scim.values import Json
from muster.storage.port.accounts import Accounts, KeyRecord
from muster.storage.port.items import Item

ROLE_KIND = "role"
_NAME = re.compile(r"\S(?:[^\x00-\x1f\x7f/]{0,98}\S)?")
_MAX_ROLES = 200


@dataclass(frozen=True, slots=True)
class Role:
    """A role and what it permits."""

    name: str
    permissions: tuple[str, ...]

    def shown(self) -> dict[str, Json]:
        """The role as JSON."""
        return {"name": self.name, "permissions": list(self.permissions)}


class Roles:
    """Makes, changes and removes the roles of a workspace."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def all(self, workspace: int) -> Sequence[Role]:
        """The roles, by name; the built-in one first."""
        items = await self._accounts.items(workspace, ROLE_KIND)
        return [
            Role(ADMIN, PERMISSIONS),
            *(Role(item.id, tuple(item.body["permissions"])) for item in items),
        ]

    async def get(self, workspace: int, name: str) -> Role:
        """The role of that name. Raises ScimError 404."""
        for role in await self.all(workspace):
            if role.name == name:
                return role
        raise not_found(f"there is no role {name[:100]!r}")

    async def beyond_reach(self, permissions: tuple[str, ...], key: KeyRecord) -> list[str]:
        """What a key may do, by itself or by its role, that whoever has these permissions may not: it is not theirs to end.

        A role that is there no more permits nothing.
        """
        held = key.permissions
        if key.role is not None:
            held += next(
                (
                    role.permissions
                    for role in await self.all(key.workspace)
                    if role.name == key.role
                ),
                (),
            )
        return beyond(permissions, held)

    async def check_grantable(
        self, workspace: int, permissions: tuple[str, ...], name: str
    ) -> None:
        """Raises ScimError 404 where there is no such role, and 403 where it permits what whoever has these may not hand on."""
        refused = beyond(permissions, (await self.get(workspace, name)).permissions)
        if refused:
            raise forbidden(f"you cannot hand on what you may not do: {', '.join(refused)}")

    async def create(self, by: Administrator, name: Json, permissions: Json) -> Role:
        """A new role. Raises ScimError 400, 403 for what whoever makes it may not do, and 409 where the name is taken."""
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise invalid_value(
                "name must be a string of 1 to 100 characters, without slashes and control characters"
            )
        there = await self.all(by.workspace.id)
        if any(role.name.lower() == name.lower() for role in there):
            raise ScimError(409, f"there is a role {name!r} already", "uniqueness")
        if len(there) > _MAX_ROLES:
            raise ScimError(409, f"a workspace has at most {_MAX_ROLES} roles")
        return await self._keep(
            by, Role(name, check_permissions(by.permissions, permissions)), "create", None
        )

    async def replace(self, by: Administrator, name: str, permissions: Json) -> Role:
        """Give a role other permissions; keys that have it have them at the next request."""
        before = await self._own(by, name)
        return await self._keep(
            by, Role(name, check_permissions(by.permissions, permissions)), "update", before
        )

    async def delete(self, by: Administrator, name: str) -> None:
        """Remove a role. Raises ScimError 409 where a key has it that still works."""
        await self._own(by, name)
        keys = await self._accounts.keys(by.workspace.id)
        held = [key.name for key in keys if key.role == name and key.revoked is None]
        if held:
            raise ScimError(409, f"keys have this role: {', '.join(held[:5])}")
        note = by.note("Role", name, "delete")
        await self._accounts.administer([Item(by.workspace.id, ROLE_KIND, name, None)], [note])

    async def _own(self, by: Administrator, name: str) -> Role:
        """The role of that name. Raises ScimError where there is none, or it is the built-in one."""
        role = await self.get(by.workspace.id, name)
        if name == ADMIN:
            raise forbidden(f"{ADMIN} has every permission, and cannot be changed")
        refused = beyond(by.permissions, role.permissions)
        if refused:
            raise forbidden(f"the role permits what you may not do: {', '.join(refused)}")
        return role

    async def _keep(self, by: Administrator, role: Role, action: str, before: Role | None) -> Role:
        """Keep a role in the place of the one before, if any. Raises Outdated where that is not what stands."""
        note = by.note("Role", role.name, action, permissions=list(role.permissions))
        read = (
            Item(by.workspace.id, ROLE_KIND, role.name, None)
            if before is None
            else _item(by, before)
        )
        await self._accounts.administer([_item(by, role)], [note], [read])
        return role


def _item(by: Administrator, role: Role) -> Item:
    return Item(by.workspace.id, ROLE_KIND, role.name, {"permissions": list(role.permissions)})


def check_permissions(
    held: tuple[str, ...], permissions: Json, also: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """Permissions as given. held: those of whoever gives them. also: what is a permission here beside PERMISSIONS.

    Raises ScimError 400 where one is none, and 403 where whoever gives it does not hold it.
    """
    allowed = (*PERMISSIONS, *also)
    if (
        not isinstance(permissions, list)
        or not permissions
        or not all(item in allowed for item in permissions)
    ):
        raise invalid_value(
            f"permissions must be an array of some of {', '.join(map(repr, allowed))}"
        )
    given = tuple(dict.fromkeys(permissions))
    refused = beyond(held, given)
    if refused:
        raise forbidden(f"you cannot hand on what you may not do: {', '.join(refused)}")
    return given
