"""Password hashes: argon2id, made and checked on a thread of their own so that none delays anybody."""

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from muster.threads import stand_back

_THREADS, _NICE = 1, 10
"""One hash at a time, in one lane, by a thread that stands back.

With argon2's usual four lanes two hashes kept eight threads busy, and a read beside them waited for time slices of theirs: 500
reads a second took a second each. As many hashes are made as before, and each costs what it did.
"""
_hasher = PasswordHasher(parallelism=1)
_executor = ThreadPoolExecutor(_THREADS, "muster-argon2", stand_back, (_NICE,))
_none: list[str] = []


async def hash_password(password: str) -> str:
    """The argon2id hash of a password, in PHC form with its salt and costs."""
    return await asyncio.get_running_loop().run_in_executor(_executor, _hasher.hash, password)


async def verify_password(hashed: str | None, password: str) -> bool:
    """Whether a password is the one that was hashed. Where there is no hash it takes as long, and is not."""
    if not _none:
        _none.append(await hash_password(secrets.token_hex()))
    return await asyncio.get_running_loop().run_in_executor(_executor, _verified, hashed or _none[0], password) and bool(hashed)


def _verified(hashed: str, password: str) -> bool:
    try:
        return _hasher.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False
