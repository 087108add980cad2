"""Short bodies are collected, and long ones are streamed."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.http.wire import streaming
from muster.http.wire.streaming import streamed

HEADERS = [("x", "y")]


async def pieces(sizes, taken):
    for number, size in enumerate(sizes):
        taken.append(number)
        yield bytes([number]) * size


@given(st.lists(st.integers(0, 6), max_size=8), st.integers(0, 20))
def test_every_byte_is_answered_in_order(sizes, whole):
    async def run():
        taken = []
        response = await streamed(201, HEADERS, pieces(sizes, taken))
        at_once = len(taken)
        assert (response.status, response.headers) == (201, HEADERS)
        if response.stream is None:
            assert sum(sizes) <= whole
            return response.body
        assert sum(sizes[:at_once]) > whole >= sum(sizes[: at_once - 1])
        assert response.body == b""
        return b"".join([piece async for piece in response.stream])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streaming, "_WHOLE", whole)
        body = asyncio.run(run())
    assert body == b"".join(bytes([number]) * size for number, size in enumerate(sizes))


def test_an_error_before_anything_is_sent_is_raised():
    """So it can still be answered with its status."""

    async def broken():
        yield b"a"
        raise LookupError

    with pytest.raises(LookupError):
        asyncio.run(streamed(200, [], broken()))
