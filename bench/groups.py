"""Groups: one with 100,000 members, and users in twenty groups."""

import asyncio
import sqlite3
from pathlib import Path
from urllib.parse import quote

from bench import peer, scripts, servers
from muster.base import clock
from muster.base.clock import timestamp
from muster.directory.versions import make_put
from muster.scim.schema.model import GROUP, registry
from muster.storage.ids import IdSource
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.members import MemberEdit
from muster.storage.port.resources import Write
from muster.storage.sqlite import SqliteStorage

_GROUP_TYPE = registry().types["/Groups"]
_GROUPS = 20
_JOINED = 5_000
"""The number of users who are in twenty groups."""


def compare(bench, path: Path, users: int) -> None:
    """Measure the rows of groups on a copy of a database."""
    people = [
        row[0]
        for row in sqlite3.connect(path).execute(
            "SELECT id FROM resources WHERE type = 'User' ORDER BY \"key\""
        )
    ]
    joined, alone = people[:_JOINED], people[-_JOINED:]
    mine = bench.copy(path, "groups.db")
    large = asyncio.run(_fill(mine, people[:-_JOINED], joined))
    token = bench.token(mine)

    def items(name: str, found: list[str]) -> Path:
        return scripts.lines(bench.folder / f"groups-{name}", found)

    in_none = items("none", alone)
    named = items("names", [quote(f'userName eq "{name}"') for name in bench.names(mine)])
    asked = items(
        "asked",
        [quote(f'members[value eq "{user_id}"]') for user_id in people[_JOINED:-_JOINED][:20_000]],
    )

    def work(script, items: Path, target: str) -> tuple[str, str]:
        """Return the scripts for muster and for the other server."""
        return script(items, f"/scim/v2{target}", token), script(items, target, token)

    rows = (
        ("GET of a user in 20 groups", 0.7, work(scripts.get, items("in", joined), "/Users/")),
        (
            "members[value eq]",
            0.9,
            work(scripts.get, asked, "/Groups?excludedAttributes=members&filter="),
        ),
        ("one member added or removed", 0.5, work(scripts.members, in_none, f"/Groups/{large}")),
    )
    others = (
        ("GET of one in none", work(scripts.get, in_none, "/Users/")),
        ("userName eq", work(scripts.get, named, "/Users?filter=")),
        ("PATCH of a user", work(scripts.patch, items("patched", alone), "/Users/")),
    )
    with servers.muster(mine) as ours:
        for (called, floor, (script, _)), (against, (other, _)) in zip(rows, others, strict=True):
            measured = bench.wrk(ours.port, script), bench.wrk(ours.port, other)
            bench.compare(called, floor, *measured, against, users=users)
        with peer.started(
            peer.scim2_command(peer.export(bench.folder / "groups.jsonl", mine))
        ) as its:
            for called, _, (script, its_script) in rows:
                measured = (
                    peer.alone(bench.wrk(ours.port, script), its),
                    bench.wrk(its.port, its_script),
                )
                bench.compare(called, 1, *measured, peer.SCIM2, users=users)
    mine.unlink()


async def _fill(path: Path, members: list[str], joined: list[str]) -> str:
    """Create a group of all users and nineteen of some; return the id of the first."""
    storage = SqliteStorage(str(path))
    await storage.migrate()
    await storage.start()
    new_id = IdSource()
    made = []
    for number in range(_GROUPS):
        now = timestamp(clock.now())
        resource_id = new_id(int(clock.now().timestamp() * 1000))
        document = {"schemas": [GROUP], "displayName": f"Group {number}"}
        put = make_put(document, _GROUP_TYPE, resource_id, 1, now, now)
        edit = MemberEdit(tuple(joined if number else members))
        await storage.write(
            Write(
                1, "Group", None, lambda _, put=put: put, ChangeOrigin("bench", "bench", now), edit
            )
        )
        made.append(resource_id)
    await storage.close()
    return made[0]
