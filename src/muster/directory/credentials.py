"""Password verification for applications that sign in provisioned users."""

import hashlib
from typing import Protocol

from muster.base.passwords import verify_password
from muster.directory.caller import Caller
from muster.directory.documents import parse_all
from muster.directory.service import Directory
from muster.scim.document import Document
from muster.scim.errors import ScimError, forbidden
from muster.scim.filter.predicate import Test, field_at
from muster.scim.values import fold
from muster.storage.port.engine import Upkeep
from muster.storage.port.resources import Resources
from muster.storage.records.attempts import Attempts

_WINDOW = 60
_ATTEMPTS = 10
"""How many passwords may be tried for one userName within a window, in seconds."""


class CredentialStore(Resources, Upkeep, Protocol):
    """The parts of an engine that Credentials uses."""


class TooManyAttempts(ScimError):
    """429: too many passwords were tried for one userName.

    Attributes:
        retry_after: Seconds until the next attempt is allowed.
    """

    def __init__(self, retry_after: int) -> None:
        super().__init__(
            429, f"Too many passwords were tried for this userName. Retry after {retry_after} s."
        )
        self.retry_after = retry_after


class Credentials:
    """Verifies passwords."""

    def __init__(self, storage: CredentialStore, directory: Directory) -> None:
        self._storage = storage
        self._directory = directory
        self._attempts = Attempts(storage, _ATTEMPTS, _WINDOW)

    async def verify(self, caller: Caller, user_name: str, password: str) -> str | None:
        """Return the id of the active user with this userName and password, or None.

        It takes the same time for an unknown userName, a wrong password and an inactive user, so
        that the time tells nothing about who exists.

        Raises:
            TooManyAttempts: Too many passwords were tried for the userName.
            ScimError: 403 if the profile of the workspace forbids passwords.
        """
        if caller.workspace.is_ipsie:
            raise forbidden("The profile of the workspace, ipsie, forbids passwords.")
        # The attempts are stored by a digest: a user may have typed a password into the wrong
        # field.
        digest = hashlib.sha256(fold(user_name).encode("utf-8", "surrogateescape")).hexdigest()
        wait = await self._attempts.take(caller.workspace.id, f"password {digest}")
        if wait:
            raise TooManyAttempts(wait)
        resource_id, hashed, active = "", None, False
        for found in await self._named(caller, user_name):
            resource_id, active = found["id"], found.get("active") is not False
            hashed = await self._storage.secret(caller.workspace.id, resource_id, "password")
        verified = await verify_password(hashed, password, caller.workspace.id)
        return resource_id if verified and active else None

    async def _named(self, caller: Caller, user_name: str) -> list[Document]:
        """Return the user with a userName, as a list of at most one."""
        users = caller.registry.types["/Users"]
        field = field_at(users, "userName")
        # A filter as text cannot contain every character that a userName can. No userName has NUL.
        if field is None or "\0" in user_name:
            return []
        test = Test(field, "eq", fold(user_name))
        return parse_all((await self._directory.find_one(caller, users, test)).documents)
