"""The pages without an API key, as the OpenAPI document describes them."""

import httpx
import jsonschema_rs
import pytest

from muster.http.oauth import KEYS_PATH, METADATA_PATH, TOKEN_PATH
from muster.http.openapi.service import SCHEMAS, service_paths


def check(response):
    """Assert that an answer is as described."""
    path, method = response.request.url.path, response.request.method.lower()
    told = service_paths()[path][method]["responses"][str(response.status_code)]
    (media,) = told["content"]
    assert response.headers["content-type"] == media
    schema = {**told["content"][media]["schema"], "components": {"schemas": SCHEMAS}}
    jsonschema_rs.validator_for(schema).validate(response.json())


def test_the_token_service_is_described():
    assert {TOKEN_PATH, KEYS_PATH, METADATA_PATH} < set(service_paths())


@pytest.mark.parametrize("path", [KEYS_PATH, METADATA_PATH, "/healthz", "/readyz"])
def test_an_answer_is_as_described(server, path):
    check(httpx.get(f"{server.url}{path}"))


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({}, 400),
        ({"grant_type": "password"}, 400),
        ({"grant_type": "client_credentials"}, 401),
        ({"grant_type": "client_credentials", "client_id": "x", "client_secret": "y"}, 401),
    ],
)
def test_a_refusal_of_the_token_endpoint_is_as_described(server, form, status):
    refused = httpx.post(f"{server.url}{TOKEN_PATH}", data=form)
    assert refused.status_code == status
    check(refused)


def test_an_access_token_is_as_described(fresh):
    client = fresh.api.post("/connections/default/oauth-clients", json={"name": "Entra"}).json()
    form = {
        "grant_type": "client_credentials",
        "client_id": client["clientId"],
        "client_secret": client["clientSecret"],
    }
    check(httpx.post(f"{fresh.server.url}{TOKEN_PATH}", data=form))
