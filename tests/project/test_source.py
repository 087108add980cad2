"""The rules of the source code that no linter has."""

import ast
import re
from pathlib import Path

import pytest
import yaml

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


OTHER_FORM = re.compile(r"\bMust \w+|, not \{json_type|\bmust (be an?|have|stay|contain)\b")


def texts(tree):
    """Yield the string literals that are not docstrings."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr | ast.Constant) and id(node) not in docstrings:
            text = ast.unparse(node) if isinstance(node, ast.JoinedStr) else node.value
            if isinstance(text, str):
                yield node.lineno, text


def test_errors_about_values_have_one_form():
    """`<where>: expected X, got Y` in requests; `must be X` in settings only."""
    source = ROOT / "src" / "muster"
    found = [
        f"{path.relative_to(source)}:{number}: {text}"
        for path in sorted(source.rglob("*.py"))
        if path != source / "config.py" and source / "cli" not in path.parents
        for number, text in texts(ast.parse(path.read_text()))
        if OTHER_FORM.search(text)
    ]
    assert found == []


def test_the_hooks_run_the_commands_of_ci():
    makefile = (ROOT / "Makefile").read_text()
    recipe = re.search(r"^lint:.*\n((?:\t.+\n)+)", makefile, re.MULTILINE)[1]
    commands = [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe.splitlines()]
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [hook["entry"] for hook in repository["hooks"]] == commands
    assert "make lint" in (ROOT / ".ci" / "run").read_text()
