"""Tokens for positions in a workspace's changes, which the feed and the history hand out.

Changes are numbered across all workspaces, so the numbers themselves would tell how much happens in
the others.
"""

from muster.base.signing import InvalidToken, NumberSigner
from muster.scim.errors import invalid_value
from muster.storage.port.accounts import Accounts


class Tokens:
    """Writes and reads tokens."""

    def __init__(self, accounts: Accounts) -> None:
        self._signer = NumberSigner(accounts.signing_secret, "changes")

    async def write(self, workspace: int, sequence: int) -> str:
        """Return the token of a position in a workspace; always the same."""
        return await self._signer.sign(sequence, workspace)

    async def read(self, workspace: int, text: str, name: str = "cursor") -> int:
        """Return the position that a token stands for.

        Raises:
            ScimError: invalidValue if the token is not of this workspace.
        """
        try:
            return await self._signer.read(text, workspace)
        except InvalidToken:
            raise invalid_value(f"{name}: it was not given for this workspace") from None
