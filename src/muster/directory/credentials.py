"""Whether a password is a user's: for the application that signs people in by what was provisioned."""

import time
from collections import OrderedDict
from collections.abc import Callable

from muster.directory.documents import parse
from muster.directory.memberships import split
from muster.directory.passwords import verify_password
from muster.directory.service import Caller, Directory, Search
from muster.scim.errors import ScimError
from muster.scim.values import fold
from muster.storage.port import Resources

_WINDOW = 60.0
_ATTEMPTS = 10
"""How many passwords may be tried for one user name in a window, in seconds, in one process."""
_REMEMBERED = 100_000


class TooManyAttempts(ScimError):
    """429: passwords of one user name were tried too often. retry_after: seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(429, f"too many passwords were tried for this userName: retry in {retry_after} seconds")
        self.retry_after = retry_after


class Credentials:
    """Checks passwords."""

    def __init__(self, storage: Resources, directory: Directory, clock: Callable[[], float] = time.monotonic) -> None:
        self._storage = storage
        self._directory = directory
        self._clock = clock
        self._tries: OrderedDict[tuple[int, str], list[float]] = OrderedDict()

    async def verify(self, caller: Caller, user_name: str, password: str) -> str | None:
        """The id of the active user who has this name and this password, or None: it takes as long whatever is wrong.

        Raises TooManyAttempts.
        """
        self._spend((caller.workspace.id, fold(user_name)))
        quoted = user_name.replace("\\", "\\\\").replace('"', '\\"')
        search = Search(filter=f'userName eq "{quoted}"', count=1)
        page = await self._directory.find(caller, caller.registry.types["/Users"], search)
        resource_id, hashed, active = "", None, False
        for found, document in split(page.documents):
            resource_id = found
            hashed = await self._storage.secret(caller.workspace.id, resource_id, "password")
            active = parse(document).get("active") is not False
        verified = await verify_password(hashed, password)
        return resource_id if verified and active else None

    def _spend(self, name: tuple[int, str]) -> None:
        now = self._clock()
        tries = [moment for moment in self._tries.pop(name, ()) if moment > now - _WINDOW]
        self._tries[name] = tries
        if len(self._tries) > _REMEMBERED:
            self._tries.popitem(last=False)
        if len(tries) >= _ATTEMPTS:
            raise TooManyAttempts(int(tries[0] + _WINDOW - now) + 1)
        tries.append(now)
