"""The use cases of provisioning: get, find, create, replace, patch and delete.

A write is prepared outside the transaction (the body is parsed and validated, passwords are
hashed), and decided inside it: the storage calls the decision with the current resource, and stores
the outcome in the same transaction. A decision is pure, since the storage may call it again.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from muster.base import clock
from muster.base.clock import timestamp
from muster.base.threads import compute
from muster.directory.caller import Caller
from muster.directory.documents import parse
from muster.directory.groups import member_edits
from muster.directory.groups.member_edits import MEMBERS
from muster.directory.groups.members import first_members, member_pages
from muster.directory.groups.memberships import GROUPS, each_with_groups, split, with_groups
from muster.directory.guard import enforcement, policy
from muster.directory.guard.policy import Withheld
from muster.directory.hashing import secrets_of, take_secrets
from muster.directory.history.outcomes import bump
from muster.directory.search.merge import Merged, Places, merge
from muster.directory.search.walks import Walks, WalkStep
from muster.directory.versions import index_of_document, make_put, next_version
from muster.scim import document as documents
from muster.scim import patch, secrets
from muster.scim.bounds import LARGE_BODY, check_growth
from muster.scim.dialects import Dialect
from muster.scim.document import Document
from muster.scim.errors import (
    ScimError,
    invalid_value,
    no_target,
    not_found,
    too_many,
    uniqueness,
)
from muster.scim.filter.predicate import Test, conditions
from muster.scim.filter.shapes import read_filter
from muster.scim.schema.model import (
    ResourceType,
)
from muster.scim.secrets import Hashes
from muster.scim.sorting import sort_field
from muster.scim.values import Json
from muster.storage.ids import IdSource
from muster.storage.port.errors import (
    Conflict,
    Held,
    NoSuchMember,
    Owned,
    PageTooLarge,
    TooExpensive,
)
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
"""The most members with which a PATCH answers a group; larger groups are answered 204."""
Read = TypeVar("Read")
_SMALL_OFFSET = 1000
"""Up to this offset, an unfiltered list is read by offset: skipping so few rows costs little."""


@dataclass(slots=True)
class Search:
    """The parameters of a search (RFC 7644 section 3.4.2).

    Attributes:
        filter: The filter as text; None for all resources.
        domain: The domain of the e-mail address or userName; None for any.
        sort_by: The path to sort by; None for the order of ids.
        descending: Whether sortOrder is descending.
        start_index: The first result, counted from 1. Ignored with by_cursor.
        count: The most resources on the page.
        by_cursor: Whether the page is chosen by a cursor (RFC 9865).
        after: With by_cursor, the position before the page; None for the first page.
        counted: With by_cursor, count at most so many matches; None to count all.
    """

    filter: str | None = None
    domain: str | None = None
    sort_by: str | None = None
    descending: bool = False
    start_index: int = 1
    count: int = 100
    by_cursor: bool = False
    after: Position | None = None
    counted: int | None = None


@dataclass(slots=True)
class Listing:
    """A page of a search.

    Attributes:
        total: The number of all matches; None if not counted, on pages after the first by cursor.
        count: The number of resources on the page.
        documents: The stored documents, joined by commas.
        following: The position after which the next page begins; None on the last page, and by
            startIndex.
        grouped: Whether any of the resources may be in a group.
    """

    total: int | None
    count: int
    documents: bytes
    following: Position | None = None
    grouped: bool = False


class Directory:
    """The use cases of one storage.

    Methods raise ScimError for errors of the client. `precondition` checks the current version and
    raises ScimError 412 (RFC 7644 section 3.14).

    Args:
        storage: The storage.
        pause: Pauses the connection of a caller for the guard; None in a dry run.
    """

    def __init__(
        self, storage: Resources, pause: enforcement.PauseConnection | None = None
    ) -> None:
        self._storage = storage
        self._pause = pause
        self._new_id = IdSource()
        self._walks = Walks()

    async def get(self, caller: Caller, resource_type: ResourceType, resource_id: str) -> Stored:
        """Return a resource of the caller's workspace. Raises ScimError 404."""
        stored = await self._storage.get(caller.workspace.id, resource_type.name, resource_id)
        if stored is None:
            raise _not_found(resource_type, resource_id)
        return with_groups(stored)

    async def count(self, caller: Caller, resource_type: ResourceType) -> int:
        """Return the number of resources of a type."""
        return (
            await self._storage.find(Query(caller.workspace.id, resource_type, limit=0))
        ).total or 0

    def members(self, caller: Caller, group_id: str) -> AsyncIterator[Sequence[Member]]:
        """Yield all members of a group, a page at a time; see `member_pages`."""
        return member_pages(self._storage, caller.workspace.id, group_id)

    async def has_many_members(self, caller: Caller, group_id: str) -> bool:
        """Return whether a group is too large to be answered by a PATCH."""
        found = await first_members(self._storage, caller.workspace.id, group_id, MANY_MEMBERS + 1)
        return len(found) > MANY_MEMBERS

    async def find(
        self,
        caller: Caller,
        resource_type: ResourceType,
        search: Search,
        among: Sequence[ResourceType] = (),
    ) -> Listing:
        """Return a page of the matches of a search (RFC 7644 section 3.4.2).

        Args:
            caller: The client.
            resource_type: The type to search.
            search: The search.
            among: All types that the client searches at once, if several. An attribute that only
                another one of them has is no error.

        Raises:
            ScimError: invalidFilter, invalidPath or tooMany.
        """
        query = _query(caller, resource_type, search, among)
        try:
            listing = await (
                self._by_position(query, search)
                if search.by_cursor
                else self._by_offset(query, search)
            )
        except TooExpensive:
            raise _scan_too_large() from None
        except PageTooLarge as error:
            raise too_many(str(error)) from None
        if listing.grouped and resource_type.computed == GROUPS:
            listing.documents = await self._with_groups(caller, listing.documents)
        return listing

    def check_page(self, size: int) -> None:
        """Check the size in bytes of a page of several types. Raises ScimError tooMany."""
        if size > self._storage.page_bytes:
            raise too_many(str(PageTooLarge()))

    async def find_one(self, caller: Caller, resource_type: ResourceType, test: Test) -> Listing:
        """Return the resource that matches a test on a unique attribute, if any."""
        page = await self._storage.find(Query(caller.workspace.id, resource_type, test))
        documents = page.documents
        if page.grouped and resource_type.computed == GROUPS:
            documents = await self._with_groups(caller, documents)
        return Listing(page.total, page.count, documents, grouped=page.grouped)

    async def merge(
        self, caller: Caller, types: Sequence[ResourceType], search: Search, places: Places
    ) -> Merged:
        """Return a page of the matches in several types, sorted as one list.

        Args:
            caller: The client.
            types: The types, in the order of the places.
            search: The search.
            places: The place in each type at which the page begins.

        Raises:
            ScimError: invalidFilter, invalidPath or tooMany.
        """
        queries = [_query(caller, resource_type, search, types) for resource_type in types]
        try:
            offset = 0 if search.by_cursor else search.start_index - 1
            merged = await merge(self._storage, queries, offset, search.count, places)
        except TooExpensive:
            raise _scan_too_large() from None
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

    async def _by_position(self, query: Query, search: Search) -> Listing:
        """Return a page by position.

        A full page may be the last one. On the first page the total tells; on others a second
        search looks for one more row.
        """
        wanted = replace(query, offset=0, after=search.after, walk=True, counted=search.counted)
        page = await self._storage.find(wanted)
        following = page.last
        if following is not None and page.total is not None:
            following = following if page.total > page.count else None
        elif (
            following is not None
            and not (
                await self._storage.find(replace(query, offset=0, limit=1, after=following))
            ).count
        ):
            following = None
        return Listing(page.total, page.count, page.documents, following, page.grouped)

    async def _by_offset(self, query: Query, search: Search) -> Listing:
        """Return a page by offset, or by the remembered end of the previous page."""
        if (
            search.filter is search.sort_by is search.domain is None
            and query.offset <= _SMALL_OFFSET
        ):
            page = await self._storage.find(query)
            return Listing(page.total, page.count, page.documents, None, page.grouped)
        step = self._walks.recall(_walk_key(query, search), query.offset) if query.offset else None
        query.walk = True
        if step is not None:
            query.after, query.mark = step.position, step.mark
        page = await self._storage.find(query)
        total = page.total if page.total is not None or step is None else step.total
        if page.last is not None and page.mark is not None and total is not None:
            self._walks.remember(
                _walk_key(query, search),
                query.offset + page.count,
                WalkStep(page.last, page.mark, total),
            )
        return Listing(total, page.count, page.documents, None, page.grouped)

    async def create(self, caller: Caller, resource_type: ResourceType, body: Json) -> Stored:
        """Create a resource (RFC 7644 section 3.3).

        Raises:
            ScimError: invalidSyntax, invalidValue or uniqueness.
            Withheld: Automatic provisioning is off.
        """
        try:
            policy.check_create(caller.workspace, resource_type)
        except Withheld as withheld:
            await enforcement.refuse(self._storage, caller, resource_type.name, "", withheld)
            raise
        document = await read(
            caller, lambda: documents.read(body, resource_type, caller.dialect(), caller.registry)
        )
        hashes = await take_secrets(document, resource_type, caller.workspace.id)
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
        """Replace a resource (RFC 7644 section 3.5.1).

        readOnly attributes keep their values.

        Raises:
            ScimError: invalidSyntax, invalidValue, mutability or uniqueness; 404 or 412.
            Withheld: A switch or the guard forbids the change.
        """
        dialect = caller.dialect()
        incoming = await read(
            caller, lambda: documents.read(body, resource_type, dialect, caller.registry)
        )
        hashes = await take_secrets(incoming, resource_type, caller.workspace.id)
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
        """Apply a PatchOp atomically (RFC 7644 section 3.5.2).

        Raises:
            ScimError: The errors of scim.patch and uniqueness; 404 or 412.
            Withheld: A switch or the guard forbids the change.
        """
        dialect = caller.dialect()
        steps = await read(caller, lambda: patch.prepare(body, resource_type, dialect))
        edit: MemberEdit | MemberChoice | None = None
        passing = frozenset[str]()
        if resource_type.computed == MEMBERS:
            steps, member_steps = member_edits.split(steps)
            if member_steps:
                edit, passing = member_edits.fold(member_steps, dialect.strict)
        hashes = await secrets_of(steps, resource_type, caller.workspace.id)

        def checked(current: Stored) -> None:
            precondition(current)
            absent = (
                set(current.delta.absent) - passing
                if current.delta is not None and dialect.strict
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
        """Delete a resource (RFC 7644 section 3.6) and return its last state.

        Raises:
            ScimError: 404 or 412.
            Withheld: A switch or the guard forbids the deletion.
        """
        protected = enforcement.protected_from(caller)

        def decide(current: Stored | None) -> Outcome:
            if current is None:
                raise _not_found(resource_type, resource_id)
            precondition(current)
            policy.check_delete(caller.workspace, resource_type)
            document = parse(current.document)
            policy.check_protected(protected, current.id, document, None)
            loses = resource_type.name == "User" and document.get("active") is not False
            return Remove(current, index_of_document(document, resource_type), loses)

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
        """Apply a change to the current document, inside the transaction of the write.

        If nothing changes, the resource keeps its version and lastModified.

        Args:
            change: Computes the new document from the current one; must be pure.
            precondition: Checks the current version.
            hashes: The hashes of secrets that the request sets.
            edit: The change to the members of a group.
            passes: How often `change` goes through the elements of an attribute.
        """
        now = timestamp()
        protected = enforcement.protected_from(caller)

        def decide(current: Stored | None) -> Outcome:
            if current is None:
                raise _not_found(resource_type, resource_id)
            precondition(current)
            whole = parse(current.document)
            document = {name: value for name, value in whole.items() if name != "meta"}
            changed, sealed = secrets.extract(change(document), resource_type)
            noted = dict(hashes)
            secrets.add(noted, sealed)
            check_growth(document, changed, caller.max_elements)
            if changed == document and not noted and not current.delta:
                return Keep(current)
            policy.check_change(caller.workspace, resource_type, document, changed)
            policy.check_protected(protected, current.id, document, changed)
            put = next_version(current, changed, resource_type, now, noted, whole)
            if policy.deprovisions(resource_type, document, changed):
                return replace(put, deprovisions=True)
            return (
                replace(put, reprovisions=True)
                if policy.reprovisions(resource_type, document, changed)
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
        caller.check_may_write()
        touch = bump(caller.registry.types["/Groups"], now)
        origin = caller.origin(now)
        guard = enforcement.provisioning_guard(caller, resource_type.name)
        who = (caller.workspace.id, resource_type.name, resource_id)
        barred = caller.may_not_change()
        size = caller.body_bytes
        write = Write(*who, decide, origin, edit, touch, guard, barred, size, passes)
        refused = (resource_type.name, resource_id or "")
        try:
            outcome = await self._storage.write(write)
        except Held as error:
            raise await enforcement.hold(
                self._storage, caller, refused, error, attempted, self._pause
            ) from None
        except Withheld as withheld:
            await enforcement.refuse(self._storage, caller, *refused, withheld)
            raise
        except Owned as owned:
            raise enforcement.owned_by(caller, owned) from None
        except Conflict as conflict:
            raise uniqueness(
                f"{conflict.attribute}: another {resource_type.name} has this value"
            ) from None
        except NoSuchMember as error:
            raise invalid_value(
                f"members: no User or Group has the id {error.id[:100]!r}"
            ) from None
        if resource_id in caller.protected and caller.overrides:
            await enforcement.note_override(self._storage, caller, resource_id, outcome)
        return with_groups(outcome.stored)


def _unmentioned(body: Json, resource_type: ResourceType, dialect: Dialect) -> frozenset[str]:
    """Return those of `active` and `members` that a PUT leaves unchanged.

    These are the ones that it does not mention, in lenient workspaces: many clients send only the
    attributes that they manage, and must not reactivate a user or empty a group by omission. A
    strict workspace follows RFC 7644 section 3.5.1, which clears omitted attributes.
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
    """Parse a body; on a thread if it is large, to keep the event loop free."""
    return parse() if caller.body_bytes <= LARGE_BODY else await compute(caller.workspace.id, parse)


def _passes(steps: Sequence[patch.PatchStep]) -> int:
    """Return how often the steps of a PATCH go through the elements of an attribute."""
    return sum(
        1 if step.target.predicate is None else conditions(step.target.predicate) for step in steps
    )


def _query(
    caller: Caller, resource_type: ResourceType, search: Search, among: Sequence[ResourceType]
) -> Query:
    """Build the query of a search. Raises ScimError invalidFilter or invalidPath."""
    chosen = None
    if search.filter is not None:
        chosen = read_filter(search.filter, resource_type, caller.dialect(), among)
    sort = None if search.sort_by is None else sort_field(resource_type, search.sort_by, among)
    scope = (caller.workspace.id, resource_type, chosen, search.domain)
    return Query(*scope, sort, search.descending, search.start_index - 1, search.count)


def _walk_key(query: Query, search: Search) -> tuple[object, ...]:
    """Return the key under which the positions of a list are remembered."""
    scope = (query.workspace, query.resource_type.name)
    return (*scope, search.filter, search.domain, search.sort_by, search.descending)


def _scan_too_large() -> ScimError:
    return too_many(
        "This search would scan too much data (MUSTER_SCAN_SECONDS). Add an eq condition on an"
        " indexed attribute such as userName or externalId."
    )


def _not_found(resource_type: ResourceType, resource_id: str) -> ScimError:
    return not_found(f"No {resource_type.name} has the id {resource_id[:100]!r}.")
