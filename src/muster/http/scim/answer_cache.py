"""Answers about single resources, kept in memory and given again while nothing has changed.

A kept answer saves the statement, the groups, and the composition of the body. Everything else is
done for each request as ever: its key, limit, allowlist, conditions, metrics and logs.

An answer is given again only to a request that would certainly get the same. Its place names all
that an answer depends on besides the resource: the workspace, the base URL (it is in
`meta.location`), the path and the query. The schemas of the workspace must be the same too.
Permissions and credentials decide whether a request is answered, not how.

How an answer is never older than the last acknowledged write is explained in
`storage/sqlite/changed.py`, which tells this cache what to forget. On PostgreSQL nothing is kept:
another process may commit at any moment, and only a query would tell.

An answer is kept the second time that it is read within a while, so that a walk through all
resources neither fills the memory nor pays for it. A table of one byte for each of some thousand
places remembers the first time; two places that share a byte cost a miss or an early place.

The memory is bounded. The answers form a queue; those used since they were last at its end get
there again, the others are dropped.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

from muster.scim.schema.model import Registry
from muster.storage.port.resources import Resources

MIB = 1024 * 1024
_OVERHEAD = 800
"""The bytes that an answer takes besides its body: its place, its entries and its objects."""
_SHARE = 64
"""An answer takes at most this part of the memory (a sixty-fourth)."""
_MAX_PLACES = 8
"""The most answers about one resource: a client can write one filter in many ways."""
_SEEN = 65_536  # 256 marks for each byte use the 24 lowest bits of a hash
"""The bytes of the table of places that were read once."""
_CHANCES = 8
"""The most answers that are moved to the end of the queue for one that is dropped."""

Place = tuple[int, str, str, str]
"""The workspace, the base URL, the path and the query of a request."""


class _Era:
    """A time in which no resource in a set has changed but for those that were named.

    Attributes:
        lasts: Whether it has not ended.
    """

    __slots__ = ("lasts",)

    def __init__(self) -> None:
        self.lasts = True


@dataclass(slots=True, eq=False)
class KeptAnswer:
    """An answer with one resource.

    Attributes:
        resource_id: The id of the resource.
        operation: The name of the operation, for metrics and logs.
        body: The whole body.
        tag: The opaque part of the ETag; None for a list, which has none.
        grouped_in: The workspace in one of whose groups the resource may be; None for no group.
        registry: The schemas with which it was composed.
        era: The time while which it holds.
        size: The memory that it takes, in bytes.
        used: Whether it was given again since it was last at the end of the queue.
    """

    resource_id: str
    operation: str
    body: bytes
    tag: str | None
    grouped_in: int | None
    registry: Registry
    era: _Era = field(default_factory=_Era)
    size: int = 0
    used: bool = False


class AnswerCache:
    """The answers that this process keeps.

    Args:
        storage: The storage; it is told to report changes.
        size: The most memory in bytes; 0 to keep nothing.

    Attributes:
        size: The memory in use, in bytes.
        hits: The answers given again.
        misses: The answers that were not kept, but could have been.
    """

    def __init__(self, storage: Resources, size: int) -> None:
        self._most = size
        self._state = storage.follow(self) if size else None
        self._answers: OrderedDict[Place, KeptAnswer] = OrderedDict()
        self._places: dict[str, list[Place]] = {}
        """The places of the answers about each resource, by id."""
        self._ungrouped = _Era()
        self._grouped: dict[int, _Era] = {}
        """The eras of resources in groups, by workspace."""
        self._seen = bytearray(_SEEN)
        self.size = self.hits = self.misses = 0

    def find(self, place: Place, registry: Registry) -> KeptAnswer | None:
        """Return the answer at a place, if it still holds."""
        if self._state is None:
            return None
        self._state()  # forgets what has changed
        answer = self._answers.get(place)
        if answer is None or not answer.era.lasts or answer.registry is not registry:
            return None
        answer.used = True
        self.hits += 1
        return answer

    def state(self) -> int | None:
        """Return the state that reads see until the next await; None if nothing is kept."""
        return None if self._state is None else self._state()

    def keep(self, place: Place, answer: KeptAnswer, state: int | None) -> None:
        """Keep an answer, unless something may have changed since it was read.

        Args:
            place: The place of the request.
            answer: The answer.
            state: The state before it was read.
        """
        if self._state is None:
            return
        self.misses += 1
        slot, mark = divmod(hash(place) & 0xFFFFFF, 256)
        if self._seen[slot] != mark:
            self._seen[slot] = mark
            return
        answer.size = len(answer.body) + len(place[2]) + len(place[3]) + _OVERHEAD
        if self._state() != state or answer.size > self._most // _SHARE:
            return
        if place in self._answers:
            self._drop(place)
        places = self._places.get(answer.resource_id, [])
        if len(places) >= _MAX_PLACES:
            self._drop(places[0])
        answer.era = self._era(answer.grouped_in)
        self._answers[place] = answer
        self._places.setdefault(answer.resource_id, []).append(place)
        self.size += answer.size
        while self.size > self._most:
            self._shrink()

    def _era(self, grouped_in: int | None) -> _Era:
        if grouped_in is None:
            return self._ungrouped
        era = self._grouped.get(grouped_in)
        if era is None:
            era = self._grouped[grouped_in] = _Era()
        return era

    def _shrink(self) -> None:
        """Drop the first answer of the queue that was not used since it was last at the end."""
        for _ in range(_CHANCES):
            place, answer = next(iter(self._answers.items()))
            if not answer.used or not answer.era.lasts:
                break
            answer.used = False
            self._answers.move_to_end(place)
        self._drop(next(iter(self._answers)))

    def _drop(self, place: Place) -> None:
        answer = self._answers.pop(place)
        self.size -= answer.size
        places = self._places[answer.resource_id]
        places.remove(place)
        if not places:
            del self._places[answer.resource_id]

    def forget(self, resource_id: str) -> None:
        """Forget the answers about one resource."""
        for place in self._places.pop(resource_id, ()):
            self.size -= self._answers.pop(place).size

    def forget_grouped(self, workspace: int) -> None:
        """Forget the answers about the resources of a workspace that are in groups.

        They are only marked, since they may be many; the queue drops them in time.
        """
        era = self._grouped.pop(workspace, None)
        if era is not None:
            era.lasts = False

    def forget_all(self) -> None:
        """Forget all answers."""
        for workspace in [*self._grouped]:
            self.forget_grouped(workspace)
        self._ungrouped.lasts = False
        self._ungrouped = _Era()
