"""Resources: documents, writes and searches."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from muster.scim.filter.predicate import Field, Predicate
from muster.scim.indexing import LookupEntry
from muster.scim.schema.model import ResourceType
from muster.scim.values import Json
from muster.storage.port.changes import Change, ChangeFilter, ChangeOrigin, Notes
from muster.storage.port.items import (
    ERASING_KIND,
    HIGHEST_KIND,
    IDEMPOTENT_KIND,
    INVITATION_PLACE_KIND,
    PLATFORM_KEY_USE_KIND,
)
from muster.storage.port.members import Groups, Member, MemberChoice, MemberDelta, MemberEdit

BASE = "\x01"
"""Stands for the base URL in stored documents.

JSON contains control characters only in escaped form, so this one cannot occur otherwise, and a
single character is the fastest to replace.
"""


FLASH_KIND = "flash"
"""The kind of items that carry a message to the next page of the console."""


TALLY_KIND = "tally"
"""The kind of items that hold sums over changes, up to a position among them."""

RESOLVED_KIND = "resolved-finding"
"""The kind of items that mark findings of the doctor as resolved."""

HIDDEN_KIND = "hidden-checklist"
"""The kind of items that say which administrators have hidden the checklist of the first run."""

IMPORT_KIND, IMPORT_ROWS_KIND, IMPORT_REFUSED_KIND = "import", "import-rows", "import-refused"
"""The kinds of items with the state of a CSV import, its rows, and those that were refused."""


IMPORT_QUEUE_KIND, IMPORT_COLUMNS_KIND = "import-queue", "import-columns"
"""The kinds of items that name all CSV imports, and how columns were mapped before."""


UNCACHED_KINDS = frozenset(
    {
        *("administrator", "administrator-profile", "passkeys", "session", "sign-in-policy"),
        *("invitation", "ended-invitation", "invitation-turn", "challenge", "first"),
        "open-id-connector",
        *(FLASH_KIND, TALLY_KIND, RESOLVED_KIND, HIDDEN_KIND),
        *(IMPORT_KIND, IMPORT_ROWS_KIND, IMPORT_REFUSED_KIND),
        *(IMPORT_QUEUE_KIND, IMPORT_COLUMNS_KIND, PLATFORM_KEY_USE_KIND),
        *(ERASING_KIND, HIGHEST_KIND, IDEMPOTENT_KIND, INVITATION_PLACE_KIND),
        *("setup-link", "setup-link-token", "setup-link-count"),
    }
)
"""The kinds of items that are read from the database whenever they are needed.

No process caches them, so a change to one does not increment the epoch.
"""


@dataclass(slots=True)
class Stored:
    """A resource as it is stored.

    Attributes:
        document: Canonical JSON with BASE for the base URL, so that a read is answered without
            parsing it.
        groups: The groups that contain the resource; None for none, and for groups.
        delta: Within a write: the effect of its member edit.
        connection: Within a write: the id of the connection that owns the resource; None for
            `default`, empty for none.
    """

    id: str
    version: int
    document: bytes
    groups: Groups | None = None
    delta: MemberDelta | None = None
    connection: str | None = None


@dataclass(frozen=True, slots=True)
class Lookups:
    """The values by which a document is found.

    Attributes:
        lookups: Folded values of indexed attributes.
        unique: Folded values that only one resource of the workspace may have.
    """

    lookups: frozenset[LookupEntry] = frozenset()
    unique: frozenset[LookupEntry] = frozenset()


@dataclass(frozen=True, slots=True)
class Put:
    """Creates a resource or replaces its document.

    Attributes:
        search: The search form of the document.
        index: The values by which the new document is found.
        display: The display name that groups show for this member, or the name of a group.
        before: The values by which the replaced document was found; None for a new resource.
        secrets: Hashes of secrets by name (`scim/secrets.py`); None deletes that name and the names
            that continue it with a bracket.
        deprovisions: A user loses access.
        reprovisions: A user who had lost access regains it.
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
    """Deletes a resource.

    Attributes:
        stored: The resource as it was.
        before: The values by which it was found.
        deprovisions: A user loses access.
    """

    stored: Stored
    before: Lookups
    deprovisions: bool = False


@dataclass(frozen=True, slots=True)
class Keep:
    """Leaves a resource as it is."""

    stored: Stored


Outcome = Put | Remove | Keep


_MOST_OF_A_BATCH = 2_000
"""At least as many users as the writes of one batch can take from the limit of the guard."""


