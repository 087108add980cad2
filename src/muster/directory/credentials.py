"""Whether a password is a user's: for the application that signs people in by what was provisioned."""

import hashlib
from typing import Protocol

from muster.base.passwords import verify_password
from muster.directory.documents import parse_all
from muster.directory.service import Caller, Directory, Search
from muster.scim.errors import ScimError
from muster.scim.values import fold
from muster.storage.port.engine import Upkeep
from muster.storage.port.resources import Resources
from muster.storage.records.attempts import Attempts

_WINDOW = 60
_ATTEMPTS = 10
"""How many passwords may be tried for one user name in a window, in seconds."""


class CredentialStore(Resources, Upkeep, Protocol):
    """What this needs of an engine."""


class TooManyAttempts(ScimError):
    """429: passwords of one user name were tried too often. retry_after: seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(
            429, f"too many passwords were tried for this userName: retry in {retry_after} seconds"
        )
        self.retry_after = retry_after


class Credentials:
    """Checks passwords."""

    def __init__(self, storage: CredentialStore, directory: Directory) -> None:
        self._storage = storage
        self._directory = directory
        self._tries = Attempts(storage, _ATTEMPTS, _WINDOW)

    async def verify(self, caller: Caller, user_name: str, password: str) -> str | None:
        """The id of the active user who has this name and this password, or None: it takes as long whatever is wrong.

        Raises TooManyAttempts.
        """
        named = hashlib.sha256(fold(user_name).encode("utf-8", "surrogateescape")).hexdigest()
        wait = await self._tries.take(caller.workspace.id, f"password {named}")
        if wait:
            raise TooManyAttempts(wait)
        quoted = user_name.replace("\\", "\\\\").replace('"', '\\"')
        search = Search(filter=f'userName eq "{quoted}"', count=1)
        page = await self._directory.find(caller, caller.registry.types["/Users"], search)
        resource_id, hashed, active = "", None, False
        for found in parse_all(page.documents):
            resource_id, active = found["id"], found.get("active") is not False
            hashed = await self._storage.secret(caller.workspace.id, resource_id, "password")
        verified = await verify_password(hashed, password, caller.workspace.id)
        return resource_id if verified and active else None
