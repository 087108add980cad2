"""Resources: documents, writes, searches."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from muster.scim.filter.predicate import Field, Predicate
from muster.scim.indexing import LookupEntry
from muster.scim.schema.model import ResourceType
from muster.scim.values import Json
from muster.storage.port.changes import Change, ChangeFilter, ChangeOrigin, Notes
from muster.storage.port.members import Groups, Member, MemberChoice, MemberDelta, MemberEdit

BASE = "\x01"
"""What stands in a stored document for the base URL of whoever asks. JSON has control characters only in escaped form,
so it can be nothing else, and one character is what is replaced fastest.
"""


FLASH_KIND = "flash"


UNCACHED_KINDS = frozenset(
    {"administrator", "session", "invitation", "first", "open-id-connector", FLASH_KIND}
)
"""The kinds of items that are read from the database each time they are needed: no process has to be told of a change."""


@dataclass(slots=True)
class Stored:
    """A resource as it is kept. document: its canonical JSON, with BASE for the base URL: an answer is never parsed.

    groups: those that it is in; None for none, and for a group. delta: in a write, what its edit of the members comes to.
    """

    id: str
    version: int
    document: bytes
    groups: Groups | None = None
    delta: MemberDelta | None = None


@dataclass(frozen=True, slots=True)
class Lookups:
    """What a document is found by."""

    lookups: frozenset[LookupEntry] = frozenset()
    unique: frozenset[LookupEntry] = frozenset()


@dataclass(frozen=True, slots=True)
class Put:
    """Keep this document. before: what the one it replaces was found by. secrets: name to hash, None to forget it.

    display: what the resource is called where it is a member, or is a group that has members. deprovisions: a user loses access.
    reprovisions: a user who had lost access has it again.
    """

    stored: Stored
    search: bytes
    index: Lookups
    display: str | None
    before: Lookups | None = None
    secrets: dict[str, str | None] = field(default_factory=dict)
    deprovisions: bool = False
    reprovisions: bool = False


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove the document that stands. before: what it was found by. deprovisions: a user loses access."""

    stored: Stored
    before: Lookups
    deprovisions: bool = False


@dataclass(frozen=True, slots=True)
class Keep:
    """Nothing changes."""

    stored: Stored


Outcome = Put | Remove | Keep


