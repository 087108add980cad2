"""The rate limit: requests a minute for each key, right across workers, by leases from the database.

A worker leases a share of what is left of a key's minute and spends it without asking; what is left shrinks with every
lease, so that the limit is met closely at a few statements a minute.

A lease is a write, and reads must not depend on one: if the disk is full or the database is locked, each worker counts on its
own, up to the whole limit, until leases work again.
"""

import asyncio
import logging

from muster.base import clock
from muster.scim.errors import invalid_value
from muster.storage.port.accounts import Accounts, KeyRecord, Workspace
from muster.storage.port.errors import StorageError

WINDOW = 60
CONTRACT_LIMITS = {"cortex": 1000}
"""Requests a minute that the documentation of a contract promises its clients to be held to."""
_SHARE = 16
_BUCKETS = 20_000
_PATIENCE_SECONDS = 2.0
"""How long a request waits for a lease before the worker counts on its own."""
_log = logging.getLogger(__name__)


def limit_of(key: KeyRecord, workspace: Workspace, installation: int | None) -> int | None:
    """Return the requests a minute of a key; 0 for no limit, None for the installation's.

    The key's own limit goes first, then the workspace's. The installation's is lowered to the limit of the contract.
    """
    if key.rate_limit is not None:
        return key.rate_limit
    if workspace.rate_limit is not None:
        return workspace.rate_limit
    contract = CONTRACT_LIMITS.get(workspace.contract)
    return min(contract, installation) if contract and installation else installation


def capped(limit: int | None, ceiling: int) -> int | None:
    """Return a limit, lowered to the installation's ceiling; 0 stands for none in both."""
    if not ceiling or limit is None:
        return limit
    return min(limit, ceiling) if limit else ceiling


def check_ceiling(limit: int | None, ceiling: int) -> None:
    """Raises ScimError 400 if a limit that is to be set is above the installation's ceiling."""
    if capped(limit, ceiling) != limit:
        raise invalid_value(
            f"rateLimit must be an integer from 1 to {ceiling}, the ceiling of the installation (MUSTER_RATE_LIMIT_CEILING)"
        )


class _Bucket:
    """What this worker holds of one key's limit. taken: the tokens that it has taken in the window, leased or not."""

    __slots__ = ("epoch", "lock", "spent", "taken", "tokens", "window")

    def __init__(self) -> None:
        self.window = -1
        self.epoch = -1
        self.tokens = 0
        self.taken = 0
        self.spent = False
        self.lock = asyncio.Lock()


class RateLimiter:
    """default: requests a minute for a key that has no limit of its own; 0 for none."""

    def __init__(self, accounts: Accounts, default: int) -> None:
        self._accounts = accounts
        self._default = default
        self._buckets: dict[tuple[int, str], _Bucket] = {}
        self._leasing: set[asyncio.Task[int]] = set()
        self._warned = -1

    def limit(self, limit: int | None) -> int:
        """Return the requests a minute that a key with this limit has; 0 for no limit."""
        return self._default if limit is None else limit

    def spend(self, key: tuple[int, str], limit: int | None) -> bool:
        """Spend one request of what is leased already. key: its workspace and its id. False: ask take()."""
        if self.limit(limit) == 0:
            return True
        bucket = self._buckets.get(key)
        if bucket is None or bucket.tokens <= 0 or bucket.window != int(clock.seconds()) // WINDOW:
            return False
        bucket.tokens -= 1
        return True

    async def take(self, key: tuple[int, str], limit: int | None, epoch: int) -> int | None:
        """Lease where that is needed, and spend one request. Returns None, or the seconds until the limit resets.

        epoch: of the settings; a key that had spent its limit is asked for anew when they change.
        """
        bucket = self._bucket(key)
        async with bucket.lock:
            if self.spend(key, limit):
                return None
            now = int(clock.seconds())
            window = now // WINDOW
            if bucket.window != window or bucket.epoch != epoch:
                bucket.taken = bucket.taken if bucket.window == window else 0
                bucket.window, bucket.epoch, bucket.tokens, bucket.spent = window, epoch, 0, False
            if not bucket.spent:
                allowed = self.limit(limit)
                bucket.tokens = await self._lease(key, window, allowed, bucket.taken)
                bucket.taken += bucket.tokens
                bucket.spent = bucket.tokens == 0
            if bucket.spent:
                return (window + 1) * WINDOW - now
            bucket.tokens -= 1
            return None

    async def _lease(self, key: tuple[int, str], window: int, allowed: int, taken: int) -> int:
        """Lease tokens from the database; without it, take the worker's own share of what it has not taken yet."""
        leasing = asyncio.create_task(self._accounts.lease(*key, window, allowed, _SHARE))
        self._leasing.add(leasing)  # the loop alone does not keep a task
        leasing.add_done_callback(self._leased)
        done, _ = await asyncio.wait([leasing], timeout=_PATIENCE_SECONDS)
        error = leasing.exception() if done else TimeoutError("the database does not answer")
        if error is None:
            return leasing.result()
        if not isinstance(error, StorageError | TimeoutError):
            raise error
        if self._warned != window:
            self._warned = window
            _log.warning("rate limits are counted by each worker on its own for now: %s", error)
        return max(1, (allowed - taken) // _SHARE) if taken < allowed else 0

    def _leased(self, leasing: asyncio.Task[int]) -> None:
        self._leasing.discard(leasing)
        if not leasing.cancelled():
            leasing.exception()  # nobody else asks for it after the time is up

    def _bucket(self, key: tuple[int, str]) -> _Bucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= _BUCKETS:
                self._buckets.clear()
            bucket = self._buckets[key] = _Bucket()
        return bucket
