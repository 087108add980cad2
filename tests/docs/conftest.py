"""The built site, once for each process of the tests."""

import pytest


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    from tools.guide.__main__ import build

    return build(tmp_path_factory.mktemp("docs") / "site")
