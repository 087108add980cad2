""".github/: actions by hash, least permissions, commands and forms that exist."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = sorted(path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config")
READ = {"contents": "read"}
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def _steps(path):
    """The steps of all jobs of a workflow."""
    jobs = yaml.safe_load(path.read_text())["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


@each_workflow
def test_each_action_is_named_by_a_hash_and_its_version(path):
    used = re.findall(r"uses: (.+)", path.read_text())
    assert used
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


@each_workflow
def test_an_action_has_one_version_everywhere(path):
    found = [re.findall(r"uses: (\S+)@(\S+)", other.read_text()) for other in WORKFLOWS]
    versions = {pair for pairs in found for pair in pairs}
    assert len(versions) == len({action for action, _ in versions})


@each_workflow
def test_a_job_may_read_and_nothing_else(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        assert job["permissions"] == READ, name
        assert job["timeout-minutes"] <= 60, name
    for step in _steps(path):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@each_workflow
def test_each_command_of_make_exists(path):
    called = {
        target
        for step in _steps(path)
        for target in re.findall(r"^make ([a-z-]+)", step.get("run", ""), re.M)
    }
    assert called <= TARGETS


def test_the_tests_run_on_every_supported_python():
    [checks] = [path for path in WORKFLOWS if path.name == "checks.yml"]
    jobs = yaml.safe_load(checks.read_text())["jobs"]
    supported = [
        text.rpartition(" ")[2]
        for text in PROJECT["classifiers"]
        if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", text)
    ]
    assert jobs["test"]["strategy"]["matrix"]["python"] == supported
    assert PROJECT["requires-python"] == f">={supported[0]}"
    policy = (ROOT / "docs/reference/compatibility.md").read_text()
    assert f"| Python | {supported[0]} to {supported[-1]} |" in policy


@pytest.mark.outside
@pytest.mark.parametrize(
    ("schema", "paths"),
    [("github-workflows", WORKFLOWS), ("dependabot", [GITHUB / "dependabot.yml"])],
    ids=["workflows", "dependabot"],
)
def test_the_schema_of_the_files_finds_nothing(schema, paths):
    program = Path(sys.executable).parent / "check-jsonschema"
    command = [program, "--builtin-schema", f"vendor.{schema}", *paths]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.outside
def test_a_workflow_with_a_flaw_is_found(tmp_path):
    """zizmor is part of make lint; here it has to notice what the rules above forbid."""
    flawed = tmp_path / ".github/workflows/flawed.yml"
    flawed.parent.mkdir(parents=True)
    flawed.write_text(
        "name: Flawed\non: pull_request_target\njobs:\n  a:\n    runs-on: ubuntu-24.04\n"
        "    steps:\n      - uses: actions/checkout@v7\n"
        "      - run: echo ${{ github.event.pull_request.title }}\n"
    )
    found = _zizmor(flawed)
    assert found.returncode != 0
    for audit in ("template-injection", "unpinned-uses", "dangerous-triggers", "artipacked"):
        assert audit in found.stdout
    assert _zizmor(GITHUB).returncode == 0


def _zizmor(*paths):
    program = Path(sys.executable).parent / "zizmor"
    command = [program, "--offline", "--no-progress", "--no-config", "--persona=pedantic", *paths]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_a_form_for_issues_is_complete(path):
    """The rules of GitHub's syntax for issue forms, which no linter here knows."""
    form = yaml.safe_load(path.read_text())
    assert form.keys() <= {"name", "description", "labels", "title", "body", "assignees"}
    assert form["name"]
    assert form["description"]
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert fields
    assert len({field["id"] for field in fields}) == len(fields)
    for field in form["body"]:
        assert field["type"] in ("markdown", "textarea", "input", "dropdown", "checkboxes")
        if field["type"] == "markdown":
            assert field["attributes"]["value"]
        else:
            assert field["attributes"]["label"]
        if field["type"] == "dropdown":
            assert len(field["attributes"]["options"]) > 1
