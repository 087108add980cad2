"""The storage port: what the use cases ask of an engine. An engine is a package beside sqlite that passes tests/storage."""

# What a read makes for every request is a plain dataclass: a frozen one takes three times as long to make.

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from muster.scim.indexing import Entry
from muster.scim.predicate import Field, Predicate
from muster.scim.schema import ResourceType
from muster.scim.values import Json

E = TypeVar("E", bound=BaseException)
BASE = "\x01"
"""What stands in a stored document for the base URL of whoever asks. JSON has control characters only in escaped form,
so it can be nothing else, and one character is what is replaced fastest.
"""

GROUP = "Group"
MEMBER_TYPES = ("User", GROUP)
INSTALLATION = 0
TRIM_KIND, TRIM_ID = "trimmed", "changes"
"""The item that says up to where the changes of a workspace are not kept any more: sequence, and chain, the hash of that row."""
HELD_KIND = "held"
"""The resource type that has members, those that members are of (RFC 7643 section 4.2), what stands for no workspace, and the
kind of items that say what the guard holds.
"""
FLASH_KIND = "flash"
UNCACHED_KINDS = frozenset({"administrator", "session", "invitation", "first", "open-id-connector", FLASH_KIND})
"""The kinds of items that are read from the database each time they are needed: no process has to be told of a change."""


class StorageError(Exception):
    """The engine cannot answer. retry_after: seconds after which another try may succeed, or None. status: for the edge."""

    status = 503
    retry_after: int | None = 1


def copy_of(error: E) -> E:
    """A copy of an exception with its cause and without its traceback.

    Where several callers wait for one result that fails, each raises a copy: an instance that is raised again and again collects
    the frames of all of them.
    """
    copied = type(error).__new__(type(error), *error.args)
    copied.__dict__.update(error.__dict__)
    copied.__cause__ = error.__cause__
    return copied


class StorageFull(StorageError):
    """There is no room for a write; reads go on."""

    status = 507
    retry_after = None


class StorageCorrupt(StorageError):
    """The database says that it is damaged."""

    status = 500
    retry_after = None


class StatementRejected(StorageError):
    """The database refused a statement as wrong: a defect in muster, never an outage.

    A request is answered 500, and the tests fail if a server under test logs one.
    """

    status = 500
    retry_after = None


class PageTooLarge(StorageError):
    """The documents of a page are too many bytes together."""

    status = 400
    retry_after = None

    def __init__(self) -> None:
        super().__init__("the page is larger than a page may be (MUSTER_MAX_PAGE_BYTES): ask for fewer resources by count")


class Outdated(StorageError):
    """What a change was decided from has been changed by somebody else since: nothing was kept."""

    status = 409

    def __init__(self) -> None:
        super().__init__("somebody else has changed this just now: look again, and try once more")


class NewerDatabase(StorageError):
    """The database was migrated by a later version of muster."""


class Conflict(Exception):
    """A unique value is another resource's. attribute: the path whose value it is."""

    def __init__(self, attribute: str) -> None:
        super().__init__(attribute)
        self.attribute = attribute


class NoSuchMember(Exception):
    """What is to be a member is no user or group of the workspace. id: as it was given."""

    def __init__(self, resource_id: str) -> None:
        super().__init__(resource_id)
        self.id = resource_id


class Held(Exception):
    """The guard holds a write. done: how many were deprovisioned in its window; allowed: how many may be."""

    def __init__(self, done: int, allowed: int) -> None:
        super().__init__(done, allowed)
        self.done = done
        self.allowed = allowed


class KeyTaken(Exception):
    """The id's key is another resource's: make another id."""


class TooExpensive(Exception):
    """A scan used up its time."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a group. key: what members are in the order of. display: what it is called, if anything."""

    key: int
    id: str
    type: str
    display: str | None


@dataclass(frozen=True, slots=True)
class MemberEdit:
    """What a write does to a group's members. add, remove: ids; where clear is set, all that are not in add are removed.

    lenient: who is not there any more is not added; else that is NoSuchMember.
    """

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    clear: bool = False
    lenient: bool = False


@dataclass(frozen=True, slots=True)
class MemberChoice:
    """A change of a group's members that depends on who they are when it is carried out.

    Attributes:
        named: The ids that may be added.
        edit: Computes the edit from the current members and from those of `named` that exist, by id. It must be pure;
            raising rejects the write and changes nothing.
    """

    named: tuple[str, ...]
    edit: Callable[[Sequence[Member], Mapping[str, Member]], MemberEdit]


@dataclass(frozen=True, slots=True)
class MemberDelta:
    """What an edit comes to. added, removed: ids that were not members, and that were. absent: what cannot be removed."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)

    def shown(self) -> dict[str, Json]:
        """The delta as JSON."""
        return {"added": list(self.added), "removed": list(self.removed)}


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups that a resource is in: elements of `groups` with commas in between, in the order of their ids.

    digest: of the elements, short: another where any of them is.
    """

    elements: bytes
    digest: str


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
class Index:
    """What a document is found by."""

    lookups: frozenset[Entry] = frozenset()
    unique: frozenset[Entry] = frozenset()


