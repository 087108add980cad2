"""Clients from npm: RingCentral's and Databricks' SDKs over a resource's life."""

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from muster.scim.schema.model import GROUP, USER
from tests.support.ports import free_port

_FOLDER = Path(__file__).parent
_BIN = Path(sys.executable).parent


@pytest.fixture
def environment(database, tmp_path):
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")
    }
    return {**inherited, "MUSTER_DATABASE": f"sqlite:///{tmp_path}/m.db", **database}


@pytest.fixture
def mounted(environment, tmp_path):
    """The URL of an application with muster at Databricks' path and at the root."""
    port = free_port()
    command = [
        str(_BIN / "granian"),
        "--interface",
        "asgi",
        "--port",
        str(port),
        "tests.clients.mounted:app",
    ]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=_FOLDER.parents[1], env=environment, stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{url}/readyz", timeout=2).read()
                break
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def what_it_saw(program, url, environment):
    made = [str(_BIN / "muster"), "keys", "create", "--name", program]
    token = subprocess.run(
        made, env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()
    command = [str(_BIN / "node"), program, url, token]
    ran = subprocess.run(
        command, check=False, cwd=_FOLDER / "npm", capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_ringcentral(mounted, environment):
    seen = what_it_saw("ringcentral.cjs", mounted, environment)
    assert seen["config"]["patch"] == {"supported": True}
    assert {"User", "Group"} <= set(seen["types"])
    assert {USER, GROUP} <= set(seen["schemas"])
    user = seen["created"]
    assert user["meta"]["location"] == f"{mounted}/scim/v2/Users/{user['id']}"
    assert seen["again"] == 409
    assert seen["read"] == user
    assert seen["listed"] == [1, [user["id"]]]
    assert seen["searched"] == [user["id"]]
    patched = seen["patched"]
    assert patched["title"] == "Rear admiral"
    assert [email["value"] for email in patched["emails"]] == [
        "grace@example.com",
        "grace@home.example",
    ]
    assert seen["disabled"]["active"] is False
    assert "title" not in seen["replaced"]
    assert (seen["replaced"]["userName"], seen["replaced"]["active"]) == (
        "hopper@example.com",
        True,
    )
    assert (seen["deleted"], seen["gone"]) == (None, 404)


def test_databricks(mounted, environment):
    seen = what_it_saw("databricks.cjs", mounted, environment)
    user = seen["created"]
    assert user["userName"] == "ada@example.com"
    assert user["meta"]["location"] == f"{mounted}/api/2.0/preview/scim/v2/Users/{user['id']}"
    assert seen["read"] == user
    assert seen["me"] == 501
    assert seen["again"] == 409
    assert seen["found"] == [user["id"]]
    assert [set(one) for one in seen["brief"]] == [{"schemas", "id", "userName"}]
    assert seen["patched"] == 400
    replaced = {
        name: seen["replaced"].get(name) for name in ("userName", "displayName", "active", "emails")
    }
    assert replaced == {
        "userName": "ada@example.org",
        "displayName": "Ada",
        "active": False,
        "emails": None,
    }
    assert [member["value"] for member in seen["group"]["members"]] == [user["id"]]
    assert [group["display"] for group in seen["member"]] == ["Analysts"]
    assert seen["groups"] == [seen["group"]["id"]]
    assert seen["emptied"] == []
    assert seen["renamed"] == ["Mathematicians"]
    assert (seen["groupGone"], seen["gone"], seen["left"]) == (404, 404, [])
