"""The platform keys, which owners of the installation create and revoke."""

from collections.abc import Iterator
from datetime import timedelta

from muster.access.platform_keys import PlatformKeys
from muster.base import clock
from muster.console.web import INSTALLATION_ADMIN, PageRoute, Visit
from muster.http.wire.message import Response
from muster.scim.errors import ScimError, invalid_value

_PAGE = "/platform-keys"
_LIFETIMES = {"": "Never", "30": "In 30 days", "90": "In 90 days", "365": "In a year"}


class PlatformKeyPages:
    """The page of platform keys."""

    def __init__(self, keys: PlatformKeys) -> None:
        self._keys = keys

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", _PAGE, INSTALLATION_ADMIN, self.show)
        yield PageRoute("POST", _PAGE, INSTALLATION_ADMIN, self.create)
        yield PageRoute("POST", f"{_PAGE}/{{id}}/revoke", INSTALLATION_ADMIN, self.revoke)

    async def show(self, visit: Visit, status: int = 200, error: str = "") -> Response:
        now, used = clock.now(), await self._keys.last_used()
        keys = await self._keys.all()
        return visit.render(
            "platform_keys.html",
            status,
            keys=[(key, key.state(now), used.get(key.id)) for key in keys],
            lifetimes=_LIFETIMES,
            said=visit.flashed.get("said", ""),
            error=error,
            token=visit.flashed.get("token", ""),
            typed=visit.text("name") if error else "",
        )

    async def create(self, visit: Visit) -> Response:
        """Create a key. The next page shows its token, once."""
        try:
            days = visit.text("expires")
            if days not in _LIFETIMES:
                raise invalid_value("expires: choose one of the times")
            lifetime = timedelta(days=int(days)) if days else None
            token, _ = await self._keys.create(visit.text("name"), visit.origin, lifetime)
        except ScimError as error:
            return await self.show(visit, error.status, error.detail)
        return await visit.redirect_with(_PAGE, token=token)

    async def revoke(self, visit: Visit) -> Response:
        try:
            key = await self._keys.revoke(visit.names["id"], visit.origin)
        except ScimError as error:
            return await self.show(visit, error.status, error.detail)
        return await visit.redirect_with(_PAGE, said=f'The platform key "{key.name}" was revoked.')
