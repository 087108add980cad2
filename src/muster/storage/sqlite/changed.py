"""Tells which resources have changed from one snapshot to the next.

A process keeps answers in memory (`http/scim/answer_cache.py`). A kept answer is never older than
the last acknowledged write, because of four rules:

1. **It is used only within a snapshot**, and every snapshot contains all commits that were
   acknowledged before the read (`snapshot.py`). So it must only be the answer that the current
   snapshot would give.
2. **It is kept only if it was read in the current snapshot**, which the number of the snapshot
   tells.
3. **A new snapshot takes away what differs from the one before**, prior to any other read. The
   database itself names it: every transaction that changes a document, a unique value or the groups
   of a resource adds a row to `changes` for that resource, or increments the epoch. Former versions
   do the same.
4. **No row is missed.** There is one writer, so the numbers of rows are in the order of commits,
   and they are never used twice. If one is absent, because it was trimmed or erased meanwhile,
   everything is taken away.

No stamp is involved but the one that snapshots compare, so a process that dies between its commit
and its stamp leaves no stale answer behind: the next snapshot, after 2 ms at most, has its rows.

Whoever edits the database by hand does not add rows, and neither do repairs of versions before this
one. So everything is taken away once a minute as well.

A row takes away the answers about its resource, and about the members that it adds or removes. A
group that is renamed, deleted or nested changes the groups of members that no row names; it also
increments the version of the workspace's hierarchy, which takes away the answers about all
resources in groups.
"""

import sqlite3
import time

from muster.storage.groups.member_delta import delta_from_column
from muster.storage.port.members import GROUP
from muster.storage.port.resources import Follower
from muster.storage.sqlite.members import VERSION, text

_STATE = (
    "SELECT epoch, (SELECT seq FROM sqlite_sequence WHERE name = 'changes') FROM installation"
    " WHERE id = 1"
)
"""Selects the epoch, and the highest number that a row of `changes` has ever had."""
_TRUSTED_SECONDS = 60.0
"""The time after which everything is taken away."""
_MAX_ROWS = 2_000
"""The most rows that are read between two requests, in about a millisecond."""
_MAX_MEMBERS = 65_536
"""The longest list of moved members that is parsed between two requests, in bytes."""
_ROWS = (
    f"SELECT workspace, type, id, substr(members, 1, {_MAX_MEMBERS + 1}) FROM changes"
    " WHERE sequence > ? AND sequence <= ?"
)


class ChangedResources:
    """Tells a follower about each snapshot what has changed since the one before."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._until = 0.0
        """The time (monotonic) until which nothing need be taken away without a reason."""
        self._epoch = -1
        self._last = 0
        """The number of the last row of `changes` that the follower was told of."""
        self._versions: dict[int, int] = {}
        """The versions of the hierarchies at which workspaces were last told of."""

    def tell(self, connection: sqlite3.Connection) -> None:
        """Tell the follower what differs in a snapshot that has just begun.

        If an error is raised, the follower may not know of all changes, and the snapshot must not
        be used.
        """
        epoch, last = connection.execute(_STATE).fetchone()
        last = last or 0
        now = time.monotonic()
        if epoch != self._epoch or now > self._until or not self._told(connection, last):
            self._follower.forget_all()
            self._until = now + _TRUSTED_SECONDS
        self._epoch, self._last = epoch, last

    def _told(self, connection: sqlite3.Connection, last: int) -> bool:
        """Tell the follower of the rows up to a number; False if that is not possible."""
        added = last - self._last
        if not 0 <= added <= _MAX_ROWS:
            return False
        if not added:
            return True
        try:
            rows = connection.execute(_ROWS, (self._last, last)).fetchall()
        except sqlite3.DataError:  # a list of members is longer than the connection reads
            return False
        if len(rows) != added or any(len(row[3] or b"") > _MAX_MEMBERS for row in rows):
            return False
        for workspace, kind, resource_id, members in rows:
            self._follower.forget(text(resource_id))
            if text(kind) == GROUP:
                self._forget_members(connection, workspace, text(members))
        return True

    def _forget_members(
        self, connection: sqlite3.Connection, workspace: int, members: str | None
    ) -> None:
        """Tell the follower of the resources whose groups a change to a group may change."""
        delta = delta_from_column(members)
        for resource_id in (*delta.added, *delta.removed) if delta else ():
            self._follower.forget(resource_id)
        row = connection.execute(VERSION, (workspace,)).fetchone()
        version = 0 if row is None else row[0]
        if self._versions.get(workspace) != version:
            self._versions[workspace] = version
            self._follower.forget_grouped(workspace)
