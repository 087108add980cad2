"""One user or group in the console: current state, past states and history."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from muster.access.connections import Connections
from muster.access.permissions import RESTORE, SCIM
from muster.access.role_mappings import RoleMappings, granted
from muster.base.clock import timestamp
from muster.console.actors import listed
from muster.console.details import details_of, manager_of
from muster.console.resources import ENDPOINTS, called
from muster.console.web import PageRoute, Visit
from muster.directory.documents import parse
from muster.directory.history.events import changed_values
from muster.directory.history.past import Past, PastState, parse_time
from muster.directory.history.restore import TAKEN, RestoredResource, Restorer
from muster.directory.service import Directory
from muster.http.management.tokens import Tokens
from muster.http.wire.message import Response
from muster.insight.access_story import AccessStory, Fact
from muster.insight.credentials import credential_names
from muster.insight.reactivations import Reactivations
from muster.scim.errors import ScimError, not_found
from muster.scim.schema.labels import title_of
from muster.scim.schema.model import ResourceType
from muster.scim.values import fold
from muster.storage.ids import key_of
from muster.storage.port.changes import Change
from muster.storage.port.engine import Storage
from muster.storage.port.members import Member

_HISTORY = 50
_MEMBERS = 100


class NamedResource(NamedTuple):
    """A user or group that a page links to.

    Attributes:
        id: Its id.
        plural: The path segment of its pages: users or groups.
        name: Its display name.
        note: A remark shown beside its name.
    """

    id: str
    plural: str
    name: str
    note: str = ""


class ShownState(NamedTuple):
    """The current or a past state of a resource, as its page shows it.

    Attributes:
        document: The document; None if the resource does not exist.
        members: For groups, a page of the members.
        groups: For users, the groups that contain them.
        following: The id after which the next page of members starts; empty on the last page.
        more: The number of members or groups that are not shown.
    """

    document: dict[str, Any] | None
    members: Sequence[NamedResource] = ()
    groups: Sequence[NamedResource] = ()
    following: str = ""
    more: int = 0


class ResourcePages:
    """The pages of a single user and a single group."""

    def __init__(
        self,
        storage: Storage,
        directory: Directory,
        past: Past,
        restorer: Restorer,
        mappings: RoleMappings,
        tokens: Tokens,
        story: AccessStory,
        reactivations: Reactivations,
    ) -> None:
        self._reactivations = reactivations
        self._story = story
        self._storage = storage
        self._directory = directory
        self._restorer = restorer
        self._past = past
        self._tokens = tokens
        self._mappings = mappings
        self._connections = Connections(storage)

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", "/w/{workspace}/users/{id}", SCIM, self.user)
        yield PageRoute("GET", "/w/{workspace}/groups/{id}", SCIM, self.group)
        yield PageRoute("POST", "/w/{workspace}/{kind}/{id}/restore", RESTORE, self.restore)

    async def user(self, visit: Visit) -> Response:
        return await self._page(visit, "users")

    async def group(self, visit: Visit) -> Response:
        return await self._page(visit, "groups")

    async def restore(self, visit: Visit) -> Response:
        """Restore a resource to the version after one of its changes, or at a given time."""
        plural = visit.names["kind"]
        if plural not in ENDPOINTS:
            raise not_found("Page not found.")
        try:
            back = await self._restored(visit, visit.caller.registry.types[ENDPOINTS[plural]])
        except ScimError as error:
            if not visit.may(SCIM):
                raise
            return await self._page(visit, plural, error.status, error.detail)
        if not visit.may(SCIM):
            return visit.redirect("./undo")
        if back.left_out:
            said = f"Restored, except for members that no longer exist: {listed(back.left_out)}"
            return await visit.redirect_with(f"./{plural}/{visit.names['id']}", said=said)
        return visit.redirect(f"./{plural}/{visit.names['id']}")

    async def _restored(self, visit: Visit, kind: ResourceType) -> RestoredResource:
        caller = visit.caller_overriding()
        if visit.text("time"):
            time = timestamp(parse_time(visit.text("time"), "time"))
            return await self._restorer.restore_to(caller, kind, visit.names["id"], time)
        sequence = await self._tokens.read(visit.there().id, visit.text("change"), "change")
        return await self._restorer.restore(caller, kind, visit.names["id"], sequence)

    async def _page(
        self, visit: Visit, plural: str, status: int = 200, error: str = ""
    ) -> Response:
        workspace, resource_id = visit.there().id, visit.names["id"]
        kind = visit.caller.registry.types[ENDPOINTS[plural]]
        asked = visit.text("before")
        before = await self._tokens.read(workspace, asked, "before") if asked else None
        changes = await self._storage.history(workspace, resource_id, before, _HISTORY)
        now = await self._now(visit, kind)
        if now.document is None and all(change.type != kind.name for change in changes):
            raise not_found(f"{kind.name} not found.")
        seen, at = now, ""
        try:
            if visit.text("at"):
                at = timestamp(parse_time(visit.text("at"), "at"))
                seen = await self._then(
                    workspace, await self._past.state_at(workspace, resource_id, at)
                )
        except ScimError as failed:
            status, error, at = failed.status, failed.detail, ""
        document = seen.document or next(
            (parse(change.document) for change in changes if change.version), {}
        )
        older = changes[-1].sequence if len(changes) == _HISTORY else None
        names = await credential_names(self._storage, workspace)
        facts: list[Fact] = []
        if plural == "users" and not at and not asked:
            facts = await self._story.tell(visit.caller, resource_id, now.document, changes, names)
            facts[1:1] = await self._return(workspace, changes, now, names)
            facts += await self._watch(workspace, changes, now, resource_id)
        several = len(await self._connections.all(workspace)) > 1
        owned = several and now.document is not None
        return visit.render(
            "resource.html",
            status,
            several=several,
            owner=await self._connections.owner(workspace, resource_id) if owned else None,
            plural=plural,
            id=resource_id,
            there=now.document is not None,
            at=at,
            was_there=seen.document is not None,
            seen=seen,
            shown=document,
            parts=details_of(document, kind, await self._manager(visit, document, kind)),
            protected=resource_id in visit.protected,
            roles=granted(document.get("roles"), await self._mappings.all(workspace))
            if plural == "users"
            else [],
            history=[
                (change, await self._tokens.write(workspace, change.sequence), _changed(change))
                for change in changes
                if change.type == kind.name
            ],
            names=names,
            latest=await self._latest(workspace, kind, changes),
            facts=facts,
            warnings={
                action: await self._warning(visit, plural, now, action)
                for action in ("deactivate", "delete")
            },
            newest=not asked,
            older="" if older is None else await self._tokens.write(workspace, older),
            text=json.dumps(_brief(document, seen), indent=2, ensure_ascii=False),
            said=visit.flashed.get("said", ""),
            error=error or visit.flashed.get("error", ""),
            holder=await self._holder(visit, kind, error, document),
            held=visit.flashed.get("held", "") if now.document is not None else "",
        )

    async def _warning(self, visit: Visit, plural: str, now: ShownState, action: str) -> str:
        """Return a warning that the removal of the user may not last; empty if it would."""
        if now.document is None or plural != "users":
            return ""
        return await self._reactivations.warning(visit.there().id, [visit.names["id"]], action)

    async def _latest(self, workspace: int, kind: ResourceType, changes: Sequence[Change]) -> str:
        """Return the token of the latest change of a resource, leaving out refusals."""
        found = (change for change in changes if change.type == kind.name and change.version)
        latest = next(found, None)
        return "" if latest is None else await self._tokens.write(workspace, latest.sequence)

    async def _holder(
        self, visit: Visit, kind: ResourceType, error: str, document: dict[str, Any]
    ) -> NamedResource | None:
        """Return the resource that has taken the unique value of a deleted one, or None."""
        attribute = error.partition(":")[0]
        value = document.get(attribute)
        if not error.endswith(TAKEN) or not isinstance(value, str):
            return None
        for form in dict.fromkeys((fold(value), value)):
            holder = await self._storage.owner(visit.there().id, kind.name, attribute, form)
            stored = holder and await self._storage.get(visit.there().id, kind.name, holder)
            if stored:
                name = called(parse(stored.document))
                return NamedResource(stored.id, _plural(kind.name), name, title_of(attribute))
        return None

    async def _return(
        self, workspace: int, changes: Sequence[Change], now: ShownState, names: dict[str, str]
    ) -> list[Fact]:
        """Return the fact that a user came back after an administrator had deleted them."""
        if now.document is None:
            return []
        found = await self._reactivations.return_of(workspace, changes)
        if found is None:
            return []
        former = found.deleted
        who = names.get(former.origin.actor) or former.origin.actor.removeprefix("admin:")
        text = f"This reversed the deletion by {who}."
        page = f"/users/{former.id}"
        return [Fact("bad", text, former.origin.time, page, "View the deleted user")]

    async def _watch(
        self, workspace: int, changes: Sequence[Change], now: ShownState, user_id: str
    ) -> list[Fact]:
        """Return the fact that an alert would show the return of a leaver, if one would."""
        watched = self._reactivations.watched(changes)
        if not watched or not await self._reactivations.warning(workspace, [user_id]):
            return []
        if now.document is None:
            again, decision, agreed = "creates this user again", "deletion", ""
        else:
            again, decision = "sends this user as active", "deactivation"
            agreed = ", unless the provider had deactivated them too"
        text = (
            f"If the identity provider {again}, they regain access. Within 7 days of the"
            f" {decision}, the overview shows that under “Needs attention”{agreed}."
        )
        return [Fact("note", text, "", "#attention", "Open the overview")]

    async def _now(self, visit: Visit, kind: ResourceType) -> ShownState:
        try:
            document = parse(
                (await self._directory.get(visit.caller, kind, visit.names["id"])).document
            )
        except ScimError:
            return ShownState(None)
        groups = [
            NamedResource(
                g["value"],
                "groups",
                g.get("display") or g["value"],
                "" if g["type"] == "direct" else "inherited",
            )
            for g in document.get("groups", [])
        ]
        if kind.endpoint != "/Groups":
            end = _number(visit.text("groups")) + _MEMBERS
            page, more = groups[end - _MEMBERS : end], max(0, len(groups) - end)
            return ShownState(document, (), page, str(end) if more else "", more)
        after = key_of(visit.text("members"))
        place = -1 if after is None else after
        members = await self._storage.members(
            visit.there().id, visit.names["id"], place, _MEMBERS + 1
        )
        named = await asyncio.gather(
            *(self._member(visit.there().id, member) for member in members[:_MEMBERS])
        )
        return ShownState(
            document, named, (), members[_MEMBERS - 1].id if len(members) > _MEMBERS else ""
        )

    async def _member(self, workspace: int, member: Member) -> NamedResource:
        """Return a member of a group, marked if they have no access."""
        name = member.display or member.id
        if member.type != "User":
            return NamedResource(member.id, _plural(member.type), name, _note(member.type))
        stored = await self._storage.get(workspace, "User", member.id)
        inactive = stored is not None and parse(stored.document).get("active") is False
        return NamedResource(member.id, "users", name, "inactive" if inactive else "")

    async def _manager(
        self, visit: Visit, document: dict[str, Any], kind: ResourceType
    ) -> dict[str, str]:
        """Return the name of a user's manager by their id; empty if there is no such user."""
        manager = manager_of(document, kind)
        stored = manager and await self._storage.get(visit.there().id, "User", manager)
        return {manager: called(parse(stored.document))} if stored else {}

    async def _then(self, workspace: int, was: PastState | None) -> ShownState:
        """Return a past state; members and groups have their latest known names."""
        if was is None or was.change.action == "delete":
            return ShownState(None)
        members, groups = was.members or [], was.groups or []
        named = [await self._named(workspace, found) for found in members[:_MEMBERS]]
        joined = [await self._named(workspace, found) for found in groups[:_MEMBERS]]
        return ShownState(
            parse(was.change.document),
            named,
            joined,
            "",
            max(0, len(members) - _MEMBERS, len(groups) - _MEMBERS),
        )

    async def _named(self, workspace: int, resource_id: str) -> NamedResource:
        change = await self._past.last_write(workspace, resource_id)
        if change is None:
            return NamedResource(resource_id, "users", resource_id)
        document = parse(change.document)
        name = document.get("displayName") or document.get("userName") or resource_id
        note = "deleted" if change.action == "delete" else _note(change.type)
        return NamedResource(resource_id, _plural(change.type), name, note)


def _number(text: str) -> int:
    """Return the place in a list at which a page begins; 0 unless it is a number."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _brief(document: dict[str, Any], seen: ShownState) -> dict[str, Any]:
    """Return a document with the groups that the page shows, if a user is in more of them."""
    groups = document.get("groups", ())
    if len(groups) <= _MEMBERS:
        return document
    shown = {group.id for group in seen.groups}
    return {**document, "groups": [group for group in groups if group["value"] in shown]}


def _plural(type_name: str) -> str:
    return "groups" if type_name == "Group" else "users"


def _note(type_name: str) -> str:
    return "" if type_name == "User" else type_name.lower()


def _changed(change: Change) -> list[tuple[str, Any, Any]]:
    """Return the paths that a change modified, each with its old and new value."""
    if change.before is None or not change.version:
        return []
    before, after = parse(change.before), parse(change.document)
    return changed_values(before, after)
