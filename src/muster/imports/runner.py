"""Carries out rehearsals and imports in the background, in one process at a time.

A run goes through the chunks of the file. Each row becomes a creation or a PATCH by the
administrator who started the import, through the same use cases as any other request: validation,
uniqueness, the provisioning switches, the guard and the audit log are theirs. The writes of some
rows wait together, and so share a transaction. A rehearsal does the same on a storage that rolls
back every write, and counts itself how many users would lose access, because the guard sees each
rehearsed write alone.

After each chunk the progress is stored. If the process dies, another one continues after the last
chunk that was stored; rows that were imported already are then found unchanged.

A manager may come after the people who report to them. Such rows are imported without a manager,
who is set in a second pass.
"""

import asyncio
import contextlib
import functools
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from muster.access.lifecycle import closed_because
from muster.access.permissions import SCIM, SETTINGS, lacking
from muster.base import clock
from muster.base.clock import timestamp
from muster.directory.caller import Caller
from muster.directory.documents import parse, parse_all
from muster.directory.guard import policy
from muster.directory.guard.policy import Withheld
from muster.directory.rehearsal import trial
from muster.directory.service import Directory, Search
from muster.imports.columns import MANAGER, USER_NAME, manager_schema, targets_of
from muster.imports.rows import ColumnMapping, Document, RefusedRow, RowValues, operations, written
from muster.imports.store import DONE, IMPORTING, REHEARSED, RUNNING, STOPPED, Import, ImportStore
from muster.imports.table import CsvRow
from muster.scim.errors import ScimError
from muster.scim.patch import PATCH_OP
from muster.scim.schema.model import Registry, ResourceType
from muster.scim.values import fold
from muster.storage.background import log_and_continue
from muster.storage.ids import key_of
from muster.storage.port.accounts import Workspace
from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.port.engine import Storage
from muster.storage.port.errors import Outdated, StorageError
from muster.storage.port.resources import Guard, Stored
from muster.storage.records.leases import Leases

CREATED, UPDATED, DEACTIVATED, UNCHANGED, HELD, REFUSED, PARTLY = (
    "created",
    "updated",
    "deactivated",
    "unchanged",
    "held",
    "refused",
    "partly",
)
"""The outcomes of a row.

Partly means that it was imported, but for its manager or a group. Those who are deactivated are
counted as updated too.
"""
_LOOK_SECONDS = 5.0
_LEASE_SECONDS = 15.0
"""The time for which a process has a run, extended meanwhile; after its death, the pause."""
_SLICE = 50
"""The rows whose writes wait together."""
_MOST_ERRORS = 100
_MOST_CHANGED = 100
"""The users whom a report names, of those who are deactivated and of the others who change."""
_MAX_NAME = 100
_log = logging.getLogger(__name__)
RegistryOf = Callable[[Workspace], Awaitable[Registry]]
ProtectedOf = Callable[[int], Awaitable[frozenset[str]]]
PermissionsOf = Callable[[str, int], Awaitable[tuple[str, ...]]]


@dataclass(slots=True)
class RowOutcome:
    """The outcome of a row.

    Attributes:
        kind: created, updated, unchanged, held or refused.
        reason: The reason of a refusal, or the part that is missing; empty if it is complete.
        heading: The heading of the column at fault; empty for none.
        user: The id of the user, if it was imported.
        joins: The names of the groups that they are to join.
        name: The user name, if they existed before.
        attributes: The names of their attributes that change.
        deactivates: Whether they lose access.
    """

    kind: str
    reason: str = ""
    heading: str = ""
    user: str = ""
    joins: Sequence[str] = ()
    name: str = ""
    attributes: Sequence[str] = ()
    deactivates: bool = False


class _NotAllowed(Exception):
    """The administrator who started a run may not continue it; the text says why."""


