"""The directory: what provisioning clients do to resources, each change whole or not at all."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import orjson

from muster.base import clock
from muster.base.clock import timestamp
from muster.base.passwords import hash_password
from muster.base.threads import compute
from muster.directory.documents import parse
from muster.directory.groups import member_edits
from muster.directory.groups.member_edits import MEMBERS
from muster.directory.groups.members import first_members, member_pages
from muster.directory.groups.memberships import GROUPS, each_with_groups, split, with_groups
from muster.directory.guard import policy
from muster.directory.guard.policy import Withheld
from muster.directory.history.outcomes import bump
from muster.directory.search.merge import Merged, Places, merge
from muster.directory.search.walks import Walks, WalkStep
from muster.directory.versions import index_of_document, make_put, next_version
from muster.scim import document as documents
from muster.scim import patch, secrets
from muster.scim.bounds import LARGE_BODY, MAX_COMPARISONS, MAX_ELEMENTS, check_growth
from muster.scim.dialects import Dialect
from muster.scim.document import Document
from muster.scim.errors import (
    ScimError,
    invalid_value,
    mutability,
    no_target,
    not_found,
    too_many,
    uniqueness,
)
from muster.scim.filter.predicate import Test, conditions
from muster.scim.filter.shapes import read_filter
from muster.scim.schema.model import (
    Attribute,
    Place,
    Registry,
    ResourceType,
    registry,
    secret_places,
)
from muster.scim.secrets import Hashes
from muster.scim.sorting import sort_field
from muster.scim.values import Json
from muster.storage.ids import IdSource
from muster.storage.port.accounts import Workspace
from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.port.errors import Conflict, Held, NoSuchMember, PageTooLarge, TooExpensive
from muster.storage.port.items import HELD_KIND, Item
from muster.storage.port.members import Member, MemberChoice, MemberEdit
from muster.storage.port.resources import (
    Keep,
    Outcome,
    Position,
    Query,
    Remove,
    Resources,
    Stored,
    Write,
)

Precondition = Callable[[Stored], None]
MANY_MEMBERS = 100
"""The most members of a group that a PATCH answers with."""
Read = TypeVar("Read")
_NEAR = 1000
"""How far the rows that an offset passes over are not worth remembering."""


@dataclass(slots=True)
class Caller:
    """Who asks: the workspace that the key belongs to, the actor for `changes`, the request's id and the client's address.

    registry: the workspace's. user: the id of whom the key speaks for, if anyone. seen: the rows of the dialect table that the
    request showed. guarded: the deprovisioning guard holds what is too much, as it does not where an administrator decides.
    overrides: an administrator has asked to pass the guard and the provisioning switches; undoing and restoring honour it.
    max_elements: the most elements that a multi-valued attribute may have. max_comparisons: the most comparisons of a PATCH.
    body_bytes: the size of the body; a large one is read on a thread.
    """

    workspace: Workspace
    actor: str
    request_id: str
    address: str = ""
    registry: Registry = field(default_factory=registry)
    user: str | None = None
    seen: list[str] = field(default_factory=list)
    guarded: bool = True
    overrides: bool = False
    max_elements: int = MAX_ELEMENTS
    max_comparisons: int = MAX_COMPARISONS
    body_bytes: int = 0

    def dialect(self) -> Dialect:
        """How to read this client."""
        return Dialect(self.workspace.strict, self.seen, self.max_elements, self.max_comparisons)


@dataclass(slots=True)
class Search:
    """A find as the client asks it. start_index counts from 1; count is what a page holds at the most.

    by_cursor: the page begins after a position, or at the beginning where that is None, and not at start_index.
    """

    filter: str | None = None
    domain: str | None = None
    sort_by: str | None = None
    descending: bool = False
    start_index: int = 1
    count: int = 100
    by_cursor: bool = False
    after: Position | None = None


@dataclass(slots=True)
class Listing:
    """A page. total: of all, None where it was not counted, after a position. following: where the next page begins, if any."""

    total: int | None
    count: int
    documents: bytes
    following: Position | None = None
    grouped: bool = False


class Directory:
    """The use cases over a storage."""

    def __init__(self, storage: Resources) -> None:
        self._storage = storage
        self._new_id = IdSource()
        self._walks = Walks()

    async def get(self, caller: Caller, resource_type: ResourceType, resource_id: str) -> Stored:
        """The resource of that id in the caller's workspace. Raises ScimError 404."""
        stored = await self._storage.get(caller.workspace.id, resource_type.name, resource_id)
        if stored is None:
            raise _absent(resource_type, resource_id)
        return with_groups(stored)

    async def count(self, caller: Caller, resource_type: ResourceType) -> int:
        """How many resources of a type there are."""
        return (
            await self._storage.find(Query(caller.workspace.id, resource_type, limit=0))
        ).total or 0

    def members(self, caller: Caller, group_id: str) -> AsyncIterator[Sequence[Member]]:
        """Yield all members of a group, a page at a time; see `member_pages`."""
        return member_pages(self._storage, caller.workspace.id, group_id)

    async def has_many_members(self, caller: Caller, group_id: str) -> bool:
        """Whether a group is so large that it is not answered where the client need not have it."""
        found = await first_members(self._storage, caller.workspace.id, group_id, MANY_MEMBERS + 1)
        return len(found) > MANY_MEMBERS

    async def find(
        self,
        caller: Caller,
        resource_type: ResourceType,
        search: Search,
        among: Sequence[ResourceType] = (),
    ) -> Listing:
        """A page of what matches (RFC 7644 section 3.4.2). among: the types that are searched together, one after the other.

        Raises ScimError invalidFilter, invalidPath or tooMany.
        """
        query = _query(caller, resource_type, search, among)
        try:
            listing = await (
                self._after(query, search) if search.by_cursor else self._at_offset(query, search)
            )
        except TooExpensive:
            raise _too_much() from None
        except PageTooLarge as error:
            raise too_many(str(error)) from None
        if listing.grouped and resource_type.computed == GROUPS:
            listing.documents = await self._with_groups(caller, listing.documents)
        return listing

    def check_page(self, size: int) -> None:
        """Check the bytes of a page that is put together. Raises ScimError tooMany."""
        if size > self._storage.page_bytes:
            raise too_many(str(PageTooLarge()))

    async def find_one(self, caller: Caller, resource_type: ResourceType, test: Test) -> Listing:
        """What has a unique value, if anything."""
        page = await self._storage.find(Query(caller.workspace.id, resource_type, test))
        documents = page.documents
        if page.grouped and resource_type.computed == GROUPS:
            documents = await self._with_groups(caller, documents)
        return Listing(page.total, page.count, documents)

    async def merge(
        self, caller: Caller, types: Sequence[ResourceType], search: Search, places: Places
    ) -> Merged:
        """A page of what matches in several types, sorted as if they were one. Raises as find does."""
        queries = [_query(caller, resource_type, search, types) for resource_type in types]
        try:
            offset = 0 if search.by_cursor else search.start_index - 1
            merged = await merge(self._storage, queries, offset, search.count, places)
        except TooExpensive:
            raise _too_much() from None
        except PageTooLarge as error:
            raise too_many(str(error)) from None
        found = [
            replace(item, document=await self._with_groups(caller, item.document))
            if item.resource_type.computed == GROUPS
            else item
            for item in merged.found
        ]
        return replace(merged, found=found)

    async def _with_groups(self, caller: Caller, documents: bytes) -> bytes:
        ids = [resource_id for resource_id, _ in split(documents)]
        return each_with_groups(
            documents, await self._storage.memberships(caller.workspace.id, ids)
        )

    async def _after(self, query: Query, search: Search) -> Listing:
        """A page by its position; the next one's is told only where something is there."""
        page = await self._storage.find(replace(query, offset=0, after=search.after, walk=True))
        following = page.last
        if (
            following is not None
            and not (
                await self._storage.find(replace(query, offset=0, limit=1, after=following))
            ).count
        ):
            following = None
        return Listing(page.total, page.count, page.documents, following, page.grouped)

    async def _at_offset(self, query: Query, search: Search) -> Listing:
        """A page by its offset; where the page before it was the last answer, from where that ended."""
        if search.filter is search.sort_by is search.domain is None and query.offset <= _NEAR:
            page = await self._storage.find(query)
            return Listing(page.total, page.count, page.documents, None, page.grouped)
        step = self._walks.recall(_listing(query, search), query.offset) if query.offset else None
        query.walk = True
        if step is not None:
            query.after, query.mark = step.position, step.mark
        page = await self._storage.find(query)
        total = page.total if page.total is not None or step is None else step.total
        if page.last is not None and page.mark is not None and total is not None:
            self._walks.remember(
                _listing(query, search),
                query.offset + page.count,
                WalkStep(page.last, page.mark, total),
            )
        return Listing(total, page.count, page.documents, None, page.grouped)

    async def create(self, caller: Caller, resource_type: ResourceType, body: Json) -> Stored:
        """Make a resource (RFC 7644 section 3.3). Raises ScimError invalidSyntax, invalidValue or uniqueness."""
        try:
            policy.check_create(caller.workspace, resource_type)
        except Withheld as withheld:
            await self._refuse(caller, resource_type, "", withheld)
            raise
        document = await read(
            caller, lambda: documents.read(body, resource_type, caller.dialect(), caller.registry)
        )
        hashes = await _take_secrets(document, resource_type, caller.workspace.id)
        document, sealed = secrets.extract(document, resource_type)
        secrets.add(hashes, sealed)
        edit = member_edits.take(document) if resource_type.computed == MEMBERS else None

        def decide(_: Stored | None) -> Outcome:
            resource_id = self._new_id(int(now.timestamp() * 1000))
            return make_put(document, resource_type, resource_id, 1, created, created, None, hashes)

        now = clock.now()
        created = timestamp(now)
        return await self._write(
            caller, resource_type, None, decide, created, edit if edit and edit.add else None
        )

    async def replace(
        self,
        caller: Caller,
        resource_type: ResourceType,
        resource_id: str,
        body: Json,
        precondition: Precondition,
    ) -> Stored:
        """Replace a resource (RFC 7644 section 3.5.1); what is readOnly stays. Raises as create does, and 404 and 412."""
        dialect = caller.dialect()
        incoming = await read(
            caller, lambda: documents.read(body, resource_type, dialect, caller.registry)
        )
        hashes = await _take_secrets(incoming, resource_type, caller.workspace.id)
        edit = member_edits.take(incoming) if resource_type.computed == MEMBERS else None
        unmentioned = _unmentioned(body, resource_type, dialect)
        if MEMBERS in unmentioned:
            edit = None

        def change(current: Document) -> Document:
            kept = {
                a.name: current[a.name]
                for _, a in resource_type.attributes()
                if a.read_only and a.name in current
            }
            kept |= {name: current[name] for name in unmentioned if name in current}
            return documents.keep_immutable(current, {**incoming, **kept}, resource_type)

        return await self._change(
            caller, resource_type, resource_id, change, precondition, hashes, edit
        )

    async def patch(
        self,
        caller: Caller,
        resource_type: ResourceType,
        resource_id: str,
        body: Json,
        precondition: Precondition,
    ) -> Stored:
        """Apply a PatchOp (RFC 7644 section 3.5.2), all of it or nothing. Raises the ScimErrors of scim.patch, 404 and 412."""
        dialect = caller.dialect()
        steps = await read(caller, lambda: patch.prepare(body, resource_type, dialect))
        edit: MemberEdit | MemberChoice | None = None
        passing = frozenset[str]()
        if resource_type.computed == MEMBERS:
            steps, moving = member_edits.split(steps)
            if moving:
                edit, passing = member_edits.fold(moving, dialect.strict)
        hashes = await _secrets_of(steps, resource_type, caller.workspace.id)

        def checked(standing: Stored) -> None:
            precondition(standing)
            absent = (
                set(standing.delta.absent) - passing
                if standing.delta is not None and dialect.strict
                else ()
            )
            if absent:
                raise no_target(f"members: {min(absent)[:100]!r} is not a member")

        def change(current: Document) -> Document:
            return patch.apply(current, steps, resource_type, dialect)

        return await self._change(
            caller, resource_type, resource_id, change, checked, hashes, edit, _passes(steps)
        )

    async def delete(
        self,
        caller: Caller,
        resource_type: ResourceType,
        resource_id: str,
        precondition: Precondition,
    ) -> Stored:
        """Remove a resource for good (RFC 7644 section 3.6); answers it as it stood. Raises ScimError 404 and 412."""

        def decide(standing: Stored | None) -> Outcome:
            if standing is None:
                raise _absent(resource_type, resource_id)
            precondition(standing)
            policy.check_delete(caller.workspace, resource_type)
            document = parse(standing.document)
            loses = resource_type.name == "User" and document.get("active") is not False
            return Remove(standing, index_of_document(document, resource_type), loses)

        edit = MemberEdit(clear=True) if resource_type.computed == MEMBERS else None
        return await self._write(
            caller, resource_type, resource_id, decide, timestamp(), edit, "delete"
        )

    async def _change(
        self,
        caller: Caller,
        resource_type: ResourceType,
        resource_id: str,
        change: Callable[[Document], Document],
        precondition: Precondition,
        hashes: Hashes,
        edit: MemberEdit | MemberChoice | None,
        passes: int = 1,
    ) -> Stored:
        """Change what stands, within the write's transaction; a change that changes nothing keeps version and lastModified."""
        now = timestamp()

        def decide(standing: Stored | None) -> Outcome:
            if standing is None:
                raise _absent(resource_type, resource_id)
            precondition(standing)
            whole = parse(standing.document)
            current = {name: value for name, value in whole.items() if name != "meta"}
            changed, sealed = secrets.extract(change(current), resource_type)
            noted = dict(hashes)
            secrets.add(noted, sealed)
            check_growth(current, changed, caller.max_elements)
            if changed == current and not noted and not standing.delta:
                return Keep(standing)
            policy.check_change(caller.workspace, resource_type, current, changed)
            put = next_version(standing, changed, resource_type, now, noted, whole)
            if policy.deprovisions(resource_type, current, changed):
                return replace(put, deprovisions=True)
            return (
                replace(put, reprovisions=True)
                if policy.reprovisions(resource_type, current, changed)
                else put
            )

        return await self._write(
            caller, resource_type, resource_id, decide, now, edit, passes=passes
        )

    async def _write(
        self,
        caller: Caller,
        resource_type: ResourceType,
        resource_id: str | None,
        decide: Callable[[Stored | None], Outcome],
        now: str,
        edit: MemberEdit | MemberChoice | None,
        attempted: str = "deactivate",
        passes: int = 1,
    ) -> Stored:
        touch = bump(caller.registry.types["/Groups"], now)
        origin = ChangeOrigin(caller.actor, caller.request_id, now, caller.address)
        guard = (
            policy.guard_of(caller.workspace, clock.now())
            if caller.guarded and resource_type.name == "User"
            else None
        )
        who = (caller.workspace.id, resource_type.name, resource_id)
        write = Write(*who, decide, origin, edit, touch, guard, caller.body_bytes, passes)
        try:
            outcome = await self._storage.write(write)
        except Held as error:
            withheld = policy.held(error, attempted)
            await self._refuse(caller, resource_type, resource_id or "", withheld)
            raise withheld from None
        except Withheld as withheld:
            await self._refuse(caller, resource_type, resource_id or "", withheld)
            raise
        except Conflict as conflict:
            raise uniqueness(
                f"{conflict.attribute}: another {resource_type.name} has this value"
            ) from None
        except NoSuchMember as error:
            raise invalid_value(
                f"members: no User or Group has the id {error.id[:100]!r}"
            ) from None
        return with_groups(outcome.stored)

    async def _refuse(
        self, caller: Caller, resource_type: ResourceType, resource_id: str, withheld: Withheld
    ) -> None:
        """Record what provisioning was not allowed to do."""
        origin = ChangeOrigin(caller.actor, caller.request_id, timestamp(), caller.address)
        told = orjson.dumps({"attempted": withheld.attempted, "detail": withheld.detail})
        note = Note(caller.workspace.id, origin, resource_type.name, resource_id, "refuse", told)
        if not withheld.guarded:
            await self._storage.record([note])
            return
        body = {"attempted": withheld.attempted, "time": origin.time, "actor": origin.actor}
        held = Item(caller.workspace.id, HELD_KIND, resource_id, body)
        await self._storage.record([replace(note, action="hold")], [held])


