"""/api/v1: roles, role mappings, and which roles a user has."""

from collections.abc import Iterator

from muster.access.permissions import EDIT_ROLES, IDENTITY_MAPPINGS, SCIM
from muster.access.role_mappings import RoleMappings, granted
from muster.access.roles import Roles
from muster.directory.documents import parse
from muster.directory.service import Directory
from muster.http.management.bodies import NewRole, RolePermissions
from muster.http.management.router import ApiRoute, Call, created
from muster.http.wire.message import Response, json_response
from muster.scim.errors import invalid_value


class RoleRoutes:
    """The operations on roles and role mappings."""

    def __init__(self, roles: Roles, mappings: RoleMappings, directory: Directory) -> None:
        self._roles = roles
        self._mappings = mappings
        self._directory = directory

    def __iter__(self) -> Iterator[ApiRoute]:
        yield ApiRoute(
            "GET",
            "/scim/role-mappings",
            SCIM,
            self.find_role_mappings,
            "The role mappings of the workspace",
        )
        changes = IDENTITY_MAPPINGS
        yield ApiRoute(
            "POST",
            "/scim/role-mappings",
            changes,
            self.create_role_mapping,
            "Maps a value of `roles` to a role",
            201,
        )
        yield ApiRoute(
            "DELETE",
            "/scim/role-mappings/{id}",
            changes,
            self.delete_role_mapping,
            "Removes a role mapping",
            204,
        )
        yield ApiRoute(
            "GET", "/users/{id}/roles", SCIM, self.get_user_roles, "Which roles a user has, and why"
        )
        yield ApiRoute("GET", "/roles", EDIT_ROLES, self.find_roles, "The roles that keys can have")
        yield ApiRoute("POST", "/roles", EDIT_ROLES, self.create_role, "Makes a role", 201)
        yield ApiRoute("GET", "/roles/{name}", EDIT_ROLES, self.get_role, "A role")
        yield ApiRoute(
            "PUT", "/roles/{name}", EDIT_ROLES, self.update_role, "Gives a role other permissions"
        )
        yield ApiRoute(
            "DELETE",
            "/roles/{name}",
            EDIT_ROLES,
            self.delete_role,
            "Removes a role that no key has",
            204,
        )

    async def find_role_mappings(self, call: Call) -> Response:
        return json_response(
            200, [mapping.shown() for mapping in await self._mappings.all(call.workspace)]
        )

    async def create_role_mapping(self, call: Call) -> Response:
        mapping, new = await self._mappings.create(call.administrator, await call.body())
        if not new:
            return json_response(200, mapping.shown())
        return created(mapping.shown(), "/scim/role-mappings", mapping.id)

    async def delete_role_mapping(self, call: Call) -> Response:
        await self._mappings.delete(call.administrator, call.names["id"])
        return Response(204)

    async def get_user_roles(self, call: Call) -> Response:
        user = await self._directory.get(
            call.caller, call.grant.registry.types["/Users"], call.names["id"]
        )
        given = parse(user.document).get("roles")
        roles = granted(given, await self._mappings.all(call.workspace))
        return json_response(200, {"user": user.id, "roles": roles, "values": given or []})

    async def find_roles(self, call: Call) -> Response:
        return json_response(200, [role.shown() for role in await self._roles.all(call.workspace)])

    async def create_role(self, call: Call) -> Response:
        body = await call.read(NewRole)
        role = await self._roles.create(call.administrator, body.name, body.permissions)
        return created(role.shown(), "/roles", role.name)

    async def get_role(self, call: Call) -> Response:
        return json_response(
            200, (await self._roles.get(call.workspace, call.names["name"])).shown()
        )

    async def update_role(self, call: Call) -> Response:
        body, name = await call.read(RolePermissions), call.names["name"]
        if body.name not in (None, name):
            raise invalid_value(f"name must stay {name[:100]!r}")
        role = await self._roles.replace(call.administrator, name, body.permissions)
        return json_response(200, role.shown())

    async def delete_role(self, call: Call) -> Response:
        await self._roles.delete(call.administrator, call.names["name"])
        return Response(204)