class Importing:
    """Watches the queue of imports, and runs those that are due.

    Args:
        registry_of: Returns the schemas and resource types of a workspace.
        protected_of: Returns the ids of its protected users.
        permissions_of: Returns the current permissions of an actor in a workspace.
    """

    def __init__(
        self,
        storage: Storage,
        store: ImportStore,
        leases: Leases,
        registry_of: RegistryOf,
        protected_of: ProtectedOf,
        permissions_of: PermissionsOf,
    ) -> None:
        self._storage = storage
        self._store = store
        self._leases = leases
        self._registry_of = registry_of
        self._protected_of = protected_of
        self._permissions_of = permissions_of
        self._wake = asyncio.Event()
        self._tasks: dict[tuple[int, str], asyncio.Task[None]] = {}

    def wake(self) -> None:
        """Look at the queue now."""
        self._wake.set()

    async def run(self) -> None:
        """Start the runs that are due, until cancelled."""
        while True:
            with log_and_continue("look for imports"):
                await self.look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._wake.wait()
            self._wake.clear()

    async def close(self) -> None:
        """Stop all runs, and release their leases for other processes."""
        for task in self._tasks.values():
            task.cancel()
        for task in list(self._tasks.values()):
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def look(self) -> None:
        """Start the runs that are due, and delete imports that are too old."""
        now = clock.now()
        for workspace, import_id, runs, until in await self._store.queued():
            place = (workspace, import_id)
            if runs and place not in self._tasks:
                task = asyncio.create_task(self._carry_out(*place))
                self._tasks[place] = task
                task.add_done_callback(functools.partial(self._ended, place))
            elif not runs and until <= now:
                with log_and_continue("delete an old import"):
                    await self._delete(*place)

    def _ended(self, place: tuple[int, str], _: asyncio.Task[None]) -> None:
        self._tasks.pop(place, None)

    async def idle(self) -> None:
        """Wait until no run is in progress in this process."""
        while self._tasks:
            await asyncio.gather(*self._tasks.values())

    async def _delete(self, workspace: int, import_id: str) -> None:
        try:
            await self._store.delete(await self._store.get(workspace, import_id))
        except ScimError:
            await self._store.forget(workspace, import_id)

    async def _carry_out(self, workspace: int, import_id: str) -> None:
        """Continue a run if no other process does."""
        lease = f"import {import_id}"
        with log_and_continue("import users"):
            if not await self._leases.take(workspace, lease, _LEASE_SECONDS):
                return
            extending = asyncio.create_task(self._extend(workspace, lease))
            try:
                await self._continue(workspace, import_id)
            except Outdated:
                pass  # it was deleted meanwhile
            finally:
                extending.cancel()
                await asyncio.wait([extending])
                await self._leases.release(workspace, lease)

    async def _extend(self, workspace: int, lease: str) -> None:
        """Extend a lease until cancelled: a chunk may take longer than the lease."""
        while True:
            await asyncio.sleep(_LEASE_SECONDS / 3)
            with log_and_continue("extend the lease of an import"):
                await self._leases.take(workspace, lease, _LEASE_SECONDS)

    async def _continue(self, workspace: int, import_id: str) -> None:
        try:
            found = await self._store.get(workspace, import_id)
        except ScimError:
            await self._store.forget(workspace, import_id)
            return
        if found.state not in RUNNING:
            # Another process has ended the run since the queue was read.
            await self._store.settle(found)
            return
        run = _Run(self._storage, self._store, found)
        lease = f"import {import_id}"
        try:
            await run.scan(await self._place(workspace))
            while not run.is_finished:
                await self._check_starter(found)
                place = await self._place(workspace)
                if reason := closed_because(place[0]):
                    raise _NotAllowed(f"{reason} Start the import again once it is open.")
                await run.advance(place)
                if not await self._leases.take(workspace, lease, _LEASE_SECONDS):
                    return
            await run.finish()
        except (StorageError, Outdated, asyncio.CancelledError):
            raise  # continued later, or by another process
        except _NotAllowed as error:
            await run.stop(str(error))
        except Exception:
            _log.exception("import %s failed", import_id)
            await run.stop("Internal error. The server's log has the details.")

    async def _check_starter(self, found: Import) -> None:
        """Check that the administrator who started a run may still do so.

        Raises:
            _NotAllowed: They were removed, or have lost a permission.
        """
        held = await self._permissions_of(found.actor, found.workspace)
        needed = (SCIM, SETTINGS) if found.overrides else (SCIM,)
        if missing := lacking(held, needed):
            email = found.actor.rpartition(":")[2]
            raise _NotAllowed(
                f"{email}, who started it, was removed or no longer has the permission"
                f' "{missing[0]}". Another administrator can start it again.'
            )

    async def _place(self, workspace: int) -> tuple[Workspace, Registry, frozenset[str]]:
        """Return the current settings, schemas and protected users of a workspace."""
        found = await self._storage.workspace(workspace)
        if found is None:
            raise Outdated
        return found, await self._registry_of(found), await self._protected_of(workspace)


