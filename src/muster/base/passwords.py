"""Password hashes by argon2id, computed on a thread of their own."""

import asyncio
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from muster.base.threads import FairThread

_NICE = 10
"""The niceness of the thread. It computes one hash at a time, in one lane.

With argon2's usual four lanes, two hashes kept eight threads busy, and reads waited for their time
slices: 500 reads a second took a second each. With one lane the thread computes as many hashes as
before, and each costs an attacker as much.
"""
_hasher = PasswordHasher(parallelism=1)
_executor = FairThread("muster-argon2", _NICE)
_SIGN_IN, _VERIFICATION, _PROVISIONING = range(3)
"""The ranks: administrators first, then verifications of users, then provisioned passwords."""
_dummy_hash: list[str] = []
"""The hash of a random password, against which a password is verified if no hash exists."""


async def hash_password(password: str, workspace: int | None = None) -> str:
    """Return the argon2id hash of a password, in PHC form with its salt and costs.

    Args:
        workspace: The workspace of the user, which takes turns with others; None for an
            administrator, who goes first.
    """
    rank = _SIGN_IN if workspace is None else _PROVISIONING
    hashed: str = await asyncio.wrap_future(
        _executor.submit(_hasher.hash, password, rank=rank, caller=workspace)
    )
    return hashed


async def verify_password(hashed: str | None, password: str, workspace: int | None = None) -> bool:
    """Tell whether a password matches a hash.

    Without a hash it takes as long and returns False, so that the time does not reveal whether an
    account has a password.

    Args:
        workspace: As for hash_password. Verifications go before hashes of provisioned passwords.
    """
    rank = _SIGN_IN if workspace is None else _VERIFICATION
    if not _dummy_hash:
        _dummy_hash.append(
            await asyncio.wrap_future(
                _executor.submit(_hasher.hash, secrets.token_hex(), rank=rank)
            )
        )
    checking = _executor.submit(
        _verified, hashed or _dummy_hash[0], password, rank=rank, caller=workspace
    )
    return bool(await asyncio.wrap_future(checking)) and bool(hashed)


def _verified(hashed: str, password: str) -> bool:
    try:
        return _hasher.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False
