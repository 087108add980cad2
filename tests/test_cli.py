"""The command, as an operator types it."""

import os
import re
import socket
import subprocess
import sys

import pytest

from muster import cli
from muster.config import Settings
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
    muster(
        "keys",
        "create",
        "--name",
        "okta",
        "--permission",
        "View audit logs",
        "Edit Roles",
        "--permission",
        "Edit Roles",
    )
    listed = muster("keys", "list").stdout.split("\t")
    assert listed[1:4] == ["okta", "active", "View audit logs, Edit Roles"]
    assert muster("keys", "rotate", "okta", "--overlap", "60").stdout.count(".") == 2
    assert muster("keys", "revoke", listed[0]).stdout == ""
    assert [line.split("\t")[2] for line in muster("keys", "list").stdout.splitlines()] == [
        "revoked",
        "active",
    ]


def test_workspaces(muster):
    muster("workspaces", "create", "acme", "--contract", "cortex", "--strict")
    muster("workspaces", "set", "acme", "--no-strict")
    rows = [line.split("\t")[:3] for line in muster("workspaces", "list").stdout.splitlines()]
    assert rows == [["acme", "cortex", "lenient"], ["default", "rfc7644", "lenient"]] or rows == [
        ["acme", "cortex", "lenient"]
    ]
    again = muster("workspaces", "create", "acme", check=False)
    assert (again.returncode, again.stderr) == (1, "muster: there is a workspace 'acme' already\n")


def test_migrate_says_what_it_did(muster):
    assert "before at none" in muster("migrate").stdout
    assert "as before" in muster("migrate").stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["keys", "create", "--name", "x", "--permission", "Fly"],
            "Configure Open ID Connector & SCIM",
        ),
        (["keys", "create", "--name", "x", "--workspace", "nosuch"], "there are default"),
        (["keys", "create", "--name", "x", "--database", "mysql://x"], "sqlite:///relative.db"),
        (["migrate", "--database", "postgresql://muster:a/b@127.0.0.1:1/m"], "percent-encode"),
        (["migrate", "--database", "postgresql://muster:a@b@127.0.0.1:1/m"], "percent-encode"),
        (["migrate", "--database", "postgresql://muster:1/b@127.0.0.1/m"], "percent-encode"),
        (["migrate", "--database", "postgresql://muster:a?b@127.0.0.1:1/m"], "percent-encode"),
        (["migrate", "--database", "postgresql://muster:a#b@127.0.0.1:1/m"], "percent-encode"),
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
    assert (
        "there is no setting 'strict_mode'; allowed are host, port"
        in server.muster("workspaces", "list", check=False).stderr
    )
    (tmp_path / "muster.toml").write_text('contract = "rfc7644"\nrate_limit = "lots"\n')
    assert "MUSTER_RATE_LIMIT" in server.muster("migrate", check=False).stderr
    (tmp_path / "muster.toml").write_text('trusted_proxies = "10.0.0.0/8, proxy"\n')
    assert "MUSTER_TRUSTED_PROXIES" in server.muster("migrate", check=False).stderr
    (tmp_path / "muster.toml").write_text("rate_limit = 5\n")
    server.muster("keys", "create", "--name", "x")
    assert server.muster("workspaces", "list").stdout.split("\t")[:2] == ["default", "cortex"]


def test_a_slip_in_a_variables_name_is_said(tmp_path):
    said = (
        Server(tmp_path, MUSTER_RATE_LIMITS="5", MUSTER_XYZZY="1", MUSTER_TEST_POSTGRES="x")
        .muster("migrate")
        .stderr
    )
    assert said == (
        "muster: MUSTER_RATE_LIMITS is not a setting; did you mean MUSTER_RATE_LIMIT?\nmuster: MUSTER_XYZZY is not a setting\n"
    )


