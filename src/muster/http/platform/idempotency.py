"""`Idempotency-Key`: a POST that is sent again gets the first answer, and acts once.

The first request stores an item before it acts. What creates something stores its answer in the
same transaction (`Invocation.keep`), so a process that dies leaves both or neither. The answers of
other acts, which may be done twice, are stored afterwards.

Answers contain secrets, such as new API keys. They are encrypted under a key that is derived from
the caller's platform key, of which the server stores only a hash. So nobody can read them from the
database or a backup.

Only successes are kept: a request that was refused, or failed, may be sent again with the same key.
If the process dies before it acts, the key is free again after a minute. Then the first request, if
it is still in progress, can store nothing any more.

The ids of the items begin with their day, so that the old ones are one range of the table.
"""

import base64
import hashlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import orjson
from cryptography.fernet import Fernet, InvalidToken

from muster.access.kept_answers import Kept
from muster.access.platform_keys import PlatformKey
from muster.base import clock
from muster.http.wire.message import Request, Response
from muster.scim.errors import ScimError, invalid_value
from muster.storage.port.accounts import Accounts
from muster.storage.port.errors import Outdated
from muster.storage.port.items import IDEMPOTENT_KIND, INSTALLATION, Item

HEADER = "idempotency-key"
MAX_KEY = 255
KEPT = timedelta(days=1)
_ACTS = timedelta(minutes=1)
"""The time after which a request that has not answered counts as lost."""
_REPLAYED = ("idempotent-replayed", "true")


class Idempotency:
    """Keeps and repeats the answers of POST requests with an `Idempotency-Key`."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def once(
        self,
        request: Request,
        key: PlatformKey,
        body: bytes,
        act: Callable[[Callable[[Response], Kept]], Awaitable[Response]],
    ) -> Response:
        """Act, or return the answer of the same request before.

        Args:
            request: The request, with the header.
            key: The platform key, within which keys of requests are unique.
            body: The body of the request.
            act: Carries the request out. It is given a function that returns the items to store
                with the act, by its answer.

        Raises:
            ScimError: 400 if the header is malformed; 409 if the first request has not answered
                yet; 422 if the first request was another one.
        """
        given = _read(request.header(HEADER) or "")
        now = clock.now()
        name = hashlib.sha256(f"{key.id} {given}".encode()).hexdigest()
        box = _box(request)
        asked = _fingerprint(request, body)
        standing = await self._find(name, now)
        if standing is not None and standing.body["asked"] != asked:
            raise ScimError(
                422,
                "Idempotency-Key: this key was used for another request within the last day. Use a"
                " new key for each request.",
            )
        if standing is not None and standing.body["answer"] is not None:
            return _repeat(box, standing.body["answer"])
        pending = await self._begin(name, asked, now, standing)
        answer = _Answer(box, pending)
        try:
            response = await act(answer.keep)
        except BaseException:
            await self._forget(pending)
            raise
        if response.status >= 300:
            await self._forget(pending)
            return response
        if not answer.kept:
            await self._accounts.record([], [answer.item(response)])
        return response

    async def _find(self, name: str, now: datetime) -> Item | None:
        """Return the item of a key that was first used within the last day."""
        oldest = (now - KEPT).timestamp()
        for day in (now, now - KEPT):
            found = await self._accounts.item(INSTALLATION, IDEMPOTENT_KIND, _id(day, name))
            if found is not None and found.body["begun"] > oldest:
                return found
        return None

    async def _begin(self, name: str, asked: str, now: datetime, standing: Item | None) -> Item:
        """Store that a request acts now.

        Raises:
            ScimError: 409 if another request with the key acts.
        """
        busy = ScimError(
            409, "Idempotency-Key: the first request with this key has not been answered yet."
        )
        if standing is not None and standing.body["begun"] > (now - _ACTS).timestamp():
            raise busy
        place = _id(now, name)
        nothing = Item(INSTALLATION, IDEMPOTENT_KIND, place, None)
        before = standing if standing is not None and standing.id == place else nothing
        body = {"asked": asked, "begun": now.timestamp(), "answer": None}
        pending = replace(nothing, body=body)
        try:
            await self._accounts.administer([pending], expected=[before])
        except Outdated:
            raise busy from None
        return pending

    async def _forget(self, pending: Item) -> None:
        with suppress(Outdated):
            await self._accounts.administer([replace(pending, body=None)], expected=[pending])


@dataclass(slots=True)
class _Answer:
    """The answer of a request, as it is stored.

    Attributes:
        box: Its encryption.
        pending: The item that was stored before the request acted.
        kept: Whether the act has stored it.
    """

    box: Fernet
    pending: Item
    kept: bool = False

    def keep(self, response: Response) -> Kept:
        """Return the items to store in the transaction of the act."""
        self.kept = True
        return Kept([self.item(response)], [self.pending])

    def item(self, response: Response) -> Item:
        body_text = base64.b64encode(response.body).decode()
        sealed = orjson.dumps([response.status, response.headers, body_text])
        answer = self.box.encrypt(sealed).decode()
        return replace(self.pending, body={**self.pending.body, "answer": answer})


def _read(header: str) -> str:
    """Read the header: a string in quotation marks, as the draft of the IETF has it, or bare."""
    given = header.strip()
    if given.startswith('"') and given.endswith('"') and len(given) > 1:
        given = given[1:-1]
    if not 0 < len(given) <= MAX_KEY or not given.isascii() or not given.isprintable():
        raise malformed_key()
    return given


def malformed_key() -> ScimError:
    """Return the error for a key that is too long, or not printable ASCII."""
    return invalid_value(f"Idempotency-Key: expected 1 to {MAX_KEY} printable ASCII characters")


def _id(moment: datetime, name: str) -> str:
    return f"{moment.date().isoformat()}:{name}"


def _box(request: Request) -> Fernet:
    """Return the encryption of answers under the caller's own platform key."""
    token = (request.header("authorization") or "").partition(" ")[2].strip()
    secret = hashlib.sha256(f"idempotent answers\n{token}".encode())
    return Fernet(base64.urlsafe_b64encode(secret.digest()))


def _fingerprint(request: Request, body: bytes) -> str:
    parts = [request.method, request.path, request.query, hashlib.sha256(body).hexdigest()]
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()


def _repeat(box: Fernet, answer: str) -> Response:
    try:
        status, headers, body = orjson.loads(box.decrypt(answer))
    except InvalidToken:
        raise AssertionError("the answer was kept for another credential") from None
    return Response(
        status, [*((name, value) for name, value in headers), _REPLAYED], base64.b64decode(body)
    )
