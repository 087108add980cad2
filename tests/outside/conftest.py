"""In-process services on each engine, for generated requests."""

import pytest

from tests.oracles.host import Host
from tests.support import postgres


def _host(request, tmp_path_factory) -> Host:
    folder = tmp_path_factory.mktemp("host")
    return Host(
        f"sqlite:///{folder}/m.db" if request.param == "sqlite" else postgres.new_database()
    )


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def host(request, tmp_path_factory):
    made = _host(request, tmp_path_factory)
    yield made
    made.close()


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def wary_host(request, tmp_path_factory):
    """A host that decides every PATCH and PUT twice and fails if they differ."""
    made = _host(request, tmp_path_factory)
    made.decide_twice()
    yield made
    made.close()
