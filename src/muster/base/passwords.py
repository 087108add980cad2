"""Password hashes: argon2id, made and checked on a thread of their own so that none delays anybody."""

import asyncio
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from muster.base.threads import FairThread

_NICE = 10
"""One hash at a time, in one lane, by a thread that stands back.

With argon2's usual four lanes two hashes kept eight threads busy, and a read beside them waited for time slices of theirs: 500
reads a second took a second each. As many hashes are made as before, and each costs what it did.
"""
_hasher = PasswordHasher(parallelism=1)
_executor = FairThread("muster-argon2", _NICE)
_SIGN_IN, _VERIFICATION, _PROVISIONING = range(3)
"""The ranks: administrators first, then users who sign in somewhere, then passwords that are provisioned."""
_none: list[str] = []


async def hash_password(password: str, workspace: int | None = None) -> str:
    """The argon2id hash of a password, in PHC form with its salt and costs.

    workspace: of the user whose password it is, which takes turns with the others; None for an administrator, who goes first.
    """
    rank = _SIGN_IN if workspace is None else _PROVISIONING
    hashed: str = await asyncio.wrap_future(
        _executor.submit(_hasher.hash, password, rank=rank, caller=workspace)
    )
    return hashed


async def verify_password(hashed: str | None, password: str, workspace: int | None = None) -> bool:
    """Whether a password is the one that was hashed. Where there is no hash it takes as long, and is not.

    workspace: as for hash_password; users are verified before any password is hashed.
    """
    rank = _SIGN_IN if workspace is None else _VERIFICATION
    if not _none:
        _none.append(
            await asyncio.wrap_future(
                _executor.submit(_hasher.hash, secrets.token_hex(), rank=rank)
            )
        )
    checking = _executor.submit(
        _verified, hashed or _none[0], password, rank=rank, caller=workspace
    )
    return bool(await asyncio.wrap_future(checking)) and bool(hashed)


def _verified(hashed: str, password: str) -> bool:
    try:
        return _hasher.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False
