"""The rules of the source code that no linter has."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path for folder in ("src", "tests", "bench") for path in (ROOT / folder).rglob("*.py")
)
REASON = re.compile(r"# (?:noqa: [A-Z0-9, ]+ \(.+\)|type: ignore\[[\w, -]+\]  # .+)$")


@pytest.mark.parametrize("folder", ["src", "tests", "bench"])
def test_every_exception_to_a_check_has_a_code_and_a_reason(folder):
    without = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in FILES
        if path.relative_to(ROOT).parts[0] == folder and path != Path(__file__)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(r"#\s*(noqa|type:\s*ignore)", line) and not REASON.search(line)
    ]
    assert without == []