@dataclass(frozen=True, slots=True)
class Guard:
    """How many users of a workspace may lose access since a time: share, in percent of them, and never under least.

    holds: what is over it is held; else it is only counted.
    """

    since: str
    share: int
    least: int
    holds: bool

    def allowed(self, users: int, done: int) -> int:
        """How many may be deprovisioned. users: how many there are now; done: how many of those there were have gone."""
        return max(self.least, (users + done) * self.share // 100)


@dataclass(frozen=True, slots=True)
class Write:
    """One accepted write to one resource.

    id: the resource, or None for a new one. decide: called in the write's transaction with what stands (None where there
    is none), it answers what is to stand; it may raise, and then nothing changes. It is called again after KeyTaken,
    and where the transaction has to begin anew.
    members: of a group, what becomes of its members. touch: a group as it stands to the same at its next version; called for the
    groups that the resource is a direct member of where it is removed, or is called something else. guard: what holds it where it
    deprovisions one too many. size: the bytes of what the client sent. passes: how often the decision goes through the document.
    """

    workspace: int
    type: str
    id: str | None
    decide: Callable[[Stored | None], Outcome]
    origin: "ChangeOrigin"
    members: MemberEdit | MemberChoice | None = None
    touch: Callable[[Stored], Put] | None = None
    guard: Guard | None = None
    size: int = 0
    passes: int = 1

    def is_long(self, standing: int) -> bool:
        """Whether deciding takes so long that it is done on a thread. standing: the bytes of the resource as it is, or 0."""
        return self.size * _EACH_PASS + standing * (_EACH_PASS + self.passes) > LONG_DECISION


LONG_DECISION, _EACH_PASS = 200_000, 4
"""A decision is long from about 10 ms: it reads, indexes and writes 50,000 bytes, or fewer but again and again.

A pass over the document, as a PATCH makes with each operation, costs about a quarter of reading and writing it.
"""


@dataclass(frozen=True, slots=True)
class Position:
    """A place in an order: after the resource of that key, which sorts by that value. value: None where it has none."""

    value: Json
    key: int


@dataclass(slots=True)
class Query:
    """A find. sort: None for the order of ids. offset counts from 0.

    after: begin there instead of at the offset, and count no total; with a mark only as long as nothing in the workspace has
    changed since, else at the offset as ever. walk: the page is to say where it ends.
    """

    workspace: int
    resource_type: ResourceType
    predicate: Predicate | None = None
    domain: str | None = None
    sort: Field | None = None
    descending: bool = False
    offset: int = 0
    limit: int = 100
    after: Position | None = None
    mark: int | None = None
    walk: bool = False


@dataclass(slots=True)
class Page:
    """total: all that match, None where it was not counted. count: how many are on the page.

    documents: those, as they are kept, in order, with commas in between. last: where a full page ends. mark: of the workspace
    as it was read, another after every change. grouped: some of them may be in a group.
    """

    total: int | None
    count: int = 0
    documents: bytes = b""
    grouped: bool = False
    last: Position | None = None
    mark: int | None = None


class Resources(Notes, Protocol):
    """Resources: found, read, written. page_bytes: the most bytes of the documents of a page, with the commas between them."""

    page_bytes: int

    async def get(self, workspace: int, type_name: str, resource_id: str) -> Stored | None:
        """The resource of that id, or None. Costs one descent of one tree."""

    async def find(self, query: Query) -> Page:
        """A page of what matches. Raises TooExpensive where a scan uses up its time."""

    async def members(
        self, workspace: int, group_id: str, after: int, limit: int
    ) -> Sequence[Member]:
        """Members of a group, in the order of their keys, after one."""

    async def memberships(self, workspace: int, ids: Sequence[str]) -> dict[str, Groups]:
        """The groups that resources are in, as Stored has them, by id; without those that are in none."""

    async def write(self, write: Write) -> Outcome:
        """Carry out a write; it is durable once this returns. A resource that is removed is taken out of every group.

        Raises Conflict, NoSuchMember, Held, StorageError, and what decide raises.
        """

    async def rehearse(self, write: Write) -> Outcome:
        """Carry out a write in a transaction that is rolled back: nothing is changed, and nobody is told.

        Raises what `write` raises.
        """

    async def write_all(self, workspace: int, writes: Sequence[Write]) -> Sequence[Outcome]:
        """Carry out many writes to one workspace, one after the other, in one transaction: all, or none and what was raised."""

    async def load(
        self,
        workspace: int,
        type_name: str,
        puts: Sequence[Put],
        origin: ChangeOrigin,
        rehearse: bool = False,
    ) -> None:
        """Make many new resources in one transaction; all or none. Raises Conflict and KeyTaken.

        rehearse: roll the transaction back at its end instead of committing it.
        """

    # Of changes and history an engine answers fewer rows than asked for, but at least one, once they are many bytes.
    async def changes(
        self, workspace: int, after: int, limit: int, with_before: bool = False
    ) -> Sequence[Change]:
        """The changes of a workspace after a sequence number, in order; none that commits later comes before one of these."""

    async def history(
        self, workspace: int, resource_id: str, before: int | None, limit: int
    ) -> Sequence[Change]:
        """The changes of one resource, and what was noted of it, before a sequence number: the newest first, with `before`."""

    async def search_changes(
        self, workspace: int, before: int | None, limit: int, sought: ChangeFilter
    ) -> tuple[Sequence[Change], int | None]:
        """Of the changes before a sequence number those that are sought, the newest first; and before which to look on.

        So many at most, of the SEARCHED nearest to it: there may be none, and more before. None where there is nothing before.
        """

    async def deprovisioned(self, workspace: int, since: str) -> int:
        """How many users lost access since a time."""

    async def latest_change(self, workspace: int) -> int:
        """The sequence number of the latest change of a workspace; 0 where there is none."""

    async def owner(self, workspace: int, type_name: str, attribute: str, value: str) -> str | None:
        """The id of the resource that has a unique value, as it compares."""

    async def secret(self, workspace: int, resource_id: str, name: str) -> str | None:
        """The hash that is kept for a resource under a name."""