class _Forecast:
    """Foretells which users the guard would hold."""

    def __init__(self, guard: Guard | None, users: int, done: int, gone: int) -> None:
        self._guard = guard if guard is not None and guard.holds else None
        self._users = users
        self._done = done
        self._gone = gone

    def create(self) -> None:
        self._users += 1

    def holds(self) -> bool:
        """Tell whether the guard holds the next user who would lose access."""
        if self._guard is not None and self._done >= self._guard.allowed(self._users, self._gone):
            return True
        self._done += 1
        return False


class _Run:
    """One rehearsal or import, as far as this process has carried it."""

    def __init__(self, storage: Storage, store: ImportStore, found: Import) -> None:
        self._storage = storage
        self._store = store
        self._found = found
        self._rehearses = found.state != IMPORTING
        self._directory = Directory(storage)
        self._duplicates: dict[int, int] = {}
        self._names: set[str] = set()
        """The names and addresses in the file by which a manager may be meant."""
        self._managers: dict[str, str] = {}
        self._groups: dict[str, str] = {}

    @property
    def is_finished(self) -> bool:
        """Whether all chunks are done."""
        return self._found.chunk >= self._found.chunks and (
            self._rehearses or self._found.last or MANAGER not in self._found.columns
        )

    async def scan(self, place: tuple[Workspace, Registry, frozenset[str]]) -> None:
        """Read the whole file once, for the facts about other rows that each row depends on."""
        self._enter(place)
        if self._rehearses and self._found.chunk:
            # Its forecast is lost with the process that made it.
            begun = replace(self._found, chunk=0, counts={}, errors=[], changed=[])
            self._found = await self._store.change(self._found, begun)
        first: dict[str, int] = {}
        for chunk in range(self._found.chunks):
            for line, cells in await self._store.rows(self._found, chunk):
                with contextlib.suppress(RefusedRow):
                    values = self._mapping.values(cells)
                    name = values.user_id or fold(values.user_name)
                    if name and first.setdefault(name, line) != line:
                        self._duplicates[line] = first[name]
                    mails = (text for path, text in values.texts.items() if path[:6] == "emails")
                    self._names |= {fold(text) for text in (values.user_name, *mails) if text}
            await asyncio.sleep(0)
        await self._forecast_guard()

    def _enter(self, place: tuple[Workspace, Registry, frozenset[str]]) -> None:
        """Take up the current settings and schemas of the workspace."""
        workspace, registry, protected = place
        found = self._found
        self._kind, self._group_kind = registry.types["/Users"], registry.types["/Groups"]
        self._mapping = ColumnMapping(
            found.headings, found.columns, targets_of(self._kind), found.clears
        )
        caller = Caller(
            workspace, found.actor, found.request_id, found.address, registry, protected=protected
        )
        if found.overrides:
            workspace = replace(
                workspace, automatic_provisioning=True, automatic_deprovisioning=True
            )
            caller = replace(caller, workspace=workspace, guarded=False, overrides=True)
        self._guard = policy.guard_of(workspace, clock.now()) if caller.guarded else None
        self._caller = replace(caller, guarded=False) if self._rehearses else caller

    async def _forecast_guard(self) -> None:
        guard, workspace = self._guard, self._caller.workspace.id
        done = gone = 0
        if guard is not None:
            done, gone = await self._storage.deprovisioned(workspace, guard.since)
        users = await self._directory.count(self._caller, self._kind)
        self._forecast = _Forecast(guard, users, done, gone)

    async def advance(self, place: tuple[Workspace, Registry, frozenset[str]]) -> None:
        """Carry out the next chunk, and store the progress."""
        self._enter(place)
        if self._found.chunk >= self._found.chunks:
            second = replace(self._found, chunk=0, last=True)
            self._found = await self._store.change(self._found, second)
        found = self._found
        rows = await self._store.rows(found, found.chunk)
        outcomes = await (self._managers_of(rows) if found.last else self._import(rows))
        counts = dict(found.counts)
        errors, changed_users, refused = list(found.errors), list(found.changed), []
        for (line, cells), outcome in zip(rows, outcomes, strict=True):
            if outcome is None:
                continue
            if not found.last:
                counts[outcome.kind] = counts.get(outcome.kind, 0) + 1
                if outcome.kind == UPDATED:
                    changed_users.append(_changed_user(line, outcome))
                    if outcome.deactivates:
                        counts[DEACTIVATED] = counts.get(DEACTIVATED, 0) + 1
            if outcome.reason:
                if outcome.kind not in (REFUSED, HELD):
                    counts[PARTLY] = counts.get(PARTLY, 0) + 1
                refused.append([line, outcome.reason, *cells])
                errors.append([line, outcome.heading, outcome.reason])
        changed = replace(
            found,
            chunk=found.chunk + 1,
            counts=counts,
            errors=errors[:_MOST_ERRORS],
            changed=_first(changed_users),
        )
        self._found = await self._store.advance(found, changed, refused)

    async def finish(self) -> None:
        """Store the end of the run."""
        state = REHEARSED if self._rehearses else DONE
        await self._end(replace(self._found, state=state))

    async def stop(self, reason: str) -> None:
        """Store that the run ended early."""
        await self._end(replace(self._found, state=STOPPED, stopped=reason))

    async def _end(self, ended: Import) -> None:
        notes = []
        if not self._rehearses:
            origin = ChangeOrigin(ended.actor, ended.request_id, timestamp(), ended.address)
            body = orjson.dumps({"file": ended.file, **ended.counts})
            notes.append(Note(ended.workspace, origin, "Import", ended.id, "imported", body))
        self._found = await self._store.finish(self._found, ended, notes)

    # ---- the first pass

    async def _import(self, rows: Sequence[CsvRow]) -> Sequence[RowOutcome | None]:
        outcomes: list[RowOutcome] = []
        for start in range(0, len(rows), _SLICE):
            some = rows[start : start + _SLICE]
            missing = await self._find_groups(some)
            work = (self._row(line, cells, missing) for line, cells in some)
            if self._rehearses:
                done = [await row for row in work]
            else:
                done = await asyncio.gather(*work)
                await self._join_groups(done)
            outcomes += done
            await asyncio.sleep(0)
        return outcomes

    async def _row(self, line: int, cells: list[str], missing: Mapping[str, str]) -> RowOutcome:
        """Import a row.

        Args:
            missing: The reasons for which groups cannot be joined, by their folded names.
        """
        try:
            if line in self._duplicates:
                raise RefusedRow(
                    f"line {self._duplicates[line]:,} is about the same user",
                    self._mapping.heading_of("userName"),
                )
            values = self._mapping.values(cells)
            for group in values.groups:
                if reason := missing.get(fold(group)):
                    raise RefusedRow(reason, self._mapping.heading_of("groups"))
            return await self._store_row(values)
        except RefusedRow as refusal:
            return RowOutcome(REFUSED, str(refusal), refusal.heading)
        except Withheld as withheld:
            kind = HELD if withheld.guarded else REFUSED
            return RowOutcome(kind, withheld.detail, self._mapping.heading_of("active"))
        except ScimError as error:
            return RowOutcome(REFUSED, error.detail, self._mapping.heading_of(error.detail))

    async def _store_row(self, values: RowValues) -> RowOutcome:
        stored = await self._user(values)
        manager = await self._manager(values.manager)
        before: Document = {} if stored is None else parse(stored.document)
        after = written(self._kind, before, values, self._mapping)
        self._put_manager(after, values, manager)
        directory = trial(self._storage) if self._rehearses else self._directory
        if stored is None:
            if not values.user_name:
                raise RefusedRow(
                    "a new user needs a user name", self._mapping.heading_of(USER_NAME)
                )
            made = await directory.create(self._caller, self._kind, after)
            self._forecast.create()
            return RowOutcome(CREATED, user=made.id, joins=values.groups)
        member_of = {fold(str(group.get("display"))) for group in before.get("groups", ())}
        joins = [name for name in values.groups if fold(name) not in member_of]
        wanted = operations(self._kind, before, after)
        deactivates = policy.deactivates(before, after)
        if wanted:
            await self._patch(directory, self._kind, stored.id, wanted)
            if self._rehearses and deactivates and self._forecast.holds():
                reason = "the deprovisioning guard would hold this change"
                return RowOutcome(HELD, reason, self._mapping.heading_of("active"))
        kind = UPDATED if wanted or joins else UNCHANGED
        attributes = [_attribute_of(operation["path"]) for operation in wanted]
        return RowOutcome(
            kind,
            user=stored.id,
            joins=joins,
            name=str(before["userName"]),
            attributes=list(dict.fromkeys([*attributes, *(["groups"] if joins else [])])),
            deactivates=deactivates,
        )

    async def _patch(
        self,
        directory: Directory,
        kind: ResourceType,
        resource_id: str,
        wanted: Sequence[Document],
    ) -> None:
        body = {"schemas": [PATCH_OP], "Operations": list(wanted)}
        await directory.patch(self._caller, kind, resource_id, body, _any)

    async def _user(self, values: RowValues) -> Stored | None:
        """Return the user that a row is about; None for a new one.

        Raises:
            RefusedRow: There is no user with its id.
        """
        workspace, user_id = self._caller.workspace.id, values.user_id
        if not user_id:
            owner = None
            if values.user_name:
                name = fold(values.user_name)
                owner = await self._storage.owner(workspace, "User", USER_NAME, name)
            if owner is None:
                return None
            user_id = owner
        try:
            return await self._directory.get(self._caller, self._kind, user_id)
        except ScimError:
            if not values.user_id:
                return None  # deleted since
            raise RefusedRow(
                f"no user has the ID {user_id[:50]}", self._mapping.heading_of("id")
            ) from None

    # ---- managers

    async def _manager(self, text: str) -> str | None:
        """Return the id of the manager that a text names; None if they come later in the file.

        Raises:
            RefusedRow: It names nobody.
        """
        if not text:
            return None
        found = await self._manager_now(text)
        if found is None and (self._found.last or fold(text) not in self._names):
            raise RefusedRow(
                f'"{text[:100]}" is no user, neither here nor in the file',
                self._mapping.heading_of(MANAGER),
            )
        return found

    async def _manager_now(self, text: str) -> str | None:
        name = fold(text)
        if name not in self._managers:
            workspace = self._caller.workspace.id
            found = await self._storage.owner(workspace, "User", USER_NAME, name)
            if found is None and key_of(text) is not None:
                stored = await self._storage.get(workspace, "User", text)
                found = None if stored is None else stored.id
            if found is None and "@" in text:
                search = Search(f"emails.value eq {json.dumps(text)}", count=2)
                page = await self._directory.find(self._caller, self._kind, search)
                people = list(parse_all(page.documents))
                found = people[0]["id"] if len(people) == 1 else None
            if found is None:
                return None
            self._managers[name] = found
        return self._managers[name]

    def _put_manager(self, document: Document, values: RowValues, manager: str | None) -> None:
        urn = manager_schema(self._kind)
        if urn is None or MANAGER not in self._mapping.paths:
            return
        held = (document.get(urn) or {}).get("manager") or {}
        if manager is not None and held.get("value") != manager:
            document.setdefault(urn, {})["manager"] = {"value": manager}
            if urn not in document["schemas"]:
                document["schemas"].append(urn)
        elif not values.manager and held and self._mapping.clears:
            del document[urn]["manager"]

    async def _managers_of(self, rows: Sequence[CsvRow]) -> Sequence[RowOutcome | None]:
        """Set the managers who came later in the file than the people who report to them."""
        outcomes: list[RowOutcome | None] = []
        for start in range(0, len(rows), _SLICE):
            some = rows[start : start + _SLICE]
            work = (self._late_manager(line, cells) for line, cells in some)
            outcomes += await asyncio.gather(*work)
        return outcomes

    async def _late_manager(self, line: int, cells: list[str]) -> RowOutcome | None:
        try:
            values = self._mapping.values(cells)
            if line in self._duplicates or not values.manager:
                return None
            stored = await self._user(values)
            if stored is None:
                return None  # refused in the first pass
        except RefusedRow:
            return None
        try:
            manager = await self._manager(values.manager)
            before = parse(stored.document)
            after = parse(stored.document)
            self._put_manager(after, values, manager)
            if wanted := operations(self._kind, before, after):
                await self._patch(self._directory, self._kind, stored.id, wanted)
        except RefusedRow as refusal:
            reason = f"imported without the manager: {refusal}"
            return RowOutcome(PARTLY, reason, refusal.heading)
        except ScimError as error:
            reason = f"imported without the manager: {error.detail}"
            return RowOutcome(PARTLY, reason, self._mapping.heading_of(MANAGER))
        return None

    # ---- groups

    async def _find_groups(self, rows: Sequence[CsvRow]) -> dict[str, str]:
        """Find the groups that rows name, and create those that are missing if that is wanted.

        Returns:
            The reasons for which others cannot be joined, by their folded names.
        """
        missing: dict[str, str] = {}
        for _, cells in rows:
            with contextlib.suppress(RefusedRow):
                for name in self._mapping.values(cells).groups:
                    if fold(name) in self._groups or fold(name) in missing:
                        continue
                    try:
                        self._groups[fold(name)] = await self._group(name)
                    except (RefusedRow, ScimError) as error:
                        missing[fold(name)] = str(getattr(error, "detail", error))
        return missing

    async def _group(self, name: str) -> str:
        """Return the id of a group; empty if a rehearsal would create it."""
        search = Search(f"displayName eq {json.dumps(name)}", count=2)
        page = await self._directory.find(self._caller, self._group_kind, search)
        found = list(parse_all(page.documents))
        if len(found) > 1:
            raise RefusedRow(f'several groups are named "{name[:100]}"')
        if found:
            return str(found[0]["id"])
        if not self._found.makes_groups:
            raise RefusedRow(f'no group is named "{name[:100]}"')
        directory = trial(self._storage) if self._rehearses else self._directory
        body: Document = {"schemas": [self._group_kind.core.id], "displayName": name}
        made = await directory.create(self._caller, self._group_kind, body)
        return "" if self._rehearses else made.id

    async def _join_groups(self, outcomes: Sequence[RowOutcome]) -> None:
        """Add the users of some rows to their groups, each group in one write."""
        by_group: dict[str, list[RowOutcome]] = {}
        for outcome in outcomes:
            for name in outcome.joins:
                by_group.setdefault(name, []).append(outcome)
        for name, members in by_group.items():
            value = [{"value": outcome.user} for outcome in members]
            operation = {"op": "add", "path": "members", "value": value}
            try:
                group_id = self._groups[fold(name)]
                await self._patch(self._directory, self._group_kind, group_id, [operation])
            except ScimError as error:
                for outcome in members:
                    outcome.reason = f"imported without the group {name[:100]}: {error.detail}"
                    outcome.heading = self._mapping.heading_of("groups")


def _attribute_of(path: str) -> str:
    """Return the name of the attribute of a path, such as name for name.givenName."""
    return path.rpartition(":")[2].partition(".")[0]


def _changed_user(line: int, outcome: RowOutcome) -> list[Any]:
    """Return the entry of a report for a user who changes; see `Import.changed`."""
    name, attributes = outcome.name[:_MAX_NAME], list(outcome.attributes)
    return [line, outcome.user, name, outcome.deactivates, attributes]


def _first(changed: Sequence[list[Any]]) -> list[list[Any]]:
    """Return the first of the users who are deactivated, and the first of the others."""
    sorts = ([entry for entry in changed if entry[3] is lost] for lost in (True, False))
    return [entry for sort in sorts for entry in sort[:_MOST_CHANGED]]


def _any(_: Stored) -> None:
    """Accept any version."""


__all__ = [
    "CREATED",
    "DEACTIVATED",
    "HELD",
    "PARTLY",
    "REFUSED",
    "UNCHANGED",
    "UPDATED",
    "Importing",
    "RowOutcome",
]
