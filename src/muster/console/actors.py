"""What those who did something are called: keys by their names, administrators by their e-mail addresses."""

from muster.access.administrators import Administrators
from muster.storage.port import Accounts


class Actors:
    """Knows what actors are called."""

    def __init__(self, accounts: Accounts, administrators: Administrators) -> None:
        self._accounts = accounts
        self._administrators = administrators

    async def keys(self, workspace: int) -> dict[str, str]:
        """The names of the keys of a workspace, by the actor that each is."""
        return {f"key:{key.id}": key.name for key in await self._accounts.keys(workspace)}

    async def names(self, workspace: int) -> dict[str, str]:
        """What whoever may have done something in a workspace is called, by actor."""
        admins = {f"admin:{admin.id}": admin.email for admin in await self._administrators.all()}
        return {**admins, **{actor: f"key {name}" for actor, name in (await self.keys(workspace)).items()}}
