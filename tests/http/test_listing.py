"""Pages of lists: a large one that is projected leaves others their turns."""

import asyncio

import pytest

from muster.demo import make_batch
from muster.directory.documents import located
from muster.http.groups import _TURN, projected, projected_in_turns
from muster.scim.projection import projection
from muster.scim.schema import registry

USERS = registry().types["/Users"]
BASE = "https://a.example/scim/v2"


@pytest.mark.parametrize("count", [0, 1, _TURN, 4 * _TURN + 1])
@pytest.mark.parametrize("wanted", [("userName,emails.value", None), (None, "emails"), (None, None)])
def test_a_page_in_turns_is_the_page(count, wanted):
    documents = located(b",".join([put.stored.document for put in make_batch(0, count, 7, 0)]), BASE)
    shown, turns = projection(USERS, *wanted), 0

    async def others():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def run():
        beside = asyncio.create_task(others())
        page = await projected_in_turns(documents, shown)
        beside.cancel()
        return page

    assert asyncio.run(run()) == projected(documents, shown)
    assert shown is None or turns >= (count - 1) // _TURN
