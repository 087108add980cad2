"""What lies in deploy/ and docs/operate.md names what is there: settings, metrics, tables, alerts."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from prometheus_client import generate_latest

from muster.config import Settings
from muster.http.metrics import Metrics
from muster.storage.tables import metadata

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
OPERATE = (ROOT / "docs/operate.md").read_text()
RULES = yaml.safe_load((DEPLOY / "alerts.yaml").read_text())["groups"][0]["rules"]


def _metrics():
    metrics = Metrics()
    metrics.observe("getUser", 200, "w", 0.1)
    names = re.findall(r"^# TYPE (\w+) (\w+)$", generate_latest(metrics._registry).decode(), re.MULTILINE)
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
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]] + [rule["expr"] for rule in RULES]
    assert set(re.findall(r"muster_\w+", " ".join(asked))) <= every
    assert set(re.findall(r"^\| `(muster_\w+)`", OPERATE, re.MULTILINE)) == set(told)


def test_every_alert_says_what_to_do():
    assert re.findall(r"^### (\w+)$", OPERATE, re.MULTILINE) == [rule["alert"] for rule in RULES]


def test_every_table_of_a_workspace_can_be_distributed():
    listed = set(re.findall(r"'(\w+)'", OPERATE.split("## Citus")[1].split("## Upgrading")[0])) - {"workspace"}
    assert listed == {name for name, table in metadata.tables.items() if "workspace" in table.columns}


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
