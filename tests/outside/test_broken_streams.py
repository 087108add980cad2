"""A client never takes the part of a streamed answer that it received for the whole."""

import httpx
import pytest

from tests.conftest import client_of
from tests.support.server import Server


@pytest.fixture(scope="module")
def breaking(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("breaking"), module="tests.support.breaking_muster") as made:
        yield made


def test_an_answer_that_breaks_off_is_incomplete_for_its_client(breaking):
    with client_of(breaking, breaking.key("tests")) as client:
        assert client.post("/Groups", json={"displayName": "a"}).status_code == 201
        received = b""
        with (
            pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)),
            client.stream("GET", "/Groups", timeout=10) as response,
        ):
            assert response.status_code == 200
            for piece in response.iter_raw():
                received += piece
        assert received.startswith(b'{"schemas"') or received == b""
        assert client.get("/ServiceProviderConfig").status_code == 200  # on another connection
    assert "was cut short" in breaking.logged()
