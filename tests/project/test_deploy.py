"""deploy/ and docs/operate.md name only existing settings, metrics and tables."""

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest
import yaml
from prometheus_client import generate_latest

from muster.cli.main import parse
from muster.config import Settings
from muster.http.observe.metrics import Metrics
from muster.storage.tables import metadata
from tests.support import postgres

pytestmark = pytest.mark.outside

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
OPERATE = (ROOT / "docs/operate.md").read_text()
RULES = yaml.safe_load((DEPLOY / "alerts.yaml").read_text())["groups"][0]["rules"]


def _metrics():
    metrics = Metrics()
    metrics.observe("getUser", 200, "w\0default", 0.1)
    names = re.findall(
        r"^# TYPE (\w+) (\w+)$", generate_latest(metrics._registry).decode(), re.MULTILINE
    )
    return {name: kind for name, kind in names if not name.endswith("_created")}


@pytest.mark.parametrize("path", sorted(DEPLOY.iterdir()), ids=lambda path: path.name)
def test_every_setting_that_is_named_is_one(path):
    named = set(re.findall(r"MUSTER_[A-Z_]+", path.read_text()))
    assert named <= {f"MUSTER_{name.upper()}" for name in Settings.model_fields}


def test_every_metric_that_is_asked_for_is_told():
    told = _metrics()
    histograms = [name for name, kind in told.items() if kind == "histogram"]
    every = {*told, *(name + tail for name in histograms for tail in ("_bucket", "_sum", "_count"))}
    dashboard = json.loads((DEPLOY / "grafana.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]] + [
        rule["expr"] for rule in RULES
    ]
    assert set(re.findall(r"muster_\w+", " ".join(asked))) <= every
    assert set(re.findall(r"^\| `(muster_\w+)`", OPERATE, re.MULTILINE)) == set(told)


def test_every_alert_has_advice():
    assert re.findall(r"^### (\w+)$", OPERATE, re.MULTILINE) == [rule["alert"] for rule in RULES]


def test_every_table_of_a_workspace_can_be_distributed():
    listed = set(re.findall(r"'(\w+)'", OPERATE.split("## Citus")[1].split("## Upgrading")[0])) - {
        "workspace"
    }
    assert listed == {
        name for name, table in metadata.tables.items() if "workspace" in table.columns
    }


COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
HARD_PASSWORD = "p@ss/w:r?d#%20'$HOME"


def test_a_password_with_any_characters_works_with_the_files(tmp_path):
    """The password is not in the URL: the service takes it from PGPASSWORD."""
    [container] = next(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))["spec"][
        "template"
    ]["spec"]["containers"]
    kubernetes = {entry["name"] for entry in container["env"]}
    environment = COMPOSE["muster"]["environment"]
    assert "$" not in environment["MUSTER_DATABASE"]
    assert environment["PGPASSWORD"] == "${POSTGRES_PASSWORD}"
    assert kubernetes >= {"MUSTER_DATABASE", "PGPASSWORD"}
    with postgres.own() as server:
        asyncio.run(_protect(server))
        url = environment["MUSTER_DATABASE"].replace(
            "postgres:5432/muster", f"127.0.0.1:{server.url.rpartition(':')[2]}/postgres"
        )
        for password, told in ((HARD_PASSWORD, 0), ("wrong", 1)):
            done = subprocess.run(
                [sys.executable, "-m", "muster", "keys", "create", "--name", "first"],
                env={**os.environ, "MUSTER_DATABASE": url, "PGPASSWORD": password},
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == told, done.stderr
            assert password not in done.stderr


async def _protect(server):
    """Have the server ask everyone for the password."""
    connection = await asyncpg.connect(f"{server.url}/postgres")
    await connection.execute(
        "ALTER ROLE muster PASSWORD '" + HARD_PASSWORD.replace("'", "''") + "'"
    )
    (server.data / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()


def test_the_files_say_how_to_get_the_first_key():
    for name, start in (
        ("compose.yaml", "docker compose -f deploy/compose.yaml exec muster "),
        ("kubernetes.yaml", "kubectl exec deploy/muster -- "),
    ):
        said = re.findall(
            rf"^#   {re.escape(start)}muster (.+)$", (DEPLOY / name).read_text(), re.MULTILINE
        )
        assert len(said) == 2
        for command in said:
            parse(command.split())


LINTERS = {
    "Containerfile": ("hadolint",),
    "compose.yaml": ("check-jsonschema", "--builtin-schema", "vendor.compose-spec"),
    "kubernetes.yaml": ("kubernetes-validate", "--strict"),
}
"""Those that a wheel carries; promtool and systemd-analyze, which none does, are run by hand (CONTRIBUTING.md)."""


@pytest.mark.parametrize("name", LINTERS)
def test_its_own_tool_finds_nothing(name):
    program, *arguments = LINTERS[name]
    command = [str(Path(sys.executable).parent / program), *arguments, str(DEPLOY / name)]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
