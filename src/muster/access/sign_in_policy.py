"""Whether administrators must have a second factor: a setting of workspaces and installation."""

from collections.abc import Sequence

import orjson

from muster.access.administrators import Admin, Administrators
from muster.storage.port.accounts import Accounts, Workspace
from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.port.items import INSTALLATION, Item

POLICY_KIND = "sign-in-policy"
_ID = "policy"
_SETTING = "requireSecondFactor"


class SignInPolicy:
    """Tells which administrators must set up a second factor before anything else."""

    def __init__(self, accounts: Accounts, administrators: Administrators) -> None:
        self._accounts = accounts
        self._administrators = administrators

    async def required(self) -> bool:
        """Return whether the installation requires a second factor of every administrator."""
        item = await self._stored()
        return item.body is not None and bool(item.body[_SETTING])

    async def require(self, wanted: bool, origin: ChangeOrigin) -> None:
        """Turn the setting of the installation on or off."""
        before = await self._stored()
        after = Item(INSTALLATION, POLICY_KIND, _ID, {_SETTING: wanted})
        was = before.body is not None and bool(before.body[_SETTING])
        if was == wanted:
            return
        document = orjson.dumps({"before": {_SETTING: was}, "after": {_SETTING: wanted}})
        note = Note(INSTALLATION, origin, "SignInPolicy", _ID, "update", document)
        await self._accounts.administer([after], [note], [before])

    async def missing(
        self, admin: Admin, workspaces: Sequence[Workspace], place: Workspace | None = None
    ) -> str:
        """Return who requires a second factor that an administrator does not have.

        A workspace decides for its own administrators. It decides for those of the installation
        only on its own pages, so that no workspace keeps them from the others.

        Args:
            admin: The administrator.
            workspaces: The workspaces in which they have a role.
            place: The workspace that they open; None for a page outside workspaces.

        Returns:
            "This installation" or the name of a workspace in words; empty if nobody does, or the
            administrator has one.
        """
        if admin.totp is not None or admin.connector is not None:
            return ""
        names = [
            found.name
            for found in workspaces
            if found.require_second_factor and (str(found.id) in admin.roles or found == place)
        ]
        by = f"The workspace {names[0]}" if names else ""
        if not by and await self.required():
            by = "This installation"
        return "" if not by or await self._administrators.has_second_factor(admin) else by

    async def _stored(self) -> Item:
        item = await self._accounts.item(INSTALLATION, POLICY_KIND, _ID)
        return item or Item(INSTALLATION, POLICY_KIND, _ID, None)
