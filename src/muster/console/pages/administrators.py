"""Administrators of the installation or of a workspace: list, invite, reset and remove."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from muster.access.administrators import (
    EVERYWHERE,
    Admin,
    Administrators,
    Profile,
    all_permissions,
)
from muster.access.invitations import LIFETIMES, Invitation, Invitations, Inviter
from muster.access.passkeys import Passkeys
from muster.access.permissions import ADMIN, PERMISSIONS
from muster.access.sign_in_policy import SignInPolicy
from muster.console.activity import Activity, activity_of
from muster.console.roles import CHOICES, note_of, place_in_words, role_in_words
from muster.console.web import INSTALLATION_ADMIN, PageRoute, Visit
from muster.http.wire.message import Response
from muster.scim.errors import ScimError, forbidden, invalid_value, not_found
from muster.storage.port.changes import ChangeFilter
from muster.storage.port.engine import Storage
from muster.storage.port.items import INSTALLATION

_ACTIVITY = 30
_USUAL_LIFETIME = "86400"
_TYPED = ("name", "workspace", "role", "expires")


@dataclass(frozen=True, slots=True)
class AdministratorRow:
    """An administrator in the list.

    Attributes:
        admin: The account.
        profile: Their name, who invited them, and their last sign-in.
        roles: Each role in words, with the sentences about it and the place that it applies to.
        factors: How they sign in, in words.
        protected: Whether they use a second factor.
        resettable: Whether their second factor can be reset here.
        removable: Whether they can be removed here.
    """

    admin: Admin
    profile: Profile
    roles: Sequence[tuple[str, str, str]]
    factors: str
    protected: bool
    resettable: bool
    removable: bool


class AdministratorPages:
    """The pages that list, invite and remove administrators."""

    def __init__(
        self,
        storage: Storage,
        administrators: Administrators,
        invitations: Invitations,
        passkeys: Passkeys,
    ) -> None:
        self._storage = storage
        self._administrators = administrators
        self._invitations = invitations
        self._passkeys = passkeys
        self._policy = SignInPolicy(storage, administrators)

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("POST", "/administrators/policy", INSTALLATION_ADMIN, self.set_policy)
        for place, permission in (("", INSTALLATION_ADMIN), ("/w/{workspace}", ADMIN)):
            page = f"{place}/administrators"
            yield PageRoute("GET", page, permission, self.show)
            yield PageRoute("POST", page, permission, self.invite)
            yield PageRoute("POST", f"{page}/invitations/{{id}}/revoke", permission, self.revoke)
            yield PageRoute("POST", f"{page}/{{id}}/remove", permission, self.remove)
            yield PageRoute("POST", f"{page}/{{id}}/reset", permission, self.reset)

    async def show(self, visit: Visit, status: int = 200, **values: Any) -> Response:
        workspaces = {str(each.id): each.name for each in await self._storage.workspaces()}
        given = {"link": "", "invited": "", "said": "", "error": "", **visit.flashed, **values}
        typed = {name: visit.text(name) if given["error"] else "" for name in _TYPED}
        rows = await self._rows(visit, workspaces)
        return visit.render(
            "administrators.html",
            status,
            rows=rows,
            unprotected=sum(not row.protected for row in rows),
            pending=[
                (found, _roles_in_words(found.roles, workspaces))
                for found in await self._invitations.pending()
                if visit.workspace is None or found.place == str(visit.workspace.id)
            ],
            page=_page(visit),
            workspaces=workspaces,
            choices=CHOICES,
            permissions=PERMISSIONS,
            chosen=visit.fields.get("permission", []) if given["error"] else [],
            lifetimes=LIFETIMES,
            typed={**typed, "expires": typed["expires"] or _USUAL_LIFETIME},
            required=await self._policy.required(),
            log=await self._log(visit, workspaces),
            **given,
        )

    async def _rows(self, visit: Visit, workspaces: Mapping[str, str]) -> list[AdministratorRow]:
        profiles, passkeys = await self._administrators.profiles(), await self._passkeys.count()
        return [
            _row(
                visit,
                admin,
                profiles.get(admin.id, Profile()),
                passkeys.get(admin.id, 0),
                workspaces,
            )
            for admin in await self._administrators.all()
            if visit.workspace is None or admin.has_role_in(visit.workspace.id)
        ]

    async def _log(self, visit: Visit, workspaces: Mapping[str, str]) -> list[Activity]:
        """Return the latest entries of the installation's log; none for a workspace."""
        if visit.workspace is not None:
            return []
        found, _ = await self._storage.search_changes(INSTALLATION, None, _ACTIVITY, ChangeFilter())
        return [activity_of(change, workspaces) for change in found]

    async def invite(self, visit: Visit) -> Response:
        """Create an invitation link for one administrator."""
        name = visit.text("name")
        try:
            if not name:
                raise invalid_value("name: enter the name of the person")
            roles = await self._wanted(visit)
            seconds = visit.text("expires", _USUAL_LIFETIME)
            if seconds not in LIFETIMES:
                raise invalid_value("expires: choose one of the times")
            base = visit.base.public(visit.request)
            token, _ = await self._invitations.create(
                await self._inviter(visit), roles, name, timedelta(seconds=int(seconds))
            )
        except ScimError as error:
            return await self.show(visit, error.status, error=error.detail)
        return await visit.redirect_with(
            _page(visit), link=f"{base}/first?token={token}", invited=name
        )

    async def _wanted(self, visit: Visit) -> dict[str, list[str]]:
        """Return the roles that the form asks for.

        Raises:
            ScimError: 400 if a choice is missing, unknown or contradictory.
        """
        place = visit.text("workspace") if visit.workspace is None else str(visit.workspace.id)
        known = {str(workspace.id) for workspace in await self._storage.workspaces()}
        if place not in {*known, EVERYWHERE}:
            raise invalid_value("workspace: select a workspace")
        choice, ticked = CHOICES.get(visit.text("role")), visit.fields.get("permission", [])
        if choice is not None and ticked:
            raise invalid_value(
                f'role: you chose "{choice.title}" and custom permissions. Select Custom to use'
                " them, or clear them"
            )
        wanted = ticked if choice is None else choice.permissions
        if not wanted or not set(wanted) <= {*PERMISSIONS, ADMIN}:
            raise invalid_value("permission: select at least one permission")
        if place == EVERYWHERE and ADMIN in wanted:
            return all_permissions()
        return {place: list(wanted)}

    async def _inviter(self, visit: Visit) -> Inviter:
        if visit.session is None:
            raise forbidden("You are not signed in.")
        admin = visit.session.admin
        profile = await self._administrators.profile(admin.id)
        name = f"{profile.name} ({admin.email})" if profile.name else admin.email
        return Inviter(visit.origin, admin.roles, admin.id, name)

    async def revoke(self, visit: Visit) -> Response:
        """Revoke an invitation that nobody has accepted."""
        try:
            found = await self._pending(visit)
            await self._invitations.revoke(await self._inviter(visit), found.id)
        except ScimError as error:
            return await self.show(visit, error.status, error=error.detail)
        said = f"The invitation of {found.name or 'this person'} was revoked."
        return await visit.redirect_with(_page(visit), said=f"{said} Its link no longer works.")

    async def _pending(self, visit: Visit) -> Invitation:
        for found in await self._invitations.pending():
            here = visit.workspace is None or found.place == str(visit.workspace.id)
            if here and found.id == visit.names["id"]:
                return found
        raise not_found("Invitation not found. It may have been accepted or revoked.")

    async def remove(self, visit: Visit) -> Response:
        admin = await self._found(visit)
        try:
            await self._administrators.remove(admin, visit.origin)
        except ScimError as error:
            return await self.show(visit, error.status, error=error.detail)
        return await visit.redirect_with(_page(visit), said=f"{admin.email} was removed.")

    async def reset(self, visit: Visit) -> Response:
        """Remove the second factor of an administrator who has lost it."""
        admin = await self._found(visit)
        try:
            await self._administrators.reset_second_factor(admin, visit.origin)
        except ScimError as error:
            return await self.show(visit, error.status, error=error.detail)
        said = f"{admin.email} signs in with the password alone until they set up a second factor."
        return await visit.redirect_with(_page(visit), said=said)

    async def set_policy(self, visit: Visit) -> Response:
        """Require a second factor of every administrator, or no longer."""
        wanted = visit.text("required") == "on"
        await self._policy.require(wanted, visit.origin)
        said = (
            "Two-factor authentication is required. Administrators without it set it up at their"
            " next page."
            if wanted
            else "Two-factor authentication is optional."
        )
        return await visit.redirect_with("/administrators", said=said)

    async def _found(self, visit: Visit) -> Admin:
        """Return the administrator to change.

        Raises:
            ScimError: 403 if they can do more than the workspace of the page gives; 404 if they do
                not exist, or not there.
        """
        admin = await self._administrators.get(visit.names["id"])
        if admin is None or (
            visit.workspace is not None and not admin.has_role_in(visit.workspace.id)
        ):
            raise not_found("Administrator not found.")
        if not _manages(visit, admin):
            raise forbidden(
                "This administrator has a role outside this workspace. Ask an owner of the"
                " installation."
            )
        return admin


