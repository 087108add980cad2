"""The services that tests call, and their clients.

Imports that take long are in functions. The process that distributes the tests needs none of them,
and the others wait for it.
"""

import functools
import gc
import os

import pytest
from hypothesis import HealthCheck, settings

from tests.support import folders, postgres, tiers
from tests.support.clock import StoppedClock

settings.register_profile(
    "muster",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
    derandomize=True,
)
"""The whole suite tries the same examples each time: a commit either passes or does not."""
settings.register_profile(
    "check", settings.get_profile("muster"), derandomize=False, max_examples=25
)
settings.register_profile(
    "explore", settings.get_profile("muster"), derandomize=False, max_examples=1000
)
settings.load_profile("muster")
gc.disable()  # the collection of the tests makes many objects, and no garbage


def _make_tests_fast():
    from httpx._transports import default

    from tests.support import pace, passwords

    passwords.make_cheap()
    pace.quicken()
    # Each client would load the root certificates: half of the time of many tests.
    default.create_ssl_context = functools.cache(default.create_ssl_context)


def pytest_configure(config):
    if hasattr(config, "workerinput") or not getattr(config.option, "numprocesses", None):
        _make_tests_fast()
    config.pluginmanager.register(tiers.Plugin())
    if not hasattr(config, "workerinput"):
        postgres.prepare()  # on the disk, which may run programs and does not wait for it either
        folders.prefer_memory()  # workers inherit it


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """Start one worker more than there are cores: they wait for browsers and servers at times."""
    return len(os.sched_getaffinity(0)) + 1 if hasattr(os, "sched_getaffinity") else None


def pytest_unconfigure(config):
    if not hasattr(config, "workerinput"):
        postgres.finish()


def pytest_terminal_summary(terminalreporter, config):
    """Show the seed of the order at the end too: -q hides the header."""
    seed = getattr(config.option, "randomly_seed", None)
    if seed is not None:
        terminalreporter.write_line(f"To repeat this order: --randomly-seed={seed}")


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Exempt collected tests from garbage collection, which would visit them again and again."""
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def _on_postgres():
    from tests.support.databases import migrated_database

    return {"MUSTER_DATABASE": migrated_database()}


DATABASES = {"sqlite": dict, "postgres": _on_postgres}
"""The options of a server on a new database of each engine."""


@pytest.fixture
def clock():
    """The clock of this process, which stands still until the test moves it."""
    with StoppedClock() as stopped:
        yield stopped


@pytest.fixture
def chromium():
    """A browser. Its driver has an event loop, so a server in this process is started before it."""
    from playwright.sync_api import sync_playwright  # takes 0.2 s

    from tests.console.browsing import launch

    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(params=list(DATABASES))
def database(request):
    """The options of a server of the test's own, on each engine."""
    return DATABASES[request.param]()


def _server(kind, folder):
    from tests.support.in_process import InProcessServer
    from tests.support.server import Server

    options = {"MUSTER_RATE_LIMIT": "0", "MUSTER_WEBHOOKS_PRIVATE": "1"}
    if kind == "asgi":
        return InProcessServer(folder, **options)
    module = "tests.support.cheap_muster"
    return Server(folder, module=module, **options, **DATABASES[kind]())


@pytest.fixture(scope="session", params=["asgi", *DATABASES])
def server(tmp_path_factory, request):
    """A service without a rate limit: in process, and as a process on each engine.

    Password hashes are cheap: a request with eight passwords would take half a second.
    Its workspaces are default, cortex (with that contract) and strict.
    """
    with _server(request.param, tmp_path_factory.mktemp("server")) as started:
        started.muster("workspaces", "create", "cortex", "--contract", "cortex")
        started.muster("workspaces", "create", "strict", "--strict")
        yield started


@pytest.fixture(scope="session")
def tokens(server):
    return {
        name: server.key("tests", "--workspace", name) for name in ("default", "cortex", "strict")
    }


def client_of(server, token):
    import httpx

    return httpx.Client(
        base_url=f"{server.url}/scim/v2", headers={"Authorization": f"Bearer {token}"}, timeout=30
    )


@pytest.fixture(scope="session")
def client(server, tokens):
    """A client of the workspace default."""
    with client_of(server, tokens["default"]) as made:
        yield made


@pytest.fixture(scope="session")
def cortex(server, tokens):
    with client_of(server, tokens["cortex"]) as made:
        yield made


@pytest.fixture(scope="session")
def strict(server, tokens):
    with client_of(server, tokens["strict"]) as made:
        yield made


@pytest.fixture
def fresh(server):
    """A workspace of the test's own."""
    from tests.support.tenant import Tenant

    with Tenant(server) as made:
        yield made
