"""Actions on a selection of users or groups: previewed, then applied to each."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from muster.access.permissions import SCIM, SETTINGS
from muster.access.protection import Protection
from muster.console.listings import read_query
from muster.console.pages.edit import caller_of
from muster.console.resources import ENDPOINTS, any_version, called, kind_of
from muster.console.web import PageRoute, Visit
from muster.directory.caller import Caller
from muster.directory.documents import parse, parse_all
from muster.directory.service import Directory, Search
from muster.http.wire.message import Response
from muster.insight.reactivations import Reactivations
from muster.scim.errors import ScimError, invalid_value
from muster.scim.patch import PATCH_OP
from muster.scim.schema.model import ResourceType
from muster.scim.values import Json

MOST = 1000
"""The most resources of one action, which bounds its time."""
_NAMED = 20
_GROUPS = 200
_CHUNK = 100
ACTIONS = {
    "users": {
        "deactivate": "Deactivate",
        "reactivate": "Reactivate",
        "join": "Add to group",
        "protect": "Protect from deactivation",
        "unprotect": "Allow deactivation",
        "delete": "Delete",
    },
    "groups": {"delete": "Delete"},
}
_OF_SETTINGS = frozenset({"protect", "unprotect"})
"""The actions that need the permission to configure settings."""


@dataclass(slots=True)
class Outcome:
    """The result of an action on a selection.

    Attributes:
        done: The number of resources that it changed.
        refused: The name of each other resource, and the reason.
    """

    done: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)


def actions_of(visit: Visit, plural: str) -> dict[str, str]:
    """Return the titles of the actions that an administrator may apply, by their names."""
    allowed = ACTIONS[plural].items()
    return {
        name: title for name, title in allowed if name not in _OF_SETTINGS or visit.may(SETTINGS)
    }


class SelectionPages:
    """The preview and the execution of an action on a selection."""

    def __init__(
        self, directory: Directory, reactivations: Reactivations, protection: Protection
    ) -> None:
        self._directory = directory
        self._reactivations = reactivations
        self._protection = protection

    def __iter__(self) -> Iterator[PageRoute]:
        for plural in ENDPOINTS:
            root = f"/w/{{workspace}}/{plural}/selection"
            yield PageRoute("GET", root, SCIM, self.preview)
            yield PageRoute("POST", root, SCIM, self.apply)

    async def preview(self, visit: Visit, status: int = 200, error: str = "") -> Response:
        """Show the selected resources, and how many there are, before anything happens."""
        kind, plural = kind_of(visit)
        action = visit.text("action")
        chosen: dict[str, str] = {}
        if action not in actions_of(visit, plural):
            action, error = "", "Choose an action."
        else:
            try:
                chosen = await self._chosen(visit, kind, plural)
            except ScimError as failed:
                error = failed.detail
            if not chosen and not error:
                error = f"Select at least one of the {plural}."
        groups = await self._groups(visit) if action == "join" else []
        return visit.render(
            "selection.html",
            status,
            plural=plural,
            action=action,
            title=ACTIONS[plural].get(action, "Selection"),
            chosen=chosen,
            named=list(chosen.items())[:_NAMED],
            groups=groups,
            warning=await self._warning(visit, action, list(chosen)),
            error=error,
        )

    async def apply(self, visit: Visit) -> Response:
        """Apply the action to each of the resources that the preview showed."""
        kind, plural = kind_of(visit)
        action = visit.text("action")
        ids = [one for one in visit.text("ids").split(",") if one]
        if action not in actions_of(visit, plural) or not ids or len(ids) > MOST:
            raise invalid_value("The form is incomplete. Select the resources again.")
        if action == "join" and not visit.text("group"):
            return await self.preview(visit, 400, "group: choose a group")
        caller = caller_of(visit)
        outcome = Outcome()
        if action == "join":
            await self._join(caller, visit.text("group"), ids, outcome)
        elif action in _OF_SETTINGS:
            for resource_id in ids:
                await self._protect(visit, kind, action, resource_id, outcome)
        else:
            for resource_id in ids:
                await self._one(caller, kind, action, resource_id, outcome)
        done = f"{ACTIONS[plural][action]}: {outcome.done:,} of {len(ids):,} {plural}."
        if outcome.done:
            done = f"{done} {await self._warning(visit, action, ids)}".strip()
        return await visit.redirect_with(
            f"./{plural}", said=done, refused=[list(row) for row in outcome.refused[:_NAMED]]
        )

    async def _warning(self, visit: Visit, action: str, ids: list[str]) -> str:
        """Return a warning that a provider may reverse the action; empty for other actions."""
        if action not in ("deactivate", "reactivate", "delete"):
            return ""
        return await self._reactivations.warning(visit.there().id, ids, action)

    async def _chosen(self, visit: Visit, kind: ResourceType, plural: str) -> dict[str, str]:
        """Return the names of the selected resources by their ids.

        Raises:
            ScimError: invalidValue if there are too many.
        """
        found: dict[str, str] = {}
        if visit.text("all"):
            search = read_query(visit, plural, kind).search(_CHUNK)
            while True:
                page = await self._directory.find(visit.caller, kind, search)
                found |= {row["id"]: called(row) for row in parse_all(page.documents)}
                if len(found) > MOST or (page.total or 0) > MOST:
                    raise invalid_value(
                        f"These are more than {MOST:,} {plural}, and an action applies to at most"
                        f" {MOST:,} at a time. Narrow the search."
                    )
                if page.following is None:
                    return found
                search.after = page.following
        listed = [one for text in visit.fields.get("ids", []) for one in text.split(",")]
        ids = list(dict.fromkeys([*visit.fields.get("chosen", []), *listed]))
        for resource_id in ids[:MOST]:
            try:
                stored = await self._directory.get(visit.caller, kind, resource_id)
            except ScimError:
                continue  # deleted since the list was shown
            found[stored.id] = called(parse(stored.document))
        return found

    async def _groups(self, visit: Visit) -> list[tuple[str, str]]:
        """Return the first groups by name, to choose from."""
        kind = visit.caller.registry.types["/Groups"]
        search = Search(sort_by="displayName", count=_GROUPS)
        page = await self._directory.find(visit.caller, kind, search)
        return [(row["id"], called(row)) for row in parse_all(page.documents)]

    async def _join(self, caller: Caller, group: str, ids: list[str], outcome: Outcome) -> None:
        kind = caller.registry.types["/Groups"]
        members: list[Json] = [{"value": resource_id} for resource_id in ids]
        operation = {"op": "add", "path": "members", "value": members}
        try:
            await self._patch(caller, kind, group, operation)
            outcome.done = len(ids)
        except ScimError as error:
            outcome.refused.append((group, error.detail))

    async def _one(
        self, caller: Caller, kind: ResourceType, action: str, resource_id: str, outcome: Outcome
    ) -> None:
        try:
            if action == "delete":
                await self._directory.delete(caller, kind, resource_id, any_version)
            else:
                active = action == "reactivate"
                operation = {"op": "replace", "path": "active", "value": active}
                await self._patch(caller, kind, resource_id, operation)
            outcome.done += 1
        except ScimError as error:
            outcome.refused.append((resource_id, error.detail))

    async def _protect(
        self, visit: Visit, kind: ResourceType, action: str, resource_id: str, outcome: Outcome
    ) -> None:
        """Protect a user from deactivation, or end it; whoever is so already stays as they are."""
        try:
            user_id = (await self._directory.get(visit.caller, kind, resource_id)).id
            if (user_id in visit.protected) != (action == "protect"):
                if action == "protect":
                    await self._protection.protect(
                        visit.administrator, user_id, visit.text("reason")
                    )
                else:
                    await self._protection.end(visit.administrator, user_id)
            outcome.done += 1
        except ScimError as error:
            outcome.refused.append((resource_id, error.detail))

    async def _patch(
        self, caller: Caller, kind: ResourceType, resource_id: str, operation: dict[str, Json]
    ) -> None:
        body: Json = {"schemas": [PATCH_OP], "Operations": [operation]}
        await self._directory.patch(caller, kind, resource_id, body, any_version)
