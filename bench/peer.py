"""scim2-server (PyPI), the peer: in memory, on 2,000 users, beside muster on the same users."""

import json
import random
import urllib.request
from urllib.parse import quote

from bench import scripts, servers
from muster.demo import person
from muster.scim.quirks import Dialect
from muster.scim.resource import read
from muster.scim.schema import registry

USERS = 2_000


def compare(bench) -> None:
    """GET by id, userName eq, a list of 100, and PATCH."""
    path = bench.database(USERS)
    mine = bench.copy(path)
    token, ids, names = bench.token(mine), bench.ids(mine), bench.names(mine)
    port = servers.free_port()
    command = [str(servers.BIN / "scim2-server"), "--port", str(port)]
    with servers.muster(mine) as ours, servers.started(command, port, "/ServiceProviderConfig", {}) as other:
        its_ids, its_names = _fill(other.port)

        def script(kind, items, prefix, key):
            return kind(scripts.lines(bench.folder / f"peer-{len(bench.rows)}-{key is None}", items), prefix, key)

        def filters(found):
            return [quote(f'userName eq "{name}"') for name in found]

        for work, kind, ours_items, its_items, tail in (
            ("GET by id", scripts.get, ids, its_ids, "/Users/"),
            ("userName eq", scripts.get, filters(names), filters(its_names), "/Users?filter="),
            ("list of 100", scripts.get, [""], [""], "/Users?count=100"),
            ("PATCH", scripts.patch, ids, its_ids, "/Users/"),
        ):
            mine_script = script(kind, ours_items, "/scim/v2" + tail, token)
            its_script = script(kind, its_items, tail, None)
            bench.compare(
                f"{work}, 2,000", None, bench.wrk(ours.port, mine_script), bench.wrk(other.port, its_script), "scim2-server"
            )


def _fill(port: int) -> tuple[list[str], list[str]]:
    """Make the users there; the ids that it gave, and the names."""
    chance = random.Random("1 0")
    user_type = registry().types["/Users"]
    ids, names = [], []
    for number in range(USERS):
        document = read(person(number, chance), user_type, Dialect())
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/Users",
            json.dumps(document).encode(),
            {"Content-Type": "application/scim+json"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            ids.append(json.load(response)["id"])
        names.append(document["userName"])
    return ids, names
