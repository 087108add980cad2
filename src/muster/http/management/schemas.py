"""/api/v1/schemas and /api/v1/resource-types: a workspace's own."""

from collections.abc import Iterator

from muster.access.permissions import SCIM, SETTINGS, allows
from muster.extensions.schemas import Breaks, CustomSchemas
from muster.http.management.router import ApiRoute, Call, created
from muster.http.wire.errors import problem
from muster.http.wire.message import Response, json_response
from muster.scim.schema.custom import CustomSchema
from muster.scim.values import Json


class SchemaRoutes:
    """The operations on a workspace's own schemas and resource types."""

    def __init__(self, custom: CustomSchemas) -> None:
        self._custom = custom

    def __iter__(self) -> Iterator[ApiRoute]:
        yield ApiRoute(
            "GET", "/schemas", SETTINGS, self.find_schemas, "The schemas of the workspace's own"
        )
        yield ApiRoute(
            "POST", "/schemas", SETTINGS, self.create_schema, "Makes a schema, live at once", 201
        )
        yield ApiRoute(
            "GET", "/schemas/{urn}", SETTINGS, self.get_schema, "A schema of the workspace's own"
        )
        yield ApiRoute(
            "PUT",
            "/schemas/{urn}",
            SETTINGS,
            self.update_schema,
            "Replaces a schema, where what is stored still fits",
        )
        yield ApiRoute(
            "DELETE",
            "/schemas/{urn}",
            SETTINGS,
            self.delete_schema,
            "Removes a schema that nothing has",
            204,
        )
        yield ApiRoute(
            "GET",
            "/resource-types",
            SETTINGS,
            self.find_resource_types,
            "The resource types of the workspace's own",
        )
        yield ApiRoute(
            "POST",
            "/resource-types",
            SETTINGS,
            self.create_resource_type,
            "Makes a resource type, live at once",
            201,
        )
        yield ApiRoute(
            "GET",
            "/resource-types/{name}",
            SETTINGS,
            self.get_resource_type,
            "A resource type of the workspace's own",
        )
        yield ApiRoute(
            "DELETE",
            "/resource-types/{name}",
            SETTINGS,
            self.delete_resource_type,
            "Removes one without resources",
            204,
        )

    async def find_schemas(self, call: Call) -> Response:
        return json_response(
            200, [_shown(schema) for schema in await self._custom.schemas(call.workspace)]
        )

    async def create_schema(self, call: Call) -> Response:
        try:
            schema = await self._custom.create_schema(call.administrator, await call.body())
        except Breaks as breaks:
            return _broken(call, breaks)
        return created(_shown(schema), "/schemas", schema.id)

    async def get_schema(self, call: Call) -> Response:
        schema = await self._custom.schema(call.workspace, call.names["urn"])
        return json_response(
            200,
            _shown(schema) | {"indexProgress": await self._custom.progress(call.workspace, schema)},
        )

    async def update_schema(self, call: Call) -> Response:
        try:
            schema = await self._custom.replace_schema(
                call.administrator, call.names["urn"], await call.body()
            )
        except Breaks as breaks:
            return _broken(call, breaks)
        return json_response(200, _shown(schema))

    async def delete_schema(self, call: Call) -> Response:
        try:
            await self._custom.delete_schema(call.administrator, call.names["urn"])
        except Breaks as breaks:
            return _broken(call, breaks)
        return Response(204)

    async def find_resource_types(self, call: Call) -> Response:
        return json_response(200, await self._custom.types(call.workspace))

    async def create_resource_type(self, call: Call) -> Response:
        made = await self._custom.create_type(call.administrator, await call.body())
        return created(made, "/resource-types", made["name"])

    async def get_resource_type(self, call: Call) -> Response:
        return json_response(200, await self._custom.type(call.workspace, call.names["name"]))

    async def delete_resource_type(self, call: Call) -> Response:
        await self._custom.delete_type(call.administrator, call.names["name"])
        return Response(204)


def _shown(schema: CustomSchema) -> dict[str, Json]:
    """A schema as it was given, with what was left out filled in, and whether its index is ready."""
    attributes = [
        {**attribute, "indexed": attribute["name"] in schema.indexed}
        for attribute in schema.definition["attributes"]
    ]
    more = {
        "extends": list(schema.extends),
        "required": schema.required,
        "indexReady": schema.ready,
    }
    return {**schema.definition, "attributes": attributes, **more}


def _broken(call: Call, breaks: Breaks) -> Response:
    """409 with the number of resources that would break, and some of them if the key may read resources."""
    if not allows(call.grant.permissions, SCIM):
        return problem(409, "Conflict", breaks.detail, more={"total": breaks.total})
    more = {"broken": list(breaks.broken), "total": breaks.total}
    return problem(409, "Conflict", breaks.full_detail, more=more)
