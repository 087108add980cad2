"""A workspace that the tests of one module share."""

import pytest

from tests.support.identity_provider import identity_provider
from tests.support.tenant import Tenant


@pytest.fixture(scope="module")
def tenant(server):
    with Tenant(server) as made:
        yield made


@pytest.fixture(scope="module")
def provider():
    """The issuer of an identity provider."""
    with identity_provider() as issuer:
        yield issuer
