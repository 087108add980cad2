"""/api/v1/schemas and /api/v1/resource-types: the definitions of a workspace."""

import functools
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from muster.access.permissions import READ, SETTINGS, allows
from muster.custom_schemas.changes import SchemaChange
from muster.custom_schemas.schemas import Breaks, CustomSchemas
from muster.http.management.models.schemas import (
    NewResourceType,
    ResourceTypeAnswer,
    ResourceTypeList,
    SchemaAnswer,
    SchemaConflict,
    SchemaConflicts,
    SchemaDefinition,
    SchemaDifference,
    SchemaList,
    SchemaPreview,
    SchemaProgress,
)
from muster.http.management.router import ApiRoute, Call, created
from muster.http.wire.errors import problem
from muster.http.wire.message import Response, json_response
from muster.scim.schema.custom import CustomSchema
from muster.scim.values import Json


def _answering_conflicts(
    handler: Callable[["SchemaRoutes", Call], Awaitable[Response]],
) -> Callable[["SchemaRoutes", Call], Awaitable[Response]]:
    """Let an operation answer 409 with the stored resources that forbid a change."""

    @functools.wraps(handler)
    async def answer(routes: "SchemaRoutes", call: Call) -> Response:
        try:
            return await handler(routes, call)
        except Breaks as breaks:
            return _broken(call, breaks)

    return answer


class SchemaRoutes:
    """The operations on the schemas and resource types that a workspace defines."""

    def __init__(self, custom: CustomSchemas) -> None:
        self._custom = custom

    def __iter__(self) -> Iterator[ApiRoute]:
        yield from self._schema_routes()
        yield ApiRoute(
            "GET",
            "/resource-types",
            SETTINGS,
            self.find_resource_types,
            "List the resource types that the workspace has defined",
            answer=ResourceTypeList,
        )
        yield ApiRoute(
            "POST",
            "/resource-types",
            SETTINGS,
            self.create_resource_type,
            "Create a resource type; its endpoint exists at once",
            201,
            body=NewResourceType,
            answer=ResourceTypeAnswer,
            errors=(409,),
        )
        yield ApiRoute(
            "GET",
            "/resource-types/{name}",
            SETTINGS,
            self.get_resource_type,
            "Retrieve a resource type",
            answer=ResourceTypeAnswer,
        )
        yield ApiRoute(
            "PUT",
            "/resource-types/{name}",
            SETTINGS,
            self.update_resource_type,
            "Change the extensions of a resource type, if stored resources still fit",
            body=NewResourceType,
            answer=ResourceTypeAnswer,
            problems={409: SchemaConflict},
        )
        yield ApiRoute(
            "DELETE",
            "/resource-types/{name}",
            SETTINGS,
            self.delete_resource_type,
            "Delete a resource type that has no resources",
            204,
            problems={409: SchemaConflict},
        )

    def _schema_routes(self) -> Iterator[ApiRoute]:
        yield ApiRoute(
            "GET",
            "/schemas",
            SETTINGS,
            self.find_schemas,
            "List the schemas that the workspace has defined",
            answer=SchemaList,
        )
        yield ApiRoute(
            "POST",
            "/schemas",
            SETTINGS,
            self.create_schema,
            "Create a schema; it takes effect at once",
            201,
            body=SchemaDefinition,
            answer=SchemaAnswer,
            problems={409: SchemaConflict},
        )
        yield ApiRoute(
            "POST",
            "/schemas/preview",
            SETTINGS,
            self.preview_schema,
            "Tell what a definition would change, and which stored resources forbid it",
            body=SchemaDefinition,
            answer=SchemaPreview,
            errors=(409,),
        )
        yield ApiRoute(
            "GET",
            "/schemas/{urn}",
            SETTINGS,
            self.get_schema,
            "Retrieve a schema and the progress of its indexes",
            answer=SchemaProgress,
        )
        yield ApiRoute(
            "PUT",
            "/schemas/{urn}",
            SETTINGS,
            self.update_schema,
            "Replace a schema, if stored resources still fit",
            body=SchemaDefinition,
            answer=SchemaAnswer,
            problems={409: SchemaConflict},
        )
        yield ApiRoute(
            "DELETE",
            "/schemas/{urn}",
            SETTINGS,
            self.delete_schema,
            "Delete a schema that no resource uses",
            204,
            problems={409: SchemaConflict},
        )

    async def find_schemas(self, call: Call) -> Response:
        schemas = await self._custom.schemas(call.workspace)
        answer: SchemaList = {"items": [_answer(schema) for schema in schemas], "nextCursor": None}
        return json_response(200, answer)

    @_answering_conflicts
    async def create_schema(self, call: Call) -> Response:
        body = await call.read(SchemaDefinition)
        schema = await self._custom.create_schema(call.administrator, body.given())
        return created(_answer(schema), "/schemas", schema.id)

    async def preview_schema(self, call: Call) -> Response:
        """Answer the effect of creating a schema, or of replacing the one with the same id."""
        body = await call.read(SchemaDefinition)
        there = {schema.id.lower() for schema in await self._custom.schemas(call.workspace)}
        urn = body.id if body.id.lower() in there else None
        review = await self._custom.review_schema(call.administrator, body.given(), urn)
        answer: SchemaPreview = {
            "changes": [_difference(change) for change in review.changes],
            "conflicts": None if review.breaks is None else _conflicts(call, review.breaks),
        }
        return json_response(200, answer)

    async def get_schema(self, call: Call) -> Response:
        schema = await self._custom.schema(call.workspace, call.names["urn"])
        progress = await self._custom.progress(call.workspace, schema)
        answer: SchemaProgress = {**_answer(schema), "indexProgress": progress}
        return json_response(200, answer)

    @_answering_conflicts
    async def update_schema(self, call: Call) -> Response:
        body = await call.read(SchemaDefinition)
        schema = await self._custom.replace_schema(
            call.administrator, call.names["urn"], body.given()
        )
        return json_response(200, _answer(schema))

    @_answering_conflicts
    async def delete_schema(self, call: Call) -> Response:
        await self._custom.delete_schema(call.administrator, call.names["urn"])
        return Response(204)

    async def find_resource_types(self, call: Call) -> Response:
        types = await self._custom.types(call.workspace)
        return json_response(200, {"items": types, "nextCursor": None})

    async def create_resource_type(self, call: Call) -> Response:
        body = await call.read(NewResourceType)
        made = await self._custom.create_type(call.administrator, body.given())
        return created(made, "/resource-types", made["name"])

    async def get_resource_type(self, call: Call) -> Response:
        return json_response(200, await self._custom.type(call.workspace, call.names["name"]))

    @_answering_conflicts
    async def update_resource_type(self, call: Call) -> Response:
        body = await call.read(NewResourceType)
        made = await self._custom.replace_type(call.administrator, call.names["name"], body.given())
        return json_response(200, made)

    async def delete_resource_type(self, call: Call) -> Response:
        await self._custom.delete_type(call.administrator, call.names["name"])
        return Response(204)


