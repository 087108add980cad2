"""Pages that create and change users and groups."""

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from muster.access.permissions import SCIM
from muster.console.details import manager_field, manager_of
from muster.console.pages.resource import NamedResource
from muster.console.resource_forms import (
    FormPart,
    check_version,
    form_of,
    new_document,
    operations,
    with_sent,
)
from muster.console.resources import ENDPOINTS, any_version, called, kind_of, name_filter
from muster.console.web import PageRoute, Visit
from muster.directory.caller import Caller
from muster.directory.documents import parse, parse_all
from muster.directory.guard.policy import Withheld
from muster.directory.service import Directory, Search
from muster.http.wire.message import Response
from muster.insight.reactivations import Reactivations
from muster.scim.errors import ScimError, invalid_value
from muster.scim.patch import PATCH_OP
from muster.scim.schema.model import ResourceType
from muster.scim.values import Json
from muster.storage.port.resources import Stored

_FOUND = 20
_MOST_MEMBERS = 100
_MANAGER = "User name, e-mail address or ID"
_ENDS_ACCESS = ("deactivate", "delete")
"""The attempts whose refusal leaves a user with access."""


class EditPages:
    """The forms and actions of a single user or group.

    A change here is a SCIM request made by the administrator: the guard and the switches hold it
    like any other, the audit log names the administrator, and webhooks report it.
    """

    def __init__(self, directory: Directory, reactivations: Reactivations) -> None:
        self._directory = directory
        self._reactivations = reactivations

    def __iter__(self) -> Iterator[PageRoute]:
        root = "/w/{workspace}"
        for plural in ENDPOINTS:
            one = f"{root}/{plural}/{{id}}"
            yield PageRoute("GET", f"{root}/{plural}/new", SCIM, self.new)
            yield PageRoute("POST", f"{root}/{plural}/new", SCIM, self.create)
            yield PageRoute("GET", f"{one}/edit", SCIM, self.edit)
            yield PageRoute("POST", f"{one}/edit", SCIM, self.change)
            yield PageRoute("POST", f"{one}/delete", SCIM, self.delete)
        yield PageRoute("POST", f"{root}/users/{{id}}/deactivate", SCIM, self.deactivate)
        yield PageRoute("POST", f"{root}/users/{{id}}/reactivate", SCIM, self.reactivate)
        yield PageRoute("POST", f"{root}/users/{{id}}/password", SCIM, self.set_password)
        yield PageRoute("GET", f"{root}/users/{{id}}/groups", SCIM, self.choose_groups)
        yield PageRoute("POST", f"{root}/users/{{id}}/groups", SCIM, self.join)
        yield PageRoute("GET", f"{root}/groups/{{id}}/members", SCIM, self.choose_members)
        yield PageRoute("POST", f"{root}/groups/{{id}}/members", SCIM, self.add_members)
        yield PageRoute("POST", f"{root}/groups/{{id}}/remove", SCIM, self.remove_member)

    # ---- create and edit

    async def new(self, visit: Visit, status: int = 200, error: str = "") -> Response:
        kind, plural = kind_of(visit)
        parts = await self._parts(visit, kind, {})
        if visit.request.method == "POST":
            parts = with_sent(parts, _sent(visit))
        asked, found = visit.text("q"), list[NamedResource]()
        chosen = [] if plural == "users" else await self._chosen(visit)
        try:
            for among in () if plural == "users" else ("users", "groups"):
                found += await self._search(visit, among, asked)
        except ScimError as failed:
            status, error = failed.status, failed.detail
        ids = {one.id for one in chosen}
        return visit.render(
            "edit.html",
            status,
            plural=plural,
            kind=kind.name,
            parts=parts,
            id="",
            called="",
            version="",
            q=asked,
            chosen=chosen,
            found=[one for one in found if one.id not in ids],
            error=error,
        )

    async def _chosen(self, visit: Visit) -> list[NamedResource]:
        """Return the members that were chosen for a new group; those since deleted are left out."""
        types, found = visit.caller.registry.types, list[NamedResource]()
        for member in visit.fields.get("chosen", [])[:_MOST_MEMBERS]:
            for plural, endpoint in ENDPOINTS.items():
                with contextlib.suppress(ScimError):  # it has the other type, or is deleted
                    stored = await self._directory.get(visit.caller, types[endpoint], member)
                    found.append(_named(parse(stored.document), plural))
        return found

    async def create(self, visit: Visit) -> Response:
        kind, plural = kind_of(visit)
        if plural == "groups" and visit.text("search"):
            return await self.new(visit)
        try:
            document = new_document(kind, await self._sent_by(visit, kind, {}))
            password = visit.fields.get("password", [""])[-1]
            if plural == "users" and password:
                document["password"] = password
            if plural == "groups" and (members := visit.fields.get("chosen", [])[:_MOST_MEMBERS]):
                document["members"] = [{"value": member} for member in dict.fromkeys(members)]
            stored = await self._directory.create(caller_of(visit), kind, document)
        except ScimError as error:
            return await self.new(visit, error.status, error.detail)
        name = document.get("displayName") or document.get("userName") or kind.name
        return await visit.redirect_with(f"./{plural}/{stored.id}", said=f"Created {name}.")

    async def edit(self, visit: Visit, status: int = 200, error: str = "") -> Response:
        kind, plural = kind_of(visit)
        stored = await self._directory.get(visit.caller, kind, visit.names["id"])
        document = parse(stored.document)
        parts = await self._parts(visit, kind, document)
        if status != 200:
            parts = with_sent(parts, _sent(visit))
        return visit.render(
            "edit.html",
            status,
            plural=plural,
            kind=kind.name,
            parts=parts,
            id=stored.id,
            called=called(document),
            version=str(stored.version),
            q="",
            chosen=[],
            found=[],
            error=error,
        )

    async def change(self, visit: Visit) -> Response:
        kind, plural = kind_of(visit)
        stored = await self._directory.get(visit.caller, kind, visit.names["id"])
        try:
            document = parse(stored.document)
            wanted = operations(kind, document, await self._sent_by(visit, kind, document))
            check_version(visit.text("version"), stored.version)
            if not wanted:
                return await visit.redirect_with(_path(visit, plural), said="Nothing to change.")
            # Compared again in the transaction: nobody else's change must be lost.
            await self._patch(visit, kind, wanted, str(stored.version))
        except ScimError as error:
            return await self.edit(visit, error.status, error.detail)
        return await visit.redirect_with(_path(visit, plural), said="Changes saved.")

    async def delete(self, visit: Visit) -> Response:
        kind, plural = kind_of(visit)
        try:
            gone = await self._directory.delete(
                caller_of(visit), kind, visit.names["id"], any_version
            )
        except ScimError as error:
            return await self._refused(visit, plural, error)
        said = f"Deleted {called(parse(gone.document))}. You can restore it here."
        if plural == "users":
            warning = await self._reactivations.warning(visit.there().id, [gone.id], "delete")
            said = f"{said} {warning}".strip()
        return await visit.redirect_with(_path(visit, plural), said=said)

    # ---- access

    async def deactivate(self, visit: Visit) -> Response:
        return await self._switch(visit, active=False)

    async def reactivate(self, visit: Visit) -> Response:
        return await self._switch(visit, active=True)

    async def _switch(self, visit: Visit, *, active: bool) -> Response:
        kind, plural = kind_of(visit)
        operation = {"op": "replace", "path": "active", "value": active}
        try:
            stored = await self._patch(visit, kind, [operation])
        except ScimError as error:
            return await self._refused(visit, plural, error)
        name = called(parse(stored.document))
        said = (
            f"Reactivated {name}."
            if active
            else f"Deactivated {name}. Applications that read this directory deny them access."
        )
        action = "reactivate" if active else "deactivate"
        warning = await self._reactivations.warning(visit.there().id, [stored.id], action)
        said = f"{said} {warning}".strip()
        return await visit.redirect_with(_path(visit, plural), said=said)

    async def set_password(self, visit: Visit) -> Response:
        kind, plural = kind_of(visit)
        password = visit.fields.get("password", [""])[-1]
        operation = {"op": "replace", "path": "password", "value": password}
        try:
            if not password:
                raise ScimError(400, "password: enter a new password")
            await self._patch(visit, kind, [operation])
        except ScimError as error:
            return await self._refused(visit, plural, error)
        return await visit.redirect_with(_path(visit, plural), said="Password changed.")

    # ---- memberships

    async def choose_groups(self, visit: Visit) -> Response:
        return await self._choose(visit, "users", "groups")

    async def choose_members(self, visit: Visit) -> Response:
        return await self._choose(visit, "groups", "members")

    async def _choose(self, visit: Visit, plural: str, wanted: str) -> Response:
        """Show the results of a search for groups to join, or for members to add."""
        types = visit.caller.registry.types
        stored = await self._directory.get(
            visit.caller, types[ENDPOINTS[plural]], visit.names["id"]
        )
        asked, error = visit.text("q"), ""
        found: list[NamedResource] = []
        try:
            for among in ("groups",) if wanted == "groups" else ("users", "groups"):
                found += await self._search(visit, among, asked)
        except ScimError as failed:
            error = failed.detail
        return visit.render(
            "choose.html",
            plural=plural,
            wanted=wanted,
            id=stored.id,
            called=called(parse(stored.document)),
            found=[one for one in found if one.id != stored.id],
            q=asked,
            error=error or visit.flashed.get("error", ""),
        )

    async def _search(self, visit: Visit, plural: str, asked: str) -> list[NamedResource]:
        if not asked:
            return []
        kind = visit.caller.registry.types[ENDPOINTS[plural]]
        search = Search(name_filter(plural, asked), count=_FOUND, by_cursor=True, counted=1)
        page = await self._directory.find(visit.caller, kind, search)
        return [_named(document, plural) for document in parse_all(page.documents)]

    async def join(self, visit: Visit) -> Response:
        """Add a user to the chosen groups."""
        group = visit.caller.registry.types["/Groups"]
        chosen = visit.fields.get("chosen", [])[:_MOST_MEMBERS]
        member = [{"value": visit.names["id"]}]
        operation = {"op": "add", "path": "members", "value": member}
        path = _path(visit, "users")
        await self._directory.get(
            visit.caller, visit.caller.registry.types["/Users"], visit.names["id"]
        )
        try:
            if not chosen:
                raise ScimError(400, "Choose at least one group.")
            for group_id in chosen:
                await self._patch(visit, group, [operation], resource_id=group_id)
        except ScimError as error:
            return await visit.redirect_with(f"{path}/groups", error=error.detail)
        said = f"Added to {len(chosen)} {'group' if len(chosen) == 1 else 'groups'}."
        return await visit.redirect_with(path, said=said)

    async def add_members(self, visit: Visit) -> Response:
        kind, plural = kind_of(visit)
        chosen = visit.fields.get("chosen", [])[:_MOST_MEMBERS]
        operation = {"op": "add", "path": "members", "value": [{"value": one} for one in chosen]}
        path = _path(visit, plural)
        await self._directory.get(visit.caller, kind, visit.names["id"])
        try:
            if not chosen:
                raise ScimError(400, "Choose at least one user or group.")
            await self._patch(visit, kind, [operation])
        except ScimError as error:
            return await visit.redirect_with(f"{path}/members", error=error.detail)
        said = f"Added {len(chosen)} {'member' if len(chosen) == 1 else 'members'}."
        return await visit.redirect_with(path, said=said)

    async def remove_member(self, visit: Visit) -> Response:
        """Remove one member of a group; the form may come from the member's page."""
        kind, plural = kind_of(visit)
        member, back = visit.text("member"), visit.text("from")
        operation = {"op": "remove", "path": "members", "value": [{"value": member}]}
        path = f"./users/{quote(member, safe='')}" if back == "users" else _path(visit, plural)
        try:
            await self._patch(visit, kind, [operation])
        except ScimError as error:
            return await self._refused(visit, plural, error)
        return await visit.redirect_with(path, said="Removed from the group.")

    # ---- helpers

    async def _parts(
        self, visit: Visit, kind: ResourceType, document: dict[str, Any]
    ) -> list[FormPart]:
        """Return the form of a resource; a manager is named by their userName."""
        name, parts = manager_field(kind), form_of(kind, document)
        manager = manager_of(document, kind)
        if manager:
            with contextlib.suppress(ScimError):  # there is no such user
                stored = await self._directory.get(visit.caller, kind, manager)
                manager = str(parse(stored.document)["userName"])
        for part in parts:
            part.fields[:] = [
                replace(field, label=_MANAGER, value=manager) if field.name == name else field
                for field in part.fields
            ]
        return parts

    async def _sent_by(
        self, visit: Visit, kind: ResourceType, document: dict[str, Any]
    ) -> Callable[[str], str | None]:
        """Return the values of a sent form, with the id of the manager that it names.

        Raises:
            ScimError: invalidValue if it names nobody.
        """
        name, text = manager_field(kind), _sent(visit)
        given = (text(name) or "").strip() if name else ""
        if not given:
            return text
        found = await self._person(visit, kind, given)
        if found is None and given == manager_of(document, kind):
            return text
        if found is None:
            raise invalid_value(f"{name}: no user has this user name, e-mail address or ID")
        return lambda field: found if field == name else text(field)

    async def _person(self, visit: Visit, kind: ResourceType, text: str) -> str | None:
        """Return the id of the only user with a userName, e-mail address or id; None for none."""
        for attribute in ("userName", "emails.value") if "@" in text else ("userName",):
            search = Search(f"{attribute} eq {json.dumps(text)}", count=2)
            page = await self._directory.find(visit.caller, kind, search)
            people = list(parse_all(page.documents))
            if len(people) == 1:
                return str(people[0]["id"])
        try:
            return (await self._directory.get(visit.caller, kind, text)).id
        except ScimError:
            return None

    async def _patch(
        self,
        visit: Visit,
        kind: ResourceType,
        wanted: list[dict[str, Json]],
        version: str = "",
        resource_id: str = "",
    ) -> Stored:
        def unchanged(current: Stored) -> None:
            check_version(version, current.version)

        body = {"schemas": [PATCH_OP], "Operations": wanted}
        return await self._directory.patch(
            caller_of(visit), kind, resource_id or visit.names["id"], body, unchanged
        )

    async def _refused(self, visit: Visit, plural: str, error: ScimError) -> Response:
        """Show on the page of the resource why an action was refused."""
        if error.status == 404:
            raise error
        kind = visit.caller.registry.types[ENDPOINTS[plural]]
        stored = await self._directory.get(visit.caller, kind, visit.names["id"])
        if not isinstance(error, Withheld):
            return await visit.redirect_with(_path(visit, plural), error=error.detail)
        document, ends = parse(stored.document), error.attempted in _ENDS_ACCESS
        said = error.detail
        if ends and document.get("active") is not False:
            said = f"{called(document)} still has access: {said}"
        held = error.attempted if ends else ""
        return await visit.redirect_with(_path(visit, plural), error=said, held=held)


def _named(document: dict[str, Any], plural: str) -> NamedResource:
    note = "group" if plural == "groups" else document.get("userName", "")
    return NamedResource(document["id"], plural, called(document), note)


def _path(visit: Visit, plural: str) -> str:
    return f"./{plural}/{quote(visit.names['id'], safe='')}"


def caller_of(visit: Visit) -> Caller:
    """Return the administrator; past guard, switches and protection if the form says so."""
    caller = visit.caller_overriding()
    if not caller.overrides:
        return caller
    open_ = replace(caller.workspace, automatic_provisioning=True, automatic_deprovisioning=True)
    return replace(caller, workspace=open_, guarded=False)


def _sent(visit: Visit) -> Callable[[str], str | None]:
    def text(name: str) -> str | None:
        values = visit.fields.get(name)
        return values[-1] if values else None

    return text