@dataclass(frozen=True, slots=True)
class Put:
    """Keep this document. before: what the one it replaces was found by. secrets: name to hash, None to forget it.

    display: what the resource is called where it is a member, or is a group that has members. deprovisions: a user loses access.
    reprovisions: a user who had lost access has it again.
    """

    stored: Stored
    search: bytes
    index: Index
    display: str | None
    before: Index | None = None
    secrets: dict[str, str | None] = field(default_factory=dict)
    deprovisions: bool = False
    reprovisions: bool = False


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove the document that stands. before: what it was found by. deprovisions: a user loses access."""

    stored: Stored
    before: Index
    deprovisions: bool = False


@dataclass(frozen=True, slots=True)
class Keep:
    """Nothing changes."""

    stored: Stored


Outcome = Put | Remove | Keep


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a change comes from. actor: key:ID, admin:ID or command; address: of the client, empty where there is none."""

    actor: str
    request_id: str
    time: str
    address: str = ""


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
    deprovisions one too many.
    """

    workspace: int
    type: str
    id: str | None
    decide: Callable[[Stored | None], Outcome]
    origin: "Origin"
    members: MemberEdit | MemberChoice | None = None
    touch: Callable[[Stored], Put] | None = None
    guard: Guard | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One row of `changes`: a write that was accepted, or what an administrator did, or what was refused.

    members: the ids that were added to a group and removed from it, where any were. before: the document of the row of the same
    resource before this one, where it was asked for. chain: the hash that links the row to the one before it.
    """

    sequence: int
    origin: Origin
    type: str
    id: str
    action: str
    version: int
    document: bytes
    members: MemberDelta | None = None
    before: bytes | None = None
    chain: bytes | None = None


@dataclass(frozen=True, slots=True)
class Sought:
    """Which changes are looked for; empty for any. actor: how it begins (key:, admin:ADDRESS)."""

    actor: str = ""
    type: str = ""
    action: str = ""

    def matches(self, change: Change) -> bool:
        of = change.origin.actor.startswith(self.actor)
        return of and self.type in ("", change.type) and self.action in ("", change.action)


@dataclass(frozen=True, slots=True)
class Note:
    """What is recorded in `changes` beside the writes: what an administrator did to what, or what was refused and why.

    type: of what it was done to, as ApiKey, Settings, Role or User. document: JSON, without secrets. It has no version: among the
    changes its is 0.
    """

    workspace: int
    origin: Origin
    type: str
    id: str
    action: str
    document: bytes


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


