"""Caches the groups of a workspace: their names, and the groups that contain them.

A user's `groups` includes the groups of their groups. Computing that with a recursive query for
each read costs more than the read. So each process keeps the graph of groups, which is small and
rarely changes, and reads only the direct memberships of a user each time.

The cache is valid for one version of the workspace's hierarchy: a number in the database that
changes whenever a group is renamed, deleted, or added to or removed from another group. A read gets
the version and the direct memberships in one statement. If a group is missing from the cache, it is
loaded with all its ancestors.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from muster.scim.references import element
from muster.storage.port.members import GROUP, Groups
from muster.storage.port.resources import BASE

_MAX_GROUPS = 50_000
_MAX_SETS = 2_000
"""The most groups, and the most rendered sets of groups, that a process caches."""
_DIGEST_BYTES = 6
Row = tuple[int, str, str | None, Sequence[int]]
"""A group: its key, id and name, and the keys of the groups that contain it."""


@dataclass(frozen=True, slots=True)
class _Group:
    id: str
    parents: Sequence[int]
    direct: bytes
    indirect: bytes


class Hierarchy:
    """The cached groups of one workspace at one version.

    Before reading, load the groups that `missing` returns.
    """

    def __init__(self, version: int) -> None:
        self.version = version
        self._groups: dict[int, _Group | None] = {}

    def __len__(self) -> int:
        return len(self._groups)

    def add(self, asked: Iterable[int], rows: Iterable[Row]) -> None:
        """Add groups. A key that was asked for but has no row belongs to a deleted group."""
        self._groups.update(dict.fromkeys(asked))
        for key, group_id, display, parents in rows:
            location = f"{BASE}/{GROUP}s/{group_id}"
            elements = (
                element(location, group_id, display, kind) for kind in ("direct", "indirect")
            )
            self._groups[key] = _Group(group_id, parents, *elements)

    def missing(self, direct: Sequence[int]) -> list[int]:
        """Return the keys of the groups and their ancestors that are not in the cache."""
        lacking, seen, waiting = [], set(direct), list(direct)
        while waiting:
            key = waiting.pop()
            if key not in self._groups:
                lacking.append(key)
                continue
            group = self._groups[key]
            for parent in group.parents if group is not None else ():
                if parent not in seen:
                    seen.add(parent)
                    waiting.append(parent)
        return lacking

    def shown(self, direct: Sequence[int]) -> Groups | None:
        """Render the groups of a direct member of these groups.

        Each group appears once, as direct if it is direct at all, in the order of keys.
        """
        # Walk upwards; `seen` also ends the walk if groups contain each other.
        seen, waiting = set(direct), list(direct)
        while waiting:
            group = self._groups[waiting.pop()]
            for parent in group.parents if group is not None else ():
                if parent not in seen:
                    seen.add(parent)
                    waiting.append(parent)
        at_once = set(direct)
        found = [(key, group) for key in sorted(seen) if (group := self._groups[key]) is not None]
        if not found:
            return None
        elements = b",".join(
            [group.direct if key in at_once else group.indirect for key, group in found]
        )
        return Groups(elements, blake2b(elements, digest_size=_DIGEST_BYTES).hexdigest())

    def ids(self, direct: Sequence[int]) -> list[str]:
        """Return the ids of these groups."""
        return [group.id for key in direct if (group := self._groups[key]) is not None]


def keys_of(direct: str | bytes) -> list[int]:
    """Read a comma-separated list of keys."""
    if not direct:
        return []
    keys = direct.split(b",") if isinstance(direct, bytes) else direct.split(",")
    return [int(key) for key in keys]


class Hierarchies:
    """The hierarchies of all workspaces in one process, and rendered sets of groups.

    Many users are in the same groups, so rendered sets are shared.
    """

    def __init__(self) -> None:
        self._kept: dict[int, Hierarchy] = {}
        self._sets: dict[tuple[int, int, str | bytes], Groups | None] = {}

    def at(self, workspace: int, version: int) -> Hierarchy:
        """Return the cached hierarchy of a workspace at a version, or a new one."""
        kept = self._kept.get(workspace)
        if kept is None or kept.version != version or len(kept) > _MAX_GROUPS:
            if sum(map(len, self._kept.values())) > _MAX_GROUPS:
                self._kept.clear()
            kept = self._kept[workspace] = Hierarchy(version)
        return kept

    def known(self, workspace: int, version: int, direct: str | bytes) -> Groups | None:
        """Return a rendered set of groups; None if it is not cached."""
        return self._sets.get((workspace, version, direct))

    def keep(
        self, workspace: int, version: int, direct: str | bytes, shown: Groups | None
    ) -> Groups | None:
        """Cache and return a rendered set of groups.

        Args:
            direct: The keys of the set as text.
        """
        if len(self._sets) >= _MAX_SETS:
            self._sets.clear()
        self._sets[workspace, version, direct] = shown
        return shown