def test_a_port_that_is_taken_is_named(tmp_path):
    server = Server(tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", server.port))
        other.listen()
        refused = server.muster("serve", "--first-key", check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(
        f"muster: cannot listen on 127.0.0.1 port {server.port}: Address already in use"
    )
    assert "--port" in refused.stderr
    assert (
        "first key" not in server.muster("keys", "list", check=False).stdout
    )  # nobody has seen it


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


@pytest.mark.parametrize(
    ("settings", "arguments", "base"),
    [
        ({}, [], "http://127.0.0.1:8080"),
        ({"MUSTER_HOST": "0.0.0.0"}, [], "http://127.0.0.1:8080"),
        ({"MUSTER_HOST": "::"}, [], "http://[::1]:8080"),
        ({"MUSTER_HOST": "::1"}, ["--port", "9090"], "http://[::1]:9090"),
        ({"MUSTER_HOST": "10.1.2.3", "MUSTER_PORT": "80"}, [], "http://10.1.2.3:80"),
        ({}, ["--host", "0.0.0.0", "--port", "9090"], "http://127.0.0.1:9090"),
        ({"MUSTER_BASE_URL": "https://apps.example/idp/"}, [], "https://apps.example/idp"),
        (
            {"MUSTER_HOST": "0.0.0.0"},
            ["--base-url", "https://apps.example"],
            "https://apps.example",
        ),
    ],
)
def test_links_for_people_can_be_opened(tmp_path, monkeypatch, capsys, settings, arguments, base):
    """Those of `muster admins invite`, and those that `muster serve --first-key` prints."""
    monkeypatch.chdir(tmp_path)
    for name in [
        name
        for name in os.environ
        if name.startswith("MUSTER_") and not name.startswith("MUSTER_TEST")
    ]:
        monkeypatch.delenv(name)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert cli.main(["admins", "invite", *arguments]) == 0
    said = capsys.readouterr()
    assert re.fullmatch(re.escape(base) + r"/first\?token=\S+\n", said.out)
    assert ("--base-url" in said.err) == ("base" not in str([*settings, *arguments]).lower())
    greeting = []
    monkeypatch.setattr("muster.serving.server.check_address", lambda _: None)
    monkeypatch.setattr(
        "muster.serving.server.serve", lambda _, ready: greeting.extend(ready.splitlines())
    )
    assert cli.main(["serve", "--first-key", *arguments]) == 0
    assert greeting[0] == f"muster serves SCIM at {base}/scim/v2"
    assert any(f'"{base}/scim/v2/Users?count=10"' in line for line in greeting)
    assert any(line.startswith(f"  {base}/first?token=") for line in greeting)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///muster", "postgresql://muster@h/m", "postgresql://m:p%40%2F@h:1/m", "postgresql://m@h1:1,h2:2/m",
        "postgresql://m@[::1]:5432/m", "postgresql:///m?host=/socket/dir", "postgresql://h/m?user=a%40b", "postgres://u@x@",
    ],
)  # fmt: skip
def test_urls_of_postgresql(url):
    if url.endswith("@"):
        with pytest.raises(ValueError, match="PGPASSWORD"):
            Settings(database=url)
    else:
        assert Settings(database=url).database == url


FLAGS = {
    "host": "10.0.0.1", "port": 81, "workers": 3, "contract": "cortex", "rate_limit": 7, "rate_limit_ceiling": 9,
    "base_url": "https://x.example", "trusted_proxies": ("10.0.0.0/8", "192.0.2.1"), "max_body": 4096, "max_values": 2000,
    "database": "sqlite:////tmp/x.db", "request_log": False, "metrics": False, "webhooks_private": True,
}  # fmt: skip


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_a_flag_of_serve(name):
    default = Settings.model_fields[name].default
    value = FLAGS[name] if name in FLAGS else default + 1
    flag = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        given = [flag if value else f"--no-{flag[2:]}"]
    else:
        given = [flag, ", ".join(value) if isinstance(value, tuple) else str(value)]
    assert value != default
    options = cli._parser().parse_args(["serve", *given])
    assert getattr(cli._settings(options), name) == value


@pytest.mark.parametrize(
    "command", ["keys list", "workspaces list", "export", "--help", "serve --help", "admins list"]
)
def test_a_reader_that_goes_away_ends_a_command_quietly(tmp_path, command):
    server = Server(tmp_path)
    server.muster("keys", "create", "--name", "x")
    shell = f'set -o pipefail; {sys.executable} -m muster {command} | (exec <&-; sleep 0.1); echo "${{PIPESTATUS[0]}}"'
    done = subprocess.run(
        ["bash", "-c", shell],
        env=server.environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
    assert done.stdout == ("141\n" if command in ("keys list", "workspaces list") else done.stdout)
    assert done.stdout in ("141\n", "0\n")


def test_many_lines_into_head(tmp_path):
    server = Server(tmp_path)
    server.muster("demo", "--workspace", "acme", "--users", "1500")
    shell = (
        f'{sys.executable} -m muster export --workspace acme | head -n 1; echo "${{PIPESTATUS[0]}}"'
    )
    done = subprocess.run(
        ["bash", "-c", shell],
        env=server.environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.stdout.splitlines()[1:], "Traceback" in done.stderr) == (["141"], False)


def test_demo_without_options_fills_a_workspace_of_its_own(muster):
    said = muster("demo", "--users", "3").stdout
    assert "3 users made for the workspace 'demo'" in said
    assert "keys create --workspace demo" in said
    assert len(muster("export", "--workspace", "demo").stdout.splitlines()) == 3
    assert muster("export", "--workspace", "default").stdout == ""


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
    shown = subprocess.run(
        [sys.executable, "-m", "muster", "--version"], capture_output=True, text=True, check=True
    )
    assert shown.stdout.startswith("muster 0.")