@dataclass(frozen=True, slots=True)
class Workspace:
    """A tenant and its settings. contract: rfc7644 or cortex.

    automatic_provisioning, automatic_deprovisioning: whether provisioning may make users, and deactivate or delete them.
    unique_group_names: no two groups are called the same. ip_allowlist: networks that requests may come from, empty for all.
    rate_limit: requests a minute of keys that have no limit of their own, None for the installation's. record_reads: until when
    reads that succeed are kept among the requests as well, None for not. guard_mode: hold, watch or off. guard_share and
    guard_least: how many users may lose access within an hour, in percent of all, and never under so many. requests_days,
    changes_days: how long those are kept, None for as long as the installation has it; changes for ever where that is 0.
    """

    id: int
    name: str
    contract: str
    strict: bool
    created: str
    automatic_provisioning: bool = True
    automatic_deprovisioning: bool = True
    unique_group_names: bool = False
    ip_allowlist: tuple[str, ...] = ()
    rate_limit: int | None = None
    record_reads: str | None = None
    guard_mode: str = "watch"
    guard_share: int = 10
    guard_least: int = 20
    requests_days: int | None = None
    changes_days: int | None = None


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """An API key as it is kept. digest: SHA-256 of the token. rate_limit: requests a minute, None for the default.

    role: whose permissions it has beside its own, as the role has them at the time. user: the id of whom it speaks for, at /Me.
    """

    workspace: int
    id: str
    name: str
    digest: bytes
    permissions: tuple[str, ...]
    rate_limit: int | None
    created: str
    expires: str | None
    revoked: str | None
    last_used: str | None
    role: str | None = None
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """Something small that a workspace is configured with. kind: role, role-mapping, … body: JSON, None to remove it.

    workspace: INSTALLATION for what is no workspace's, as its administrators.
    """

    workspace: int
    kind: str
    id: str
    body: Json


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with numbered parameters ($1, $2, …), and these in order."""

    sql: str
    parameters: tuple[Json, ...]

    def followed_by(self, *values: Json) -> "Statement":
        """The same with the parameters that were still to come."""
        return Statement(self.sql, (*self.parameters, *values))


@dataclass(frozen=True, slots=True)
class Pressure:
    """What waits in an engine, in this process."""

    writes_waiting: int
    searches_waiting: int
    connections_in_use: int


Setting = Workspace | KeyRecord | Item


class Notes(Protocol):
    """What is recorded beside the writes."""

    async def note(self, notes: Sequence[Note], items: "Sequence[Item]" = ()) -> None:
        """Record what is no write to a resource, of one workspace, and keep items with it that no one need be told of."""


class Resources(Notes, Protocol):
    """Resources: found, read, written. page_bytes: the most bytes of the documents of a page, with the commas between them."""

    page_bytes: int

    async def get(self, workspace: int, type_name: str, resource_id: str) -> Stored | None:
        """The resource of that id, or None. Costs one descent of one tree."""

    async def find(self, query: Query) -> Page:
        """A page of what matches. Raises TooExpensive where a scan uses up its time."""

    async def members(self, workspace: int, group_id: str, after: int, limit: int) -> Sequence[Member]:
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

    async def load(self, workspace: int, type_name: str, puts: Sequence[Put], origin: Origin, rehearse: bool = False) -> None:
        """Make many new resources in one transaction; all or none. Raises Conflict and KeyTaken.

        rehearse: roll the transaction back at its end instead of committing it.
        """

    # Of changes and history an engine answers fewer rows than asked for, but at least one, once they are many bytes.
    async def changes(self, workspace: int, after: int, limit: int, with_before: bool = False) -> Sequence[Change]:
        """The changes of a workspace after a sequence number, in order; none that commits later comes before one of these."""

    async def history(self, workspace: int, resource_id: str, before: int | None, limit: int) -> Sequence[Change]:
        """The changes of one resource, and what was noted of it, before a sequence number: the newest first, with `before`."""

    async def search_changes(
        self, workspace: int, before: int | None, limit: int, sought: Sought
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


class Accounts(Notes, Protocol):
    """Workspaces, API keys and the rate limit's leases."""

    def epoch(self) -> int:
        """A number that differs whenever a key, a workspace or a setting has changed since it was last asked for."""

    async def signing_secret(self) -> bytes:
        """The secret that this installation signs its keys with."""

    async def workspaces(self) -> Sequence[Workspace]:
        """All workspaces, by name."""

    async def find_workspace(self, name: str) -> Workspace | None: ...

    async def workspace(self, workspace: int) -> Workspace | None: ...

    async def add_workspace(self, name: str, contract: str, strict: bool, time: str) -> Workspace:
        """Make a workspace. Raises Conflict where the name is taken."""

    async def key(self, workspace: int, key_id: str) -> KeyRecord | None: ...

    async def keys(self, workspace: int) -> Sequence[KeyRecord]:
        """The keys of a workspace, oldest first."""

    async def item(self, workspace: int, kind: str, item_id: str) -> Item | None:
        """What a workspace is configured with under an id of a kind."""

    async def items(self, workspace: int, kind: str) -> Sequence[Item]:
        """What a workspace is configured with, of one kind, by id."""

    async def administer(self, puts: "Sequence[Setting]", notes: Sequence[Note] = (), standing: "Sequence[Setting]" = ()) -> None:
        """Keep settings, keys and items of one workspace, and what is recorded of it: all or none.

        Every process is told by the epoch, which moves unless all are items of UNCACHED_KINDS.

        standing: what this was decided from, as it was read, an item without a body where there was none. Raises Outdated where
        one of them is not so any more. A workspace's setting unique_group_names takes effect in the same transaction: raises
        Conflict if groups share a name.
        """

    async def touch_keys(self, used: dict[tuple[int, str], str]) -> None:
        """Keep when keys were last used."""

    async def lease(self, workspace: int, key_id: str, window: int, limit: int, share: int) -> int:
        """Take requests out of a key's window: one part in `share` of what is left, at least one; 0 where nothing is."""


class Upkeep(Protocol):
    """What an engine lends to those who check and move whole databases."""

    async def query(self, statement: Statement) -> Sequence[Sequence[Any]]:
        """The rows of a read; text comes as str."""

    async def transact(self, workspace: int, statements: Sequence[Statement]) -> None:
        """Run statements on one workspace, all or none."""

    async def append(self, workspace: int, insert: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run an INSERT once for each row, beside the writes and in their way as little as can be; some rows, or all, or none."""

    async def integrity(self) -> Sequence[str]:
        """What the engine itself finds wrong with its files."""

    async def missing(self) -> Sequence[str]:
        """The tables, columns, keys and indexes that this version needs and the database does not have."""


class Storage(Resources, Accounts, Upkeep, Protocol):
    """An engine."""

    on_commit: Callable[[int], None]
    """Called after each transaction with how many writes it held."""

    def pressure(self) -> Pressure:
        """What waits just now."""

    async def size(self) -> int:
        """How many bytes the database takes."""

    async def migrate(self) -> tuple[str | None, str]:
        """Bring the database to this version's tables. Returns the revisions before and after. Raises NewerDatabase."""

    async def start(self) -> None:
        """Open what serving needs. Called in the event loop that then uses it."""

    async def close(self) -> None:
        """Finish the writes that wait, and let go of everything."""

    async def ready(self) -> None:
        """Raises StorageError where reads cannot be answered."""
