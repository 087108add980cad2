"""The rules of the source code that no linter has."""

import ast
import re
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path for folder in ("src", "tests", "tools", "bench") for path in (ROOT / folder).rglob("*.py")
)
REASON = re.compile(r"# (?:noqa: [A-Z0-9, ]+ \(.+\)|type: ignore\[[\w, -]+\]  # .+)$")


@pytest.mark.parametrize("folder", ["src", "tests", "tools", "bench"])
def test_every_exception_to_a_check_has_a_code_and_a_reason(folder):
    without = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in FILES
        if path.relative_to(ROOT).parts[0] == folder and path != Path(__file__)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(r"#\s*(noqa|type:\s*ignore)", line) and not REASON.search(line)
    ]
    assert without == []


BOTH_ENGINES = "tests/storage runs the methods of the port on both engines"
IN_PROCESSES = "tests of processes: tests/cli/test_serve.py, tests/serving and tests/outside"
WITHOUT_A_TEST = {
    "__init__.py": "names of the package alone",
    "events/reach.py": "tests/http/platform/test_feed.py and tests/storage/test_changes_of_all.py",
    "base/progress.py": "a protocol, and a function that does nothing",
    "cli/erase.py": "tests/upkeep/test_erasure.py runs the command",
    "cli/options.py": "tests/cli/test_main.py gives every command wrong words",
    "http/management/models/*.py": "tests/http/management/test_bodies.py sends each wrong values",
    "http/platform/models/brand.py": "tests/http/platform/test_brand.py and test_router.py",
    "scim/errors.py": "each function names a status and a keyword",
    "serving/worker.py": IN_PROCESSES,
    "storage/engines.py": "each server and command of the tests opens its storage with it",
    "storage/migrations/*.py": "tests/storage/test_migrations.py",
    "storage/port/*.py": "the interface that tests/storage uses",
    "storage/postgres/*.py": BOTH_ENGINES,
    "storage/query/memberships.py": "tests/storage/test_engines_agree.py and test_members.py",
    "storage/records/request_figures.py": "tests/insight/test_traffic.py",
    "storage/records/user_changes.py": "tests/insight/test_active_users.py",
    "storage/sqlite/*.py": BOTH_ENGINES,
    "storage/writing/steps.py": "tests/storage/writing/test_batch.py takes the steps of each batch",
}
"""The modules without a test file of their own, with the reason or the tests of others."""


def has_code(path):
    """Return whether a module has a function with a body of its own."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = [
                found
                for found in node.body
                if not (isinstance(found, ast.Expr) and isinstance(found.value, ast.Constant))
            ]
            if body:
                return True
    return False


@cache
def modules_with_code():
    source = ROOT / "src" / "muster"
    return [path.relative_to(source) for path in sorted(source.rglob("*.py")) if has_code(path)]


def test_every_module_has_a_mirrored_test_or_a_reason():
    """src/muster/scim/patch.py is tested in tests/scim/test_patch.py."""
    without = []
    for module in modules_with_code():
        mirrored = ROOT / "tests" / module.parent / f"test_{module.name}"
        tested = mirrored.exists() and re.search(r"^def test_", mirrored.read_text(), re.MULTILINE)
        if not tested and not any(
            fnmatchcase(module.as_posix(), pattern) for pattern in WITHOUT_A_TEST
        ):
            without.append(str(module))
    assert without == []


def test_no_reason_is_out_of_date():
    modules = modules_with_code()
    mirrored = [
        module
        for module in modules
        if not (ROOT / "tests" / module.parent / f"test_{module.name}").exists()
    ]
    for pattern in WITHOUT_A_TEST:
        assert any(fnmatchcase(module.as_posix(), pattern) for module in mirrored), pattern
    for reason in WITHOUT_A_TEST.values():
        for named in re.findall(r"tests/[\w/]+\.py|tests/\w+", reason):
            assert (ROOT / named).exists(), named


OTHER_FORM = re.compile(r"\bMust \w+|, not \{json_type|\bmust (be an?|have|stay|contain)\b")


def texts(code):
    """Yield the string literals that are not docstrings, and may be of the other form."""
    if not re.search(r"[Mm]ust|json_type", code):
        return
    docstrings = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Expr):
            docstrings.add(id(node.value))
        elif isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(map(as_written, node.values))
        elif isinstance(getattr(node, "value", None), str) and id(node) not in docstrings:
            yield node.lineno, node.value


def as_written(part):
    """Return a part of an f-string: its text, or the first name of its expression in a brace."""
    if isinstance(part, ast.Constant):
        return part.value
    called = getattr(part.value, "func", part.value)
    return f"{{{getattr(called, 'id', '')}"


def test_errors_about_values_have_one_form():
    """`<where>: expected X, got Y` in requests; `must be X` in settings only."""
    source = ROOT / "src" / "muster"
    found = [
        f"{path.relative_to(source)}:{number}: {text}"
        for path in sorted(source.rglob("*.py"))
        if path != source / "config.py" and source / "cli" not in path.parents
        for number, text in texts(path.read_text())
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
