"""Projecting a large page yields to other requests."""

import asyncio

import orjson
import pytest

from muster.cli.people import make_batch
from muster.directory.documents import with_base_url
from muster.http.scim.groups import _TURN, projected, projected_in_turns
from muster.scim.projection import projection
from muster.scim.schema.model import registry

USERS = registry().types["/Users"]
BASE = "https://a.example/scim/v2"


@pytest.mark.parametrize("count", [0, 1, _TURN, 4 * _TURN + 1])
@pytest.mark.parametrize(
    "wanted", [("userName,emails.value", None), (None, "emails"), (None, None)]
)
def test_projecting_in_batches_gives_the_same_page(count, wanted):
    documents = with_base_url(
        b",".join([put.stored.document for put in make_batch(0, count, 7, 0)]), BASE
    )
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


@pytest.mark.parametrize("look", ['},{"schemas":[', '{"schemas":["', "},{"])
@pytest.mark.parametrize("size", [10, 30_000])
def test_nested_text_like_a_document_start_is_kept(look, size):
    """Quotation marks are escaped in strings, and not in a custom attribute's JSON."""
    own = {"schemas": ["x"], "title": look}
    documents = [
        {"schemas": [USERS.core.id], "id": str(n), "title": look + "x" * size, "emails": [own, own]}
        for n in range(60)
    ]
    text = orjson.dumps(documents)[1:-1]
    shown = projection(USERS, "title,emails", None)
    assert asyncio.run(projected_in_turns(text, shown)) == projected(text, shown)
