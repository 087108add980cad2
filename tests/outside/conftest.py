"""In-process services on each engine, for generated requests."""

import pytest

from tests.oracles.host import Host
from tests.support.databases import migrated_database, migrated_file


def _host(request, tmp_path_factory) -> Host:
    folder = tmp_path_factory.mktemp("host")
    return Host(
        f"sqlite:///{migrated_file(folder / 'm.db')}"
        if request.param == "sqlite"
        else migrated_database()
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