async def _take_secrets(document: Document, resource_type: ResourceType, workspace: int) -> Hashes:
    """Hash the values that are never returned. Those of top-level attributes leave the document; others are sealed in it.

    Returns:
        The hashes of the former, by name.
    """
    slots = secrets.slots_of_document(document, resource_type)
    tops = [
        (place, holder)
        for place in secret_places(resource_type)
        if place.attribute is not None
        and place.attribute.name in (holder := _holder(document, place))
    ]
    given = [_texts(holder[place.attribute.name]) for place, holder in tops if place.attribute]
    secrets.check_number(sum(map(len, given)) + sum(len(slot.values) for slot in slots))
    hashes: Hashes = {}
    for (place, holder), texts in zip(tops, given, strict=True):
        value = holder.pop(place.attribute.name if place.attribute is not None else "")
        hashed = [await hash_password(text, workspace) for text in texts]
        _note(hashes, place.name, hashed, replaces=True, several=isinstance(value, list))
        if not holder and place.schema is not None:
            document.pop(place.schema)
            document["schemas"].remove(place.schema)
    await _seal(slots, workspace)
    return hashes


def _holder(document: Document, place: Place) -> Document:
    holder: Document = document if place.schema is None else document.get(place.schema, {})
    return holder


def _texts(value: Json) -> list[str]:
    return [secrets.as_text(item) for item in (value if isinstance(value, list) else [value])]


