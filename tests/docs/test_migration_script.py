"""The script of docs/how-to/migrate-from-another-server.md, interrupted and refused."""

import os
import subprocess
import sys

import pytest

from tests.docs.blocks import ROOT, blocks
from tests.docs.served import ListeningServer
from tests.support.people import ENTERPRISE_USER, group, name, person
from tests.support.tenant import Tenant

pytestmark = pytest.mark.outside


@pytest.fixture
def places(tmp_path):
    """The workspaces that play the source and the target."""
    with (
        ListeningServer(tmp_path, MUSTER_RATE_LIMIT="0") as server,
        Tenant(server) as source,
        Tenant(server) as target,
    ):
        yield source, target


def copy(places, folder, before=""):
    """Run the script; `before` changes it first. Returns its exit code and its output."""
    source, target = places
    [block] = [
        found
        for found in blocks(ROOT / "docs/how-to/migrate-from-another-server.md")
        if found.title == "copy_scim.py"
    ]
    head, _, tail = block.text.rpartition("\nmain()\n")
    (folder / "copy_scim.py").write_text(f"{head}\n{before}\nmain()\n{tail}")
    base = f"{source.server.url}/scim/v2"
    done = subprocess.run(
        [sys.executable, "copy_scim.py"],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "SOURCE": base,
            "TARGET": base,
            "SOURCE_KEY": source.token,
            "TARGET_KEY": target.token,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


def users(tenant):
    found = tenant.scim.get("/Users", params={"count": 100}).json()["Resources"]
    return {user["userName"]: user for user in found}


def members(tenant, display_name):
    found = tenant.scim.get("/Groups", params={"filter": f'displayName eq "{display_name}"'})
    [crew] = found.json()["Resources"]
    return crew.get("members", [])


def test_an_interrupted_copy_is_continued(places, tmp_path):
    source, target = places
    boss = source.user(externalId="hr-1")
    others = [
        source.user(externalId=f"hr-{n}", **{ENTERPRISE_USER: {"manager": {"value": boss["id"]}}})
        for n in range(2, 6)
    ]
    inner = source.scim.post("/Groups", json=group("Inner", boss, *others)).json()
    source.scim.post(
        "/Groups",
        json=group("Outer") | {"members": [{"value": inner["id"]}, {"value": boss["id"]}]},
    )
    crash = """
calls = iter(range(100))
sent = call
def call(server, method, path, body=None):
    if method != "GET" and next(calls) == 3:
        raise SystemExit("interrupted")
    return sent(server, method, path, body)
"""
    code, said = copy(places, tmp_path, crash)
    assert (code, said) == (1, "interrupted\n")
    assert len(users(target)) == 3
    for _ in range(2):
        assert copy(places, tmp_path) == (0, "5 Users copied\n2 Groups copied\n")
    copied = users(target)
    assert {user["externalId"] for user in copied.values()} == {f"hr-{n}" for n in range(1, 6)}
    new = copied[boss["userName"]]["id"]
    assert {copied[user["userName"]][ENTERPRISE_USER]["manager"]["value"] for user in others} == {
        new
    }
    assert {item["value"] for item in members(target, "Inner")} == {
        user["id"] for user in copied.values()
    }
    assert sorted(item["type"] for item in members(target, "Outer")) == ["Group", "User"]


def test_who_exists_is_matched_and_who_is_refused_is_named(places, tmp_path):
    source, target = places
    known, strange = source.user(), source.user()
    here = target.scim.post("/Users", json=person(known["userName"])).json()
    crew = source.scim.post("/Groups", json=group(name("Crew"), known, strange)).json()
    refuse = f"""
sent = call
def call(server, method, path, body=None):
    if method == "POST" and body.get("userName") == {strange["userName"]!r}:
        raise Refused(400, "strange")
    return sent(server, method, path, body)
"""
    code, said = copy(places, tmp_path, refuse)
    assert code == 1
    assert f"Users {strange['id']}: 400 strange" in said
    assert f"the member {strange['id']} was not copied" in said
    assert [item["value"] for item in members(target, crew["displayName"])] == [here["id"]]
    assert copy(places, tmp_path)[0] == 0
    assert len(members(target, crew["displayName"])) == 2
