"""Schemas and resource types in the console: the list, a schema, a resource type, and deletion."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import orjson

from muster.access.permissions import SCIM, SETTINGS
from muster.console.schema_drafts import AttributeRow, draft_of, rows
from muster.console.web import PageRoute, Visit
from muster.custom_schemas.schemas import Breaks, CustomSchemas
from muster.http.wire.message import Response
from muster.scim.errors import ScimError, not_found
from muster.scim.schema.custom import CustomSchema
from muster.scim.schema.model import Registry, ResourceType, Schema, registry

_ROOT = "/w/{workspace}"
_READ_AT_MOST = 10_000
"""The resources that are read to count the values of a schema: about 100 ms."""


@dataclass(frozen=True, slots=True)
class Use:
    """A resource type that uses a schema.

    Attributes:
        name: The name of the type.
        core: Whether the schema is its core schema, not an extension.
        required: Whether it is a required extension.
    """

    name: str
    core: bool
    required: bool

    def __str__(self) -> str:
        role = "core schema" if self.core else "required" if self.required else ""
        return f"{self.name} ({role})" if role else self.name


class SchemaPages:
    """The pages that list, show and delete schemas and resource types."""

    def __init__(self, custom: CustomSchemas) -> None:
        self._custom = custom

    def __iter__(self) -> Iterator[PageRoute]:
        schema, kind = f"{_ROOT}/schemas/{{urn}}", f"{_ROOT}/resource-types/{{name}}"
        yield PageRoute("GET", f"{_ROOT}/schemas", SETTINGS, self.show)
        yield PageRoute("GET", schema, SETTINGS, self.show_schema)
        yield PageRoute("GET", f"{schema}/remove", SETTINGS, self.ask)
        yield PageRoute("POST", f"{schema}/remove", SETTINGS, self.remove)
        yield PageRoute("GET", kind, SETTINGS, self.show_type)
        yield PageRoute("POST", f"{kind}/remove", SETTINGS, self.remove_type)

    async def show(self, visit: Visit) -> Response:
        workspace, among = visit.there().id, _registry(visit)
        own = {schema.id: schema for schema in await self._custom.schemas(workspace)}
        schemas = [
            (schema, uses(among, schema.id), own.get(schema.id))
            for schema in sorted(among.schemas.values(), key=lambda item: item.id not in own)
        ]
        custom = {item["name"] for item in await self._custom.types(workspace)}
        types = [
            (kind, kind.name in custom, await self._custom.count_resources(workspace, kind.name))
            for kind in sorted(among.types.values(), key=lambda item: item.name not in custom)
        ]
        said = visit.flashed.get("said", "")
        return visit.render("schemas.html", schemas=schemas, types=types, own=own, said=said)

    async def show_schema(self, visit: Visit) -> Response:
        found = _schema(visit)
        own = await self._own(visit, found.id)
        progress = 100 if own is None else await self._custom.progress(visit.there().id, own)
        definition = found.definition
        if own is not None:
            definition = {**definition, "extends": list(own.extends), "required": own.required}
        text = orjson.dumps(definition, option=orjson.OPT_INDENT_2).decode()
        return visit.render(
            "schema.html",
            schema=found,
            own=own,
            uses=uses(_registry(visit), found.id),
            rows=_rows(found, own),
            paths=own is not None and bool(own.extends),
            progress=progress,
            text=text,
            said=visit.flashed.get("said", ""),
        )

    async def ask(self, visit: Visit, status: int = 200, error: str = "") -> Response:
        """Show how many resources have values of a schema, before it is deleted."""
        urn = visit.names["urn"]
        schema = await self._custom.schema(visit.there().id, urn)
        number, all_read = await self._custom.count_values(visit.administrator, urn, _READ_AT_MOST)
        found = [use for use in uses(_registry(visit), schema.id) if use.core]
        return visit.render(
            "schema_remove.html",
            status,
            schema=schema,
            number=number,
            all_read=all_read,
            most=_READ_AT_MOST,
            core_of=found,
            error=error,
        )

    async def remove(self, visit: Visit) -> Response:
        schema = await self._custom.schema(visit.there().id, visit.names["urn"])
        try:
            await self._custom.delete_schema(visit.administrator, schema.id)
        except ScimError as error:
            return await self.ask(visit, error.status, _detail(visit, error))
        name = schema.definition["name"]
        return await visit.redirect_with("./schemas", said=f'Schema "{name}" was deleted.')

    async def show_type(self, visit: Visit, status: int = 200, error: str = "") -> Response:
        kind = _type(visit)
        custom = {item["name"] for item in await self._custom.types(visit.there().id)}
        return visit.render(
            "resource_type.html",
            status,
            kind=kind,
            custom=kind.name in custom,
            number=await self._custom.count_resources(visit.there().id, kind.name),
            error=error,
            said=visit.flashed.get("said", ""),
        )

    async def remove_type(self, visit: Visit) -> Response:
        kind = await self._custom.type(visit.there().id, visit.names["name"])
        try:
            await self._custom.delete_type(visit.administrator, kind["name"])
        except ScimError as error:
            return await self.show_type(visit, error.status, _detail(visit, error))
        return await visit.redirect_with(
            "./schemas", said=f'Resource type "{kind["name"]}" was deleted.'
        )

    async def _own(self, visit: Visit, urn: str) -> CustomSchema | None:
        """Return a custom schema; None for a built-in one."""
        if urn.lower() in registry().schemas:
            return None
        return await self._custom.schema(visit.there().id, urn)


def uses(among: Registry, urn: str) -> Sequence[Use]:
    """Return the resource types that use a schema."""
    found = []
    for kind in among.types.values():
        core = kind.is_core(urn)
        if core or kind.extension(urn) is not None:
            found.append(Use(kind.name, core, urn in kind.required_extensions))
    return found


def _registry(visit: Visit) -> Registry:
    return visit.registry or registry()


def _schema(visit: Visit) -> Schema:
    found = _registry(visit).schemas.get(visit.names["urn"].lower())
    if found is None:
        raise not_found(f"Schema {visit.names['urn'][:200]!r} not found.")
    return found


def _type(visit: Visit) -> ResourceType:
    name = visit.names["name"]
    for kind in _registry(visit).types.values():
        if kind.name.lower() == name.lower():
            return kind
    raise not_found(f"Resource type {name[:100]!r} not found.")


def _rows(schema: Schema, own: CustomSchema | None) -> Sequence[AttributeRow]:
    """Return the attributes of a schema as rows of a table."""
    return list(rows(draft_of(own or CustomSchema(schema.definition))))


def _detail(visit: Visit, error: ScimError) -> str:
    """Return an error; the resources that conflict are named to those who may read them."""
    if isinstance(error, Breaks) and visit.may(SCIM):
        return error.full_detail
    return error.detail
