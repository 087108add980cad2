"""The command, as an operator types it."""

import re
import socket
import subprocess
import sys

import pytest

from tests.conftest import client_of
from tests.server import Server


@pytest.fixture
def muster(tmp_path):
    """Runs the command on a database of its own."""
    return Server(tmp_path).muster


def test_a_key_is_printed_alone(muster):
    made = muster("keys", "create", "--name", "x")
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", made.stdout)
    assert made.stderr == ""


def test_keys_are_listed_rotated_and_revoked(muster):
    muster("keys", "create", "--name", "okta", "--permission", "View audit logs", "Edit Roles", "--permission", "Edit Roles")
    listed = muster("keys", "list").stdout.split("\t")
    assert listed[1:4] == ["okta", "active", "View audit logs, Edit Roles"]
    assert muster("keys", "rotate", "okta", "--overlap", "60").stdout.count(".") == 2
    assert muster("keys", "revoke", listed[0]).stdout == ""
    assert [line.split("\t")[2] for line in muster("keys", "list").stdout.splitlines()] == ["revoked", "active"]


def test_workspaces(muster):
    muster("workspaces", "create", "acme", "--contract", "cortex", "--strict")
    muster("workspaces", "set", "acme", "--no-strict")
    rows = [line.split("\t")[:3] for line in muster("workspaces", "list").stdout.splitlines()]
    assert rows == [["acme", "cortex", "lenient"], ["default", "rfc7644", "lenient"]] or rows == [["acme", "cortex", "lenient"]]
    again = muster("workspaces", "create", "acme", check=False)
    assert (again.returncode, again.stderr) == (1, "muster: there is a workspace 'acme' already\n")


def test_migrate_says_what_it_did(muster):
    assert "before at none" in muster("migrate").stdout
    assert "as before" in muster("migrate").stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["keys", "create", "--name", "x", "--permission", "Fly"], "Configure Open ID Connector & SCIM"),
        (["keys", "create", "--name", "x", "--workspace", "nosuch"], "there are default"),
        (["keys", "create", "--name", "x", "--database", "mysql://x"], "sqlite:///relative.db"),
        (["keys", "revoke", "nosuch"], "no key 'nosuch'"),
        (["workspaces", "create", "No Such Name"], "lower-case"),
        (["workspaces", "create", "x", "--contract", "soap"], "rfc7644"),
        (["serve", "--port", "99999"], "MUSTER_PORT"),
        (["serve", "--host", "203.0.113.9"], "cannot listen on 203.0.113.9"),
        (["migrate", "--database", "sqlite:////nosuch/folder/m.db"], "cannot be read or written"),
        (["serve", "--workers", "many"], "--workers"),
        (["demo", "--users", "0"], "1 or more"),
        (["nosuch"], "serve"),
        (["serve", "--nosuch"], "--nosuch"),
    ],
)
def test_a_wrong_word_is_named_with_what_is_allowed(muster, arguments, says):
    refused = muster(*arguments, check=False)
    assert refused.returncode in (1, 2)
    assert says in refused.stderr
    assert "Traceback" not in refused.stderr


def test_settings_from_environment_and_file(tmp_path):
    server = Server(tmp_path, MUSTER_CONTRACT="cortex")
    (tmp_path / "muster.toml").write_text("strict_mode = true\n")
    assert "there is no setting 'strict_mode'; allowed are host, port" in server.muster("workspaces", "list", check=False).stderr
    (tmp_path / "muster.toml").write_text('contract = "rfc7644"\nrate_limit = "lots"\n')
    assert "MUSTER_RATE_LIMIT" in server.muster("migrate", check=False).stderr
    (tmp_path / "muster.toml").write_text('trusted_proxies = "10.0.0.0/8, proxy"\n')
    assert "MUSTER_TRUSTED_PROXIES" in server.muster("migrate", check=False).stderr
    (tmp_path / "muster.toml").write_text("rate_limit = 5\n")
    server.muster("keys", "create", "--name", "x")
    assert server.muster("workspaces", "list").stdout.split("\t")[:2] == ["default", "cortex"]


def test_a_slip_in_a_variables_name_is_said(tmp_path):
    said = Server(tmp_path, MUSTER_RATE_LIMITS="5", MUSTER_XYZZY="1", MUSTER_TEST_POSTGRES="x").muster("migrate").stderr
    assert said == (
        "muster: MUSTER_RATE_LIMITS is not a setting; did you mean MUSTER_RATE_LIMIT?\nmuster: MUSTER_XYZZY is not a setting\n"
    )


def test_a_port_that_is_taken_is_named(tmp_path):
    server = Server(tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", server.port))
        other.listen()
        refused = server.muster("serve", check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(f"muster: cannot listen on 127.0.0.1 port {server.port}: Address already in use")


def test_first_key_is_told_once_with_a_curl_line_that_works(tmp_path):
    server = Server(tmp_path, "--first-key").start()
    rest = [next(server.process.stdout) for _ in range(8)]
    told = server.lines[0] + "".join(rest)
    assert server.url in server.lines[0]
    curl = next(line.strip() for line in told.splitlines() if "curl" in line)
    answer = subprocess.run(curl, shell=True, capture_output=True, text=True, check=True).stdout
    assert '"totalResults":0' in answer
    token = re.search(r"Bearer (\S+?)\"", curl)[1]
    assert server.stop() == 0
    server.lines.clear()
    server.start()
    with client_of(server, token) as client:
        assert client.get("/Users").status_code == 200
    assert server.stop() == 0
    assert token not in "".join(server.lines)


def test_demo_people_are_plausible_and_repeatable(tmp_path):
    server = Server(tmp_path)
    server.muster("demo", "--workspace", "acme", "--users", "1500")
    server.muster("demo", "--workspace", "acme", "--users", "10")
    with server as started, client_of(started, started.key("k", "--workspace", "acme")) as client:
        page = client.get("/Users", params={"count": 3}).json()
        assert page["totalResults"] == 1510
        assert all(user["emails"][0]["value"] == user["userName"] for user in page["Resources"])
        found = client.get("/Users", params={"filter": 'active eq false and domain ne "x"'})
        assert found.status_code == 400


def test_the_module_runs():
    shown = subprocess.run([sys.executable, "-m", "muster", "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout.startswith("muster 0.")