def _answer(schema: CustomSchema) -> SchemaAnswer:
    """The schema as it was given, with defaults filled in, and whether its indexes are complete."""
    definition = schema.definition
    attributes: list[Any] = [
        {**attribute, "indexed": attribute["name"] in schema.indexed}
        for attribute in definition["attributes"]
    ]
    return {
        "id": definition["id"],
        "name": definition["name"],
        "description": definition["description"],
        "attributes": attributes,
        "extends": list(schema.extends),
        "required": schema.required,
        "indexReady": schema.ready,
    }


def _broken(call: Call, breaks: Breaks) -> Response:
    """Answer 409 with the number of resources that would no longer fit their schema.

    Some of their ids are listed if the key may read resources.
    """
    more: dict[str, Json] = {"total": breaks.total, "attributes": dict(breaks.attributes)}
    if not allows(call.grant.permissions, READ):
        return problem(409, "Conflict", breaks.detail, more=more)
    more["broken"] = list(breaks.broken)
    return problem(409, "Conflict", breaks.full_detail, more=more)


def _conflicts(call: Call, breaks: Breaks) -> SchemaConflicts:
    reads = allows(call.grant.permissions, READ)
    broken: list[Any] = list(breaks.broken) if reads else []
    return {"total": breaks.total, "attributes": dict(breaks.attributes), "broken": broken}


def _difference(change: SchemaChange) -> SchemaDifference:
    return {
        "attribute": change.attribute,
        "action": change.action,
        "values": [
            {"name": name, "before": was, "after": now}
            for name, (was, now) in change.values.items()
        ],
    }