@dataclass(frozen=True, slots=True)
class Guard:
    """The limit on users who lose access, as one write applies it.

    Attributes:
        since: The start of the window.
        share: Percentage of the users that may lose access within the window.
        least: Number of users that may lose access within it whatever the percentage.
        holds: Refuse a write beyond the limit; otherwise only count.
        reset: The time at which an administrator last let the client go on, from which the guard
            counts anew; empty for never.
    """

    since: str
    share: int
    least: int
    holds: bool
    reset: str = ""

    @property
    def counts_from(self) -> str:
        """The time from which users who lose access count."""
        return max(self.since, self.reset)

    def allowed(self, users: int, gone: int) -> int:
        """Return the number of users that may lose access within the window.

        Args:
            users: The users that exist now.
            gone: The users who lost access within the window and do not exist any more. The limit
                must neither shrink as users are deleted, nor grow as they are deactivated.
        """
        return max(self.least, (users + gone) * self.share // 100)

    def depends_on_gone(self, users: int, done: int) -> bool:
        """Return whether `gone` can decide about the next writes.

        Counting them takes long if many users lost access. They cannot matter far below the limit,
        because they only raise it.

        Args:
            users: The users that exist now.
            done: The users who lost access within the window.
        """
        return done + _MOST_OF_A_BATCH >= self.allowed(users, gone=0)


@dataclass(frozen=True, slots=True)
class Write:
    """A write to one resource, decided inside the transaction that stores it.

    Attributes:
        id: The resource's id; None to create one.
        decide: Computes the new state from the current one (None if the resource does not exist).
            It must be pure: the engine calls it again if the generated key is taken or the
            transaction restarts. Raising rejects the write and changes nothing.
        members: For groups: the change to the members.
        touch: Returns a group at its next version. Called for each group that directly contains
            this resource when the resource is deleted or renamed.
        guard: Refuses the write if it would deprovision too many users; None to skip the check.
        barred: The ids of the connections whose resources the writer may not change; None among
            them is `default`.
        size: The bytes that the client sent.
        passes: The passes of the decision over the document, such as one per operation of a PATCH.
    """

    workspace: int
    type: str
    id: str | None
    decide: Callable[[Stored | None], Outcome]
    origin: "ChangeOrigin"
    members: MemberEdit | MemberChoice | None = None
    touch: Callable[[Stored], Put] | None = None
    guard: Guard | None = None
    barred: frozenset[str | None] = frozenset()
    size: int = 0
    passes: int = 1

    def is_long(self, current: int) -> bool:
        """Tell whether the decision takes so long that it is made on a thread.

        Args:
            current: The bytes of the current document; 0 if there is none.
        """
        return self.work(current) > LONG_DECISION

    def work(self, current: int) -> int:
        """Return the bytes that the decision goes through.

        Args:
            current: The bytes of the current document; 0 if there is none.
        """
        return self.size * _PASSES_TO_STORE + current * (_PASSES_TO_STORE + self.passes)


LONG_DECISION = 200_000
"""The work, in bytes, from which a decision is long: about 10 ms.

That is reading, indexing and writing 50,000 bytes, or fewer bytes in more passes.
"""
_PASSES_TO_STORE = 4
"""Reading, indexing and writing a document costs as much as so many passes over it."""


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a sorted list: directly after one resource.

    Attributes:
        value: The value by which the resource is sorted; None if it has none.
        key: The resource's key, which orders resources with equal values.
    """

    value: Json
    key: int


@dataclass(slots=True)
class Query:
    """A search within one resource type.

    Attributes:
        domain: Only resources with an e-mail address at exactly this domain.
        sort: The attribute to sort by; None for the order of ids.
        offset: Resources to skip, from 0.
        limit: The most resources on the page.
        after: Begin at this position instead of the offset, and do not count the total.
        mark: Use `after` only while the workspace's mark is this one; otherwise use the offset.
        walk: Return the position at which the page ends, and the workspace's mark.
        counted: Count at most so many matches, and return this number as the total if there are
            more; None to count all. Only for a query without an offset.
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
    counted: int | None = None


@dataclass(slots=True)
class Page:
    """The result of a search.

    Attributes:
        total: All matching resources; None if they were not counted.
        count: Resources on this page.
        documents: Their stored documents in order, separated by commas.
        grouped: Some of them may be members of a group.
        last: The position at which a full page ends.
        mark: The sequence number of the workspace's latest change when the page was read.
    """

    total: int | None
    count: int = 0
    documents: bytes = b""
    grouped: bool = False
    last: Position | None = None
    mark: int | None = None


class Follower(Protocol):
    """Keeps answers about resources in memory, and forgets them once the resources change."""

    def forget(self, resource_id: str) -> None:
        """Forget the answers about one resource."""

    def forget_grouped(self, workspace: int) -> None:
        """Forget the answers about the resources of a workspace that are in groups."""

    def forget_all(self) -> None:
        """Forget all answers."""


class Resources(Notes, Protocol):
    """Reads, searches and writes of resources, and their history.

    Attributes:
        page_bytes: The most bytes of the documents of one page, with the commas between them.
    """

    page_bytes: int

    def follow(self, follower: Follower) -> Callable[[], int] | None:
        """Tell a follower of all changes, those of other processes too. Call it before `start`.

        Returns:
            A function that returns the number of the state that `get`, `memberships` and a `find`
            by a unique value read from now on until an await, after the follower was told of all
            that has changed since the state before. States with one number are the same. None if
            the engine cannot tell of a change before it is read.
        """

    async def get(self, workspace: int, type_name: str, resource_id: str) -> Stored | None:
        """Return a resource, or None. It costs one descent of one tree."""

    async def find(self, query: Query) -> Page:
        """Return a page of the resources that match.

        Raises:
            TooExpensive: The search exceeded its time budget.
            PageTooLarge: The page exceeds `page_bytes`.
        """

    async def members(
        self, workspace: int, group_id: str, after: int, limit: int
    ) -> Sequence[Member]:
        """Return members of a group with keys greater than `after`, in the order of keys."""

    async def memberships(self, workspace: int, ids: Sequence[str]) -> dict[str, Groups]:
        """Return the groups of each resource that is in one, by id."""

    async def write(self, write: Write) -> Outcome:
        """Execute a write; it is durable when this returns.

        A deleted resource is removed from every group.

        Raises:
            Conflict: Another resource has a unique value.
            NoSuchMember: A new member does not exist.
            Held: The guard refuses the write.
            StorageError: The engine cannot answer.
            Exception: Whatever `decide` raised.
        """

    async def rehearse(self, write: Write) -> Outcome:
        """Execute a write in a transaction that is rolled back.

        Nothing is stored or announced. Raises the same errors as `write`.
        """

    async def write_all(self, workspace: int, writes: Sequence[Write]) -> Sequence[Outcome]:
        """Execute writes to one workspace in order, in one transaction.

        If one fails, its error is raised and nothing is stored.
        """

    async def load(
        self,
        workspace: int,
        type_name: str,
        puts: Sequence[Put],
        origin: ChangeOrigin,
        rehearse: bool = False,
    ) -> None:
        """Create many resources in one transaction: all or none.

        Args:
            rehearse: Roll the transaction back at its end.

        Raises:
            Conflict: Another resource has a unique value.
            KeyTaken: Another resource has one of the keys.
        """

    # `changes`, `history` and `search_changes` return fewer rows than asked for, but at least one,
    # if the rows are large: a share of `page_bytes` bounds the memory that they take.
    async def changes(
        self, workspace: int, after: int, limit: int, with_before: bool = False
    ) -> Sequence[Change]:
        """Return the changes of a workspace after a sequence number, in order.

        No change that commits later gets a number below one of these, so a reader may continue from
        the last one.

        Args:
            with_before: Include the previous document of each resource.
        """

    async def settled_change(self) -> int:
        """Return a sequence number up to which no change of any workspace can appear any more."""

    async def changes_of_all(self, after: int, until: int, limit: int) -> Sequence[Change]:
        """Return the changes of all workspaces in order, each with the previous document.

        Args:
            after: Only changes after this sequence number.
            until: Only changes up to this one, which `settled_change` has returned.
            limit: The largest number of changes.
        """

    async def history(
        self, workspace: int, resource_id: str, before: int | None, limit: int
    ) -> Sequence[Change]:
        """Return the changes and notes of one resource, the newest first, with `before`.

        Args:
            before: Only rows with lower sequence numbers; None for all.
        """

    async def search_changes(
        self, workspace: int, before: int | None, limit: int, criteria: ChangeFilter
    ) -> tuple[Sequence[Change], int | None]:
        """Search the changes before a sequence number, the newest first.

        One call examines at most MAX_EXAMINED rows (`storage/audit/search.py`), so it may find
        nothing although older changes match.

        Returns:
            The changes found, and the sequence number to continue before; None if no rows remain.
        """

    async def deprovisioned(self, workspace: int, since: str) -> tuple[int, int]:
        """Return how many users lost access since a time, and how many of them are deleted."""

    async def latest_change(self, workspace: int) -> int:
        """Return the sequence number of a workspace's latest change; 0 if it has none."""

    async def owner(self, workspace: int, type_name: str, attribute: str, value: str) -> str | None:
        """Return the id of the resource that has a (folded) unique value, or None."""

    async def former_owner(self, workspace: int, sequence: int) -> str | None:
        """Return the connection that owned a resource until a change deleted it.

        Args:
            sequence: The sequence number of the deletion.

        Returns:
            The id of the connection; None for `default`, empty for none.
        """

    async def secret(self, workspace: int, resource_id: str, name: str) -> str | None:
        """Return the hash that a resource has under the name of a secret, or None."""
