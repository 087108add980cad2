"""The wheel builds, is complete and reproducible, and runs without the repository."""

import hashlib
import os
import shutil
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
    return built(ROOT, tmp_path_factory.mktemp("wheel"))


def built(source, folder):
    """Build the wheel of a source tree in a folder, as make build does; return the file."""
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
    subprocess.run([*command, "--wheel-dir", folder, source], check=True)
    [wheel] = folder.glob("muster_scim-*.whl")
    return wheel


def test_two_builds_have_one_hash(wheel, tmp_path):
    """Elsewhere, at another time, with other modes and from a tree without a history."""
    source = tmp_path / "elsewhere"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, source / name)
    shutil.copytree(
        ROOT / "src",
        source / "src",
        copy_function=shutil.copyfile,
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    for path in source.rglob("*.py"):
        path.chmod(0o600)
    again = built(source, tmp_path / "built")
    assert again.name == wheel.name
    assert _hash(again) == _hash(wheel)


def _hash(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


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
