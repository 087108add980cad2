"""Protected users in the console: their list, and the forms that protect a user."""

from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote

from muster.access.permissions import SETTINGS
from muster.access.protection import ProtectedUser, Protection
from muster.console.resources import called
from muster.console.web import PageRoute, Visit
from muster.directory.documents import parse
from muster.directory.service import Directory
from muster.http.wire.message import Response
from muster.scim.errors import ScimError, invalid_value
from muster.scim.values import fold
from muster.storage.port.engine import Storage

_LIST = "./protected-users"


class _Row(NamedTuple):
    """A protected user, as the list shows them.

    Attributes:
        protected: The protection.
        name: The display name; the id if the user is deleted.
        user_name: The userName; empty if the user is deleted.
        state: active, inactive or deleted.
    """

    protected: ProtectedUser
    name: str
    user_name: str
    state: str


class ProtectionPages:
    """The list of protected users."""

    def __init__(self, storage: Storage, directory: Directory, protection: Protection) -> None:
        self._storage = storage
        self._directory = directory
        self._protection = protection

    def __iter__(self) -> Iterator[PageRoute]:
        root = "/w/{workspace}"
        yield PageRoute("GET", f"{root}/protected-users", SETTINGS, self.show)
        yield PageRoute("POST", f"{root}/protected-users", SETTINGS, self.add)
        yield PageRoute("POST", f"{root}/users/{{id}}/protect", SETTINGS, self.protect)
        yield PageRoute("POST", f"{root}/users/{{id}}/unprotect", SETTINGS, self.end)

    async def show(self, visit: Visit, status: int = 200, error: str = "") -> Response:
        users = await self._protection.all(visit.there().id)
        return visit.render(
            "protected.html",
            status,
            rows=[await self._row(visit, user) for user in users],
            given={name: visit.text(name) for name in ("userName", "reason")},
            said=visit.flashed.get("said", ""),
            error=error or visit.flashed.get("error", ""),
        )

    async def _row(self, visit: Visit, user: ProtectedUser) -> _Row:
        stored = await self._storage.get(visit.there().id, "User", user.id)
        if stored is None:
            return _Row(user, user.id, "", "deleted")
        document = parse(stored.document)
        state = "inactive" if document.get("active") is False else "active"
        return _Row(user, called(document), str(document["userName"]), state)

    async def add(self, visit: Visit) -> Response:
        """Protect the user with a userName."""
        name = visit.text("userName")
        folded = fold(name)
        user_id = await self._storage.owner(visit.there().id, "User", "userName", folded)
        try:
            if user_id is None:
                raise invalid_value("userName: no user has this user name")
            await self._protection.protect(visit.administrator, user_id, visit.text("reason"))
        except ScimError as error:
            return await self.show(visit, error.status, error.detail)
        return await visit.redirect_with(_LIST, said=f"{name} is protected from deactivation.")

    async def protect(self, visit: Visit) -> Response:
        kind, page = visit.caller.registry.types["/Users"], _page(visit)
        stored = await self._directory.get(visit.caller, kind, visit.names["id"])
        try:
            await self._protection.protect(visit.administrator, stored.id, visit.text("reason"))
        except ScimError as error:
            return await visit.redirect_with(page, error=error.detail)
        said = f"{called(parse(stored.document))} is protected from deactivation."
        return await visit.redirect_with(page, said=said)

    async def end(self, visit: Visit) -> Response:
        await self._protection.end(visit.administrator, visit.names["id"])
        said = "Provisioning may deactivate and delete this user again."
        return await visit.redirect_with(_page(visit), said=said)


def _page(visit: Visit) -> str:
    """Return the page that a form came from: the list, or the page of the user."""
    if visit.text("from") == "list":
        return _LIST
    return f"./users/{quote(visit.names['id'], safe='')}"