def _note(hashes: Hashes, name: str, hashed: list[str], replaces: bool, several: bool) -> None:
    """Note the hashes of one attribute; of a multi-valued one beside those that it has, or in their place."""
    if not several:
        secrets.add(hashes, {name: hashed[0]})
        return
    if replaces:
        secrets.forget(hashes, name)
    secrets.keep_all(hashes, name, hashed)


async def _seal(slots: Sequence[secrets.Slot], workspace: int) -> None:
    for slot in slots:
        slot.seal([await hash_password(text, workspace) for text in slot.values])


async def _secrets_of(
    steps: Sequence[patch.PatchStep], resource_type: ResourceType, workspace: int
) -> Hashes:
    """The hashes of the secrets that the steps of a PATCH set, by name; None for those that they remove.

    Secrets within complex values are sealed in the steps.
    """
    slots = secrets.slots_of_steps(steps)
    tops = [_texts(step.value) for step in steps if step.secret is not None and _gives(step)]
    secrets.check_number(sum(map(len, tops)) + sum(len(slot.values) for slot in slots))
    hashes: Hashes = {}
    for step in steps:
        for name in secrets.removed_by(step, resource_type):
            secrets.forget(hashes, name)
        if step.secret is not None:
            await _note_step(hashes, step, step.secret, workspace)
    await _seal(slots, workspace)
    return hashes


