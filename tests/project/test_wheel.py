"""The wheel builds, is complete, and runs without the repository."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.outside

ROOT = Path(__file__).parents[2]
NEEDED = (
    "muster/py.typed",
    "muster/cli/people_names.json",
    "muster/scim/schema/definitions/user.json",
    "muster/scim/schema/definitions/registry.json",
    "muster/storage/migrations/env.py",
    "muster/storage/migrations/versions/0001_users.py",
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
    ]
    subprocess.run([*command, "--wheel-dir", folder, ROOT], check=True)
    [built] = folder.glob("muster_scim-*.whl")
    return built


def test_it_contains_every_file_that_muster_needs(wheel):
    assert set(NEEDED) <= set(zipfile.ZipFile(wheel).namelist())


def test_it_runs_from_elsewhere(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    environment = {
        **os.environ,
        "PYTHONPATH": str(tmp_path / "installed"),
        "MUSTER_DATABASE": f"sqlite:///{tmp_path}/m.db",
    }

    def run(*arguments):
        command = [sys.executable, *arguments]
        return subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout

    assert str(tmp_path) in run("-c", "import muster; print(muster.__file__)")
    assert run("-m", "muster", "keys", "create", "--name", "k").count(".") == 2
    assert "as before" in run("-m", "muster", "migrate")
