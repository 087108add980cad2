"""Sets the markers of each test from its folder, fixtures and parameters.

A kind (`unit`, `storage`, `http`, `browser`) says which part of muster a test covers. The markers
`outside`, `postgres` and `slow` say what it costs; `make check` runs the tests that have none of
these. A test that starts a process without the marker `outside`, or uses PostgreSQL without
`postgres`, fails.
"""

import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
_HTTP_ROOMS = {"http", "console", "clients", "docs", "test_app.py"}
_PURE_ROOMS = {"scim", "oracles", "base", "serving", "support", "project", "test_config.py"}
_OUTSIDE_ROOMS = {"outside", "clients", "cli"}
_SERVICE = {"server", "host"}
_DATABASE = {"bench", "here", "tmp_path", "tmp_path_factory"}
_current: list[pytest.Item] = []


def mark(item: pytest.Item) -> None:
    """Add the markers of a test."""
    room = item.path.relative_to(TESTS).parts[0]
    fixtures = set(getattr(item, "fixturenames", ()))
    item.add_marker(_kind(room, fixtures))
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    if "postgres" in parameters.values():
        item.add_marker("postgres")
    if (
        room in _OUTSIDE_ROOMS
        or "chromium" in fixtures
        or parameters.get("server", "asgi") != "asgi"
    ):
        item.add_marker("outside")


def _kind(room: str, fixtures: set[str]) -> str:
    if "chromium" in fixtures:
        return "browser"
    if room in _HTTP_ROOMS or fixtures & _SERVICE:
        return "http"
    if room == "storage" or (room not in _PURE_ROOMS and fixtures & _DATABASE):
        return "storage"
    return "unit"


def is_redundant(item: pytest.Item, every: bool) -> bool:
    """Return whether a test with the service in this process adds nothing.

    It adds nothing if the test needs a process, or if every test runs: the same test then runs
    against a process on each engine.
    """
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    in_process = parameters.get("server") == "asgi"
    return in_process and (every or item.get_closest_marker("outside") is not None)


def require(action: str, *markers: str) -> None:
    """Fail the test that runs if it has none of the markers that allow an action."""
    if _current and not any(map(_current[-1].get_closest_marker, markers)):
        pytest.fail(f"this test {action}: mark it with pytest.mark.{markers[0]}")


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if event == "subprocess.Popen":
        require(f"starts a process ({arguments[0]})", "outside", "postgres")


class Plugin:
    """Marks the tests when they are collected, and knows the one that runs."""

    def __init__(self) -> None:
        sys.addaudithook(_audit)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config, items):
        for item in items:
            mark(item)
        every = not config.option.markexpr
        dropped = [item for item in items if is_redundant(item, every)]
        items[:] = [item for item in items if not is_redundant(item, every)]
        config.hook.pytest_deselected(items=dropped)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        _current.append(item)
        try:
            return (yield)
        finally:
            _current.pop()
