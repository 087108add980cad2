"""Reads with an access token of an OAuth client, compared with reads with an API key."""

import base64
import json
import urllib.request
from pathlib import Path

from bench import scripts, servers


def _post(port: int, path: str, body: bytes, headers: dict[str, str]) -> dict:
    url = f"http://127.0.0.1:{port}{path}"
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30) as answer:
        return json.load(answer)


def access_token(port: int, key: str) -> str:
    """Create an OAuth client, and return an access token of it."""
    bearer = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    path = "/api/v1/connections/default/oauth-clients"
    client = _post(port, path, b'{"name": "bench"}', bearer)
    pair = f"{client['clientId']}:{client['clientSecret']}".encode()
    basic = {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    answer = _post(port, "/oauth/token", b"grant_type=client_credentials", basic)
    return answer["access_token"]


def compare(bench, path: Path, users: int) -> None:
    """Read by id on one server, with an access token and with an API key in turns."""
    key, items = bench.token(path), scripts.lines(bench.folder / "ids", bench.ids(path))
    with servers.muster(path) as ours:
        token = access_token(ours.port, key)
        measured = (
            bench.wrk(ours.port, scripts.get(items, "/scim/v2/Users/", one)) for one in (token, key)
        )
        bench.compare(
            "GET by id with an access token", 0.95, *measured, "itself with an API key", users=users
        )
