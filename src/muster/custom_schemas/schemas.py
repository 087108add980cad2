"""Creates, changes and removes custom schemas and resource types.

A change that would make stored resources invalid is rejected: all resources are checked before the
change is stored, and those written meanwhile are checked after it. Writes in a process that does
not know of the change yet can slip through, for at most a second on PostgreSQL.
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

Check = Callable[[Document, ResourceType], str | None]
"""Returns the reason why a document of a type conflicts with a change; None if it does not."""
_CHUNK = 500
_LISTED = 20


class Breaks(ScimError):
    """409: stored resources conflict with a change; the detail has only their number.

    Attributes:
        broken: The first of them, each with its id and the reason.
        total: Their number.
    """

    def __init__(self, broken: Sequence[dict[str, str]], total: int) -> None:
        super().__init__(409, f"{total} stored resources conflict with this change")
        self.broken = broken
        self.total = total

    @property
    def full_detail(self) -> str:
        """The detail with the first resources, for administrators who may read them."""
        named = "; ".join(
            f"{item['resourceType']} {item['id']}: {item['detail']}" for item in self.broken[:3]
        )
        return f"{self.detail}: {named}"


class CustomSchemas:
    """Manages the custom schemas and resource types of workspaces."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def schemas(self, workspace: int) -> list[CustomSchema]:
        """Return the custom schemas of a workspace, ordered by URN."""
        return [
            CustomSchema.from_json(item.body)
            for item in await self._storage.items(workspace, SCHEMA_KIND)
        ]

    async def schema(self, workspace: int, urn: str) -> CustomSchema:
        """Return a custom schema by its URN, case-insensitively.

        Raises:
            ScimError: 404 if it does not exist.
        """
        return CustomSchema.from_json((await self._schema(workspace, urn)).body)

    async def _schema(self, workspace: int, urn: str) -> Item:
        for item in await self._storage.items(workspace, SCHEMA_KIND):
            if item.id == urn.lower():
                return item
        raise not_found(f"Custom schema {urn[:200]!r} not found.")

    async def progress(self, workspace: int, schema: CustomSchema) -> int:
        """Return the progress of building a schema's index, in percent."""
        if schema.ready:
            return 100
        item = await self._storage.item(workspace, PROGRESS_KIND, schema.id.lower())
        return 0 if item is None else min(99, 100 * item.body["done"] // max(1, item.body["total"]))

    async def types(self, workspace: int) -> list[dict[str, Any]]:
        """Return the custom resource types of a workspace, ordered by endpoint."""
        return [item.body for item in await self._storage.items(workspace, TYPE_KIND)]

    async def type(self, workspace: int, name: str) -> dict[str, Any]:
        """Return a custom resource type by name, case-insensitively.

        Raises:
            ScimError: 404 if it does not exist.
        """
        for found in await self.types(workspace):
            if found["name"].lower() == name.lower():
                return found
        raise not_found(f"Custom resource type {name[:100]!r} not found.")

    async def create_schema(self, by: Administrator, raw: Json) -> CustomSchema:
        """Create a schema, effective immediately.

        Raises:
            ScimError: 400 if the definition is invalid; 409 if the schema exists.
            Breaks: Stored resources conflict with it.
            Outdated: It was created concurrently.
        """
        there = await self.schemas(by.workspace.id)
        schema = read_schema(raw, await self._without(by, None))
        if any(other.id.lower() == schema.id.lower() for other in there):
            raise ScimError(
                409, f"A schema with the id {schema.id!r} already exists.", "uniqueness"
            )
        if len(there) >= MAX_SCHEMAS:
            raise ScimError(409, f"A workspace can have at most {MAX_SCHEMAS} custom schemas.")
        schema = replace(schema, ready=True)  # no resource has a value to index yet
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
        """Replace the definition of a schema. New indexes are built afterwards.

        Raises:
            ScimError: 400 if the definition is invalid; 403 if it changes uniqueness; 404 if the
                schema does not exist.
            Breaks: Stored resources conflict with it.
            Outdated: The schema changed concurrently.
        """
        item = await self._schema(by.workspace.id, urn)
        before = CustomSchema.from_json(item.body)
        if isinstance(raw, dict) and str(raw.get("id", before.id)).lower() != before.id.lower():
            raise invalid_value(f"id: expected {before.id!r}, which cannot be changed")
        schema = read_schema(
            {"id": before.id, **raw} if isinstance(raw, dict) else raw,
            await self._without(by, before.id),
        )
        schema = replace(schema, definition=schema.definition | {"id": before.id})
        if _unique(schema) != _unique(before):
            raise forbidden(
                "The uniqueness of attributes cannot be changed after a schema is created."
            )
        new = set(schema.indexed) - set(before.indexed)
        schema = replace(schema, ready=before.ready and not new)
        after = await self._with(by, schema)
        await self._decide(
            by, replace(item, body=schema.to_json()), item, having(after, schema), _fits(schema)
        )
        await self._clear_indexes(by, schema, set(before.indexed) - set(schema.indexed), after)
        return schema

    async def delete_schema(self, by: Administrator, urn: str) -> None:
        """Remove a schema that no resource type and no stored resource uses.

        Raises:
            ScimError: 404 if it does not exist; 409 if a resource type uses it.
            Breaks: Stored resources use it.
            Outdated: The schema changed concurrently.
        """
        item = await self._schema(by.workspace.id, urn)
        schema = CustomSchema.from_json(item.body)
        for found in await self.types(by.workspace.id):
            if schema.id in (
                found["schema"],
                *(item["schema"] for item in found["schemaExtensions"]),
            ):
                raise ScimError(
                    409, f"The resource type {found['name']} uses this schema. Remove it first."
                )
        before = await self._with(by, schema)

        def used(document: Document, _: ResourceType) -> str | None:
            return f"it has values of {schema.id}" if schema.id in document else None

        await self._decide(by, replace(item, body=None), item, having(before, schema), used)
        await self._clear_indexes(by, schema, set(schema.indexed), before)

    async def create_type(self, by: Administrator, raw: Json) -> dict[str, Any]:
        """Create a resource type with its own endpoint, effective immediately.

        Raises:
            ScimError: 400 if the definition is invalid; 409 if there are too many types.
            Outdated: It was created concurrently.
        """
        if len(await self.types(by.workspace.id)) >= MAX_TYPES:
            raise ScimError(409, f"A workspace can have at most {MAX_TYPES} custom resource types.")
        made = read_type(raw, await self._without(by, None))
        extending = {schema.id for schema in await self.schemas(by.workspace.id) if schema.extends}
        if made["schema"] in extending:
            raise invalid_value(
                f"schema: {made['schema']} is an extension and cannot be a core schema"
            )
        none = Item(by.workspace.id, TYPE_KIND, made["endpoint"], None)
        await self._put(by, replace(none, body=made), none)
        return made

    async def delete_type(self, by: Administrator, name: str) -> None:
        """Remove a resource type that has no resources.

        Raises:
            ScimError: 404 if it does not exist; 409 if it has resources.
            Breaks: Resources were created concurrently.
            Outdated: The type changed concurrently.
        """
        found = await self.type(by.workspace.id, name)
        there = await backfill.count(self._storage, by.workspace.id, found["name"])
        if there:
            raise ScimError(409, f"This type still has {there} resources. Delete them first.")
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
        """Return the registry of the workspace without one of its schemas."""
        kept = [schema for schema in await self.schemas(by.workspace.id) if schema.id != urn]
        return extended(
            registry(), kept, await self.types(by.workspace.id), by.workspace.unique_group_names
        )

    async def _with(self, by: Administrator, schema: CustomSchema) -> Registry:
        """Return the workspace's registry with a schema added, or replaced by its URN."""
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
        check: Check,
    ) -> None:
        """Store a change, unless resources of these types conflict with it.

        Args:
            by: The administrator.
            item: The new item.
            before: The item that it replaces.
            kinds: The resource types to check.
            check: Checks a resource.

        Raises:
            Breaks: Stored resources conflict with the change.
            Outdated: The item changed concurrently.
        """
        start = await self._storage.latest_change(by.workspace.id)
        await self._check(by, kinds, check)
        await self._put(by, item, before)
        try:
            await self._check_since(by, start, kinds, check)
        except Breaks:
            await self._put(by, before, item)
            raise

    async def _put(self, by: Administrator, item: Item, before: Item) -> None:
        await self._storage.administer([item], [_note(by, item, before)], [before])

    async def _check(self, by: Administrator, kinds: Sequence[ResourceType], check: Check) -> None:
        """Check all stored resources of some types.

        Raises:
            Breaks: Some conflict.
        """
        broken: list[dict[str, str]] = []
        total = 0
        for kind in kinds:
            after = -1
            while found := await backfill.there(
                self._storage, by.workspace.id, kind.name, after, _CHUNK
            ):
                after = found[-1].key
                for row in found:
                    detail = check(parse(row.document.encode()), kind)
                    if detail is not None:
                        total += 1
                        if len(broken) < _LISTED:
                            broken.append(_broken(kind.name, row.id, detail))
                await asyncio.sleep(0)
        if total:
            raise Breaks(broken, total)

    async def _check_since(
        self, by: Administrator, start: int, kinds: Sequence[ResourceType], check: Check
    ) -> None:
        """Check the latest versions of the resources written since a change.

        Raises:
            Breaks: Some conflict.
        """
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
                    else check(parse(change.document), named[change.type])
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
    """Return the resource types that use a schema, as core schema or extension."""
    urn = schema.id.lower()
    return [
        kind
        for kind in among.types.values()
        if urn in kind.extensions or kind.core.id.lower() == urn
    ]


