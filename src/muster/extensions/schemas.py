"""Making, changing and removing a workspace's schemas and resource types, never so that what is stored no longer fits.

What is stored is looked at before a decision is kept, and what was written meanwhile after it. A write that was under way when it
was kept, in a process that did not know of it yet, is not held against it: that is a moment, a second at most on PostgreSQL.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from muster.access.audit_notes import Administrator
from muster.access.registries import PROGRESS_KIND, SCHEMA_KIND, TYPE_KIND
from muster.directory.documents import parse
from muster.scim.dialects import Dialect
from muster.scim.document import Document, arrange, read_value
from muster.scim.errors import ScimError, forbidden, invalid_value, not_found
from muster.scim.schema.custom import (
    MAX_SCHEMAS,
    MAX_TYPES,
    CustomSchema,
    extended,
    read_schema,
    read_type,
)
from muster.scim.schema.model import Attribute, Registry, ResourceType, registry
from muster.scim.values import Json
from muster.storage.port.changes import Note
from muster.storage.port.engine import Storage
from muster.storage.port.items import Item
from muster.storage.repair import backfill

Wrong = Callable[[Document, ResourceType], str | None]
"""What speaks against a decision in a document of a type, if anything."""
_CHUNK = 500
_LISTED = 20


class Breaks(ScimError):
    """409: stored resources would no longer fit. The detail has their number alone.

    Attributes:
        broken: Some of them, each with its id and the reason.
        total: How many there are.
    """

    def __init__(self, broken: Sequence[dict[str, str]], total: int) -> None:
        super().__init__(409, f"{total} stored resources would no longer fit")
        self.broken = broken
        self.total = total

    @property
    def full_detail(self) -> str:
        """The detail with the first of the resources, for those who may read them."""
        named = "; ".join(
            f"{item['resourceType']} {item['id']}: {item['detail']}" for item in self.broken[:3]
        )
        return f"{self.detail}: {named}"


class CustomSchemas:
    """The schemas and resource types of workspaces."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def schemas(self, workspace: int) -> list[CustomSchema]:
        """The schemas of a workspace, by URN."""
        return [
            CustomSchema.from_json(item.body)
            for item in await self._storage.items(workspace, SCHEMA_KIND)
        ]

    async def schema(self, workspace: int, urn: str) -> CustomSchema:
        """The schema of that URN, in any case. Raises ScimError 404."""
        return CustomSchema.from_json((await self._schema(workspace, urn)).body)

    async def _schema(self, workspace: int, urn: str) -> Item:
        for item in await self._storage.items(workspace, SCHEMA_KIND):
            if item.id == urn.lower():
                return item
        raise not_found(f"there is no schema {urn[:200]!r} of this workspace's own")

    async def progress(self, workspace: int, schema: CustomSchema) -> int:
        """How much of the index of a schema is built, in percent."""
        if schema.ready:
            return 100
        item = await self._storage.item(workspace, PROGRESS_KIND, schema.id.lower())
        return 0 if item is None else min(99, 100 * item.body["done"] // max(1, item.body["total"]))

    async def types(self, workspace: int) -> list[dict[str, Any]]:
        """The resource types of a workspace, by endpoint."""
        return [item.body for item in await self._storage.items(workspace, TYPE_KIND)]

    async def type(self, workspace: int, name: str) -> dict[str, Any]:
        """The resource type of that name. Raises ScimError 404."""
        for found in await self.types(workspace):
            if found["name"].lower() == name.lower():
                return found
        raise not_found(f"there is no resource type {name[:100]!r} of this workspace's own")

    async def create_schema(self, by: Administrator, raw: Json) -> CustomSchema:
        """A new schema, live at once. Raises ScimError that names what is wrong, 409 where it is there, Breaks and Outdated."""
        there = await self.schemas(by.workspace.id)
        schema = read_schema(raw, await self._without(by, None))
        if any(other.id.lower() == schema.id.lower() for other in there):
            raise ScimError(409, f"there is a schema {schema.id!r} already", "uniqueness")
        if len(there) >= MAX_SCHEMAS:
            raise ScimError(409, f"a workspace has at most {MAX_SCHEMAS} schemas of its own")
        schema = replace(schema, ready=True)  # nothing has a value yet that an index could lack
        none = Item(by.workspace.id, SCHEMA_KIND, schema.id.lower(), None)
        await self._decide(
            by,
            replace(none, body=schema.to_json()),
            none,
            having(await self._with(by, schema), schema),
            _fits(schema),
        )
        return schema

    async def replace_schema(self, by: Administrator, urn: str, raw: Json) -> CustomSchema:
        """Another definition in the place of one. An index that is new is built afterwards. Raises as create_schema does."""
        item = await self._schema(by.workspace.id, urn)
        before = CustomSchema.from_json(item.body)
        if isinstance(raw, dict) and str(raw.get("id", before.id)).lower() != before.id.lower():
            raise invalid_value(f"id must stay {before.id!r}")
        schema = read_schema(
            {"id": before.id, **raw} if isinstance(raw, dict) else raw,
            await self._without(by, before.id),
        )
        schema = replace(schema, definition=schema.definition | {"id": before.id})
        if _unique(schema) != _unique(before):
            raise forbidden("uniqueness cannot be changed once a schema is there")
        new = set(schema.indexed) - set(before.indexed)
        schema = replace(schema, ready=before.ready and not new)
        after = await self._with(by, schema)
        await self._decide(
            by, replace(item, body=schema.to_json()), item, having(after, schema), _fits(schema)
        )
        await self._clear_indexes(by, schema, set(before.indexed) - set(schema.indexed), after)
        return schema

    async def delete_schema(self, by: Administrator, urn: str) -> None:
        """Remove a schema that no resource type and no stored resource has. Raises ScimError 409, Breaks and Outdated."""
        item = await self._schema(by.workspace.id, urn)
        schema = CustomSchema.from_json(item.body)
        for found in await self.types(by.workspace.id):
            if schema.id in (
                found["schema"],
                *(item["schema"] for item in found["schemaExtensions"]),
            ):
                raise ScimError(409, f"the resource type {found['name']} has this schema")
        before = await self._with(by, schema)

        def used(document: Document, _: ResourceType) -> str | None:
            return f"it has values of {schema.id}" if schema.id in document else None

        await self._decide(by, replace(item, body=None), item, having(before, schema), used)
        await self._clear_indexes(by, schema, set(schema.indexed), before)

    async def create_type(self, by: Administrator, raw: Json) -> dict[str, Any]:
        """A new resource type with an endpoint of its own, live at once."""
        if len(await self.types(by.workspace.id)) >= MAX_TYPES:
            raise ScimError(409, f"a workspace has at most {MAX_TYPES} resource types of its own")
        made = read_type(raw, await self._without(by, None))
        extending = {schema.id for schema in await self.schemas(by.workspace.id) if schema.extends}
        if made["schema"] in extending:
            raise invalid_value(
                f"schema: {made['schema']} extends other resource types, and cannot be one's own"
            )
        none = Item(by.workspace.id, TYPE_KIND, made["endpoint"], None)
        await self._put(by, replace(none, body=made), none)
        return made

    async def delete_type(self, by: Administrator, name: str) -> None:
        """Remove a resource type that there are no resources of. Raises ScimError 409, Breaks and Outdated."""
        found = await self.type(by.workspace.id, name)
        there = await backfill.count(self._storage, by.workspace.id, found["name"])
        if there:
            raise ScimError(409, f"there are {there} resources of this type")
        item = Item(by.workspace.id, TYPE_KIND, found["endpoint"], found)
        kinds = [
            kind
            for kind in (await self._without(by, None)).types.values()
            if kind.endpoint == found["endpoint"]
        ]
        await self._decide(
            by, replace(item, body=None), item, kinds, lambda _, __: "it is of this type"
        )

    async def _without(self, by: Administrator, urn: str | None) -> Registry:
        """The registry of the workspace without one of its schemas."""
        kept = [schema for schema in await self.schemas(by.workspace.id) if schema.id != urn]
        return extended(
            registry(), kept, await self.types(by.workspace.id), by.workspace.unique_group_names
        )

    async def _with(self, by: Administrator, schema: CustomSchema) -> Registry:
        """The registry of the workspace with a schema, in the place of the one that has its URN."""
        kept = [
            other
            for other in await self.schemas(by.workspace.id)
            if other.id.lower() != schema.id.lower()
        ]
        types = await self.types(by.workspace.id)
        return extended(registry(), [*kept, schema], types, by.workspace.unique_group_names)

    async def _decide(
        self,
        by: Administrator,
        item: Item,
        before: Item,
        kinds: Sequence[ResourceType],
        wrong: Wrong,
    ) -> None:
        """Put an item in the place of another, where no resource of these types speaks against it. Raises Breaks and Outdated."""
        start = await self._storage.latest_change(by.workspace.id)
        await self._check(by, kinds, wrong)
        await self._put(by, item, before)
        try:
            await self._check_since(by, start, kinds, wrong)
        except Breaks:
            await self._put(by, before, item)
            raise

    async def _put(self, by: Administrator, item: Item, before: Item) -> None:
        await self._storage.administer([item], [_note(by, item, before)], [before])

    async def _check(self, by: Administrator, kinds: Sequence[ResourceType], wrong: Wrong) -> None:
        """Hold all that is stored against a decision. Raises Breaks."""
        broken: list[dict[str, str]] = []
        total = 0
        for kind in kinds:
            after = -1
            while found := await backfill.there(
                self._storage, by.workspace.id, kind.name, after, _CHUNK
            ):
                after = found[-1].key
                for row in found:
                    detail = wrong(parse(row.document.encode()), kind)
                    if detail is not None:
                        total += 1
                        if len(broken) < _LISTED:
                            broken.append(_broken(kind.name, row.id, detail))
                await asyncio.sleep(0)
        if total:
            raise Breaks(broken, total)

    async def _check_since(
        self, by: Administrator, start: int, kinds: Sequence[ResourceType], wrong: Wrong
    ) -> None:
        """Hold what was written since a change against a decision, as it was written last. Raises Breaks."""
        broken: dict[str, dict[str, str]] = {}
        named = {kind.name: kind for kind in kinds}
        end = await self._storage.latest_change(by.workspace.id)
        while start < end and (
            changes := await self._storage.changes(by.workspace.id, start, _CHUNK)
        ):
            start = changes[-1].sequence
            for change in changes:
                if not change.version or change.type not in named:
                    continue
                broken.pop(change.id, None)
                detail = (
                    None
                    if change.action == "delete"
                    else wrong(parse(change.document), named[change.type])
                )
                if detail is not None:
                    broken[change.id] = _broken(change.type, change.id, detail)
            await asyncio.sleep(0)
        if broken:
            raise Breaks(list(broken.values())[:_LISTED], len(broken))

    async def _clear_indexes(
        self, by: Administrator, schema: CustomSchema, names: set[str], among: Registry
    ) -> None:
        statements = [
            backfill.clear(by.workspace.id, kind.name, path_of(kind, schema, name))
            for kind in having(among, schema)
            for name in sorted(names)
        ]
        if statements:
            await self._storage.transact(by.workspace.id, statements)


def having(among: Registry, schema: CustomSchema) -> list[ResourceType]:
    """The resource types that have a schema, as their own or as an extension."""
    urn = schema.id.lower()
    return [
        kind
        for kind in among.types.values()
        if urn in kind.extensions or kind.core.id.lower() == urn
    ]


def path_of(kind: ResourceType, schema: CustomSchema, name: str) -> str:
    """The path of an attribute of a schema in a resource type."""
    return name if kind.core.id.lower() == schema.id.lower() else f"{schema.id}:{name}"


def _broken(kind: str, resource_id: str, detail: str) -> dict[str, str]:
    return {"resourceType": kind, "id": resource_id, "detail": detail}


def _note(by: Administrator, item: Item, before: Item) -> Note:
    """The record of an item that was put in the place of another."""
    action = "create" if before.body is None else "delete" if item.body is None else "update"
    held = item.body or before.body
    if item.kind == TYPE_KIND:
        return by.note(
            "ResourceType",
            held["name"],
            action,
            **({} if item.body is None else {"definition": item.body}),
        )
    return by.note("Schema", CustomSchema.from_json(held).id, action, **(item.body or {}))


def _fits(schema: CustomSchema) -> Wrong:
    return lambda document, kind: _misfit(document, kind, schema.id)


def _unique(schema: CustomSchema) -> set[str]:
    return {
        item["name"] for item in schema.definition["attributes"] if item["uniqueness"] != "none"
    }


def _shows_a_secret(attribute: Attribute, value: Json) -> bool:
    """Whether a stored value has a sub-attribute that is never returned."""
    secret = {sub.name for sub in attribute.secret_subs}
    holders = value if isinstance(value, list) else [value]
    return any(isinstance(item, dict) and not secret.isdisjoint(item) for item in holders)


def _misfit(document: Document, kind: ResourceType, urn: str) -> str | None:
    """What of a stored document does not fit a schema as it would be, or None where all does."""
    core = kind.core.id.lower() == urn.lower()
    schema = kind.core if core else kind.extension(urn)
    if schema is None:
        return None
    held = document if core else document.get(schema.id, {})
    passed_over = {
        "schemas",
        "id",
        "meta",
        "externalId",
        *kind.extensions,
        *(item.id for item in kind.extensions.values()),
    }
    for name, value in held.items():
        attribute = schema.attribute(name)
        if core and (name in passed_over or kind.common.attribute(name) is not None):
            continue
        if attribute is None or attribute.name != name:
            return f"it has a value of {name}"
        if attribute.secret or _shows_a_secret(attribute, value):
            return f"it has a value of {name} in the clear, which cannot become one that is never returned"
        try:
            if (
                not attribute.read_only
                and read_value(attribute, value, name, Dialect(strict=True)) != value
            ):
                return f"{name} has a part that would be lost"
        except ScimError as error:
            return error.detail
    try:
        arrange(document, kind)
    except ScimError as error:
        return error.detail
    return None
