"""Creates, changes and removes custom schemas and resource types.

A change that would make stored resources invalid is rejected: all resources are checked before the
change is stored, and those written meanwhile are checked after it. Writes in a process that does
not know of the change yet can slip through, for at most a second on PostgreSQL.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from muster.access.audit_notes import Administrator
from muster.access.registries import PROGRESS_KIND, SCHEMA_KIND, TYPE_KIND
from muster.custom_schemas.changes import SchemaChange, changes_between
from muster.directory.documents import parse
from muster.directory.versions import check_length, index_of_document
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
from muster.scim.schema.interop import secret_attribute
from muster.scim.schema.model import Attribute, Registry, ResourceType, Schema, registry
from muster.scim.values import Json
from muster.storage.port.accounts import Workspace
from muster.storage.port.changes import Note
from muster.storage.port.engine import Storage
from muster.storage.port.items import Item
from muster.storage.repair import backfill

_CHUNK = 500
_LISTED = 20


@dataclass(frozen=True, slots=True)
class Misfit:
    """A reason why a document conflicts with a change.

    Attributes:
        attribute: The name of the attribute at fault; empty for the document as a whole.
        detail: The reason.
    """

    attribute: str
    detail: str


Check = Callable[[Document, ResourceType], Sequence[Misfit]]
"""Returns the reasons why a document of a type conflicts with a change; none if it does not."""


class Breaks(ScimError):
    """409: stored resources conflict with a change; the detail has only their number.

    Attributes:
        broken: The first of them, each with its id, its name and the reason.
        total: Their number.
        attributes: The number of resources that conflict by the name of the attribute at fault;
            empty for a resource as a whole. A resource may conflict by several.
    """

    def __init__(
        self, broken: Sequence[dict[str, str]], total: int, attributes: Mapping[str, int]
    ) -> None:
        resources = "stored resource conflicts" if total == 1 else "stored resources conflict"
        super().__init__(409, f"{total:,} {resources} with this change")
        self.broken = broken
        self.total = total
        self.attributes = attributes

    @property
    def full_detail(self) -> str:
        """The detail with the first resources, for administrators who may read them."""
        named = "; ".join(
            f"{item['resourceType']} {item['id']}: {item['detail']}" for item in self.broken[:3]
        )
        return f"{self.detail}: {named}"


@dataclass(frozen=True, slots=True)
class SchemaReview:
    """The effect of a change of a schema that has not been stored.

    Attributes:
        schema: The schema as it would be stored.
        before: The stored schema that it replaces; None for a new one.
        changes: The differences.
        breaks: The conflicts with stored resources; None if there are none.
    """

    schema: CustomSchema
    before: CustomSchema | None
    changes: Sequence[SchemaChange]
    breaks: Breaks | None


@dataclass(frozen=True, slots=True)
class _Plan:
    """A valid change of a schema, before it is checked against stored resources.

    Attributes:
        schema: The new schema.
        before: The schema that it replaces; None for a new one.
        item: The stored item that it replaces.
        registry: The registry with the new schema.
        lost: The resource types that the schema extends no longer.
    """

    schema: CustomSchema
    before: CustomSchema | None
    item: Item
    registry: Registry
    lost: Sequence[ResourceType] = ()

    @property
    def kinds(self) -> list[ResourceType]:
        """The resource types whose resources may conflict."""
        return [*having(self.registry, self.schema), *self.lost]

    @property
    def check(self) -> Check:
        """The check of a resource."""
        lost = {kind.name for kind in self.lost}

        def misfits(document: Document, kind: ResourceType) -> Sequence[Misfit]:
            if kind.name in lost:
                return _values(document, self.schema.id)
            return list(_misfits(document, kind, self.schema.id))

        return misfits

    @property
    def marker(self) -> str:
        """A text without which no document conflicts.

        It is empty for schemas that concern all documents: required extensions and core schemas.
        """
        core = any(kind.is_core(self.schema.id) for kind in self.kinds)
        return "" if core or self.schema.required else f'"{self.schema.id}"'


class _Tally:
    """Counts the resources that conflict with a change, and keeps the first of them."""

    def __init__(self) -> None:
        self._listed: list[dict[str, str]] = []
        self._total = 0
        self._attributes: Counter[str] = Counter()

    def add(self, kind: str, document: Document, misfits: Sequence[Misfit]) -> None:
        """Count a resource if it has conflicts; each resource is added once."""
        if not misfits:
            return
        self._total += 1
        self._attributes.update({misfit.attribute for misfit in misfits})
        if len(self._listed) < _LISTED:
            who = {"resourceType": kind, "id": document["id"], "name": _name(document)}
            first = {"attribute": misfits[0].attribute, "detail": misfits[0].detail}
            self._listed.append({**who, **first})

    def check(self) -> None:
        """Raise Breaks if any resource conflicts."""
        if self._total:
            raise Breaks(self._listed, self._total, self._attributes)


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
        plan = await self._plan_new(by, raw)
        await self._store(by, plan)
        return plan.schema

    async def review_schema(self, by: Administrator, raw: Json, urn: str | None) -> SchemaReview:
        """Return the effect of creating or replacing a schema, without storing it.

        Args:
            by: The administrator.
            raw: The definition.
            urn: The URN of the schema to replace; None to create one.

        Raises:
            ScimError: As `create_schema` and `replace_schema`, except for Breaks.
        """
        plan = await (self._plan_new(by, raw) if urn is None else self._plan_change(by, urn, raw))
        changes = changes_between(plan.before, plan.schema)
        try:
            await self._check(by, plan.kinds, plan.check, plan.marker)
        except Breaks as breaks:
            return SchemaReview(plan.schema, plan.before, changes, breaks)
        return SchemaReview(plan.schema, plan.before, changes, None)

    async def _plan_new(self, by: Administrator, raw: Json) -> _Plan:
        there = await self.schemas(by.workspace.id)
        schema = read_schema(raw, await self._without(by, None))
        _check_profile(by.workspace, schema)
        if any(other.id.lower() == schema.id.lower() for other in there):
            raise ScimError(
                409, f"A schema with the id {schema.id!r} already exists.", "uniqueness"
            )
        if len(there) >= MAX_SCHEMAS:
            raise ScimError(409, f"A workspace can have at most {MAX_SCHEMAS} custom schemas.")
        schema = replace(schema, ready=True)  # no resource has a value to index yet
        none = Item(by.workspace.id, SCHEMA_KIND, schema.id.lower(), None)
        return _Plan(schema, None, none, await self._with(by, schema))

    async def replace_schema(self, by: Administrator, urn: str, raw: Json) -> CustomSchema:
        """Replace the definition of a schema. New indexes are built afterwards.

        Raises:
            ScimError: 400 if the definition is invalid; 403 if it changes uniqueness; 404 if the
                schema does not exist.
            Breaks: Stored resources conflict with it.
            Outdated: The schema changed concurrently.
        """
        plan = await self._plan_change(by, urn, raw)
        await self._store(by, plan)
        was = set() if plan.before is None else set(plan.before.indexed)
        await self._clear_indexes(by, plan.schema, was - set(plan.schema.indexed), plan.registry)
        return plan.schema

    async def _store(self, by: Administrator, plan: _Plan) -> None:
        item = replace(plan.item, body=plan.schema.to_json())
        await self._decide(by, item, plan.item, plan.kinds, plan.check, plan.marker)

    async def _plan_change(self, by: Administrator, urn: str, raw: Json) -> _Plan:
        item = await self._schema(by.workspace.id, urn)
        before = CustomSchema.from_json(item.body)
        if isinstance(raw, dict) and str(raw.get("id", before.id)).lower() != before.id.lower():
            raise invalid_value(f"id: expected {before.id!r}, which cannot be changed")
        schema = read_schema(
            {"id": before.id, **raw} if isinstance(raw, dict) else raw,
            await self._without(by, before.id),
        )
        schema = replace(schema, definition=schema.definition | {"id": before.id})
        _check_uniqueness(before, schema)
        _check_profile(by.workspace, schema)
        new = set(schema.indexed) - set(before.indexed)
        schema = replace(schema, ready=before.ready and not new)
        after = await self._with(by, schema)
        using = {kind.name for kind in having(after, schema)}
        was = having(await self._with(by, before), before)
        lost = [kind for kind in was if kind.name not in using]
        return _Plan(schema, before, item, after, lost)

    async def count_values(self, by: Administrator, urn: str, most: int) -> tuple[int, bool]:
        """Count the resources that have values of a custom schema.

        Args:
            by: The administrator.
            urn: The URN of the schema.
            most: The number of resources to read at most.

        Returns:
            The number, and whether all resources were read.

        Raises:
            ScimError: 404 if the schema does not exist.
        """
        schema = await self.schema(by.workspace.id, urn)
        found, left, key = 0, most, f'"{schema.id}"'
        for kind in having(await self._with(by, schema), schema):
            if kind.core.id == schema.id:
                found += await backfill.count(self._storage, by.workspace.id, kind.name)
                continue
            async for rows in self._resources(by, kind):
                found += sum(key in row.document for row in rows)
                left -= len(rows)
                if left <= 0:
                    return found, False
        return found, True

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

        def used(document: Document, _: ResourceType) -> list[Misfit]:
            return _values(document, schema.id)

        gone, marker = replace(item, body=None), f'"{schema.id}"'
        await self._decide(by, gone, item, having(before, schema), used, marker)
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
        await self._check_core(by, made)
        none = Item(by.workspace.id, TYPE_KIND, made["endpoint"], None)
        await self._put(by, replace(none, body=made), none)
        return made

    async def _check_core(self, by: Administrator, made: dict[str, Any]) -> None:
        extending = {schema.id for schema in await self.schemas(by.workspace.id) if schema.extends}
        if made["schema"] in extending:
            raise invalid_value(
                f"schema: {made['schema']} is an extension and cannot be a core schema"
            )

    async def replace_type(self, by: Administrator, name: str, raw: Json) -> dict[str, Any]:
        """Change the description or the extensions of a resource type.

        Raises:
            ScimError: 400 if the definition is invalid, or has another name, endpoint or core
                schema; 404 if the type does not exist.
            Breaks: Stored resources have values of an extension that it would lose, or none of one
                that would be required.
            Outdated: The type changed concurrently.
        """
        found, workspace = await self.type(by.workspace.id, name), by.workspace
        schemas = await self.schemas(workspace.id)
        others = [item for item in await self.types(workspace.id) if item["name"] != found["name"]]
        unique = workspace.unique_group_names
        made = read_type(raw, extended(registry(), schemas, others, unique))
        for member in ("name", "endpoint", "schema"):
            if made[member] != found[member]:
                raise invalid_value(f"{member}: expected {found[member]!r}, which cannot change")
        kind = extended(registry(), schemas, [*others, made], unique).types[found["endpoint"]]
        lost = {item["schema"] for item in found["schemaExtensions"]} - {
            extension.id for extension in kind.extensions.values()
        }
        item = Item(workspace.id, TYPE_KIND, found["endpoint"], found)
        await self._decide(by, replace(item, body=made), item, [kind], _fits_type(lost))
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
            by,
            replace(item, body=None),
            item,
            kinds,
            lambda _, __: [Misfit("", "it is of this type")],
        )

    async def count_resources(self, workspace: int, name: str) -> int:
        """Return the number of resources of a type."""
        return await backfill.count(self._storage, workspace, name)

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
        marker: str = "",
    ) -> None:
        """Store a change, unless resources of these types conflict with it.

        Args:
            by: The administrator.
            item: The new item.
            before: The item that it replaces.
            kinds: The resource types to check.
            check: Checks a resource.
            marker: As for `_check`.

        Raises:
            Breaks: Stored resources conflict with the change.
            Outdated: The item changed concurrently.
        """
        start = await self._storage.latest_change(by.workspace.id)
        await self._check(by, kinds, check, marker)
        await self._put(by, item, before)
        try:
            await self._check_since(by, start, kinds, check)
        except Breaks:
            await self._put(by, before, item)
            raise

    async def _put(self, by: Administrator, item: Item, before: Item) -> None:
        await self._storage.administer([item], [_note(by, item, before)], [before])

    async def _check(
        self, by: Administrator, kinds: Sequence[ResourceType], check: Check, marker: str
    ) -> None:
        """Check all stored resources of some types.

        Args:
            by: The administrator.
            kinds: The types.
            check: Checks a resource.
            marker: A text without which no document conflicts; such documents are not parsed.

        Raises:
            Breaks: Some conflict.
        """
        tally = _Tally()
        for kind in kinds:
            async for rows in self._resources(by, kind):
                for row in rows:
                    if marker in row.document:
                        document = parse(row.document.encode())
                        tally.add(kind.name, document, check(document, kind))
        tally.check()

    async def _resources(
        self, by: Administrator, kind: ResourceType
    ) -> AsyncIterator[Sequence[backfill.ExistingResource]]:
        """Yield all resources of a type, a chunk at a time, and let others run in between."""
        after = -1
        while found := await backfill.there(
            self._storage, by.workspace.id, kind.name, after, _CHUNK
        ):
            after = found[-1].key
            yield found
            await asyncio.sleep(0)

    async def _check_since(
        self, by: Administrator, start: int, kinds: Sequence[ResourceType], check: Check
    ) -> None:
        """Check the latest versions of the resources written since a change.

        Raises:
            Breaks: Some conflict.
        """
        latest: dict[str, tuple[str, Document, Sequence[Misfit]]] = {}
        named = {kind.name: kind for kind in kinds}
        end = await self._storage.latest_change(by.workspace.id)
        while start < end and (
            changes := await self._storage.changes(by.workspace.id, start, _CHUNK)
        ):
            start = changes[-1].sequence
            for change in changes:
                if not change.version or change.type not in named:
                    continue
                document = parse(change.document)
                deleted = change.action == "delete"
                misfits = [] if deleted else check(document, named[change.type])
                latest[change.id] = (change.type, document if misfits else {}, misfits)
            await asyncio.sleep(0)
        tally = _Tally()
        for found in latest.values():
            tally.add(*found)
        tally.check()

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


def _name(document: Document) -> str:
    """Return the name of a resource for people; empty if it has none."""
    name = document.get("displayName") or document.get("userName")
    return name if isinstance(name, str) else ""


def _values(document: Document, urn: str) -> list[Misfit]:
    """Return the reason why a document that may have no values of a schema conflicts."""
    return [Misfit("", f"it has values of {urn}")] if urn in document else []


def _fits_type(lost: Set[str]) -> Check:
    """Return the check of a resource type that loses some extensions."""

    def check(document: Document, kind: ResourceType) -> list[Misfit]:
        values = [Misfit(urn, f"it has values of {urn}") for urn in sorted(lost & document.keys())]
        return values or list(_unarranged(document, kind, kind.core))

    return check


def _check_profile(workspace: Workspace, schema: CustomSchema) -> None:
    """Raise ScimError 409 if the profile of a workspace forbids an attribute of a schema."""
    secret = secret_attribute(schema.definition["attributes"]) if workspace.is_ipsie else None
    if secret is not None:
        raise ScimError(
            409,
            f"{secret}: the profile of the workspace, ipsie, forbids attributes for credentials,"
            " which are those that are never returned",
        )


def _check_uniqueness(before: CustomSchema, after: CustomSchema) -> None:
    """Check that no attribute becomes unique or stops being unique.

    Raises:
        ScimError: 403, with the position of the attribute if it is still defined.
    """
    changed = _unique(before) ^ _unique(after)
    if not changed:
        return
    places = [
        f"attributes[{index}] ({item['name']}).uniqueness: "
        for index, item in enumerate(after.definition["attributes"])
        if item["name"] in changed
    ]
    raise forbidden(
        f"{places[0] if places else ''}the uniqueness of attributes cannot be changed after a"
        " schema is created."
    )


def _unique(schema: CustomSchema) -> set[str]:
    return {
        item["name"] for item in schema.definition["attributes"] if item["uniqueness"] != "none"
    }


def _shows_a_secret(attribute: Attribute, value: Json) -> bool:
    """Return whether a stored value has a sub-attribute that is never returned."""
    secret = {sub.name for sub in attribute.secret_subs}
    holders = value if isinstance(value, list) else [value]
    return any(isinstance(item, dict) and not secret.isdisjoint(item) for item in holders)


def _misfits(document: Document, kind: ResourceType, urn: str) -> Iterator[Misfit]:
    """Yield the reasons why a document does not match a schema."""
    core = kind.core.id.lower() == urn.lower()
    schema = kind.core if core else kind.extension(urn)
    if schema is None:
        return
    held = document if core else document.get(schema.id, {})
    ignored = {
        "schemas",
        "id",
        "meta",
        "externalId",
        *kind.extensions,
        *(item.id for item in kind.extensions.values()),
    }
    fits = True
    for name, value in held.items():
        if core and (name in ignored or kind.common.attribute(name) is not None):
            continue
        detail = _misfit(schema.attribute(name), name, value)
        if detail is not None:
            fits = False
            yield Misfit(name, detail)
    if fits:
        yield from _unarranged(document, kind, schema)


def _misfit(attribute: Attribute | None, name: str, value: Json) -> str | None:
    """Return the reason why a stored value does not match an attribute; None if it matches."""
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
    return None


def _unarranged(document: Document, kind: ResourceType, schema: Schema) -> Iterator[Misfit]:
    """Yield the reason why a document cannot be put into order, or not into the indexes.

    A required value is missing, or an indexed one is too long.
    """
    try:
        arrange(document, kind)
        check_length(index_of_document(document, kind))
    except ScimError as error:
        subject = error.detail.partition(" ")[0].removeprefix(f"{schema.id}:").rstrip(":")
        yield Misfit(subject if schema.attribute(subject) else "", error.detail)
