"""Roles in the console: the matrix of permissions, custom roles, and who has which."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from muster.access.administrators import Administrators
from muster.access.keys import state_of
from muster.access.permissions import ADMIN, EDIT_ROLES, PERMISSIONS, allows, beyond
from muster.access.roles import Role, Roles
from muster.base import clock
from muster.console.roles import CHOICES, choice_of
from muster.console.stamps import check_unchanged, seen
from muster.console.web import PageRoute, Visit
from muster.http.wire.message import Response
from muster.scim.errors import ScimError
from muster.storage.port.accounts import Accounts

_ROOT = "/w/{workspace}/roles"
_LISTED = 200


@dataclass(frozen=True, slots=True)
class Holder:
    """An API key or an administrator with permissions in the workspace.

    Attributes:
        name: The name of the key, or the e-mail address of the administrator.
        key: The id of the key; None for an administrator.
        role: The name of the role; None for permissions of its own.
        permissions: The permissions, those of the role included.
    """

    name: str
    key: str | None
    role: str | None
    permissions: Sequence[str]


@dataclass(frozen=True, slots=True)
class RoleColumn:
    """A role in the matrix of permissions.

    Attributes:
        title: Its name.
        administrators: Whether it is one of administrators, not of API keys.
        custom: Whether it is a custom role, with a page of its own.
        permissions: Its permissions.
        holders: The number of those who have it.
    """

    title: str
    administrators: bool
    custom: bool
    permissions: tuple[str, ...]
    holders: int


class RolePages:
    """The pages that show, create, change and delete roles."""

    def __init__(self, accounts: Accounts, roles: Roles, administrators: Administrators) -> None:
        self._accounts = accounts
        self._roles = roles
        self._administrators = administrators

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", _ROOT, EDIT_ROLES, self.show)
        yield PageRoute("POST", _ROOT, EDIT_ROLES, self.create)
        yield PageRoute("GET", f"{_ROOT}/{{name}}", EDIT_ROLES, self.show_role)
        yield PageRoute("POST", f"{_ROOT}/{{name}}", EDIT_ROLES, self.edit)
        yield PageRoute("POST", f"{_ROOT}/{{name}}/remove", EDIT_ROLES, self.remove)

    async def show(self, visit: Visit, status: int = 200, error: str = "") -> Response:
        roles = await self._roles.all(visit.there().id)
        holders = await self._holders(visit, roles)
        return visit.render(
            "roles.html",
            status,
            columns=_columns(roles, holders),
            custom=len(roles) > 1,
            permissions=PERMISSIONS,
            has=lambda column, permission: allows(column.permissions, permission),
            holders=holders[:_LISTED],
            more=max(0, len(holders) - _LISTED),
            typed=visit.text("name") if error else "",
            chosen=visit.fields.get("permission", []) if error else [],
            error=error,
            said=visit.flashed.get("said", ""),
            path=lambda name: quote(name, safe=""),
        )

    async def create(self, visit: Visit) -> Response:
        try:
            role = await self._roles.create(
                visit.administrator, visit.text("name"), visit.fields.get("permission", [])
            )
        except ScimError as error:
            return await self.show(visit, error.status, error.detail)
        return await visit.redirect_with("./roles", said=f'Role "{role.name}" was created.')

    async def show_role(self, visit: Visit, status: int = 200, error: str = "") -> Response:
        roles = await self._roles.all(visit.there().id)
        role = await self._roles.get(visit.there().id, visit.names["name"])
        holders = await self._holders(visit, roles)
        return visit.render(
            "role.html",
            status,
            role=role,
            typed=visit.text("name") if error and "name" in visit.fields else role.name,
            permissions=PERMISSIONS,
            chosen=visit.fields.get("permission", []) if error else role.permissions,
            holders=[holder for holder in holders if holder.key and holder.role == role.name],
            builtin=role.name == ADMIN,
            editable=role.name != ADMIN and not beyond(visit.permissions, role.permissions),
            error=error,
            seen=seen(visit, role.shown(), error),
            here=f"./roles/{quote(role.name, safe='')}",
        )

    async def edit(self, visit: Visit) -> Response:
        name = visit.names["name"]
        try:
            check_unchanged(visit, (await self._roles.get(visit.there().id, name)).shown())
            role = await self._roles.change(
                visit.administrator,
                name,
                visit.text("name") if "name" in visit.fields else None,
                visit.fields.get("permission", []),
            )
        except ScimError as error:
            return await self._refused(visit, error)
        renamed = f' was renamed to "{role.name}".' if role.name != name else " was saved."
        return await visit.redirect_with("./roles", said=f'Role "{name}"{renamed}')

    async def remove(self, visit: Visit) -> Response:
        name = visit.names["name"]
        try:
            await self._roles.delete(visit.administrator, name)
        except ScimError as error:
            return await self._refused(visit, error)
        return await visit.redirect_with("./roles", said=f'Role "{name}" was deleted.')

    async def _refused(self, visit: Visit, error: ScimError) -> Response:
        if error.status == 404:
            raise error
        return await self.show_role(visit, error.status, error.detail)

    async def _holders(self, visit: Visit, roles: Sequence[Role]) -> list[Holder]:
        """Return the active keys and the administrators, those with roles first."""
        workspace, now = visit.there().id, clock.now()
        named = {role.name: role.permissions for role in roles}
        found = [
            Holder(key.name, key.id, ADMIN, (ADMIN,))
            if ADMIN in key.permissions or key.role == ADMIN
            else Holder(
                key.name, key.id, key.role, (*named.get(key.role or "", ()), *key.permissions)
            )
            for key in await self._accounts.keys(workspace)
            if state_of(key, now) == "active"
        ]
        for admin in await self._administrators.all():
            held = admin.permissions(workspace)
            if held:
                choice = choice_of(held)
                shown = [item for item in (ADMIN, *PERMISSIONS) if item in held]
                title = None if choice is None else choice.title
                found.append(Holder(admin.email, None, title, shown))
        return sorted(found, key=lambda item: (item.role is None, item.role or "", item.name))


def _columns(roles: Sequence[Role], holders: Sequence[Holder]) -> Sequence[RoleColumn]:
    """Return the roles of administrators, and then those of API keys."""
    numbers = Counter((holder.key is None, holder.role) for holder in holders)
    of_people = [
        RoleColumn(
            title=choice.title,
            administrators=True,
            custom=False,
            permissions=choice.permissions,
            holders=numbers[True, choice.title],
        )
        for choice in CHOICES.values()
    ]
    of_keys = [
        RoleColumn(
            title=role.name,
            administrators=False,
            custom=role.name != ADMIN,
            permissions=role.permissions,
            holders=numbers[False, role.name],
        )
        for role in roles
    ]
    return [*of_people, *of_keys]
