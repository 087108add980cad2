"""Custom roles: named sets of permissions for API keys."""

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from muster.access.audit_notes import Administrator
from muster.access.permissions import ADMIN, PERMISSIONS, beyond
from muster.access.role_mappings import MAPPING_KIND, RoleMapping, mapping_of
from muster.scim.errors import ScimError, forbidden, invalid_value, not_found
from muster.scim.values import Json
from muster.storage.port.accounts import Accounts, KeyRecord
from muster.storage.port.errors import Outdated
from muster.storage.port.items import Item

ROLE_KIND = "role"
KEY_CLAIM_KIND, KEY_CLAIM = "key-names", "latest"
"""The item that every new key of a workspace changes, so that no two are decided on one state."""
_CHAR, _END, _NO_DOT = (rf"[^{also}\x00-\x1f\x7f/]" for also in ("", r"\s", r"\s."))
NAME_PATTERN = rf"^(?:{_NO_DOT}|{_NO_DOT}{_END}|{_END}{_NO_DOT}|{_END}{_CHAR}{{1,98}}{_END})$"
"""The names of roles, without lookarounds: the OpenAPI document has the pattern as well.

A name is part of a URL, so "." and ".." are none: clients take them for the folder.
"""
_MAX_ROLES = 200
_TRIES = 10


@dataclass(frozen=True, slots=True)
class Role:
    """A named set of permissions."""

    name: str
    permissions: tuple[str, ...]

    def shown(self) -> dict[str, Json]:
        """Return the role as JSON."""
        return {"name": self.name, "permissions": list(self.permissions)}


class Roles:
    """Creates, changes and removes the roles of a workspace."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def all(self, workspace: int) -> Sequence[Role]:
        """Return the roles, ordered by name after the built-in one."""
        items = await self._accounts.items(workspace, ROLE_KIND)
        return [
            Role(ADMIN, PERMISSIONS),
            *(Role(item.id, tuple(item.body["permissions"])) for item in items),
        ]

    async def get(self, workspace: int, name: str) -> Role:
        """Return a role by name.

        Raises:
            ScimError: 404 if it does not exist.
        """
        for role in await self.all(workspace):
            if role.name == name:
                return role
        raise not_found(f"Role {name[:100]!r} not found.")

    async def beyond_reach(self, permissions: tuple[str, ...], key: KeyRecord) -> list[str]:
        """Return the permissions of a key and its role that are not among `permissions`.

        If the result is not empty, the holder of `permissions` may not rotate or revoke the key.
        A deleted role has no permissions.
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

    async def check_deletable(
        self, workspace: int, permissions: tuple[str, ...], connection: str
    ) -> None:
        """Check that the holder of `permissions` may delete a connection with its keys.

        Args:
            workspace: The id of the workspace.
            permissions: The permissions.
            connection: The id of the connection.

        Raises:
            ScimError: 403 if a key of the connection has others.
        """
        for key in await self._accounts.keys(workspace):
            if key.connection == connection and key.revoked is None:
                refused = await self.beyond_reach(permissions, key)
                if refused:
                    raise forbidden(
                        f"The deletion would revoke the key {key.name!r}, which may do what you may"
                        f" not: {', '.join(refused)}"
                    )

    async def check_grantable(
        self, workspace: int, permissions: tuple[str, ...], name: str
    ) -> None:
        """Check that the holder of `permissions` may grant a role.

        Raises:
            ScimError: 404 if the role does not exist; 403 if it has further permissions.
        """
        refused = beyond(permissions, (await self.get(workspace, name)).permissions)
        if refused:
            raise forbidden(
                f"You cannot grant permissions that you do not have: {', '.join(refused)}"
            )

    async def create(self, by: Administrator, name: Json, permissions: Json) -> Role:
        """Create a role.

        Raises:
            ScimError: 400 if the name or permissions are invalid; 403 if the administrator does
                not have all of them; 409 if the name is taken.
        """
        name = _checked_name(name)
        there = await self.all(by.workspace.id)
        _check_free(name, there)
        if len(there) > _MAX_ROLES:
            raise ScimError(409, f"A workspace can have at most {_MAX_ROLES} roles.")
        return await self._keep(
            by, Role(name, check_permissions(by.permissions, permissions)), "create", None
        )

    async def replace(self, by: Administrator, name: str, permissions: Json) -> Role:
        """Give a role other permissions; keys that have it have them at the next request."""
        before = await self._own(by, name)
        return await self._keep(
            by, Role(name, check_permissions(by.permissions, permissions)), "update", before
        )

    async def change(
        self, by: Administrator, name: str, new_name: Json = None, permissions: Json = None
    ) -> Role:
        """Give a role another name, other permissions, or both.

        The API keys that have the role keep it, and the role mappings that grant a role of this
        name grant it under the new name, all in one transaction.

        Args:
            by: The administrator.
            name: The name of the role.
            new_name: The new name; None to keep it.
            permissions: The new permissions; None to keep them.

        Raises:
            ScimError: 400 if the name or permissions are invalid; 403 if the administrator may not
                change the role; 404 if it does not exist; 409 if another role has the name.
            Outdated: The role, its keys or its mappings keep changing.
        """
        wanted = name if new_name is None else _checked_name(new_name)
        for _ in range(_TRIES):
            before = await self._own(by, name)
            given = (
                before.permissions
                if permissions is None
                else check_permissions(by.permissions, permissions)
            )
            after = Role(wanted, given)
            if after == before:
                return before
            if wanted != name:
                others = [role for role in await self.all(by.workspace.id) if role.name != name]
                _check_free(wanted, others)
            with contextlib.suppress(Outdated):
                if wanted == name:
                    return await self._keep(by, after, "update", before)
                return await self._rename(by, before, after)
        raise Outdated

    async def _rename(self, by: Administrator, before: Role, after: Role) -> Role:
        """Store a role under another name, and change all that refers to it by its name.

        Raises:
            Outdated: The role, one of its keys or one of its mappings has changed since, or a key
                was created.
        """
        workspace = by.workspace.id
        claim = await self._accounts.item(workspace, KEY_CLAIM_KIND, KEY_CLAIM)
        keys = [key for key in await self._accounts.keys(workspace) if key.role == before.name]
        mappings = [
            item
            for item in await self._accounts.items(workspace, MAPPING_KIND)
            if item.body["role"] == before.name
        ]
        note = by.note(
            "Role",
            after.name,
            "rename",
            before=before.name,
            permissions=list(after.permissions),
            keys=len(keys),
            mappings=len(mappings),
        )
        await self._accounts.administer(
            [
                _item(by, after),
                Item(workspace, ROLE_KIND, before.name, None),
                *(replace(key, role=after.name) for key in keys),
                *(put for item in mappings for put in _renamed(item, after.name)),
            ],
            [note],
            [
                _item(by, before),
                Item(workspace, ROLE_KIND, after.name, None),
                claim or Item(workspace, KEY_CLAIM_KIND, KEY_CLAIM, None),
                *keys,
                *mappings,
            ],
        )
        return after

    async def delete(self, by: Administrator, name: str) -> None:
        """Remove a role.

        Raises:
            ScimError: 403 if it may not be changed; 404 if it does not exist; 409 if a valid key
                has it.
        """
        await self._own(by, name)
        keys = await self._accounts.keys(by.workspace.id)
        held = [key.name for key in keys if key.role == name and key.revoked is None]
        if held:
            raise ScimError(
                409, f"API keys still have this role: {', '.join(held[:5])}. Revoke them first."
            )
        note = by.note("Role", name, "delete")
        await self._accounts.administer([Item(by.workspace.id, ROLE_KIND, name, None)], [note])

    async def _own(self, by: Administrator, name: str) -> Role:
        """Return a role that the administrator may change.

        Raises:
            ScimError: 403 if it is built in, or has permissions that the administrator does not
                have; 404 if it does not exist.
        """
        role = await self.get(by.workspace.id, name)
        if name == ADMIN:
            raise forbidden(f"The built-in role {ADMIN} cannot be changed.")
        refused = beyond(by.permissions, role.permissions)
        if refused:
            raise forbidden(f"The role has permissions that you do not have: {', '.join(refused)}")
        return role

    async def _keep(self, by: Administrator, role: Role, action: str, before: Role | None) -> Role:
        """Store a role in place of the previous version, if any.

        Raises:
            Outdated: The stored role is not `before`.
        """
        note = by.note("Role", role.name, action, permissions=list(role.permissions))
        read = (
            Item(by.workspace.id, ROLE_KIND, role.name, None)
            if before is None
            else _item(by, before)
        )
        await self._accounts.administer([_item(by, role)], [note], [read])
        return role


