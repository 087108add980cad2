"""A client never takes the part of a streamed answer that it received for the whole."""

import httpx
import pytest

from tests.conftest import client_of
from tests.support.server import Server


@pytest.fixture(scope="module")
def breaking(tmp_path_factory):
    with Server(
        tmp_path_factory.mktemp("breaking"), module="tests.support.breaking_muster"
    ) as made:
        yield made


def _receive(client):
    """Receive a list of groups, as far as it comes."""
    with client.stream("GET", "/Groups", timeout=10) as response:
        return b"".join(response.iter_raw())


def test_an_answer_that_breaks_off_is_incomplete_for_its_client(breaking):
    with client_of(breaking, breaking.key("tests")) as client:
        assert client.post("/Groups", json={"displayName": "a"}).status_code == 201
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            _receive(client)
        assert client.get("/ServiceProviderConfig").status_code == 200  # on another connection
    assert "was cut short" in breaking.logged()
