"""Tests that run in forks are all run and reported, and a fork that dies fails the run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.outside


def run(tmp_path, tests, *options):
    for name, text in tests.items():
        (tmp_path / f"test_{name}.py").write_text(text)
    command = (sys.executable, "-m", "pytest", "-q", "-p", "tests.support.forks", "--forks", "3")
    isolated = ("-c", "/dev/null", "--rootdir", str(tmp_path), "-p", "no:cacheprovider")
    return subprocess.run(
        [*command, *isolated, *options, str(tmp_path)],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


PASSES = "import pytest\n@pytest.mark.parametrize('n', range(130))\ndef test_it(n): pass\n"
FAILS = "def test_it():\n    found = {'a': 1}\n    assert found == {'a': 2}\n"
SKIPS = "import pytest\ndef test_it(): pytest.skip('why')\n"
DIES = "import os\ndef test_it(): os._exit(3)\n"


def test_every_test_is_run_and_reported_once(tmp_path):
    done = run(tmp_path, {"passes": PASSES, "more": PASSES, "fails": FAILS, "skips": SKIPS})
    assert "1 failed, 260 passed, 1 skipped" in done.stdout
    assert "{'a': 1} == {'a': 2}" in done.stdout  # assertions are explained
    assert done.returncode == 1
    assert run(tmp_path, {"fails": PASSES}).returncode == 0


def test_a_process_that_dies_fails_the_run(tmp_path):
    done = run(tmp_path, {"passes": PASSES, "dies": DIES})
    assert "a process of the tests died" in done.stdout
    assert done.returncode != 0


def test_a_run_may_stop_at_the_first_failure(tmp_path):
    done = run(tmp_path, {"fails": FAILS, "more": FAILS}, "-x")
    assert re.search(r"^[12] failed", done.stdout, re.MULTILINE)
    assert done.returncode != 0
