"""The rate limit: requests per minute per key, enforced across workers by leases.

A worker leases a share of the tokens that remain in a key's minute and spends them without further
queries. The shares shrink as the tokens run out, so that the limit is exact to within a few
requests at a cost of a few statements per minute.

A lease is a write, and reads must not depend on writes: if the disk is full or the database is
locked, each worker counts by itself, up to the whole limit, until leases work again.
"""

import asyncio
import logging

from muster.base import clock
from muster.scim.errors import invalid_value
from muster.storage.port.accounts import Accounts, KeyRecord, Workspace
from muster.storage.port.errors import StorageError

WINDOW = 60
CONTRACT_LIMITS = {"cortex": 1000}
"""The rate limits, in requests per minute, that the documentation of a contract states."""
_SHARE = 16
_BUCKETS = 20_000
_PATIENCE_SECONDS = 2.0
"""The time to wait for a lease before the worker counts by itself."""
_log = logging.getLogger(__name__)


def limit_of(key: KeyRecord, workspace: Workspace, installation: int | None) -> int | None:
    """Return the limit of a key in requests per minute; None for the default.

    The key's own limit takes precedence, then the workspace's. The server default is lowered to the
    limit of the workspace's contract.
    """
    if key.rate_limit is not None:
        return key.rate_limit
    if workspace.rate_limit is not None:
        return workspace.rate_limit
    contract = CONTRACT_LIMITS.get(workspace.contract)
    return min(contract, installation) if contract and installation else installation


def capped(limit: int | None, ceiling: int) -> int | None:
    """Return a limit, lowered to the server's ceiling; 0 means unlimited in both."""
    if not ceiling or limit is None:
        return limit
    return min(limit, ceiling) if limit else ceiling


def check_ceiling(limit: int | None, ceiling: int) -> None:
    """Check a new limit against the server's ceiling.

    Raises:
        ScimError: 400 if it is above the ceiling.
    """
    if capped(limit, ceiling) != limit:
        raise invalid_value(
            f"rateLimit: expected an integer from 1 to {ceiling}, the ceiling of this server"
            " (MUSTER_RATE_LIMIT_CEILING)"
        )


class _Bucket:
    """The share of one key's limit that this worker holds.

    Attributes:
        window: The minute, counted since 1970.
        epoch: The epoch of the settings when the window began.
        tokens: The leased tokens that are not spent.
        taken: All tokens taken in the window, leased or counted by the worker itself.
        spent: Whether no tokens remain in the window.
        lock: Held while leasing; None if nobody is.
        users: The requests that hold the lock or wait for it.
    """

    __slots__ = ("epoch", "lock", "spent", "taken", "tokens", "users", "window")

    def __init__(self) -> None:
        self.window = -1
        self.epoch = -1
        self.tokens = 0
        self.taken = 0
        self.spent = False
        self.lock: asyncio.Lock | None = None
        self.users = 0


class RateLimiter:
    """Enforces the rate limits of this worker's requests.

    Args:
        accounts: The storage that grants leases.
        default: Requests per minute for keys without a limit of their own; 0 for no limit.
    """

    def __init__(self, accounts: Accounts, default: int) -> None:
        self._accounts = accounts
        self._default = default
        self._buckets: dict[tuple[int, str], _Bucket] = {}
        self._leasing: set[asyncio.Task[int]] = set()
        self._warned = -1
        self._window = -1

    def limit(self, limit: int | None) -> int:
        """Return the effective limit in requests per minute; 0 for no limit."""
        return self._default if limit is None else limit

    def spend(self, key: tuple[int, str], limit: int | None) -> bool:
        """Spend a leased token.

        Args:
            key: The id of the workspace and of the key.
            limit: The key's limit; None for the default.

        Returns:
            False if no leased token is left; call `take`.
        """
        if self.limit(limit) == 0:
            return True
        bucket = self._buckets.get(key)
        if bucket is None or bucket.tokens <= 0 or bucket.window != int(clock.seconds()) // WINDOW:
            return False
        bucket.tokens -= 1
        return True

    async def take(self, key: tuple[int, str], limit: int | None, epoch: int) -> int | None:
        """Spend a token, leasing new ones if necessary.

        Args:
            key: The id of the workspace and of the key.
            limit: The key's limit; None for the default.
            epoch: The epoch of the settings. After a change, an exhausted key may lease again.

        Returns:
            None if the request is allowed; otherwise the seconds until the limit resets.
        """
        bucket = self._bucket(key)
        lock = bucket.lock = bucket.lock or asyncio.Lock()
        bucket.users += 1
        try:
            return await self._take(bucket, lock, key, limit, epoch)
        finally:
            bucket.users -= 1
            if not bucket.users:  # a lock takes more memory than the rest of the bucket
                bucket.lock = None

    async def _take(
        self,
        bucket: _Bucket,
        lock: asyncio.Lock,
        key: tuple[int, str],
        limit: int | None,
        epoch: int,
    ) -> int | None:
        """Spend a token under the bucket's lock; see `take`."""
        async with lock:
            if self.spend(key, limit):
                return None
            now = int(clock.seconds())
            window = self._current(now // WINDOW)
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
        """Lease tokens from the database; if it does not respond, count in this worker."""
        leasing = asyncio.create_task(self._accounts.lease(*key, window, allowed, _SHARE))
        self._leasing.add(leasing)  # the event loop keeps only a weak reference
        leasing.add_done_callback(self._leased)
        done, _ = await asyncio.wait([leasing], timeout=_PATIENCE_SECONDS)
        error = leasing.exception() if done else TimeoutError("the database does not respond")
        if error is None:
            return leasing.result()
        if not isinstance(error, StorageError | TimeoutError):
            raise error
        if self._warned != window:
            self._warned = window
            _log.warning("cannot lease rate limits; each worker counts by itself: %s", error)
        return max(1, (allowed - taken) // _SHARE) if taken < allowed else 0

    def _current(self, window: int) -> int:
        """Return the number of the window as one object, which all buckets share."""
        if window != self._window:
            self._window = window
        return self._window

    def _leased(self, leasing: asyncio.Task[int]) -> None:
        self._leasing.discard(leasing)
        if not leasing.cancelled():
            leasing.exception()  # mark as retrieved: the caller has timed out

    def _bucket(self, key: tuple[int, str]) -> _Bucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= _BUCKETS:
                self._buckets.clear()
            bucket = self._buckets[key] = _Bucket()
        return bucket
