"""Query parameters and responses, whatever the server."""

import asyncio
from urllib.parse import quote, quote_plus, urlencode

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.http.wire.message import Request, Response, json_response, too_large
from muster.scim.errors import ScimError

TEXT = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6),
    st.text(st.sampled_from('a %+&="@#é/?;'), max_size=6),
)


def parameters(query):
    return Request("GET", "/", query, {}.get, None, "", "http", "host").parameters()


@given(st.dictionaries(TEXT.filter(bool), TEXT, max_size=4), st.sampled_from((quote, quote_plus)))
def test_parameters_are_read_as_they_were_encoded(wanted, encoding):
    assert parameters(urlencode(wanted, quote_via=encoding)) == wanted


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {}),
        ("a=1&&b=2&", {"a": "1", "b": "2"}),
        ("a&b=", {"a": "", "b": ""}),
        ("a=b=c", {"a": "b=c"}),
        ("a=%2520%zz%", {"a": "%20%zz%"}),
        ("filter=userName+eq+%22a%2Bb%22", {"filter": 'userName eq "a+b"'}),
        ("%66ilter=x", {"filter": "x"}),
    ],
)
def test_queries_as_clients_write_them(query, found):
    assert parameters(query) == found


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("a=1&a=2", 400), ("a=1&%61=2", 400), ("=1", 400), ("a=%ff", 400), ("%ff=1", 400),
        ("a=x%00", 400), ("&".join(f"a{n}=1" for n in range(51)), 400), ("a=" + "x" * 65_535, 414),
    ],
    ids=["twice", "twice encoded", "no name", "value", "name", "NUL", "many", "long"],
)  # fmt: skip
def test_a_malformed_query_is_refused(query, status):
    with pytest.raises(ScimError) as caught:
        parameters(query)
    assert caught.value.status == status


def test_a_query_within_the_limits_is_read():
    assert len(parameters("&".join(f"a{n}=1" for n in range(50)))) == 50
    assert len(parameters("a=" + "x" * 65_534)["a"]) == 65_534


def test_a_json_response_has_its_media_type_and_further_headers():
    response = json_response(201, {"a": [1]}, "application/scim+json", [("location", "/x")])
    assert (response.status, orjson.loads(response.body)) == (201, {"a": [1]})
    assert response.headers == [("content-type", "application/scim+json"), ("location", "/x")]


def test_closing_a_response_closes_its_stream_and_leaves_its_seat():
    events = []

    class Seat:
        def leave(self):
            events.append("left")

    async def stream():
        try:
            yield b"a"
            yield b"b"
        finally:
            events.append("closed")

    async def run():
        response = Response(200, stream=stream(), seat=Seat())
        assert await anext(response.stream) == b"a"
        await response.close()

    asyncio.run(run())
    assert events == ["closed", "left"]


def test_too_large_names_the_limit():
    assert (too_large(1234).status, "1,234" in too_large(1234).detail) == (413, True)