def path_of(kind: ResourceType, schema: CustomSchema, name: str) -> str:
    """Return the path of a schema's attribute in resources of a type."""
    return name if kind.core.id.lower() == schema.id.lower() else f"{schema.id}:{name}"


def _broken(kind: str, resource_id: str, detail: str) -> dict[str, str]:
    return {"resourceType": kind, "id": resource_id, "detail": detail}


def _note(by: Administrator, item: Item, before: Item) -> Note:
    """Return the audit log entry for an item that replaces another."""
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


def _fits(schema: CustomSchema) -> Check:
    return lambda document, kind: _misfit(document, kind, schema.id)


def _unique(schema: CustomSchema) -> set[str]:
    return {
        item["name"] for item in schema.definition["attributes"] if item["uniqueness"] != "none"
    }


def _shows_a_secret(attribute: Attribute, value: Json) -> bool:
    """Return whether a stored value has a sub-attribute that is never returned."""
    secret = {sub.name for sub in attribute.secret_subs}
    holders = value if isinstance(value, list) else [value]
    return any(isinstance(item, dict) and not secret.isdisjoint(item) for item in holders)


def _misfit(document: Document, kind: ResourceType, urn: str) -> str | None:
    """Return the reason why a document does not match a schema; None if it matches."""
    core = kind.core.id.lower() == urn.lower()
    schema = kind.core if core else kind.extension(urn)
    if schema is None:
        return None
    held = document if core else document.get(schema.id, {})
    ignored = {
        "schemas",
        "id",
        "meta",
        "externalId",
        *kind.extensions,
        *(item.id for item in kind.extensions.values()),
    }
    for name, value in held.items():
        attribute = schema.attribute(name)
        if core and (name in ignored or kind.common.attribute(name) is not None):
            continue
        if attribute is None or attribute.name != name:
            return f"it has a value of {name}, which the schema does not define"
        if attribute.secret or _shows_a_secret(attribute, value):
            return (
                f"{name} is stored in plain text, so it cannot become an attribute that is never"
                " returned"
            )
        try:
            if (
                not attribute.read_only
                and read_value(attribute, value, name, Dialect(strict=True)) != value
            ):
                return f"a part of {name} does not match the schema"
        except ScimError as error:
            return error.detail
    try:
        arrange(document, kind)
    except ScimError as error:
        return error.detail
    return None
