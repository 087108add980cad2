"""`muster serve`: its options, its address, and the lines that it prints."""

import errno
import os
import re
import socket
import subprocess
from pathlib import Path

import pytest

from muster.cli import main
from muster.cli.serve import _refused
from muster.cli.session import load_settings
from muster.config import Settings
from tests.conftest import client_of
from tests.support.passwords import PRODUCT
from tests.support.people import person
from tests.support.server import Server


def test_a_port_that_is_taken_is_named(tmp_path):
    server = Server(tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", server.port))
        other.listen()
        refused = server.muster("serve", "--first-key", check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert (
        refused.stderr
        == f"muster: port {server.port} is in use; choose another with --port or MUSTER_PORT\n"
    )
    server.muster("migrate")
    assert "first key" not in server.muster("keys", "list").stdout  # nobody has seen it


@pytest.mark.parametrize(
    ("number", "port", "says"),
    [
        (
            errno.EACCES,
            80,
            "cannot listen on port 80: permission denied. Ports below 1024 need root",
        ),
        (
            errno.EADDRNOTAVAIL,
            8080,
            "cannot listen on 127.0.0.1 port 8080: cannot assign requested address; choose",
        ),
    ],
)
def test_an_address_that_cannot_be_used_is_named(number, port, says):
    assert _refused(OSError(number, os.strerror(number)), Settings(port=port)).startswith(says)


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
        assert client.post("/Users", json=person(password="s3cret-words")).status_code == 201
    assert server.stop() == 0
    assert token not in "".join(server.lines)
    costs = f"m={PRODUCT.memory_cost},t={PRODUCT.time_cost},p={PRODUCT.parallelism}"
    assert f"$argon2id$v=19${costs}$".encode() in server.stored()  # not as shared servers hash


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
    """The links of `muster admins invite` and of `muster serve --first-key`."""
    monkeypatch.chdir(tmp_path)
    for name in [
        name
        for name in os.environ
        if name.startswith("MUSTER_") and not name.startswith("MUSTER_TEST")
    ]:
        monkeypatch.delenv(name)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert main.main(["admins", "invite", *arguments]) == 0
    said = capsys.readouterr()
    assert re.fullmatch(re.escape(base) + r"/first\?token=\S+\n", said.out)
    assert ("--base-url" in said.err) == ("base" not in str([*settings, *arguments]).lower())
    greeting = []
    monkeypatch.setattr("muster.serving.server.check_address", lambda _: None)
    monkeypatch.setattr(
        "muster.serving.server.serve", lambda _, ready: greeting.extend(ready.splitlines())
    )
    assert main.main(["serve", "--first-key", *arguments]) == 0
    assert greeting[0] == f"muster serves SCIM at {base}/scim/v2"
    assert any(f'"{base}/scim/v2/Users?count=10"' in line for line in greeting)
    assert any(line.startswith(f"  {base}/first?token=") for line in greeting)


FLAGS = {
    "host": "10.0.0.1", "port": 81, "workers": 3, "contract": "cortex", "rate_limit": 7, "rate_limit_ceiling": 9,
    "base_url": "https://x.example", "trusted_proxies": ("10.0.0.0/8", "192.0.2.1"), "max_body": 4096, "max_values": 2000,
    "database": "sqlite:////tmp/x.db", "request_log": False, "metrics": False, "webhooks_private": True,
    "metrics_token": "t0ken", "secret_key": "k" * 32, "brand_name": "Acme", "brand_accent": "#0a5c36",
    "brand_logo": Path(__file__).parents[2] / "src" / "muster" / "console" / "static" / "icon.svg",
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
    _, bound = main.parse(["serve", *given])
    assert getattr(load_settings(**{name: bound.arguments[name]}), name) == value
