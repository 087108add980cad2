"""The groups that contain a resource, computed from a cached hierarchy.

A user's attribute `groups` lists the groups that contain the user directly, and those that contain
these groups in turn. The direct memberships are one indexed read and are read each time. Walking
upwards from them reads a row per group, which made a read of a user in 20 groups three times as
slow. So every process caches the groups of a workspace, with their names and parents.

The cache is valid for one version of the workspace's hierarchy. Each transaction that renames or
deletes a group, or changes which groups it is a member of, increments the version. A reader reads
the version no later than the direct memberships, so a cached entry can be newer than its label but
never older.

Groups are loaded as they are needed. The caller asks `unloaded_ancestors`, loads these rows, adds
them, and asks again, because the new rows name parents of their own. This takes as many rounds as
the groups are nested deep. A cycle of groups ends the walk, because each key is visited once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from muster.scim.references import element
from muster.storage.port.members import GROUP, Groups
from muster.storage.port.resources import BASE

_MAX_GROUPS = 50_000
"""The most groups that a process caches, of all workspaces together."""
_MAX_SETS = 2_000
"""The most sets of groups whose JSON a process caches."""
_DIGEST_BYTES = 6
Row = tuple[int, str, str | None, Sequence[int]]
"""A group: its key, id, display name, and the keys of the groups that contain it."""


@dataclass(frozen=True, slots=True)
class _Group:
    id: str
    parents: Sequence[int]
    direct: bytes
    indirect: bytes


class Hierarchy:
    """The groups of one workspace at one version of its hierarchy."""

    def __init__(self, version: int) -> None:
        self.version = version
        self._groups: dict[int, _Group | None] = {}

    def __len__(self) -> int:
        return len(self._groups)

    def add(self, asked: Iterable[int], rows: Iterable[Row]) -> None:
        """Add groups.

        Args:
            asked: The keys that were looked up; those without a row are remembered as deleted.
            rows: The groups that exist.
        """
        # A deleted group is remembered as None, or each walk would ask for it again.
        self._groups.update(dict.fromkeys(asked))
        for key, group_id, display, parents in rows:
            location = f"{BASE}/{GROUP}s/{group_id}"
            elements = (
                element(location, group_id, display, kind) for kind in ("direct", "indirect")
            )
            self._groups[key] = _Group(group_id, parents, *elements)

    def unloaded_ancestors(self, direct: Sequence[int]) -> list[int]:
        """Return the keys to load before `groups_of(direct)` can be answered.

        They are those of the direct groups and of their loaded ancestors that are not loaded.
        """
        unloaded, visited, pending = [], set(direct), list(direct)
        while pending:
            key = pending.pop()
            # The parents of an unloaded group are unknown; the caller asks again after loading.
            if key not in self._groups:
                unloaded.append(key)
                continue
            group = self._groups[key]
            for parent in group.parents if group is not None else ():
                if parent not in visited:
                    visited.add(parent)
                    pending.append(parent)
        return unloaded

    def groups_of(self, direct: Sequence[int]) -> Groups | None:
        """Return the groups of a resource with these direct groups; None if it has none.

        Each group occurs once. A group that contains the resource both directly and through another
        group is direct.
        """
        visited, pending = set(direct), list(direct)
        while pending:
            group = self._groups[pending.pop()]
            for parent in group.parents if group is not None else ():
                if parent not in visited:
                    visited.add(parent)
                    pending.append(parent)
        directly = set(direct)
        found = [
            (key, group) for key in sorted(visited) if (group := self._groups[key]) is not None
        ]
        if not found:
            return None
        # In the order of keys, which is that of creation, so equal sets give equal ETags.
        elements = b",".join(
            [group.direct if key in directly else group.indirect for key, group in found]
        )
        return Groups(elements, blake2b(elements, digest_size=_DIGEST_BYTES).hexdigest())

    def ids_of(self, direct: Sequence[int]) -> list[str]:
        """Return the ids of those of the groups that exist."""
        return [group.id for key in direct if (group := self._groups[key]) is not None]


def parse_keys(direct: str | bytes) -> list[int]:
    """Parse keys that are separated by commas, as SQL concatenates them."""
    if not direct:
        return []
    keys = direct.split(b",") if isinstance(direct, bytes) else direct.split(",")
    return [int(key) for key in keys]


class HierarchyCache:
    """The hierarchies of all workspaces in one process, and the JSON of their groups.

    Many users have the same direct groups, so the JSON is cached by workspace, version and the text
    of the direct keys.
    """

    def __init__(self) -> None:
        self._hierarchies: dict[int, Hierarchy] = {}
        self._groups: dict[tuple[int, int, str | bytes], Groups | None] = {}

    def at(self, workspace: int, version: int) -> Hierarchy:
        """Return the hierarchy of a workspace at a version, which may be empty."""
        cached = self._hierarchies.get(workspace)
        if cached is None or cached.version != version or len(cached) > _MAX_GROUPS:
            # Dropping everything is rare, and cheaper than tracking the use of each entry.
            if sum(map(len, self._hierarchies.values())) > _MAX_GROUPS:
                self._hierarchies.clear()
            cached = self._hierarchies[workspace] = Hierarchy(version)
        return cached

    def cached_groups(self, workspace: int, version: int, direct: str | bytes) -> Groups | None:
        """Return the cached groups for direct keys as text, or None."""
        return self._groups.get((workspace, version, direct))

    def cache_groups(
        self, workspace: int, version: int, direct: str | bytes, groups: Groups | None
    ) -> Groups | None:
        """Cache the groups for direct keys as text, and return them."""
        if len(self._groups) >= _MAX_SETS:
            self._groups.clear()
        self._groups[workspace, version, direct] = groups
        return groups
