"""The groups of a workspace as readers keep them: what each is called, and which groups it is in itself.

They are good for one version of the workspace's hierarchy, a number that changes with every group that is renamed, removed or
put into another. Who is a direct member of what is not kept: that is read each time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from muster.scim.references import element
from muster.storage.port.members import GROUP, Groups
from muster.storage.port.resources import BASE

_MAX_GROUPS = 50_000
_MAX_SETS = 2_000
"""How many groups, and how many sets of them as they are shown, are kept in a process, of all workspaces together."""
_DIGEST_BYTES = 6
Row = tuple[int, str, str | None, Sequence[int]]
"""A group: its key, its id, what it is called, and the keys of the groups that it is in."""


@dataclass(frozen=True, slots=True)
class _Group:
    id: str
    parents: Sequence[int]
    direct: bytes
    indirect: bytes


class Hierarchy:
    """Groups of one workspace at one version. Whoever reads it asks what is missing, and loads that first."""

    def __init__(self, version: int) -> None:
        self.version = version
        self._groups: dict[int, _Group | None] = {}

    def __len__(self) -> int:
        return len(self._groups)

    def add(self, asked: Iterable[int], rows: Iterable[Row]) -> None:
        """Keep groups. What was asked for and is in no row is there no more."""
        self._groups.update(dict.fromkeys(asked))
        for key, group_id, display, parents in rows:
            location = f"{BASE}/{GROUP}s/{group_id}"
            elements = (
                element(location, group_id, display, kind) for kind in ("direct", "indirect")
            )
            self._groups[key] = _Group(group_id, parents, *elements)

    def missing(self, direct: Sequence[int]) -> list[int]:
        """The groups that are still to be loaded, of these and of all that they are in."""
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
        """The groups of a resource that is a direct member of these: each once, direct where it is so at all."""
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
        """The ids of these groups."""
        return [group.id for key in direct if (group := self._groups[key]) is not None]


def keys_of(direct: str | bytes) -> list[int]:
    """The keys of groups from their text, with commas in between."""
    if not direct:
        return []
    keys = direct.split(b",") if isinstance(direct, bytes) else direct.split(",")
    return [int(key) for key in keys]


class Hierarchies:
    """Those of all workspaces in one process, and what sets of groups look like: many people are in the same ones."""

    def __init__(self) -> None:
        self._kept: dict[int, Hierarchy] = {}
        self._sets: dict[tuple[int, int, str | bytes], Groups | None] = {}

    def at(self, workspace: int, version: int) -> Hierarchy:
        """The hierarchy of a workspace at a version: the one that is kept, or a new one."""
        kept = self._kept.get(workspace)
        if kept is None or kept.version != version or len(kept) > _MAX_GROUPS:
            if sum(map(len, self._kept.values())) > _MAX_GROUPS:
                self._kept.clear()
            kept = self._kept[workspace] = Hierarchy(version)
        return kept

    def known(self, workspace: int, version: int, direct: str | bytes) -> Groups | None:
        """What keep was given for a set of groups."""
        return self._sets.get((workspace, version, direct))

    def keep(
        self, workspace: int, version: int, direct: str | bytes, shown: Groups | None
    ) -> Groups | None:
        """Keep what a set of groups looks like, and answer it. direct: the keys of the set as text."""
        if len(self._sets) >= _MAX_SETS:
            self._sets.clear()
        self._sets[workspace, version, direct] = shown
        return shown
