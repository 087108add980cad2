"""deploy/ and the pages for operators name only existing settings, metrics and tables."""

import asyncio
import json
import os
import re
import shutil
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
from muster.version import __version__
from tests.support import confined, ports, postgres

pytestmark = pytest.mark.outside

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
HOW_TO = ROOT / "docs/how-to"
ALERTS, MONITOR = ((HOW_TO / f"{name}.md").read_text() for name in ("alerts", "monitor"))
RULES = yaml.safe_load((DEPLOY / "alerts.yaml").read_text())["groups"][0]["rules"]


def _metrics():
    metrics = Metrics()
    metrics.observe("getUser", 200, "w\0default", 0.1)
    names = re.findall(
        r"^# TYPE (\w+) (\w+)$", generate_latest(metrics._registry).decode(), re.MULTILINE
    )
    return {name: kind for name, kind in names if not name.endswith("_created")}


FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
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
    assert set(re.findall(r"^\| `(muster_\w+)`", MONITOR, re.MULTILINE)) == set(told)


def test_every_alert_has_advice():
    assert re.findall(r"^### (\w+)$", ALERTS, re.MULTILINE) == [rule["alert"] for rule in RULES]
    assert "docs/how-to/alerts.md" in (DEPLOY / "alerts.yaml").read_text()


def test_every_alert_leads_to_its_advice_in_the_served_documentation():
    page = "https://scim.example.com/docs/guide/how-to/alerts/"
    for rule in RULES:
        assert rule["annotations"]["runbook_url"] == f"{page}#{rule['alert'].lower()}"
    assert "https://scim.example.com" in ALERTS


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
        ("Containerfile", "podman exec muster "),
        ("compose.yaml", "docker compose -f deploy/compose.yaml exec muster "),
        ("kubernetes.yaml", "kubectl exec deploy/muster -- "),
    ):
        said = re.findall(
            rf"^#   {re.escape(start)}muster (.+)$", (DEPLOY / name).read_text(), re.MULTILINE
        )
        assert len(said) == 2
        for command in said:
            parse(command.split())


def test_the_image_contains_locked_packages_alone():
    """Each is checked by its hash; the wheel is built without fetching a build backend."""
    image = (DEPLOY / "Containerfile").read_text()
    commands = re.findall(r"pip (?:install|wheel) [^&\n]+", image)
    assert len(commands) == 4
    for command in commands:
        locked = "--require-hashes" in command and command.rstrip(" \\").endswith(".lock")
        ours = "--no-build-isolation" in command or command.endswith("dist/*.whl")
        assert locked or ours, command


@pytest.mark.skipif(os.geteuid() != 0, reason="a mount namespace with another user needs root")
def test_it_serves_as_the_user_of_the_image_on_a_read_only_file_system():
    """No container engine runs here, so the kernel is asked for the same confinement."""
    image = (DEPLOY / "Containerfile").read_text()
    assert f"--uid {confined.UID} " in image
    outcome = confined.run(ports.free_port())
    assert (outcome["uid"], outcome["capabilities"]) == (confined.UID, 0)
    assert outcome["writable"] == []
    assert (outcome["total"], outcome["exit"]) == (0, 0)
    assert {"muster.db", "muster.db.key"} <= set(outcome["files"])


def _manifests(text):
    """The Kubernetes objects of a text, by kind."""
    return {found["kind"]: found for found in yaml.safe_load_all(text) if found}


