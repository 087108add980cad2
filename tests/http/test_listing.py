"""Pages of lists: a large one that is projected leaves others their turns."""

import asyncio

import pytest

from muster.demo import make_batch
from muster.directory.documents import located
from muster.http.groups import projected
from muster.http.listing import _TOGETHER, _in_turns
from muster.scim.projection import projection
from muster.scim.schema import registry

USERS = registry().types["/Users"]
BASE = "https://a.example/scim/v2"


@pytest.mark.parametrize("count", [0, 1, _TOGETHER, 4 * _TOGETHER + 1])
@pytest.mark.parametrize("wanted", [("userName,emails.value", None), (None, "emails"), (None, None)])
def test_a_page_in_turns_is_the_page(count, wanted):
    documents = b",".join([put.stored.document for put in make_batch(0, count, 7, 0)])
    turns = 0

    async def others():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def run():
        beside = asyncio.create_task(others())
        shown = await _in_turns(documents, projection(USERS, *wanted), BASE)
        beside.cancel()
        return shown

    shown = projection(USERS, *wanted)
    assert asyncio.run(run()) == (projected(located(documents, BASE), shown) if count else b"")
    assert shown is None or turns >= count // _TOGETHER