def _gives(step: patch.PatchStep) -> bool:
    """Whether a step on a top-level secret gives it a value."""
    return step.operation != "remove" and not isinstance(step.value, patch.Whole)


async def _note_step(
    hashes: Hashes, step: patch.PatchStep, attribute: Attribute, workspace: int
) -> None:
    name, value = step.target.place.name, step.value
    if step.operation == "remove" and isinstance(value, list):
        raise invalid_value(f"{step.where} is never returned, so a remove cannot name its values")
    if not _gives(step):
        if attribute.required:
            raise mutability(f"{step.where} is required and cannot be removed")
        secrets.forget(hashes, name)
        return
    hashed = [await hash_password(text, workspace) for text in _texts(value)]
    several = isinstance(value, list)
    _note(hashes, name, hashed, replaces=step.operation == "replace", several=several)


def _unmentioned(body: Json, resource_type: ResourceType, dialect: Dialect) -> frozenset[str]:
    """The attributes that a PUT leaves as they are since it does not mention them: `active` and `members`.

    That is so in lenient workspaces alone: many clients send only the attributes that they manage, and neither reactivating
    someone nor emptying a group may be a side effect. A strict workspace follows RFC 7644 section 3.5.1 to the letter.
    """
    guarded = {"active": "put-without-active"} if "active" in resource_type.defaults else {}
    if resource_type.computed == MEMBERS:
        guarded[MEMBERS] = "put-without-members"
    found = {
        name: row
        for name, row in guarded.items()
        if not documents.mentions(body, name, empty=name == MEMBERS)
    }
    for row in found.values():
        dialect.notice(row)
    return frozenset() if dialect.strict else frozenset(found)


