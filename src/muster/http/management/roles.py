"""/api/v1: roles, role mappings, and the roles of a user."""

from collections.abc import Iterator

from muster.access.permissions import EDIT_ROLES, IDENTITY_MAPPINGS, READ, SCIM
from muster.access.role_mappings import (
    RoleMapping,
    RoleMappings,
    granted,
    mapping_of,
    order,
)
from muster.access.roles import Role, Roles
from muster.directory.documents import parse
from muster.directory.service import Directory
from muster.http.management.models.roles import (
    AffectedUserAnswer,
    FindRoleMappings,
    NewRole,
    NewRoleMapping,
    RoleAnswer,
    RoleChange,
    RoleList,
    RoleMappingAnswer,
    RoleMappingChange,
    RoleMappingList,
    RoleMappingPreview,
    RolePermissions,
    UserRoles,
)
from muster.http.management.pages import page
from muster.http.management.router import ApiRoute, Call, created
from muster.http.wire.errors import at
from muster.http.wire.message import Response, json_response
from muster.insight.role_preview import AffectedUser, RolePreview
from muster.scim.errors import invalid_value


class RoleRoutes:
    """The operations on roles and role mappings."""

    def __init__(
        self, roles: Roles, mappings: RoleMappings, directory: Directory, preview: RolePreview
    ) -> None:
        self._roles = roles
        self._preview = preview
        self._mappings = mappings
        self._directory = directory

    def __iter__(self) -> Iterator[ApiRoute]:
        yield from self._mapping_routes()
        yield ApiRoute("GET", "/roles", EDIT_ROLES, self.find_roles, "List roles", answer=RoleList)
        yield ApiRoute(
            "POST",
            "/roles",
            EDIT_ROLES,
            self.create_role,
            "Create a role",
            201,
            body=NewRole,
            answer=RoleAnswer,
            errors=(409,),
        )
        yield ApiRoute(
            "GET",
            "/roles/{name}",
            EDIT_ROLES,
            self.get_role,
            "Retrieve a role",
            answer=RoleAnswer,
        )
        yield ApiRoute(
            "PUT",
            "/roles/{name}",
            EDIT_ROLES,
            self.update_role,
            "Replace the permissions of a role",
            body=RolePermissions,
            answer=RoleAnswer,
            errors=(409,),
        )
        yield ApiRoute(
            "PATCH",
            "/roles/{name}",
            EDIT_ROLES,
            self.change_role,
            "Rename a role, or change its permissions",
            body=RoleChange,
            answer=RoleAnswer,
            errors=(409,),
        )
        yield ApiRoute(
            "DELETE",
            "/roles/{name}",
            EDIT_ROLES,
            self.delete_role,
            "Delete a role that no key has",
            204,
            errors=(409,),
        )

    def _mapping_routes(self) -> Iterator[ApiRoute]:
        yield ApiRoute(
            "GET",
            "/scim/role-mappings",
            SCIM,
            self.find_role_mappings,
            "List role mappings",
            query=FindRoleMappings,
            answer=RoleMappingList,
        )
        yield ApiRoute(
            "POST",
            "/scim/role-mappings",
            IDENTITY_MAPPINGS,
            self.create_role_mapping,
            "Map a value of the `roles` attribute to a role",
            201,
            body=NewRoleMapping,
            answer=RoleMappingAnswer,
            answers={200: ("The mapping exists already.", RoleMappingAnswer)},
            errors=(409,),
        )
        yield ApiRoute(
            "POST",
            "/scim/role-mappings/preview",
            IDENTITY_MAPPINGS,
            self.preview_role_mappings,
            "Tell whose roles a change of role mappings would change",
            also=(READ,),
            body=RoleMappingChange,
            answer=RoleMappingPreview,
            errors=(404,),
        )
        yield ApiRoute(
            "DELETE",
            "/scim/role-mappings/{id}",
            IDENTITY_MAPPINGS,
            self.delete_role_mapping,
            "Delete a role mapping",
            204,
        )
        yield ApiRoute(
            "GET",
            "/users/{id}/roles",
            READ,
            self.get_user_roles,
            "Retrieve the roles of a user and the mappings that grant them",
            answer=UserRoles,
        )

    async def find_role_mappings(self, call: Call) -> Response:
        query = call.query(FindRoleMappings)
        mappings = await self._mappings.all(call.workspace)
        found, following = page(mappings, order, query.cursor, query.limit)
        answer: RoleMappingList = {
            "items": [_mapping(mapping) for mapping in found],
            "nextCursor": following,
        }
        return json_response(200, answer)

    async def create_role_mapping(self, call: Call) -> Response:
        body = await call.read(NewRoleMapping)
        mapping, new = await self._mappings.create(
            call.administrator, body.idp_value, body.role.role, body.role.tag
        )
        if not new:
            return json_response(200, _mapping(mapping))
        return created(_mapping(mapping), "/scim/role-mappings", mapping.id)

    async def preview_role_mappings(self, call: Call) -> Response:
        body = await call.read(RoleMappingChange)
        add = [mapping_of(new.idp_value, new.role.role, new.role.tag) for new in body.add]
        preview = await self._preview.preview(call.caller, add, body.remove)
        answer: RoleMappingPreview = {
            "matched": preview.matched,
            "complete": preview.complete,
            "affected": preview.affected,
            "gaining": preview.gaining,
            "losing": preview.losing,
            "users": [_affected(user) for user in preview.users],
        }
        return json_response(200, answer)

    async def delete_role_mapping(self, call: Call) -> Response:
        await self._mappings.delete(call.administrator, call.names["id"])
        return Response(204)

    async def get_user_roles(self, call: Call) -> Response:
        users = call.grant.registry.types["/Users"]
        user = await self._directory.get(call.caller, users, call.names["id"])
        given = parse(user.document).get("roles")
        roles = granted(given, await self._mappings.all(call.workspace))
        return json_response(200, {"user": user.id, "roles": roles, "values": given or []})

    async def find_roles(self, call: Call) -> Response:
        roles = await self._roles.all(call.workspace)
        answer: RoleList = {"items": [_role(role) for role in roles], "nextCursor": None}
        return json_response(200, answer)

    async def create_role(self, call: Call) -> Response:
        body = await call.read(NewRole)
        role = await self._roles.create(call.administrator, body.name, body.permissions)
        return created(_role(role), "/roles", role.name)

    async def get_role(self, call: Call) -> Response:
        return json_response(200, _role(await self._roles.get(call.workspace, call.names["name"])))

    async def update_role(self, call: Call) -> Response:
        body, name = await call.read(RolePermissions), call.names["name"]
        if body.name not in (None, name):
            with at("/name"):
                raise invalid_value(
                    f"name: expected {name[:100]!r}, the name in the path. PATCH renames a role."
                )
        role = await self._roles.replace(call.administrator, name, body.permissions)
        return json_response(200, _role(role))

    async def change_role(self, call: Call) -> Response:
        given = (await call.read(RoleChange)).model_dump(exclude_unset=True)
        role = await self._roles.change(
            call.administrator, call.names["name"], given.get("name"), given.get("permissions")
        )
        return json_response(200, _role(role))

    async def delete_role(self, call: Call) -> Response:
        await self._roles.delete(call.administrator, call.names["name"])
        return Response(204)


def _role(role: Role) -> RoleAnswer:
    return {"name": role.name, "permissions": list(role.permissions)}


def _affected(user: AffectedUser) -> AffectedUserAnswer:
    return {
        "id": user.id,
        "userName": user.user_name,
        "displayName": user.display_name or None,
        "gained": [{"role": role, "tag": tag} for role, tag in user.gained],
        "lost": [{"role": role, "tag": tag} for role, tag in user.lost],
    }


def _mapping(mapping: RoleMapping) -> RoleMappingAnswer:
    role = mapping.role
    return {
        "id": mapping.id,
        "idpValue": mapping.idp_value,
        "role": {"role": role, "tag": mapping.tag},
    }
