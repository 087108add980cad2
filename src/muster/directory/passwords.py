"""Password hashes: argon2id, made on threads of their own so that a hash delays nobody."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher

_THREADS = 2
_hasher = PasswordHasher()
_executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="muster-argon2")


async def hash_password(password: str) -> str:
    """The argon2id hash of a password, in PHC form with its salt and costs."""
    return await asyncio.get_running_loop().run_in_executor(_executor, _hasher.hash, password)