def _checked_name(name: Json) -> str:
    """Return a name. Raises ScimError 400 if it is not allowed."""
    if not isinstance(name, str) or not re.fullmatch(NAME_PATTERN, name):
        raise invalid_value(
            "name: expected 1 to 100 characters without slashes and control characters, other than"
            ' "." and ".."'
        )
    return name


def _check_free(name: str, others: Sequence[Role]) -> None:
    """Raise ScimError 409 if one of the roles has a name, in any case."""
    if any(role.name.lower() == name.lower() for role in others):
        raise ScimError(409, f"A role named {name!r} already exists.", "uniqueness")


def _renamed(item: Item, role: str) -> Sequence[Item]:
    """Return the items that give a mapping the new name of its role, which is part of its id."""
    mapping = RoleMapping(item.id, **item.body)
    moved = mapping_of(mapping.idp_value, role, mapping.tag)
    return replace(item, body=None), replace(item, id=moved.id, body={**item.body, "role": role})


def _item(by: Administrator, role: Role) -> Item:
    return Item(by.workspace.id, ROLE_KIND, role.name, {"permissions": list(role.permissions)})


def check_permissions(
    held: tuple[str, ...], permissions: Json, also: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """Validate permissions to be granted and remove duplicates.

    Args:
        held: The permissions of the administrator who grants them.
        permissions: The permissions as JSON.
        also: Further allowed permissions besides PERMISSIONS.

    Raises:
        ScimError: 400 if one is unknown; 403 if the administrator does not hold all of them.
    """
    allowed = (*PERMISSIONS, *also)
    if (
        not isinstance(permissions, list)
        or not permissions
        or not all(item in allowed for item in permissions)
    ):
        raise invalid_value(
            f"permissions: expected an array of one or more of {', '.join(map(repr, allowed))}"
        )
    given = tuple(dict.fromkeys(permissions))
    refused = beyond(held, given)
    if refused:
        raise forbidden(f"You cannot grant permissions that you do not have: {', '.join(refused)}")
    return given