def _manages(visit: Visit, admin: Admin) -> bool:
    """Return whether an administrator belongs to the place of the page alone."""
    return visit.workspace is None or set(admin.roles) == {str(visit.workspace.id)}


def _row(
    visit: Visit, admin: Admin, profile: Profile, passkeys: int, workspaces: Mapping[str, str]
) -> AdministratorRow:
    mine = visit.session is not None and admin.id == visit.session.admin.id
    here = _manages(visit, admin) and not mine
    protected = admin.totp is not None or passkeys > 0
    return AdministratorRow(
        admin,
        profile,
        _roles_in_words(admin.roles, workspaces),
        _factors(admin, passkeys),
        protected or admin.connector is not None,
        here and protected,
        here,
    )


def _roles_in_words(
    roles: Mapping[str, Sequence[str]], workspaces: Mapping[str, str]
) -> list[tuple[str, str, str]]:
    """Return each role, the sentences about it, and the place that it applies to."""
    return [
        (role_in_words({place: held}), note_of(held), place_in_words(place, workspaces))
        for place, held in roles.items()
    ]


def _factors(admin: Admin, passkeys: int) -> str:
    if admin.connector is not None:
        return "OpenID Connect"
    found = ["Password and authenticator"] if admin.totp is not None else []
    if passkeys:
        found.append("Passkey" if passkeys == 1 else f"{passkeys} passkeys")
    return ", ".join(found) or "Password only"


def _page(visit: Visit) -> str:
    return "/administrators" if visit.workspace is None else "./administrators"