async def read(caller: Caller, parse: Callable[[], Read]) -> Read:
    """Read a body; on a thread if it is large, so that whoever waits meanwhile has a turn."""
    return parse() if caller.body_bytes <= LARGE_BODY else await compute(caller.workspace.id, parse)


def _passes(steps: Sequence[patch.PatchStep]) -> int:
    """How often the steps of a PATCH go through the elements of an attribute."""
    return sum(
        1 if step.target.predicate is None else conditions(step.target.predicate) for step in steps
    )


def _query(
    caller: Caller, resource_type: ResourceType, search: Search, among: Sequence[ResourceType]
) -> Query:
    """The query that a search is. Raises ScimError invalidFilter or invalidPath."""
    chosen = None
    if search.filter is not None:
        chosen = read_filter(search.filter, resource_type, caller.dialect(), among)
    sort = None if search.sort_by is None else sort_field(resource_type, search.sort_by, among)
    scope = (caller.workspace.id, resource_type, chosen, search.domain)
    return Query(*scope, sort, search.descending, search.start_index - 1, search.count)


def _listing(query: Query, search: Search) -> tuple[object, ...]:
    """What a walk goes through."""
    scope = (query.workspace, query.resource_type.name)
    return (*scope, search.filter, search.domain, search.sort_by, search.descending)


def _too_much() -> ScimError:
    return too_many(
        "the filter or the sort has too much to read (MUSTER_SCAN_SECONDS): narrow it with eq on an indexed attribute"
    )


def _absent(resource_type: ResourceType, resource_id: str) -> ScimError:
    return not_found(f"no {resource_type.name} has the id {resource_id[:100]!r}")