def _check_pods(objects):
    """Check that pods have no rights that they do not need, probes, and secrets by reference."""
    deployment = objects["Deployment"]["spec"]
    pod = deployment["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    [container] = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys()
    values = {entry["name"]: entry for entry in container["env"]}
    for name in ("MUSTER_DATABASE", "PGPASSWORD", "MUSTER_SECRET_KEY", "MUSTER_METRICS_TOKEN"):
        assert values[name]["valueFrom"]["secretKeyRef"]["name"] == "muster"
    drain = (
        int(values["MUSTER_DRAIN_DELAY"]["value"]) + Settings.model_fields["drain_seconds"].default
    )
    assert pod["terminationGracePeriodSeconds"] > drain
    assert objects["PodDisruptionBudget"]["spec"]["minAvailable"] < deployment["replicas"]
    labels = deployment["template"]["metadata"]["labels"]
    for selector in (
        deployment["selector"]["matchLabels"],
        objects["Service"]["spec"]["selector"],
        objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()


def test_the_pods_have_no_more_rights_than_they_need():
    _check_pods(_manifests((DEPLOY / "kubernetes.yaml").read_text()))


def test_the_service_of_compose_has_no_more_rights_than_it_needs():
    service = COMPOSE["muster"]
    image = (DEPLOY / "Containerfile").read_text()
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert f"--uid {service['user']} " in image
    assert f"USER {service['user']}" in image
    for name in ("PGPASSWORD", "MUSTER_SECRET_KEY"):
        assert service["environment"][name].startswith("${")


LINTERS = {
    "Containerfile": ("hadolint",),
    "compose.yaml": ("check-jsonschema", "--builtin-schema", "vendor.compose-spec"),
    "kubernetes.yaml": ("kubernetes-validate", "--strict"),
}
"""Those that a wheel carries; promtool and systemd-analyze, which none does, are run by hand (CONTRIBUTING.md)."""


@pytest.mark.parametrize("name", LINTERS)
def test_its_own_tool_finds_nothing(name):
    _lint(*LINTERS[name], str(DEPLOY / name))


def _lint(program, *arguments):
    command = [str(Path(sys.executable).parent / program), *arguments]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_accepts_the_unit(tmp_path):
    unit = (DEPLOY / "muster.service").read_text()
    (tmp_path / "muster.service").write_text(
        re.sub(r"(?<=^ExecStart=)\S+", "/bin/true", unit, flags=re.M)
    )
    command = ["systemd-analyze", "verify", str(tmp_path / "muster.service")]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")


CHART = DEPLOY / "helm/muster"
EVERYTHING = {
    "replicaCount": 5,
    "image": {"repository": "registry.example.com/muster", "digest": f"sha256:{'0' * 64}"},
    "imagePullSecrets": [{"name": "registry"}],
    "baseUrl": "https://scim.example.com/muster",
    "trustedProxies": ["10.1.0.0/16", "fd00::/8"],
    "workers": 2,
    "settings": {"MUSTER_RATE_LIMIT": "3000", "MUSTER_CONTRACT": "cortex"},
    "ingress": {
        "enabled": True,
        "className": "nginx",
        "annotations": {"cert-manager.io/cluster-issuer": "letsencrypt"},
        "tlsSecret": "muster-tls",
    },
    "podDisruptionBudget": {"minAvailable": "60%"},
    "podAnnotations": {"example.com/owner": "identity"},
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "identity", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
}
ALONE = {"replicaCount": 1, "podDisruptionBudget": {"enabled": False}, "trustedProxies": []}


@pytest.fixture(scope="module")
def helm():
    return pytest.importorskip("helm_python", reason="it has wheels for Linux on x86_64 alone")


def _rendered(helm, values, release="muster"):
    """The texts of a release of the chart, by template."""
    with helm.Chart.load(str(CHART)) as chart:
        chart.validate_schema(values)
        texts = chart.render(values, name=release, namespace="identity")
    return {name.rpartition("/")[2]: text for name, text in texts.items()}


def _objects(texts):
    """The manifests among rendered templates, as one text."""
    return "\n---\n".join(text for name, text in texts.items() if name.endswith(".yaml") and text)


def test_the_chart_renders_valid_manifests(helm, tmp_path):
    objects = {}
    for name, values in {"defaults": {}, "everything": EVERYTHING, "alone": ALONE}.items():
        found = helm.lint(str(CHART), values, strict=True)
        assert [said for said in found["messages"] if said["severity"] > 1] == []
        assert found["errors"] == []
        manifests = _objects(_rendered(helm, values))
        (tmp_path / f"{name}.yaml").write_text(manifests)
        objects[name] = _manifests(manifests)
    _lint(*LINTERS["kubernetes.yaml"], *map(str, tmp_path.glob("*.yaml")))
    plain = {"Deployment", "Service"}
    assert objects["alone"].keys() == plain
    assert objects["defaults"].keys() == {*plain, "PodDisruptionBudget"}
    assert objects["everything"].keys() == {*plain, "PodDisruptionBudget", "Ingress"}
    [container] = objects["everything"]["Deployment"]["spec"]["template"]["spec"]["containers"]
    told = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert told["MUSTER_TRUSTED_PROXIES"] == "10.1.0.0/16,fd00::/8"
    assert told["MUSTER_BASE_URL"] == EVERYTHING["baseUrl"]
    assert told.items() >= EVERYTHING["settings"].items()
    assert container["image"] == f"registry.example.com/muster@sha256:{'0' * 64}"


def test_the_chart_deploys_what_the_manifests_do(helm):
    """Its defaults differ from them in names and labels of a release, and in the image's tag."""
    chart = _manifests(_objects(_rendered(helm, {})))
    plain = _manifests((DEPLOY / "kubernetes.yaml").read_text())
    _check_pods(chart)
    pods = [found["Deployment"]["spec"]["template"]["spec"] for found in (chart, plain)]
    [here], [there] = (pod["containers"] for pod in pods)
    same = ("args", "ports", "startupProbe", "readinessProbe", "livenessProbe", "resources")
    assert {name: here[name] for name in same} == {name: there[name] for name in same}
    assert pods[0]["volumes"] == pods[1]["volumes"]
    named = [{entry["name"]: entry for entry in found["env"]} for found in (here, there)]
    assert named[0] == named[1] | {
        "MUSTER_WORKERS": {"name": "MUSTER_WORKERS", "value": "1"},
    }


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"replicas": 2}, "replicas"),
        ({"settings": {"RATE_LIMIT": "3000"}}, "RATE_LIMIT"),
        ({"settings": {"MUSTER_RATE_LIMIT": 3000}}, "MUSTER_RATE_LIMIT"),
        ({"image": {"digest": "latest"}}, "digest"),
        ({"replicaCount": 2}, "minAvailable must be below replicaCount"),
    ],
)
def test_the_chart_refuses_values_that_could_not_work(helm, values, said):
    with pytest.raises(helm.HelmError, match=said):
        _rendered(helm, values)


@pytest.mark.parametrize("base_url", ["", "https://scim.example.com"])
def test_the_notes_of_the_chart_say_how_to_begin(helm, base_url):
    notes = _rendered(helm, {"baseUrl": base_url}, release="first")["NOTES.txt"]
    start = "kubectl --namespace identity exec deploy/first-muster -- "
    said = re.findall(rf"^  {re.escape(start)}muster (.+)$", notes, re.MULTILINE)
    assert len(said) == 2
    for command in said:
        parse(command.split())
    assert (base_url or "port-forward service/first-muster 8080:80") in notes


def test_the_chart_has_the_version_of_muster():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == chart["version"] == __version__
